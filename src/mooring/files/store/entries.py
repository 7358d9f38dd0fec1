"""The rows of manifests: what a version holds, to browse and to search."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from mooring.base.db import Tx
from mooring.files.entities import Row
from mooring.files.store import paths

DUE = "SELECT version_id AS id FROM filesystem_manifests WHERE due <= now() ORDER BY due"
"""Manifests whose rows are to be removed."""

COLUMNS = ("version_id", "parent", "name", "type", "size", "mode", "mtime", "sha256", "target", "tar_offset")
_STORED = (*COLUMNS, "whole_parent")

# An index takes no row above 2,704 bytes: longer parents are stored as their begin and their checksum. No name holds
# the character between the two.
_LONGEST_PARENT, _BEGIN, _BETWEEN = 1500, 300, "\x01"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What became of one path between two versions; None where it was not there."""

    parent: str
    name: str
    before: Row | None
    after: Row | None


async def expect(tx: Tx, version_id: str, *, seconds: float) -> None:
    """Rows of this version come now, to be removed after so many seconds unless it comes too."""
    await tx.run(
        "INSERT INTO filesystem_manifests (version_id, due) VALUES ($1, now() + make_interval(secs => $2))",
        version_id,
        seconds,
    )


async def append(tx: Tx, rows: Sequence[tuple[object, ...]]) -> None:
    """More rows, in the order of COLUMNS."""
    await tx.copy("filesystem_entries", _STORED, [_stored(row) for row in rows])


def _stored(row: tuple[object, ...]) -> tuple[object, ...]:
    version_id, parent, *rest = row
    place = _place(str(parent))
    return (version_id, place, *rest, None if place == parent else parent)


def _place(parent: str) -> str:
    """What stands for a parent in the table."""
    if len(parent) <= _BEGIN or len(parent.encode()) <= _LONGEST_PARENT:
        return parent
    return f"{parent[:_BEGIN]}{_BETWEEN}{hashlib.sha256(parent.encode()).hexdigest()}"


async def keep(tx: Tx, version_id: str) -> bool:
    """The version is there: its rows stay. False when they are gone already."""
    return bool(await tx.run("UPDATE filesystem_manifests SET due = NULL WHERE version_id = $1", version_id))


async def release(tx: Tx, filesystem_id: str, *, seconds: float) -> None:
    """The filesystem is gone: the rows of its versions are removed after so many seconds."""
    await tx.run(
        "UPDATE filesystem_manifests SET due = now() + make_interval(secs => $2) "
        "WHERE version_id IN (SELECT id FROM filesystem_versions WHERE filesystem_id = $1)",
        filesystem_id,
        seconds,
    )


async def remove_some(tx: Tx, version_id: str, most: int) -> int:
    """Remove up to `most` rows of a manifest that is due. How many it were; with none left, it is forgotten."""
    removed = await tx.run(
        "DELETE FROM filesystem_entries WHERE (version_id, parent, name) IN ("
        "SELECT e.version_id, e.parent, e.name FROM filesystem_entries e "
        "JOIN filesystem_manifests m ON m.version_id = e.version_id AND m.due <= now() "
        "WHERE e.version_id = $1 LIMIT $2)",
        version_id,
        most,
    )
    if not removed and await tx.run(
        "DELETE FROM filesystem_manifests WHERE version_id = $1 AND due <= now()", version_id
    ):
        await paths.remove(tx, version_id)
    return removed


async def one(tx: Tx, version_id: str, parent: str, name: str) -> Row | None:
    """The entry of this name in that directory."""
    return await tx.row(
        Row,
        "SELECT coalesce(whole_parent, parent) AS parent, name, type, size, mode, mtime, "
        "encode(sha256, 'hex') AS sha256, target, tar_offset "
        "FROM filesystem_entries WHERE version_id = $1 AND parent = $2 AND name = $3",
        version_id,
        _place(parent),
        name,
    )


async def children(tx: Tx, version_id: str, parent: str, after: str, limit: int) -> list[Row]:
    """What lies in a directory, by name, after this name."""
    return await tx.rows(
        Row,
        "SELECT coalesce(whole_parent, parent) AS parent, name, type, size, mode, mtime, "
        "encode(sha256, 'hex') AS sha256, target, tar_offset "
        "FROM filesystem_entries WHERE version_id = $1 AND parent = $2 AND name > $3 ORDER BY name LIMIT $4",
        version_id,
        _place(parent),
        after,
        limit,
    )


async def below(tx: Tx, version_id: str, top: str, after: tuple[str, str], limit: int) -> list[Row]:
    """What lies below a directory at any depth, by directory and name."""
    # All that begins with `top/` sorts before `top0`: the character after the slash. "" is the root: everything.
    begin, end = (top, f"{top}0") if len(top) < _BEGIN else (top[: _BEGIN - 1], f"{top[: _BEGIN - 1]}\U0010ffff")
    return await tx.rows(
        Row,
        "SELECT coalesce(whole_parent, parent) AS parent, name, type, size, mode, mtime, "
        "encode(sha256, 'hex') AS sha256, target, tar_offset "
        "FROM filesystem_entries e WHERE version_id = $1 AND (e.parent, name) > ($3, $4) "
        "AND ($2 = '' OR (e.parent >= $6 AND e.parent < $7 AND (coalesce(whole_parent, e.parent) = $2 "
        "OR starts_with(coalesce(whole_parent, e.parent), $2 || '/')))) "
        "ORDER BY e.parent, name LIMIT $5",
        version_id,
        top,
        _place(after[0]),
        after[1],
        limit,
        begin,
        end,
    )


async def at(tx: Tx, version_id: str, places: Sequence[tuple[str, str]]) -> list[Row]:
    """The entries at these places (directory, name), in their order."""
    return await tx.rows(
        Row,
        "SELECT coalesce(e.whole_parent, e.parent) AS parent, e.name, e.type, e.size, e.mode, e.mtime, "
        "encode(e.sha256, 'hex') AS sha256, e.target, "
        "e.tar_offset FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS place (parent, name, number) "
        "JOIN filesystem_entries e ON (e.version_id, e.parent, e.name) = ($1, place.parent, place.name) "
        "ORDER BY place.number",
        version_id,
        [_place(parent) for parent, _ in places],
        [name for _, name in places],
    )


async def changes(tx: Tx, old: str, new: str, after: tuple[str, str], limit: int) -> list[Change]:
    """What differs between two versions in content, kind, mode or target, by directory and name."""
    return await tx.rows(
        Change,
        "SELECT coalesce(a.whole_parent, b.whole_parent, parent) AS parent, name, "
        "CASE WHEN a.version_id IS NOT NULL THEN jsonb_build_object("
        "'parent', coalesce(a.whole_parent, parent), 'name', name, "
        "'type', a.type, 'size', a.size, 'mode', a.mode, 'mtime', a.mtime, "
        "'sha256', encode(a.sha256, 'hex'), 'target', a.target, 'tar_offset', a.tar_offset) END AS before, "
        "CASE WHEN b.version_id IS NOT NULL THEN jsonb_build_object("
        "'parent', coalesce(b.whole_parent, parent), 'name', name, "
        "'type', b.type, 'size', b.size, 'mode', b.mode, 'mtime', b.mtime, "
        "'sha256', encode(b.sha256, 'hex'), 'target', b.target, 'tar_offset', b.tar_offset) END AS after "
        "FROM (SELECT * FROM filesystem_entries WHERE version_id = $1 AND (parent, name) > ($3, $4)) a "
        "FULL JOIN (SELECT * FROM filesystem_entries WHERE version_id = $2 AND (parent, name) > ($3, $4)) b "
        "USING (parent, name) "
        "WHERE (a.type, a.size, a.mode, a.sha256, a.target) "
        "IS DISTINCT FROM (b.type, b.size, b.mode, b.sha256, b.target) "
        "ORDER BY coalesce(a.parent, b.parent), name LIMIT $5",
        old,
        new,
        _place(after[0]),
        after[1],
        limit,
    )
