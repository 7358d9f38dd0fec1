"""Pack and import of 91 MB in 5,000 files, with every check and every checksum, against GNU tar with gzip, pigz and
Python's tarfile, by turns and on the same disk."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Generator
from io import BytesIO
from pathlib import Path
from typing import IO

from report import median, tell
from stage.corpus import corpus
from stage.plane import throw_away

from mooring.base.unprivileged import process_user
from mooring.files.archive.changes import Layers, changes, laid_over
from mooring.files.archive.finder import Finder
from mooring.files.archive.limits import Limits
from mooring.files.archive.manifest import Head
from mooring.files.archive.pack import Outputs, pack
from mooring.files.workshop import Workshop

ROUNDS = 3


@contextlib.contextmanager
def opened(path: Path) -> Generator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def ours(root: Path, out: IO[bytes]) -> None:
    """Pack a directory as a capture does: every file, the archive, the manifest and the blocks hashed on the way."""
    with opened(root) as descriptor:
        found = changes(descriptor, (), Finder(()), Limits())
        tree = laid_over((), found, Limits())
        contents = Layers(descriptor, descriptor, found).contents(tree)
        head = Head(entries=len(tree), uncompressed_size=tree.total)
        pack(head, contents, Outputs(archive=out, manifest=BytesIO(), blocks=BytesIO()), Finder(()))


def by_tarfile(root: Path, out: IO[bytes]) -> None:
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        tar.add(root, ".")


def by_command(*command: str) -> Callable[[Path, IO[bytes]], None]:
    def run(root: Path, out: IO[bytes]) -> None:
        subprocess.run(["sh", "-c", " ".join(command).replace("ROOT", str(root))], stdout=out, check=True)

    return run


PACKERS: dict[str, Callable[[Path, IO[bytes]], None]] = {
    "mooring": ours,
    "tar czf": by_command("tar czf - -C ROOT ."),
    "tar | pigz": by_command("tar cf - -C ROOT . | pigz"),
    "Python's tarfile": by_tarfile,
}


def packing(root: Path) -> dict[str, int]:
    """Seconds of each, by turns; how large what it makes is."""
    took: dict[str, list[float]] = {name: [] for name in PACKERS}
    sizes: dict[str, int] = {}
    packers = {name: run for name, run in PACKERS.items() if "pigz" not in name or shutil.which("pigz")}
    for _ in range(ROUNDS):
        for name, run in packers.items():
            with tempfile.TemporaryFile(dir=root.parent) as out:
                began = time.perf_counter()
                run(root, out)
                took[name].append(time.perf_counter() - began)
                sizes[name] = os.fstat(out.fileno()).st_size
    mine = median(took["mooring"])
    for name in packers:
        if name != "mooring":
            figure = f"pack 91 MB, 5,000 files, all hashes (against {name})"
            tell(figure, mine, "s", compared_with=name, other=median(took[name]))
    tell("size of the archive", sizes["mooring"] / 1e6, "MB", compared_with="tar czf", other=sizes["tar czf"] / 1e6)
    return sizes


async def importing(data: Path, archive: Path) -> None:
    """Take `archive` in: parsed, checked, hashed, packed anew; and unpack what came of it, file by file.

    The import writes one archive, where tar writes every file: both are told, and the two of ours together, which is
    what lies between an archive that is sent and the first session that has its files.
    """
    shop = Workshop(
        directory=data / "tmp", user=process_user("mooring-run"), limits=Limits(), memory=2 << 30, seconds=600
    )
    shop.directory.mkdir()
    taken, unpacked, tar, safe = list[float](), list[float](), list[float](), list[float]()
    for _ in range(ROUNDS):
        with archive.open("rb") as source:
            began = time.perf_counter()
            async with shop.taken(source) as made:
                taken.append(time.perf_counter() - began)
                root = _fresh(data)
                shop.user.own(root)
                with opened(root) as descriptor:
                    began = time.perf_counter()
                    await shop.unpack(made.archive, descriptor)
                    unpacked.append(time.perf_counter() - began)
                shutil.rmtree(root)
        tar.append(_tar(data, archive))
        safe.append(_tarfile(data, archive))
    both = [one + two for one, two in zip(taken, unpacked, strict=True)]
    mine = {
        "safe import, packed anew into one archive (no single files)": taken,
        "unpack into the cache: checked, hashed, synced": unpacked,
        "safe import and unpack into the cache": both,
    }
    for figure, took in mine.items():
        tell(figure, median(took), "s", compared_with="tar xzf and sync", other=median(tar))
        tell(
            f"{figure} (against tarfile)", median(took), "s", compared_with="tarfile's data filter", other=median(safe)
        )


def _tar(data: Path, archive: Path) -> float:
    root = _fresh(data)
    began = time.perf_counter()
    # What lies in a cache must be on the disk as well.
    subprocess.run(["sh", "-c", f"tar xzf {archive} -C {root} && sync -f {root}"], check=True)
    took = time.perf_counter() - began
    shutil.rmtree(root)
    return took


def _tarfile(data: Path, archive: Path) -> float:
    root = _fresh(data)
    began = time.perf_counter()
    with tarfile.open(archive) as opened:
        opened.extractall(root, filter="data")
    subprocess.run(["sync", "-f", root], check=True)
    took = time.perf_counter() - began
    shutil.rmtree(root)
    return took


def _fresh(data: Path) -> Path:
    root = data / "root"
    root.mkdir()
    return root


def main() -> None:
    with throw_away() as data:
        root = data / "corpus"
        count, size = corpus(root)
        print(f"{count} files, {size / 1e6:.1f} MB")
        packing(root)
        archive = data / "in.tar.gz"
        subprocess.run(["tar", "czf", archive, "-C", root, "."], check=True)
        asyncio.run(importing(data, archive))


main()
