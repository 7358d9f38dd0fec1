"""What lies in a version, read from the rows of its manifest. Who may see the version was asked before."""

from mooring.base.db import Tx
from mooring.base.errors import Missing, Unfit
from mooring.files.entities import Row
from mooring.files.store import entries as store
from mooring.files.store.entries import Change

__all__ = ["Change", "changes", "entries", "entry"]


async def entry(tx: Tx, version_id: str, path: str) -> Row:
    """The entry at a path. Raises Missing."""
    parent, _, name = _checked(path).rpartition("/")
    found = await store.one(tx, version_id, parent, name)
    if found is None:
        raise Missing(f"there is no {path!r} in this version", path=path)
    return found


async def entries(
    tx: Tx, version_id: str, path: str, *, after: tuple[str, str], limit: int, recursive: bool, text: str
) -> list[Row]:
    """What lies in a directory by name; with `recursive` or a `text` that paths must hold, at any depth.

    Raises Missing, Unfit (no directory).
    """
    if path:
        found = await entry(tx, version_id, path)
        if found.type != "directory":
            raise Unfit(f"path: {path} is a {found.type}, not a directory", field="path")
    if recursive or text:
        return await store.below(tx, version_id, path, after, limit, _checked(text))
    return await store.children(tx, version_id, path, after[1], limit)


async def changes(tx: Tx, old: str, new: str, *, after: tuple[str, str], limit: int) -> list[Change]:
    """What differs between two versions, by directory and name."""
    return await store.changes(tx, old, new, after, limit)


def _checked(text: str) -> str:
    if "\0" in text:
        raise Unfit("path: no path holds a NUL character", field="path")
    return text
