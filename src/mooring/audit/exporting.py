"""The whole record in order, from the archives and from the database, also while events move from here to there."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from mooring.audit import archiving, events, sequence
from mooring.audit.archiving import Shelf
from mooring.audit.events import NumberedEvent
from mooring.audit.seal import Leaf, without_gap
from mooring.base.db import Database
from mooring.base.errors import Unavailable

_BATCH = 1_000


class Removed(Unavailable):
    """Numbers were given out whose events are nowhere."""

    def __init__(self, first: int, last: int) -> None:
        which = f"the event {first} is" if first == last else f"the events {first} to {last} are"
        says = f"{which} neither in the database nor in an archive; what comes behind is exported after {last}"
        super().__init__(says, first=first, last=last)


async def following(
    database: Database, shelf: Shelf, after: int, *, batch: int = _BATCH
) -> AsyncIterator[Sequence[NumberedEvent]]:
    """Every event behind a number, several at a time, numbers rising by one.

    Raises Unavailable (an archive is missing), Removed (events are missing): behind what comes before it.
    """
    while True:
        found, numbered_to = await _moved(database, shelf, after), 0
        if not found:
            async with database.reading() as tx:
                numbered_to, found = await sequence.last(tx), await events.after(tx, after, batch)
            # The oldest are moved first: what the page skips may have been moved just now.
            if not without_gap(after, found):
                found = await _moved(database, shelf, after) or found
        whole = without_gap(after, found)
        if whole:
            after = whole[-1].number
            yield whole
        elif found or after < numbered_to:
            raise Removed(after + 1, found[0].number - 1 if found else numbered_to)
        else:
            return


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
