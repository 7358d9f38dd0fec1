"""`moor fs`, as a person at a terminal has it."""

import asyncio
import io
import os
import random
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from archives import make
from archives.hostile import PATHS
from archives.trees import Leaf, Trees, read, write
from mooring.app import App
from mooring.cli.packing import look, pack
from mooring.files.blobs import objects
from surfaces.cli.conftest import Moor, Served
from surfaces.files import importing

TREE: Trees = {
    "README.md": Leaf(data=b"# read me\n"),
    "bin": None,
    "bin/run": Leaf(data=b"#!/bin/sh\necho run\n", executable=True),
    "empty": None,
    "link": Leaf(target="bin/run"),
    "with space and \u00fcml\u00e4ut \U0001f680": Leaf(data=b"unicode\n"),
    "src/deep/a.txt": Leaf(data=b"a\n"),
    "src/deep": None,
    "src": None,
}


@pytest.fixture(autouse=True)
async def at_work(app: App, served: Served) -> AsyncGenerator[None]:
    """The loops of filesystems."""
    del served
    async with importing(app):
        yield


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    root.mkdir()
    # Directories first: each once, parents before what is in them.
    write(dict(sorted(TREE.items(), key=lambda one: (one[1] is not None, one[0]))), root)
    return root


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.mark.slow
async def test_a_directory_goes_in_and_comes_out_as_it_was(moor: Moor, tree: Path, tmp_path: Path) -> None:
    pushed = await moor("fs", "push", str(tree), "my tools")
    assert (pushed.status, pushed.err) == (0, "")
    assert "filesystem my tools: version 1, 9 entries, 39 B  fs_" in pushed.out
    pulled = await moor("fs", "pull", "my tools", str(tmp_path / "out"))
    assert (pulled.status, pulled.err) == (0, "")
    assert read(tmp_path / "out") == TREE
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o755
    mtime = int((tree / "README.md").stat().st_mtime)
    assert int((tmp_path / "out" / "README.md").stat().st_mtime) == mtime
    assert set(names(tmp_path)) == {"data", "out", "tree"}


@pytest.mark.slow
async def test_what_did_not_change_is_not_sent(moor: Moor, tree: Path, app: App) -> None:
    assert (await moor("fs", "push", str(tree), "f")).status == 0
    os.utime(tree / "README.md", (1, 1))
    again = await moor("fs", "push", str(tree), "f")
    assert again.out.startswith("filesystem f: unchanged, version 1")
    (tree / "README.md").write_bytes(b"# changed\n")
    assert "version 2, 9 entries" in (await moor("fs", "push", str(tree), "f")).out
    (tree / "bin" / "run").chmod(0o644)
    assert "version 3" in (await moor("fs", "push", str(tree), "f")).out
    log = await moor("fs", "log", "f")
    assert [row.split()[0] for row in log.lines] == ["VERSION", "3*", "2", "1"]
    async with app.database.reading() as tx:
        assert await tx.value(int, "SELECT count(*) FROM filesystem_versions") == 3


@pytest.mark.slow
async def test_files_of_zeros_go_in_like_any_others(moor: Moor, tmp_path: Path) -> None:
    root = tmp_path / "disk"
    root.mkdir()
    (root / "image").write_bytes(bytes(40 << 20) + b"end")
    (root / "noise").write_bytes(os.urandom(5 << 20))
    pushed = await moor("fs", "push", str(root), "f")
    assert (pushed.status, pushed.err) == (0, "")
    assert "version 1, 2 entries" in pushed.out
    assert (await moor("fs", "pull", "f", str(tmp_path / "out"))).status == 0
    assert (tmp_path / "out" / "image").read_bytes() == bytes(40 << 20) + b"end"


def test_the_same_tree_is_the_same_archive_whenever_it_is_packed(tree: Path) -> None:
    """So what was sent before a line broke for good is not sent again."""
    made = set[bytes]()
    for _ in range(2):
        with tempfile.TemporaryFile() as file:
            pack(look(tree), file, lambda _: None)
            file.seek(0)
            made.add(file.read())
    [data] = made
    with tarfile.open(fileobj=io.BytesIO(data)) as opened:
        assert opened.getnames() == sorted(TREE)


@pytest.mark.slow
async def test_an_archive_goes_in_as_it_is(moor: Moor, tmp_path: Path) -> None:
    archive = tmp_path / "made elsewhere.tar.gz"
    archive.write_bytes(make.gz(make.tar(make.file("a", b"1"), make.file("b", b"2"))))
    assert "version 1, 2 entries" in (await moor("fs", "push", str(archive), "f")).out
    assert "unchanged, version 1" in (await moor("fs", "push", str(archive), "f")).out
    archive.write_bytes(make.zipped([("c", b"3")]))
    assert "version 2, 1 entry, 1 B" in (await moor("fs", "push", str(archive), "f")).out


@pytest.mark.slow
async def test_a_push_onto_a_version_that_is_not_the_current_one_is_refused(moor: Moor, tree: Path) -> None:
    await moor("fs", "push", str(tree), "f")
    refused = await moor("fs", "push", str(tree), "f", "--parent", "2")
    assert (refused.status, "the current version of 'f' is 1, not 2" in refused.err) == (7, True)
    (tree / "new").write_bytes(b"new")
    assert (await moor("fs", "push", str(tree), "f", "--parent", "1")).status == 0


@pytest.mark.slow
async def test_ignored_files_are_left_out(moor: Moor, tree: Path) -> None:
    (tree / ".mooringignore").write_text("# what is made\n*.txt\n/bin/\n!README.md\n")
    await moor("fs", "push", str(tree), "f", "--ignore", "link")
    listed = await moor("fs", "ls", "f", "-R")
    assert listed.lines == [
        ".mooringignore",
        "README.md",
        "empty/",
        "src/",
        "with space and \u00fcml\u00e4ut \U0001f680",
        "src/deep/",
    ]


@pytest.mark.slow
async def test_one_looks_into_it(moor: Moor, tree: Path) -> None:
    await moor("fs", "push", str(tree), "f")
    assert (await moor("fs", "ls", "f")).lines == [
        "README.md", "bin/", "empty/", "link@", "src/", "with space and \u00fcml\u00e4ut \U0001f680",
    ]  # fmt: skip
    long = (await moor("fs", "ls", "-l", "f", "bin")).out
    assert long.startswith("-rwxr-xr-x           19 20")
    assert (await moor("fs", "ls", "f", "--search", "A.TXT")).lines == ["src/deep/a.txt"]
    assert (await moor("fs", "ls", "f", "src", "-o", "name")).lines == ["src/deep"]
    assert (await moor("fs", "tree", "f", "src")).out == "src\n└── deep/\n    └── a.txt\n"
    assert "├── link@ -> bin/run" in (await moor("fs", "tree", "f")).lines
    assert (await moor("fs", "cat", "f", "with space and \u00fcml\u00e4ut \U0001f680")).raw == b"unicode\n"
    missing = await moor("fs", "cat", "f", "nowhere")
    assert (missing.status, "there is no 'nowhere'" in missing.err) == (6, True)
    link = await moor("fs", "cat", "f", "link")
    assert (link.status, "it leads to bin/run" in link.err) == (2, True)


@pytest.mark.slow
async def test_versions_are_compared(moor: Moor, tree: Path) -> None:
    await moor("fs", "push", str(tree), "f")
    alone = await moor("fs", "diff", "f")
    assert (alone.status, "nothing to compare" in alone.err) == (2, True)
    (tree / "README.md").unlink()
    (tree / "bin" / "run").write_bytes(b"changed")
    (tree / "new").write_bytes(b"new")
    await moor("fs", "push", str(tree), "f")
    changed = await moor("fs", "diff", "f")
    assert (changed.status, changed.lines) == (1, ["- README.md", "+ new", "~ bin/run"])
    assert (await moor("fs", "diff", "f", "1", "1")).status == 0
    assert (await moor("fs", "cat", "f", "README.md", "--version", "1")).raw == b"# read me\n"


@pytest.mark.slow
async def test_it_is_taken_out_as_an_archive(moor: Moor, tree: Path, tmp_path: Path) -> None:
    await moor("fs", "push", str(tree), "f")
    assert (await moor("fs", "pull", "f", "--archive", str(tmp_path / "f.tar.gz"))).status == 0
    with tarfile.open(tmp_path / "f.tar.gz") as opened:
        assert opened.getnames() == sorted(TREE)
    assert (await moor("fs", "pull", "f", "--archive", str(tmp_path / "f.zip"))).status == 0
    with zipfile.ZipFile(io.BytesIO((tmp_path / "f.zip").read_bytes())) as opened:
        assert opened.read("README.md") == b"# read me\n"
    wrong = await moor("fs", "pull", "f", "--archive", str(tmp_path / "f.rar"))
    assert (wrong.status, ".zip" in wrong.err) == (2, True)
    nowhere = await moor("fs", "pull", "f", "--archive", str(tmp_path / "f.zip" / "f.zip"))
    assert (nowhere.status, "cannot write" in nowhere.err) == (2, True)


@pytest.mark.slow
async def test_two_that_take_out_the_same_archive_do_not_meet(moor: Moor, tree: Path, tmp_path: Path) -> None:
    await moor("fs", "push", str(tree), "f")
    pull = (sys.executable, "-m", "mooring", "fs", "pull", "f", "--archive", str(tmp_path / "f.tar.gz"))
    both = [await asyncio.create_subprocess_exec(*pull) for _ in range(2)]
    assert [await one.wait() for one in both] == [0, 0]
    with tarfile.open(tmp_path / "f.tar.gz") as opened:
        assert opened.getnames() == sorted(TREE)
    assert [name for name in names(tmp_path) if name.startswith((".", "f"))] == ["f.tar.gz"]


@pytest.mark.slow
async def test_a_pull_never_writes_over_what_is_there(moor: Moor, tree: Path, tmp_path: Path) -> None:
    await moor("fs", "push", str(tree), "f")
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine").write_bytes(b"mine")
    refused = await moor("fs", "pull", "f", str(full))
    assert (refused.status, "is there already" in refused.err) == (2, True)
    assert names(full) == ["mine"]
    (tmp_path / "empty").mkdir()
    assert (await moor("fs", "pull", "f", str(tmp_path / "empty"))).status == 0
    assert read(tmp_path / "empty") == TREE


TARGETS = ("./a", "d/", "d//.", "d/./", ".", "./", "a")


@pytest.mark.slow
async def test_a_link_leads_where_it_led_to_the_letter(moor: Moor, tmp_path: Path) -> None:
    root, out = tmp_path / "tree" / "w", tmp_path / "out"
    root.mkdir(parents=True)
    (root / "d").mkdir()
    (root / "a").write_bytes(b"a")
    for number, target in enumerate(TARGETS):
        (root / f"{number}").symlink_to(target)
        (root / "d" / f"{number}").symlink_to(f"../{target}")
    assert (await moor("fs", "push", str(root), "f")).status == 0
    assert (await moor("fs", "pull", "f", str(out))).status == 0
    links = sorted(path.relative_to(root) for path in root.rglob("*") if path.is_symlink())
    assert len(links) == 2 * len(TARGETS)
    # A Path would show some that differ as the same.
    there, here = ([os.readlink(top / path) for path in links] for top in (root, out))  # noqa: PTH115
    assert here == there
    for pushed in (out, root):
        assert "unchanged, version 1" in (await moor("fs", "push", str(pushed), "f")).out


@pytest.mark.slow
async def test_an_empty_directory_is_filled_wherever_one_stands(
    moor: Moor, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await moor("fs", "push", str(tree), "f")
    (here := tmp_path / "here").mkdir(mode=0o750)
    before = here.stat()
    monkeypatch.chdir(here)
    pulled = await moor("fs", "pull", "f", ".")
    assert (pulled.status, pulled.err, read(here)) == (0, "", TREE)
    # A shell that stands in it stands in it still.
    assert (here.stat().st_ino, here.stat().st_mode) == (before.st_ino, before.st_mode)
    (tmp_path / "led to").mkdir()
    (tmp_path / "leads").symlink_to("led to")
    assert (await moor("fs", "pull", "f", str(tmp_path / "leads"))).status == 0
    assert (read(tmp_path / "led to"), (tmp_path / "leads").readlink()) == (TREE, Path("led to"))


@pytest.mark.slow
@pytest.mark.parametrize("out", [("out",), ("--archive", "out.zip"), ("--archive", "out.tgz")])
async def test_damage_far_behind_is_told_and_nothing_is_left(
    moor: Moor, app: App, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: tuple[str, ...]
) -> None:
    for number in range(3000):
        (tree / f"{number}").write_bytes(random.Random(number).randbytes(3000))  # noqa: S311 - content
    await moor("fs", "push", str(tree), "f")
    monkeypatch.setattr(objects, "CHUNK", 1 << 15)
    [stored] = (app.settings.data / "blobs" / "filesystems").glob("*.tar.gz")
    content = bytearray(stored.read_bytes())
    content[-2000] ^= 0x10
    stored.write_bytes(content)
    monkeypatch.chdir(tmp_path)
    (empty := tmp_path / "empty").mkdir(mode=0o710)
    (tmp_path / "leads").symlink_to("empty")
    before = empty.stat()
    # Into a directory that is there as well, by its own name and another.
    for where in (out, ("empty",), ("leads",)):
        said = await moor("fs", "pull", "f", *where)
        assert (said.status, "not what was stored" in said.err) == (8, True), said.err
    assert names(tmp_path) == ["data", "empty", "leads", "tree"]
    assert (names(empty), empty.stat().st_ino, empty.stat().st_mode) == ([], before.st_ino, before.st_mode)
    # It is looked at anew each time: once the bytes are right again, they are given.
    content[-2000] ^= 0x10
    stored.write_bytes(content)
    assert (await moor("fs", "pull", "f", *out)).status == 0


@pytest.mark.slow
async def test_what_cannot_be_packed_is_named(moor: Moor, tree: Path) -> None:
    os.mkfifo(tree / "pipe")
    refused = await moor("fs", "push", str(tree), "f")
    assert (refused.status, "pipe is neither a file" in refused.err) == (2, True)
    (tree / "pipe").unlink()
    (tree / os.fsdecode(b"caf\xe9")).write_bytes(b"")
    refused = await moor("fs", "push", str(tree), "f")
    assert (refused.status, "is not UTF-8" in refused.err) == (2, True)


@pytest.mark.slow
async def test_it_is_removed(moor: Moor, tree: Path) -> None:
    await moor("fs", "push", str(tree), "f")
    removed = await moor("fs", "rm", "f", "--reason", "no longer needed")
    assert (removed.status, removed.out) == (0, "filesystem f: removed\n")
    assert (await moor("fs", "ls", "f")).status == 6
    assert "no longer needed" in (await moor("audit", "log", "-o", "json")).out


@pytest.mark.slow
async def test_a_failed_first_push_can_be_done_again(moor: Moor, tree: Path, tmp_path: Path) -> None:
    (tmp_path / "evil").write_bytes(PATHS["a name that goes up"].data)
    assert (await moor("fs", "push", str(tmp_path / "evil"), "f")).status == 2
    assert "version 1, 9 entries" in (await moor("fs", "push", str(tree), "f")).out
