"""What `moor fs` does with directories before and after it asks the server."""

import os
import subprocess
import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from mooring.cli.ignoring import ignored, patterns
from mooring.cli.unpacking import fresh
from mooring.client.errors import Unfit

IGNORED = [
    ("*.o", "a.o", True), ("*.o", "d/a.o", True), ("*.o", "a.o/b", False), ("/a", "d/a", False),
    ("d/a", "d/a", True), ("d/a", "x/d/a", False), ("d/", "d", False), ("**/t", "a/b/t", True),
    ("a/**", "a/b/c", True), ("a/**/c", "a/c", True), ("a/**/c", "a/b/d/c", True), ("?", "a", True),
    ("?", "ab", False), ("[ab].c", "a.c", True), ("[!ab].c", "a.c", False), ("\\#x", "#x", True),
    ("\\*x", "*x", True), ("\\*x", "ax", False), ("*", "anything", True), ("a*b", "a/b", False),
    ("x.y", "xzy", False), ("tr  ", "tr", True), ("tr\\ ", "tr ", True), ("tr\\ ", "tr", False),
    ("tr\\   ", "tr ", True), ("tr \\ ", "tr  ", True), ("tr\\\\ ", "tr\\", True), ("a b", "a b", True),
    ("tr\t", "tr\t", True),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "path", "left_out"), IGNORED)
def test_a_pattern_means_what_it_does_in_a_gitignore(pattern: str, path: str, left_out: bool) -> None:  # noqa: FBT001
    assert ignored(path, patterns([pattern]), directory=False) is left_out


@pytest.mark.parametrize(("pattern", "path", "left_out"), IGNORED)
def test_git_says_the_same_of_it(pattern: str, path: str, left_out: bool, tmp_path: Path) -> None:  # noqa: FBT001
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    (tmp_path / ".gitignore").write_text(pattern + "\n")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, env=environment, check=True)
    told = subprocess.run(["git", "check-ignore", "-q", path], cwd=tmp_path, env=environment, check=False)
    # Asked for what lies in a directory it answers for that too; here that is never asked for.
    assert told.returncode == (0 if left_out or path == "a.o/b" else 1)


def test_the_last_pattern_decides() -> None:
    found = patterns(["*", "!keep", "keep/"])
    assert not ignored("keep", found, directory=False)
    assert ignored("keep", found, directory=True)


def fill(root: Path, names: str, meanwhile: Callable[[], object] = lambda: None) -> None:
    with fresh(root) as draft:
        for name in names:
            (draft / name).write_bytes(b"ours")
        meanwhile()


def test_a_directory_that_somebody_fills_meanwhile_keeps_what_they_put_there_alone(tmp_path: Path) -> None:
    with pytest.raises(Unfit, match="no longer empty"):
        fill(tmp_path, "a", lambda: (tmp_path / "a").write_bytes(b"theirs"))
    assert (sorted(path.name for path in tmp_path.iterdir()), (tmp_path / "a").read_bytes()) == (["a"], b"theirs")


def test_nobody_sees_in_a_directory_what_is_not_whole(tmp_path: Path) -> None:
    (root := tmp_path / "root").mkdir()
    seen = list[list[Path]]()
    fill(root, "ab", lambda: seen.append(list(root.iterdir())))
    assert (seen, sorted(path.name for path in root.iterdir()), list(tmp_path.iterdir())) == ([[]], ["a", "b"], [root])


@pytest.mark.parametrize("how", ["its parent is not ours", "it is a volume"])
def test_a_directory_is_filled_whose_parent_is_of_no_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    (root := tmp_path / "root").mkdir()
    made, rename = tempfile.mkdtemp, Path.rename

    def new(prefix: str, dir: Path) -> str:  # noqa: A002 - its name
        if dir == tmp_path and how == "its parent is not ours":
            raise PermissionError(13, "Permission denied", str(dir))
        return made(prefix=prefix, dir=dir)

    def move(path: Path, target: Path) -> Path:
        if tmp_path in (path.parent, target.parent):
            raise OSError(18, "Invalid cross-device link", str(path))
        return rename(path, target)

    monkeypatch.setattr(tempfile, "mkdtemp", new)
    monkeypatch.setattr(Path, "rename", move)
    fill(root, "ab")
    assert (sorted(path.name for path in root.iterdir()), list(tmp_path.iterdir())) == (["a", "b"], [root])


def test_what_cannot_be_moved_into_a_directory_leaves_it_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename, renamed = Path.rename, count()

    def breaks(path: Path, target: Path) -> Path:
        # The first two try whether it can be done at all.
        if next(renamed) == 4:
            raise OSError(28, "No space left on device", str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", breaks)
    with pytest.raises(Unfit, match="No space left"):
        fill(tmp_path, "abcde")
    assert sorted(path.name for path in tmp_path.iterdir()) == []
