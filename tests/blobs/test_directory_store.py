"""What the blob store in a directory promises beyond the contract."""

import io
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from mooring.base.errors import Clash, Unavailable
from mooring.files.blobs.local import in_directory

SOURCE = Path(__file__).parents[2] / "src"


def files_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.rglob("*") if path.is_file())


def test_nobody_else_reads_the_directory(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir(mode=0o755)
    store = in_directory(tmp_path / "blobs")
    assert store.bucket == "local"
    assert (tmp_path / "blobs").stat().st_mode & 0o777 == 0o700


async def test_a_small_key_that_holds_something_else_is_reported_and_kept(tmp_path: Path) -> None:
    store = in_directory(tmp_path)
    await store.put_file("a/b", io.BytesIO(b"first"))
    with pytest.raises(Clash, match="holds 5 bytes where 6 belong"):
        await store.put_file("a/b", io.BytesIO(b"second"))
    assert await store.read_range("a/b", 0, 5) == b"first"


async def test_what_a_crash_left_is_never_seen_and_is_swept(tmp_path: Path) -> None:
    store = in_directory(tmp_path)
    await store.put_file("a/b", io.BytesIO(b"kept"))
    (tmp_path / "incoming" / "0123").write_bytes(b"half")
    (tmp_path / "incoming" / "0123#1").write_bytes(b"half")
    assert [blob.key async for blob in store.list("a")] == ["a/b"]
    assert store.sweep(older=timedelta(hours=1)) == 0
    assert store.sweep(older=timedelta(0)) == 2
    assert files_in(tmp_path) == ["b"]


async def test_a_put_leaves_nothing_behind(tmp_path: Path) -> None:
    store = in_directory(tmp_path)
    await store.put_file("a/b", io.BytesIO(b"x" * (9 << 20)))
    await store.put_file("a/b", io.BytesIO(b"x" * (9 << 20)))
    assert files_in(tmp_path) == ["b"]


async def test_a_directory_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    with pytest.raises(Unavailable, match="cannot keep blobs"):
        in_directory(tmp_path / "file" / "blobs")
    store = in_directory(tmp_path / "blobs")
    (tmp_path / "blobs" / "incoming").rmdir()
    with pytest.raises(Unavailable, match="cannot write"):
        await store.check()


_FULL = """
import asyncio, io, pathlib, sys
from mooring.base.errors import Unavailable
from mooring.files.blobs.local import in_directory

async def main() -> None:
    store = in_directory(pathlib.Path(sys.argv[1]))
    await store.put_file("a/small", io.BytesIO(b"fits"))
    try:
        await store.put_file("a/large", io.BytesIO(bytes(32 << 20)))
    except Unavailable as error:
        print(error.reason)
    assert await store.head("a/large") is None
    print(sorted(str(path.name) for path in pathlib.Path(sys.argv[1]).rglob("*") if path.is_file()))

asyncio.run(main())
"""


@pytest.mark.slow
def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    mounted = f"mount -t tmpfs -o size=8m tmpfs {tmp_path} && exec {sys.executable} -c '{_FULL}' {tmp_path}/blobs"
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mounted],
        capture_output=True, text=True, env={"PYTHONPATH": str(SOURCE), "PATH": os.environ["PATH"]}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said, files = done.stdout.splitlines()
    assert "is full: it cannot take a/large; free some space" in said
    assert files == "['small']"


_EXIT = """
import asyncio, io, pathlib, sys
from mooring.files.blobs.local import in_directory

async def main() -> None:
    store = in_directory(pathlib.Path(sys.argv[1]))
    await store.put_file("a/b", io.BytesIO(bytes(20 << 20)))
    async for _ in store.read("a/b"):
        break

asyncio.run(main())
"""


@pytest.mark.slow
def test_a_process_that_used_it_ends_as_it_wants_to(tmp_path: Path) -> None:
    for _ in range(8):
        command = [sys.executable, "-c", _EXIT, tmp_path]
        assert subprocess.run(command, env={"PYTHONPATH": str(SOURCE)}, check=False).returncode == 0
