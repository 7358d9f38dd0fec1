"""Reading the record: one sees an event if and only if one sees (or would see, were it there still) its resource.

What one saw through a group alone one sees no more once the group is gone, or its grant; but of the group itself
whoever was its member at its end still sees everything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from mooring.access.actor import Actor
from mooring.audit import ledger
from mooring.audit.kinds import Kind
from mooring.audit.ledger import bind, listed
from mooring.audit.lists import Page, Rows, cut
from mooring.base.db import Tx
from mooring.base.errors import Missing
from mooring.base.ids import is_id
from mooring.base.page import Order, Wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceEvent:
    """Who did what to which resource, when and why."""

    id: str
    timestamp: datetime
    actor_id: str | None
    resource_type: str
    resource_id: str
    action: str
    details: dict[str, Any]
    reason: str | None
    number: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedEvent(ResourceEvent):
    """An event that has its number."""

    number: int  # pyright: ignore[reportIncompatibleVariableOverride] - frozen: narrower is safe


COLUMNS: tuple[LiteralString, ...] = (
    "id", "timestamp", "actor_id", "resource_type", "resource_id", "action", "details", "reason", "number",
)  # fmt: skip
_NUMBERED: LiteralString = """(
    SELECT resource_events.*, event_numbers.number FROM resource_events
    LEFT JOIN event_numbers ON event_numbers.seq = resource_events.seq
)"""
SEARCHABLE: tuple[LiteralString, ...] = (
    "id", "timestamp", "actor_id", "resource_type", "resource_id", "action", "reason", "number",
)  # fmt: skip
NEWEST = (Order(field="timestamp", descending=True), Order(field="id", descending=True))
_FILTERS: tuple[LiteralString, ...] = ("resource_id", "resource_type", "action", "actor_id")


async def page(
    tx: Tx, actor: Actor, kinds: Sequence[Kind[Any]], wanted: Wanted, *, where: Mapping[str, object]
) -> Page[ResourceEvent]:
    """A page of the events the actor sees, of resources of these kinds; `where` narrows it to equal values."""
    args: list[object] = []
    equal: list[LiteralString] = [
        f"e.{column} = {bind(args, where[column])}" for column in _FILTERS if where.get(column) is not None
    ]
    rows = Rows(
        shape=ResourceEvent,
        table=_NUMBERED,
        columns=COLUMNS,
        condition=" AND ".join([_seen(kinds, actor, args), *equal]),
        args=args,
        alias="e",
    )
    return await cut(tx, rows, wanted)


async def read(tx: Tx, actor: Actor, kinds: Sequence[Kind[Any]], identifier: str) -> ResourceEvent:
    """One event. Raises Missing."""
    missing = Missing(f"there is no resource event {identifier[:80]!r}", kind="resource_event", id=identifier[:80])
    if not is_id(identifier, "rev"):
        raise missing
    args: list[object] = [identifier]
    condition = _seen(kinds, actor, args)
    found = await tx.row(
        ResourceEvent,
        f"SELECT {listed(COLUMNS, 'e.')} FROM {_NUMBERED} AS e WHERE e.id = $1 AND {condition}",
        *args,
    )
    if found is None:
        raise missing
    return found


_AFTER = """
SELECT e.id, e.timestamp, e.actor_id, e.resource_type, e.resource_id, e.action, e.details, e.reason, n.number
FROM event_numbers AS n JOIN resource_events AS e ON e.seq = n.seq WHERE n.number > $1 ORDER BY n.number LIMIT $2
"""


async def after(tx: Tx, number: int, limit: int) -> list[NumberedEvent]:
    """The events behind a number, whoever sees them. Shape: at most `limit`, numbers rising by one."""
    return await tx.rows(NumberedEvent, _AFTER, number, limit)


async def seen(tx: Tx, actor: Actor, kinds: Sequence[Kind[Any]], ids: Sequence[str]) -> set[str]:
    """Those of the events that the actor sees."""
    args: list[object] = [list(ids)]
    condition = _seen(kinds, actor, args)
    return set(
        await tx.values(str, f"SELECT e.id FROM resource_events AS e WHERE e.id = ANY($1) AND {condition}", *args)
    )


def _seen(kinds: Sequence[Kind[Any]], actor: Actor, args: list[object]) -> LiteralString:
    if actor.sees.everything:
        return "TRUE"
    conditions: list[LiteralString] = []
    for kind in kinds:
        condition = ledger.seen(kind, actor, args)
        row: LiteralString = f"SELECT 1 FROM {kind.table} AS t WHERE t.id = e.resource_id AND {condition}"
        conditions.append(f"(e.resource_type = '{kind.name}' AND EXISTS ({row}))")
    return f"({' OR '.join(conditions)})"
