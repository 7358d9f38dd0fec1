"""What lies in a version, read from the rows of its manifest. Who may see the version was asked before."""

import asyncio

from mooring.base.db import Tx
from mooring.base.errors import Missing, Unfit
from mooring.files import paths
from mooring.files.entities import Row
from mooring.files.store import entries as store
from mooring.files.store import paths as stored_paths
from mooring.files.store.entries import Change

__all__ = ["Change", "changes", "entries", "entry"]

# Pages that are looked into at once: few at first, as the first may have enough.
_FIRST_LOOK, _LONGEST_LOOK = 4, 64
# Pages that begin within so many bytes; one has at most 2,000 paths of 4,096.
_MOST_BYTES = 8 << 20


async def entry(tx: Tx, version_id: str, path: str) -> Row:
    """The entry at a path. Raises Missing."""
    found = await store.one(tx, version_id, *_split(_checked(path)))
    if found is None:
        raise Missing(f"there is no {path!r} in this version", path=path)
    return found


async def entries(
    tx: Tx, version_id: str, path: str, *, after: tuple[str, str], limit: int, recursive: bool, text: str
) -> list[Row]:
    """What lies in a directory by name; with `recursive` at any depth, by directory and name.

    With a `text` the paths that hold it at any depth, in any case, by path. Raises Missing, Unfit (no directory).
    """
    if path:
        found = await entry(tx, version_id, path)
        if found.type != "directory":
            raise Unfit(f"path: {path} is a {found.type}, not a directory", field="path")
    if text:
        found = await _holding(tx, version_id, path, _joined(after), limit, _checked(text))
        return await store.at(tx, version_id, [_split(one) for one in found])
    if recursive:
        return await store.below(tx, version_id, path, after, limit)
    return await store.children(tx, version_id, path, after[1], limit)


async def changes(tx: Tx, old: str, new: str, *, after: tuple[str, str], limit: int) -> list[Change]:
    """What differs between two versions, by directory and name."""
    return await store.changes(tx, old, new, after, limit)


async def _holding(tx: Tx, version_id: str, top: str, after: str, limit: int, text: str) -> list[str]:
    """Paths below `top` that hold the text, after this one, in order."""
    # All below `top` begins with `top/` and sorts before `top0`: the character after the slash. "" is the root.
    below = f"{top}/" if top else ""
    numbers = await stored_paths.bounds(tx, version_id, max(after, below), f"{top}0" if top else "")
    pages = await _pages(tx, version_id, numbers, text)
    found, look = list[str](), _FIRST_LOOK
    while pages and len(found) < limit:
        some = await stored_paths.lines(tx, version_id, pages[:look], most=_MOST_BYTES)
        for lines in some:
            held = await asyncio.to_thread(list, paths.holding(lines, text))
            found += [path for path in held if path > after and path.startswith(below)]
        pages, look = pages[len(some) or look :], min(2 * look, _LONGEST_LOOK)
    return found[:limit]


async def _pages(tx: Tx, version_id: str, numbers: range, text: str) -> list[int]:
    """Those of the pages that can hold the text."""
    left = set(numbers)
    whole, short = paths.parts(text)
    if whole:
        left &= await stored_paths.with_grams(tx, version_id, whole)
    for part in short:
        left &= await stored_paths.with_part(tx, version_id, part)
    return sorted(left)


def _joined(place: tuple[str, str]) -> str:
    parent, name = place
    return f"{parent}/{name}" if parent else name


def _split(path: str) -> tuple[str, str]:
    parent, _, name = path.rpartition("/")
    return parent, name


def _checked(text: str) -> str:
    if "\0" in text:
        raise Unfit("path: no path holds a NUL character", field="path")
    return text
