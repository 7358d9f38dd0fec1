"""The whole record in order, from the archives and from the database, also while events move from here to there."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from mooring.audit import archiving, events
from mooring.audit.archiving import Shelf
from mooring.audit.events import NumberedEvent
from mooring.audit.seal import Leaf
from mooring.base.db import Database

_BATCH = 1_000


async def following(
    database: Database, shelf: Shelf, after: int, *, batch: int = _BATCH
) -> AsyncIterator[Sequence[NumberedEvent]]:
    """Every event behind a number, several at a time, numbers rising. Raises Unavailable (an archive is missing)."""
    while True:
        found = await _moved(database, shelf, after)
        if not found:
            async with database.reading() as tx:
                found = await events.after(tx, after, batch)
            # Numbers have no gap, and the oldest are moved first: what the page skips may have been moved just now.
            if not found or found[0].number != after + 1:
                found = await _moved(database, shelf, after) or found
        if not found:
            return
        after = found[-1].number
        yield found


async def _moved(database: Database, shelf: Shelf, after: int) -> list[NumberedEvent]:
    """The events behind a number that lie in one archive with the next one; none while the database has that."""
    async with database.reading() as tx:
        archive = await archiving.holding(tx, after + 1)
    if archive is None:
        return []
    return [_event(leaf) for leaf in await archiving.opened(shelf, archive) if leaf.number > after]


def _event(leaf: Leaf) -> NumberedEvent:
    """An event as it was sealed, as it was in the database."""
    at = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=leaf.at or 0)
    details = msgspec.json.decode(leaf.details or "{}")
    held = {name: getattr(leaf, name) for name in events.COLUMNS if name not in ("timestamp", "details")}
    return NumberedEvent(timestamp=at, details=details, **held)
