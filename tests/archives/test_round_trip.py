"""What goes in comes out: content, mode bit, links — whatever the archive was on the outside."""

import hashlib
import io
import os
import subprocess
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings

from archives import make
from archives.hands import repacked, unpacked
from archives.trees import Leaf, Trees, read, trees, write
from mooring.files.archive import codec
from mooring.files.archive.blocks import BLOCK


def tarred(tree: Trees) -> bytes:
    """The tree as Python's tarfile writes it."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as out:
        for path, leaf in tree.items():
            info = tarfile.TarInfo(path)
            info.mode = 0o755
            if leaf is None:
                info.type = tarfile.DIRTYPE
            elif leaf.target is not None:
                info.type, info.linkname = tarfile.SYMTYPE, leaf.target
            else:
                info.size, info.mode = len(leaf.data), 0o755 if leaf.executable else 0o644
            out.addfile(info, io.BytesIO(leaf.data if leaf else b""))
    return made.getvalue()


class _Pipe(io.BytesIO):
    """A file that cannot go back."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise OSError("a pipe")


def zipped(tree: Trees, made: io.BytesIO | None = None) -> bytes:
    """The tree as Python's zipfile writes it."""
    made = made or io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as out:
        for path, leaf in tree.items():
            info = zipfile.ZipInfo(path if leaf else path + "/")
            mode = 0o40755 if leaf is None else 0o120777 if leaf.target else 0o100755 if leaf.executable else 0o100644
            info.external_attr, info.create_system = mode << 16, 3
            out.writestr(info, (leaf.target.encode() if leaf.target else leaf.data) if leaf else b"")
    return made.getvalue()


def whole(tree: Trees) -> Trees:
    """The tree with the directories that its names imply."""
    made = dict(tree)
    for path in tree:
        parent = path.rpartition("/")[0]
        while parent:
            made.setdefault(parent, None)
            parent = parent.rpartition("/")[0]
    return made


def check(tree: Trees, data: bytes) -> None:
    ours = repacked(data)
    with tempfile.TemporaryDirectory() as directory:
        manifest = unpacked(ours.archive, Path(directory) / "root")
        assert read(Path(directory) / "root") == whole(tree)
    assert manifest == ours.packed.manifest_sha256
    assert repacked(ours.archive) == ours, "an archive of ours passes its own import and is the same again"


@given(trees())
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_tree_comes_back_as_it_was(tree: Trees) -> None:
    check(tree, tarred(tree))
    assert repacked(zipped(tree)).entries.keys() == whole(tree).keys()


@pytest.mark.long
@given(trees(most=120, deepest=30))
@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_a_thousand_trees_come_back_as_they_were(tree: Trees) -> None:
    check(tree, tarred(tree))
    check(tree, zipped(tree))


@pytest.mark.long
def test_a_hundred_megabytes_come_back(tmp_path: Path) -> None:
    tree: Trees = {
        "zeros": Leaf(data=bytes(60 << 20)),
        "noise": Leaf(data=os.urandom(30 << 20), executable=True),
        "hole": Leaf(data=bytes(10 << 20) + b"end"),
    }
    write(tree, tmp_path / "in")
    subprocess.run(["tar", "czf", tmp_path / "in.tar.gz", "-C", tmp_path / "in", "."], check=True)
    ours = repacked((tmp_path / "in.tar.gz").read_bytes(), limits=None)
    unpacked(ours.archive, tmp_path / "out")
    assert read(tmp_path / "out") == tree
    assert repacked(ours.archive).packed == ours.packed


TREE: Trees = {
    "a/empty": Leaf(),
    "a/program": Leaf(data=b"#!/bin/sh\necho here\n", executable=True),
    "a/deep/with space and \u00fcml\u00e4ut \U0001f680": Leaf(data=bytes(range(256)) * 3000),
    "a/up": Leaf(target="../b"),
    "b": Leaf(data=os.urandom(2 * BLOCK + 7)),
    "zeros": Leaf(data=bytes(4 << 20)),
    "\u65e5\u672c": Leaf(data=b"x"),
    "x" * 120: Leaf(data=b"long"),
    ("y" * 90 + "/") * 2 + "z": Leaf(data=b"in a prefix"),
    "link to a long place": Leaf(target="p" * 150),
}


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree") / "in"
    root.mkdir()
    write(TREE, root)
    return root


MAKERS = {
    "tar.gz": "tar czf OUT -C IN .",
    "gnu": "tar --format=gnu -czf OUT -C IN .",
    "pax": "tar --format=pax -czf OUT -C IN .",
    "bsdtar": "bsdtar czf OUT -C IN .",
    "tar": "tar cf OUT -C IN .",
    "tar.zst": "tar cf - -C IN . | zstd -q -o OUT",
    "tar.zst by another way": "tar cf - -C IN . | zstd -q --long=27 -19 -o OUT",
    "zip": "cd IN && zip -qry OUT .",
}


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS.keys())
def test_what_other_tools_pack_is_taken(maker: str, on_disk: Path, tmp_path: Path) -> None:
    out = tmp_path / "made"
    tool = maker.replace("cd IN && ", "").split()[0]
    if subprocess.run(["which", tool], capture_output=True, check=False).returncode:
        pytest.skip(f"{tool} is not there")
    command = maker.replace("OUT", str(out)).replace("IN", str(on_disk))
    subprocess.run(["sh", "-c", command], check=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
    made = out if out.exists() else out.with_suffix(".zip")
    ours = repacked(made.read_bytes())
    unpacked(ours.archive, tmp_path / "root")
    assert read(tmp_path / "root") == whole(TREE)


def test_a_zip_from_a_pipe_is_taken(tmp_path: Path) -> None:
    ours = repacked(zipped(TREE, _Pipe()))
    unpacked(ours.archive, tmp_path / "root")
    assert read(tmp_path / "root") == whole(TREE)


READERS = {
    "gzip": "gzip -t < IN && mkdir OUT",
    "zcat": "zcat < IN | tar xf - -C OUT",
    "tar": "tar xzf IN -C OUT",
    "bsdtar": "bsdtar xzf IN -C OUT",
    "python": "python3 -m tarfile --filter data -e IN OUT",
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS.keys())
def test_other_tools_open_what_we_write(reader: str, tmp_path: Path) -> None:
    tool = reader.split(maxsplit=1)[0]
    if subprocess.run(["which", tool], capture_output=True, check=False).returncode:
        pytest.skip(f"{tool} is not there")
    archive, out = tmp_path / "ours.tar.gz", tmp_path / "out"
    archive.write_bytes(repacked(tarred(TREE)).archive)
    command = f"mkdir -p {out}; " + reader.replace("IN", str(archive)).replace("&& mkdir OUT", "").replace(
        "OUT", str(out)
    )
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"}
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert tool == "gzip" or read(out) == whole(TREE)


def test_the_same_content_is_the_same_archive() -> None:
    shuffled = dict(reversed(TREE.items()))
    assert repacked(tarred(TREE)).archive == repacked(tarred(shuffled)).archive


def test_checksums_are_those_of_the_bytes() -> None:
    ours = repacked(tarred(TREE))
    assert ours.packed.archive_sha256 == hashlib.sha256(ours.archive).hexdigest()
    assert ours.packed.archive_size == len(ours.archive)
    assert ours.packed.manifest_sha256 == hashlib.sha256(ours.manifest).hexdigest()
    assert ours.packed.blocks_sha256 == hashlib.sha256(ours.blocks).hexdigest()
    assert ours.packed.uncompressed_size == sum(len(leaf.data) for leaf in TREE.values() if leaf)
    assert ours.packed.entry_count == len(whole(TREE)) == len(ours.entries)
    for path, leaf in TREE.items():
        if leaf is not None and leaf.target is None:
            assert ours.entries[path].sha256 == hashlib.sha256(leaf.data).hexdigest()


def test_times_survive_to_the_second() -> None:
    entries = repacked(make.gz(make.tar(make.file("a", mtime=1_234_567_890)))).entries
    assert entries["a"].mtime == 1_234_567_890


def test_zstd_in_several_frames_is_taken() -> None:
    data = tarred(TREE)
    frames = [zstandard.ZstdCompressor().compress(data[at : at + 300_000]) for at in range(0, len(data), 300_000)]
    assert len(frames) > 3
    assert repacked(b"".join(frames)).entries.keys() == whole(TREE).keys()


def test_zlib_reads_and_writes_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    with_isal = repacked(tarred(TREE))
    monkeypatch.setattr(codec, "_codec", zlib)
    monkeypatch.setattr(codec, "isal_zlib", None)
    monkeypatch.setattr(codec, "crc32", zlib.crc32)
    alone = repacked(with_isal.archive)
    assert alone.entries == with_isal.entries
    with tarfile.open(fileobj=io.BytesIO(alone.archive)) as opened:
        assert opened.getnames() == sorted(whole(TREE))


def test_a_combined_crc_is_that_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "isal_zlib", None)
    first, second = os.urandom(1000), os.urandom(BLOCK)
    together = codec.crc32(first + second)
    assert codec.crc32_combine(codec.crc32(first), codec.crc32(second), len(second)) == together
    assert codec.crc32_combine(codec.crc32(first), 0, 0) == codec.crc32(first)
