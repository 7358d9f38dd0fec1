"""Rows and their record: every write leaves exactly one event, in the same statement.

SQL is composed of literals of the kinds' descriptions alone; every value is bound. A row is read FOR NO KEY UPDATE
before it is changed, in the same transaction, so `before` is what was there. Whoever changes it waits; whoever refers
to it (as every event does to its actor) does not: two who change each other would wait for each other.
"""

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString, TypeVar, cast

from mooring.access.actor import Actor
from mooring.audit.kinds import Kind, Use
from mooring.base.db import Tx
from mooring.base.errors import Clash, Missing, Unfit
from mooring.base.ids import is_id, new_id

T = TypeVar("T")

_EVENT: LiteralString = """
event AS (
    INSERT INTO resource_events (id, actor_id, resource_type, resource_id, action, details, reason)
    SELECT $1, $2, $3, row.id, $4, $5, $6 FROM row RETURNING seq
),
queued AS (INSERT INTO event_outbox (seq) SELECT seq FROM event)
"""
_EVENT_ARGS = 6
_ALONE: LiteralString = f"WITH row AS (SELECT $7::text AS id), {_EVENT} SELECT seq FROM event"


def listed(columns: Sequence[LiteralString], prefix: LiteralString = "") -> LiteralString:
    """The columns as SQL names them."""
    # Quoted, because a column may be named as a keyword is ("check").
    names: list[LiteralString] = [f'{prefix}"{column}"' for column in columns]
    return ", ".join(names)


def _places(count: int, start: int) -> LiteralString:
    places: list[LiteralString] = ["$" + _number(start + at) for at in range(count)]
    return ", ".join(places)


_DIGITS: tuple[LiteralString, ...] = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")


def _number(value: int) -> LiteralString:
    text: LiteralString = _DIGITS[value % 10]
    return text if value < len(_DIGITS) else _number(value // 10) + text


def seen(kind: Kind[T], actor: Actor, args: list[object]) -> LiteralString:
    """The condition under which the actor sees the row `t`; binds what it needs behind `args`."""
    sight = actor.sees
    if sight.everything:
        return "TRUE"
    condition: LiteralString = f"({kind.visible})"
    binds: dict[LiteralString, object] = {"{user}": sight.user_id, "{groups}": list(sight.group_ids)}
    for word, value in binds.items():
        if word in condition:
            condition = condition.replace(word, bind(args, value))
    return condition


def bind(args: list[object], value: object) -> LiteralString:
    """The place of `value` behind `args`."""
    args.append(value)
    return "$" + _number(len(args))


async def insert(
    tx: Tx,
    actor: Actor,
    kind: Kind[T],
    values: Mapping[str, object],
    *,
    details: Mapping[str, object] | None = None,
    identifier: str | None = None,
) -> T:
    """A new row from the values of every written column. `details` adds to the event. Raises Clash, Unfit.

    `identifier` is its id where something outside bears it already (a value in a vault).
    """
    written = [values[column] for column in kind.written]
    into: tuple[LiteralString, ...] = ("id", "created_by_user_id", *kind.written)
    sql = (
        f"WITH row AS (INSERT INTO {kind.table} ({listed(into)}) "
        f"VALUES ({_places(len(into), _EVENT_ARGS + 1)}) RETURNING {listed(kind.columns)}), "
        f"{_EVENT} SELECT {listed(kind.columns)} FROM row"
    )
    recorded = _recorded(details, after={column: values[column] for column in kind.recorded})
    identifier = identifier or new_id(kind.prefix)
    args = [*_change(actor, kind, "create", recorded), identifier, actor.user_id, *written]
    made = await tx.row(kind.entity, sql, *args)
    assert made is not None
    tx.hint(kind.topic, "events")
    return made


async def read(tx: Tx, actor: Actor, kind: Kind[T], identifier: str, *, lock: bool = False) -> T:
    """The row the actor sees under this id; with `lock`, held until the transaction ends. Raises Missing."""
    if not is_id(identifier, kind.prefix):
        raise Missing(f"there is no {kind.name} {identifier!r}", kind=kind.name, id=identifier)
    args: list[object] = [identifier]
    condition = seen(kind, actor, args)
    suffix: LiteralString = " FOR NO KEY UPDATE OF t" if lock else ""
    found = await tx.row(
        kind.entity,
        f"SELECT {listed(kind.columns, 't.')} FROM {kind.table} AS t "
        f"WHERE t.id = $1 AND t.deleted_at IS NULL AND {condition}{suffix}",
        *args,
    )
    if found is None:
        raise Missing(f"there is no {kind.name} {identifier}", kind=kind.name, id=identifier)
    return found


async def change(
    tx: Tx,
    actor: Actor,
    kind: Kind[T],
    before: T,
    changes: Mapping[str, object],
    *,
    verb: LiteralString = "update",
    details: Mapping[str, object] | None = None,
) -> T:
    """The locked row `before` with the changes; `details` are changes of what the row owns (members, order).

    What differs nowhere is no change: the row is returned as it was, and nothing is recorded.
    """
    differing: list[LiteralString] = [
        column for column in kind.written if column in changes and not same(changes[column], _at(before, column))
    ]
    if not differing and not details:
        return before
    sets: list[LiteralString] = [
        '"' + column + '" = $' + _number(_EVENT_ARGS + 2 + at) for at, column in enumerate(differing)
    ]
    sets.append("version = version + 1, updated_at = now()")
    sql = (
        f"WITH row AS (UPDATE {kind.table} SET {', '.join(sets)} WHERE id = $7 RETURNING {listed(kind.columns)}), "
        f"{_EVENT} SELECT {listed(kind.columns)} FROM row"
    )
    shown = [column for column in differing if column not in kind.hidden]
    recorded = _recorded(
        details,
        before={column: _at(before, column) for column in shown},
        after={column: changes[column] for column in shown},
    )
    args = [*_change(actor, kind, verb, recorded), _at(before, "id"), *(changes[column] for column in differing)]
    after = await tx.row(kind.entity, sql, *args)
    assert after is not None
    tx.hint(kind.topic, "events")
    return after


def same(one: Any, other: Any) -> bool:  # noqa: ANN401 - values of any column
    """Whether two values are one: of JSON, `1` and `true` are two, though Python takes them for equal."""
    if one != other or isinstance(one, bool) != isinstance(other, bool):
        return False
    if isinstance(one, dict):
        return all(same(value, other[key]) for key, value in cast("dict[Any, Any]", one).items())
    return not isinstance(one, list) or all(map(same, cast("list[Any]", one), other))


async def delete(tx: Tx, actor: Actor, kind: Kind[T], before: T) -> None:
    """The locked row `before` is there no more, nor its parts. Raises Clash with the list of what still uses it."""
    identifier = str(_at(before, "id"))
    # One that uses it twice is named once.
    users = list(dict.fromkeys([user for use in kind.used_by for user in await _users(tx, use, identifier)]))
    if users:
        raise Clash(f"this {kind.name} is still used by {', '.join(users[:10])}; remove it there first", used_by=users)
    recorded = {"before": {column: _at(before, column) for column in kind.recorded}}
    for table, column in kind.parts:
        await tx.run(
            f"UPDATE {table} SET deleted_at = now(), version = version + 1, updated_at = now() "
            f"WHERE {column} = $1 AND deleted_at IS NULL",
            identifier,
        )
    for link in kind.links:
        if link.stay:
            continue
        await tx.run(f"DELETE FROM {link.table} WHERE {link.owner} = $1", identifier)
    await tx.row(
        kind.entity,
        f"WITH row AS (UPDATE {kind.table} SET deleted_at = now(), version = version + 1, updated_at = now() "
        f"WHERE id = $7 RETURNING {listed(kind.columns)}), {_EVENT} SELECT {listed(kind.columns)} FROM row",
        *_change(actor, kind, "delete", recorded),
        identifier,
    )
    tx.hint(kind.topic, "events")


async def refer(tx: Tx, actor: Actor, kind: Kind[T], identifier: str, *, field: str, alone: bool = False) -> T:
    """The row `field` refers to, kept from being deleted until the transaction ends.

    With `alone` nobody else changes it meanwhile either. Raises Unfit, naming the field.
    """
    try:
        if alone:
            return await read(tx, actor, kind, identifier, lock=True)
        found = await read(tx, actor, kind, identifier)
    except Missing as error:
        raise Unfit(f"{field}: {error.reason}", field=field, id=identifier) from error
    held = await tx.value(
        str, f"SELECT id FROM {kind.table} WHERE id = $1 AND deleted_at IS NULL FOR SHARE", identifier
    )
    if held is None:
        raise Unfit(f"{field}: there is no {kind.name} {identifier}", field=field, id=identifier)
    return found


async def record(
    tx: Tx,
    actor: Actor,
    kind: Kind[Any],
    identifier: str,
    verb: LiteralString,
    details: Mapping[str, object],
) -> None:
    """An event without a change of the row itself (a secret was delivered, a login was refused)."""
    await tx.run(_ALONE, *_event(actor, kind, verb, details), identifier)
    tx.hint("events")


def _change(actor: Actor, kind: Kind[Any], verb: LiteralString, details: Mapping[str, object]) -> list[object]:
    actor.require_reason(f"{kind.name}.{verb}")
    return _event(actor, kind, verb, details)


def _event(actor: Actor, kind: Kind[Any], verb: LiteralString, details: Mapping[str, object]) -> list[object]:
    return [new_id("rev"), actor.user_id, kind.name, f"{kind.name}.{verb}", details, actor.reason]


def _recorded(details: Mapping[str, object] | None, **sides: Mapping[str, object]) -> dict[str, object]:
    """The details of an event: what was before and after, with what the verb adds to either."""
    recorded = dict(details or {})
    for side, columns in sides.items():
        added = recorded.get(side)
        if columns or added is not None:
            recorded[side] = {**columns, **(added if isinstance(added, dict) else {})}
    return recorded


def _at(row: object, column: str) -> object:
    return getattr(row, column)


async def _users(tx: Tx, use: Use, identifier: str) -> list[str]:
    return await tx.values(
        str,
        f"SELECT {use.shows} FROM {use.table} WHERE {use.column} = $1 AND {use.living} ORDER BY 1 LIMIT 100",
        identifier,
    )
