"""What belongs to an owner — ordered parts, members, grants: writing it is one change of the owner, with one event."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString, TypeVar

from mooring.access.actor import Actor
from mooring.audit import ledger
from mooring.audit.kinds import Kind, Link
from mooring.base.db import Tx
from mooring.base.errors import Missing
from mooring.base.ids import new_id

T = TypeVar("T")
P = TypeVar("P")


async def insert(tx: Tx, actor: Actor, kind: Kind[P], owner: object, values: Mapping[str, object]) -> P:
    """A new part of the locked owner."""
    made = await make(tx, actor, kind, values)
    await _tell(tx, actor, kind, owner, before=[], after=[shown(kind, made)])
    return made


async def make(tx: Tx, actor: Actor, kind: Kind[P], values: Mapping[str, object]) -> P:
    """A new part, for one who tells of it in an event of the owner's."""
    args: list[object] = [new_id(kind.prefix), actor.user_id]
    places = ", ".join(ledger.bind(args, values[column]) for column in kind.written)
    made = await tx.row(
        kind.entity,
        f"INSERT INTO {kind.table} (id, created_by_user_id, {ledger.listed(kind.written)}) "
        f"VALUES ($1, $2, {places}) RETURNING {ledger.listed(kind.columns)}",
        *args,
    )
    assert made is not None
    tx.hint(kind.topic)
    return made


async def change(tx: Tx, actor: Actor, kind: Kind[P], owner: object, before: P, changes: Mapping[str, object]) -> P:
    """The locked part with the changes; they differ from what it is."""
    if not changes:
        return before
    after = await alter(tx, kind, before, changes)
    await _tell(tx, actor, kind, owner, before=[shown(kind, before)], after=[shown(kind, after)])
    return after


async def alter(tx: Tx, kind: Kind[P], before: P, changes: Mapping[str, object]) -> P:
    """The locked part with the changes, for one who tells of it in an event of the owner's."""
    args: list[object] = [_at(before, "id")]
    sets = ", ".join(
        f'"{column}" = {ledger.bind(args, changes[column])}' for column in kind.written if column in changes
    )
    after = await tx.row(
        kind.entity,
        f"UPDATE {kind.table} SET {sets}, version = version + 1, updated_at = now() WHERE id = $1 "
        f"RETURNING {ledger.listed(kind.columns)}",
        *args,
    )
    assert after is not None
    tx.hint(kind.topic)
    return after


async def delete(tx: Tx, actor: Actor, kind: Kind[P], owner: object, before: P) -> None:
    """The locked part is there no more."""
    await remove(tx, kind, before)
    await _tell(tx, actor, kind, owner, before=[shown(kind, before)], after=[])


async def remove(tx: Tx, kind: Kind[P], before: P) -> None:
    """The locked part is there no more, for one who tells of it in an event of the owner's."""
    await tx.run(
        f"UPDATE {kind.table} SET deleted_at = now(), version = version + 1, updated_at = now() WHERE id = $1",
        _at(before, "id"),
    )
    tx.hint(kind.topic)


def shown(kind: Kind[P], row: P) -> dict[str, object]:
    """A part as the owner's events hold it."""
    return {"id": _at(row, "id")} | {column: _at(row, column) for column in kind.recorded}


async def of(tx: Tx, kind: Kind[P], owner_ids: Sequence[str], *, by: str, lock: bool = False) -> dict[str, list[P]]:
    """The living parts of each owner, sorted by the column `by`."""
    assert kind.owner is not None
    column = kind.owner.column
    order: LiteralString = next(written for written in kind.columns if written == by)
    suffix: LiteralString = " FOR UPDATE" if lock else ""
    found = await tx.rows(
        kind.entity,
        f"SELECT {ledger.listed(kind.columns)} FROM {kind.table} "
        f'WHERE {column} = ANY($1) AND deleted_at IS NULL ORDER BY "{order}", id{suffix}',
        list(owner_ids),
    )
    parts: dict[str, list[P]] = {owner_id: [] for owner_id in owner_ids}
    for part in found:
        parts[str(_at(part, column))].append(part)
    return parts


async def _tell(
    tx: Tx, actor: Actor, kind: Kind[Any], owner: object, *, before: list[object], after: list[object]
) -> None:
    assert kind.owner is not None
    name = kind.owner.name
    details = {"before": {name: before}, "after": {name: after}}
    await ledger.change(tx, actor, kind.owner.kind, owner, {}, details=details)


# --- links: members, grants ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """One row of a link: whose, with whom, and the value where the link has one."""

    owner: str
    other: str
    value: str | None


async def links(tx: Tx, link: Link, owner_ids: Sequence[str]) -> dict[str, list[Linked]]:
    """The rows of each owner, by the other's id."""
    value = link.value or "NULL"
    found = await tx.rows(
        Linked,
        f"SELECT {link.owner} AS owner, {link.other} AS other, {value} AS value FROM {link.table} "
        f"WHERE {link.owner} = ANY($1) ORDER BY 1, 2",
        list(owner_ids),
    )
    by_owner: dict[str, list[Linked]] = {owner_id: [] for owner_id in owner_ids}
    for row in found:
        by_owner[row.owner].append(row)
    return by_owner


async def put_link(
    tx: Tx, actor: Actor, kind: Kind[T], owner: T, link: Link, other: str, value: str | None = None
) -> T:
    """The locked owner, linked to `other`. What is so already is no change."""
    before = await _link(tx, link, owner, other)
    if before is not None and before.value == value:
        return owner
    await write_link(tx, link, _at(owner, "id"), other, value)
    details = _sides(link, before={other: before.value} if before else {}, after={other: value})
    return await ledger.change(tx, actor, kind, owner, {}, details=details)


async def write_link(tx: Tx, link: Link, owner_id: str, other: str, value: str | None = None) -> None:
    """The row of a link, for one who tells of it in an event of the owner's."""
    columns = f"{link.owner}, {link.other}" + (f", {link.value}" if link.value else "")
    places = "$1, $2" + (", $3" if link.value else "")
    again = f"DO UPDATE SET {link.value} = $3" if link.value else "DO NOTHING"
    await tx.run(
        f"INSERT INTO {link.table} ({columns}) VALUES ({places}) ON CONFLICT ({link.owner}, {link.other}) {again}",
        owner_id,
        other,
        *([value] if link.value else []),
    )


async def drop_link(tx: Tx, actor: Actor, kind: Kind[T], owner: T, link: Link, other: str) -> T:
    """The locked owner, no longer linked to `other`. Raises Missing."""
    before = await _link(tx, link, owner, other)
    if before is None:
        raise Missing(f"{other} is not among the {link.name} of this {kind.name}", id=other)
    await tx.run(f"DELETE FROM {link.table} WHERE {link.owner} = $1 AND {link.other} = $2", _at(owner, "id"), other)
    details = _sides(link, before={other: before.value}, after={})
    return await ledger.change(tx, actor, kind, owner, {}, details=details)


def _sides(link: Link, **sides: Mapping[str, str | None]) -> dict[str, object]:
    # Grants have no value: that there is one is all.
    return {
        side: {link.name: {other: value if link.value else True for other, value in held.items()}}
        for side, held in sides.items()
    }


async def _link(tx: Tx, link: Link, owner: object, other: str) -> Linked | None:
    value = link.value or "NULL"
    return await tx.row(
        Linked,
        f"SELECT {link.owner} AS owner, {link.other} AS other, {value} AS value FROM {link.table} "
        f"WHERE {link.owner} = $1 AND {link.other} = $2",
        _at(owner, "id"),
        other,
    )


def _at(row: object, column: str) -> Any:  # noqa: ANN401 - the kind says which
    return getattr(row, column)
