"""Trees of files: made up, written to disk, read back."""

import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A file (`data`, `executable`) or a link (`target`)."""

    data: bytes = b""
    executable: bool = False
    target: str | None = None


Trees = dict[str, Leaf | None]
"""By path; None is a directory."""

_LETTERS = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="/\\:")
_NAMES = st.one_of(
    st.sampled_from(
        ["a", "b", "README", "src", "with space", "\u00fcml\u00e4ut", "\u65e5\u672c", "\U0001f680", "a" * 99, "x" * 150]
    ),
    st.text(_LETTERS, min_size=1, max_size=40).filter(
        lambda name: name not in (".", "..") and len(name.encode()) < 200
    ),
)
_SPARSE = st.tuples(st.integers(0, 300_000), st.binary(max_size=50)).map(lambda made: bytes(made[0]) + made[1])
_CONTENT = st.one_of(st.binary(max_size=200), _SPARSE, st.sampled_from([b"", b"x" * 511, b"y" * 512, b"z" * 513]))


@st.composite
def trees(draw: st.DrawFn, *, most: int = 25, deepest: int = 8) -> Trees:
    """A tree of files, directories and links that stay inside."""
    made: Trees = {}
    directories = [""]
    for _ in range(draw(st.integers(0, most))):
        parent = draw(st.sampled_from(directories))
        path = f"{parent}/{draw(_NAMES)}" if parent else draw(_NAMES)
        if _taken(path, made):
            continue
        kind = draw(st.sampled_from(["file", "file", "directory", "link"]))
        if kind == "directory":
            made[path] = None
            if path.count("/") < deepest:
                directories.append(path)
        elif kind == "link":
            up = draw(st.integers(0, path.count("/")))
            made[path] = Leaf(target="../" * up + draw(_NAMES))
        else:
            made[path] = Leaf(data=draw(_CONTENT), executable=draw(st.booleans()))
    return made


def _taken(path: str, made: Trees) -> bool:
    """Whether the name is there, or one that differs from it in how its letters are composed."""
    form = unicodedata.normalize("NFC", path)
    return any(unicodedata.normalize("NFC", other) == form for other in made)


def write(tree: Trees, root: Path) -> None:
    """The tree on disk, below `root`."""
    for path, leaf in tree.items():
        where = root / path
        if leaf is None:
            where.mkdir(parents=True)
            continue
        where.parent.mkdir(parents=True, exist_ok=True)
        if leaf.target is not None:
            where.symlink_to(leaf.target)
            continue
        where.write_bytes(leaf.data)
        where.chmod(0o755 if leaf.executable else 0o644)


def read(root: Path) -> Trees:
    """What is below `root`."""
    found: Trees = {}
    for here, directories, names in os.walk(root):
        for name in [*directories, *names]:
            where = Path(here) / name
            path = str(where.relative_to(root))
            if where.is_symlink():
                found[path] = Leaf(target=str(where.readlink()))
            elif where.is_dir():
                found[path] = None
            else:
                found[path] = Leaf(data=where.read_bytes(), executable=bool(where.stat().st_mode & 0o100))
    return found


def nest(root: Path, depth: int) -> None:
    """Directories below `root`, each in the one before."""
    for _ in range(depth):
        root /= "n"
        root.mkdir()
