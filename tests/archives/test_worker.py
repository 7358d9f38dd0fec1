"""The process that touches archives: what it may, what it uses, how it ends."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from typing import IO

import msgspec
import pytest

from archives import make
from archives.hands import repacked, unpacked
from archives.hostile import LINKS, PATHS, ZIPS, Case
from mooring.base.errors import Unavailable
from mooring.base.unprivileged import process_user
from mooring.files.archive.check import difference
from mooring.files.archive.jobs import Confines, Taken
from mooring.files.archive.limits import Limits
from mooring.files.archive.manifest import read
from mooring.files.errors import Crashed, Refused, Rule
from mooring.files.workshop import Layers, Workshop

GOOD = make.gz(make.tar(make.file("a", b"A" * 1000), make.directory("d"), make.symlink("d/l", "../a")))


@pytest.fixture
def shop() -> Generator[Workshop]:
    """A workshop whose directory the worker's user can reach."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o711)
        yield Workshop(
            directory=Path(directory), user=process_user("mooring-run"), limits=Limits(), memory=1 << 30, seconds=60
        )


async def take(shop: Workshop, data: bytes, limits: Limits | None = None) -> bytes:
    with shop.scratch() as source:
        source.write(data)
        source.flush()
        async with shop.taken(source, limits=limits) as made:
            return made.archive.read()


def left(shop: Workshop) -> list[str]:
    """What is in the workshop's directory; files without names are not."""
    return sorted(path.name for path in shop.directory.iterdir() if path.name != "empty")


@pytest.mark.slow
async def test_it_makes_what_this_process_would_make(shop: Workshop) -> None:
    assert await take(shop, GOOD) == repacked(GOOD).archive
    assert left(shop) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [PATHS["a name that goes up"], LINKS["a write through an outward link"], ZIPS["entries that overlap"]],
    ids=["tar", "link", "zip"],
)
async def test_a_refusal_comes_through_whole(shop: Workshop, case: Case) -> None:
    with pytest.raises(Refused) as refused:
        await take(shop, case.data, case.limits)
    with pytest.raises(Refused) as here:
        repacked(case.data, case.limits)
    assert (refused.value.reason, refused.value.facts) == (here.value.reason, here.value.facts)
    assert left(shop) == []


@pytest.mark.slow
async def test_progress_is_told(shop: Workshop) -> None:
    told: list[int] = []
    with shop.scratch() as source:
        source.write(make.tar(make.file("a", bytes(70 << 20)), make.file("b")))
        source.flush()
        async with shop.taken(source, progress=told.append):
            assert told
    assert told == sorted(told)
    assert told[-1] >= 70 << 20


@pytest.mark.slow
async def test_memory_that_runs_out_is_a_refusal(shop: Workshop) -> None:
    names = b"".join(make.header(b"%0100d" % at) for at in range(200_000))
    with pytest.raises(Refused) as refused:
        await take(replace(shop, memory=60 << 20), make.tar(names))
    assert refused.value.rule is Rule.MEMORY


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_a_million_entries_are_taken_with_bounded_memory(shop: Workshop) -> None:
    with shop.scratch() as source:
        for at in range(1_000_000):
            source.write(make.file(f"d{at // 1000}/f{at}", b"%d" % at))
        source.write(make.END)
        source.flush()
        async with replace(shop, memory=640 << 20, seconds=3600).taken(source) as made:
            assert made.taken.packed.entry_count == 1_001_000


@pytest.mark.slow
async def test_time_that_runs_out_is_a_refusal(shop: Workshop) -> None:
    with pytest.raises(Refused) as refused:
        await take(replace(shop, seconds=0.05), GOOD)
    assert refused.value.rule is Rule.TIME
    assert workers() == []


@pytest.mark.slow
async def test_a_worker_that_is_killed_says_so(shop: Workshop) -> None:
    with shop.scratch() as source:
        source.write(make.tar(make.file("a", bytes(64 << 20))))
        source.flush()

        def kill(_: int) -> None:
            for process in workers():
                os.kill(process, signal.SIGKILL)

        with pytest.raises(Crashed, match="ended with -9"):
            async with shop.taken(source, progress=kill):
                raise AssertionError("it was killed")
    assert left(shop) == []


class Hasty(Workshop):
    """One whose workers have a second of processor time, whatever the clock says."""

    def _confines(self) -> Confines:
        return msgspec.structs.replace(super()._confines(), seconds=1)


@pytest.mark.slow
async def test_processor_time_that_runs_out_is_a_refusal(shop: Workshop) -> None:
    hasty = Hasty(directory=shop.directory, user=shop.user, limits=Limits(), memory=1 << 30, seconds=60)
    names = b"".join(make.header(b"%0100d" % at) for at in range(200_000))
    with pytest.raises(Refused, match="60 s of processor time") as refused:
        await take(hasty, make.tar(names))
    assert refused.value.rule is Rule.TIME


# Almost as long as a path can be, in letters of three bytes; and so many that differ in case from another.
FAR = "/".join(["\u65e5" * 85] * 14)
FAR_NAMES = [f"{FAR}/{name}{at}" for at in range(30) for name in ("readme", "README")]


def named(path: str) -> bytes:
    return make.pax(make.record("path", path)) + make.file("short")


@pytest.mark.slow
async def test_warnings_about_long_names_fit_into_an_answer(shop: Workshop) -> None:
    with shop.scratch() as source:
        source.write(make.tar(*map(named, FAR_NAMES)))
        source.flush()
        async with shop.taken(source) as made:
            check_warnings(made.taken)


@pytest.mark.slow
async def test_warnings_about_long_names_that_a_run_left_fit_into_an_answer(
    shop: Workshop, root: tuple[Path, int]
) -> None:
    (root[0] / FAR).mkdir(parents=True)
    for name in FAR_NAMES:
        (root[0] / name).write_bytes(b"")
    lower = os.open(shop.directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with opened(repacked(make.tar()).manifest) as nothing:
            layers = Layers(lower=lower, upper=root[1], base=nothing, left_out=(), secrets=())
            async with shop.captured(layers) as made:
                check_warnings(made.taken)
    finally:
        os.close(lower)


def check_warnings(taken: Taken) -> None:
    assert (taken.warned, len(taken.warnings)) == (30, 20)
    assert max(map(len, taken.warnings)) <= 300
    assert all("README" in warning and "only in case" in warning for warning in taken.warnings)


@pytest.mark.slow
async def test_a_refusal_that_names_two_long_names_fits_into_an_answer(shop: Workshop) -> None:
    with pytest.raises(Refused) as refused:
        await take(shop, make.tar(named(FAR), named(f"{FAR}/child")))
    assert refused.value.rule is Rule.NOT_A_DIRECTORY


SAYS = {
    "no JSON": b"oops\n",
    "something unknown": b'{"says": "hello"}\n',
    "a part of a line": b'{"says": "checked", "differ',
    "a line without an end": b"x" * (1 << 20),
    "an answer to nothing asked": b"",
}


@pytest.mark.slow
@pytest.mark.parametrize("said", SAYS.values(), ids=SAYS.keys())
async def test_a_worker_that_cannot_be_understood_has_crashed(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    path = shop.directory / "worker"
    path.write_text(f"#!{sys.executable}\nimport os\nos.write(1, {said!r})\n")
    path.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(path))
    with pytest.raises(Crashed):
        await take(shop, GOOD)


@pytest.mark.slow
async def test_a_worker_has_no_rights_and_no_root(shop: Workshop) -> None:
    if not shop.user.demotes:
        pytest.skip("this is not root: the worker is who we are")
    seen: list[tuple[str, str]] = []

    def look(_: int) -> None:
        seen.extend(
            (str(Path(f"/proc/{pid}/root").readlink()), Path(f"/proc/{pid}/status").read_text()) for pid in workers()
        )

    with shop.scratch() as source:
        source.write(make.tar(make.file("a", bytes(64 << 20))))
        source.flush()
        async with shop.taken(source, progress=look):
            pass
    root, status = seen[0]
    assert root == str(shop.directory / "empty")
    uid, gid = shop.user.uid, shop.user.gid
    for line in (f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}\n", f"Gid:\t{gid}\t{gid}\t{gid}\t{gid}\n", "NoNewPrivs:\t1\n"):
        assert line in status
    assert "CapEff:\t0000000000000000\n" in status
    assert "Groups:\t \n" in status


def workers() -> list[int]:
    """The workers that this process has."""
    children = [int(pid) for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split()]
    return [pid for pid in children if b"mooring.files.archive.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@pytest.fixture
def root(shop: Workshop) -> Generator[tuple[Path, int]]:
    """A fresh directory that the user may write, by path and open."""
    path = shop.directory / "root"
    path.mkdir()
    shop.user.own(path)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    yield path, descriptor
    os.close(descriptor)


@contextlib.contextmanager
def opened(data: bytes) -> Generator[IO[bytes]]:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        yield file


@pytest.mark.slow
async def test_what_is_unpacked_is_the_users_and_what_the_manifest_says(shop: Workshop, root: tuple[Path, int]) -> None:
    ours, (path, descriptor) = repacked(GOOD), root
    with opened(ours.archive) as archive, opened(ours.manifest) as manifest:
        assert await shop.unpack(archive, descriptor) == ours.packed.manifest_sha256
        assert await shop.difference(descriptor, manifest) is None
    assert {(path / name).lstat().st_uid for name in ("a", "d", "d/l")} == {shop.user.uid}


@pytest.mark.slow
@pytest.mark.parametrize("case", [LINKS["a write through an inward link"], PATHS["an absolute name"]])
async def test_unpacking_refuses_what_an_import_refuses(shop: Workshop, root: tuple[Path, int], case: Case) -> None:
    with opened(case.data) as archive, pytest.raises(Refused) as refused:
        await shop.unpack(archive, root[1])
    assert refused.value.rule is case.rule


@pytest.mark.slow
async def test_a_full_disk_is_named(shop: Workshop) -> None:
    ours = repacked(make.tar(make.file("a", os.urandom(4 << 20))))
    with (
        small_disk(shop) as descriptor,
        opened(ours.archive) as archive,
        pytest.raises(Unavailable, match="disk is full"),
    ):
        await shop.unpack(archive, descriptor)


@contextlib.contextmanager
def small_disk(shop: Workshop) -> Generator[int]:
    """An open directory that has room for 1 MiB."""
    small = shop.directory / "small"
    small.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=777", "tmpfs", small], check=False)
    if mount.returncode:
        pytest.skip("only root can make a small disk")
    descriptor = os.open(small, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
        subprocess.run(["umount", small], check=True)


CHANGES: dict[str, Callable[[Path], object]] = {
    "a: has another content": lambda root: (root / "a").write_bytes(b"B" + b"A" * 999),
    "a: has another size": lambda root: (root / "a").write_bytes(b"A"),
    "a: has other rights": lambda root: (root / "a").chmod(0o4755),
    "a: No such file or directory": lambda root: (root / "a").unlink(),
    "d/l: leads somewhere else": lambda root: ((root / "d/l").unlink(), (root / "d/l").symlink_to("../b")),
    "4 entries where 3 belong": lambda root: (root / "d/more").write_bytes(b""),
    "d: is no directory any more": lambda root: (rmtree(root / "d"), (root / "d").symlink_to("/etc")),
}


@pytest.mark.parametrize(("says", "change"), CHANGES.items(), ids=CHANGES.keys())
def test_whatever_changed_is_found(tmp_path: Path, says: str, change: Callable[[Path], object]) -> None:
    ours = repacked(GOOD)
    unpacked(ours.archive, tmp_path / "root")
    descriptor = os.open(tmp_path / "root", os.O_RDONLY | os.O_DIRECTORY)
    try:
        assert difference(descriptor, read([ours.manifest])) is None
        change(tmp_path / "root")
        assert difference(descriptor, read([ours.manifest])) == says
    finally:
        os.close(descriptor)
