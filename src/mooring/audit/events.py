"""Reading the record: one sees an event if and only if one sees (or would see, were it there still) its resource."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from mooring.access.actor import Actor
from mooring.audit.kinds import Kind
from mooring.audit.ledger import bind, listed, seen
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


COLUMNS: tuple[LiteralString, ...] = (
    "id", "timestamp", "actor_id", "resource_type", "resource_id", "action", "details", "reason",
)  # fmt: skip
SEARCHABLE: tuple[LiteralString, ...] = (
    "id", "timestamp", "actor_id", "resource_type", "resource_id", "action", "reason",
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
        table="resource_events",
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
        f"SELECT {listed(COLUMNS, 'e.')} FROM resource_events AS e WHERE e.id = $1 AND {condition}",
        *args,
    )
    if found is None:
        raise missing
    return found


def _seen(kinds: Sequence[Kind[Any]], actor: Actor, args: list[object]) -> LiteralString:
    if actor.sees.everything:
        return "TRUE"
    conditions: list[LiteralString] = []
    for kind in kinds:
        condition = seen(kind, actor, args)
        row: LiteralString = f"SELECT 1 FROM {kind.table} AS t WHERE t.id = e.resource_id AND {condition}"
        conditions.append(f"(e.resource_type = '{kind.name}' AND EXISTS ({row}))")
    return f"({' OR '.join(conditions)})"
