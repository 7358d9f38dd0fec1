"""Watching: every change of what one sees, in the order of its number, without a gap or a repeat.

Whoever comes back with the last number it saw is first served from the database, then from the ring all watchers of
this process share. One that falls behind the ring, or what is in the database, is sent `reset` and comes back with its
number.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from mooring.access.actor import Actor
from mooring.audit import archiving, events, lists
from mooring.audit.events import NumberedEvent
from mooring.audit.feed import Feed
from mooring.audit.kinds import Kind
from mooring.base.db import Tx
from mooring.base.errors import NotKnown
from mooring.http.call import Call
from mooring.http.errors import BadRequest
from mooring.http.keys import asker
from mooring.http.listing import href
from mooring.http.route import Answer
from mooring.http.stream import BEAT, Event, last_number, sse
from mooring.wire.audit import Change, ResourceEvent
from mooring.wire.base import WatchQuery

_BATCH = 500
_WHO = frozenset({"user", "group", "token"})
# How often a watcher's token and roles are looked at again.
ASK_AGAIN = 10.0


def shown(event: events.ResourceEvent) -> ResourceEvent:
    """An event as it is sent."""
    return ResourceEvent(
        kind="ResourceEvent",
        href=href("resource_events", event.id),
        **{column: getattr(event, column) for column in events.COLUMNS},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A kind whose changes are watched, and how its rows are shown."""

    kind: Kind[Any]
    show: Callable[[Tx, Actor, Sequence[Any]], Awaitable[Sequence[Struct]]]


class Watch:
    """What one watcher is sent: events of `kinds` that pass `where`, as they are, or as changes of one kind."""

    def __init__(
        self, call: Call, kinds: Sequence[Kind[Any]], *, where: Mapping[str, object], of: Watched | None = None
    ) -> None:
        self._call = call
        self._kinds = kinds
        self._where = {name: value for name, value in where.items() if value is not None}
        self._of = of
        self._actor = call.actor
        self._asked = call.app.clock.now()

    async def answer(self, query: WatchQuery) -> Answer:
        """The stream. Raises BadRequest for parameters of a page."""
        if query.page != 1 or query.size != 100 or query.order_by or query.search or query.fields:  # noqa: PLR2004 - as they are when left out
            raise BadRequest("watch: the parameters of a page do not go with it; leave them out", field="watch")
        await self._feed.begun.wait()
        number = last_number(self._call, after=self._first(query))
        async with self._call.app.database.reading() as tx:
            moved = await archiving.archived_to(tx)
        if number < moved:
            says = f"the events up to {moved} were moved to the object store; begin after {moved}, or export them"
            raise BadRequest(says, field="after", archived_to=moved)
        return sse(self._stream(number), after=number)

    @property
    def _feed(self) -> Feed:
        feed: Feed = self._call.request.app.state.held.feed
        return feed

    def _first(self, query: WatchQuery) -> int:
        if query.after is None:
            return self._feed.ring.last
        if not (query.after.isascii() and query.after.isdecimal()) or len(query.after) > 18:  # noqa: PLR2004 - digits of a bigint
            raise BadRequest("after: with watch it is the number of an event, as the stream gave it", field="after")
        return int(query.after)

    async def _stream(self, number: int) -> AsyncIterator[Event | bytes | None]:
        feed, live = self._feed, False
        while not feed.ring.stopped:
            found = feed.ring.after(number, _BATCH)
            live = live or found is not None
            found = await self._stored(number) if found is None and not live else found
            if found is None:
                yield Event(number=number, name="reset", data={"number": number})
                return
            if not await self._still_known(found):
                return
            told = await self._told(found)
            if told:
                yield b"".join(told)
            if found:
                number = found[-1].number
            else:
                await feed.ring.wait(number, BEAT)
                if feed.ring.last <= number:
                    yield None

    async def _stored(self, number: int) -> Sequence[NumberedEvent] | None:
        """What comes behind a number, from the database; None when the next was moved to an archive meanwhile."""
        async with self._call.app.database.reading() as tx:
            found = await events.after(tx, number, _BATCH)
            if (not found or found[0].number != number + 1) and number < await archiving.archived_to(tx):
                return None
        return found

    async def _still_known(self, found: Sequence[NumberedEvent]) -> bool:
        """Whether the token still opens; the roles are taken as they are now."""
        now = self._call.app.clock.now()
        # A change of who is who may let one see more, or less, from its own event on.
        moved = any(event.resource_type in _WHO for event in found)
        if moved or (now - self._asked).total_seconds() >= ASK_AGAIN:
            self._asked = now
            try:
                self._actor = (await asker(self._call.app, self._call.request)).actor
            except NotKnown:
                return False
        return True

    async def _told(self, found: Sequence[NumberedEvent]) -> list[bytes]:
        wanted = [event for event in found if self._wants(event)]
        if not wanted:
            return []
        if self._actor.sees.everything:
            return await self._shared(wanted)
        async with self._call.app.database.reading() as tx:
            seen = await events.seen(tx, self._actor, self._kinds, [event.id for event in wanted])
        return [event.written() for event in await self._shaped([event for event in wanted if event.id in seen])]

    async def _shared(self, wanted: Sequence[NumberedEvent]) -> list[bytes]:
        """The same for everybody who sees everything: written once, and kept as long as the ring holds the event."""
        held = self._feed.written(self._of.kind.table if self._of is not None else "")
        # Taken now: while the others are written, the ring may let go of these.
        written = {event.number: held[event.number] for event in wanted if event.number in held}
        missing = [event for event in wanted if event.number not in written]
        if missing:
            made = {event.number: event.written() for event in await self._shaped(missing)}
            self._feed.keep(held, made)
            written |= made
        return [written[event.number] for event in wanted]

    async def _shaped(self, wanted: Sequence[NumberedEvent]) -> list[Event]:
        if self._of is None:
            return [Event(number=event.number, name="ResourceEvent", data=shown(event)) for event in wanted]
        return await self._changes(self._of, self._actor, wanted)

    def _wants(self, event: NumberedEvent) -> bool:
        if any(getattr(event, name) != value for name, value in self._where.items()):
            return False
        of = self._of.kind if self._of is not None else None
        if of is None:
            return True
        if of.owner is None:
            return event.resource_type == of.name
        sides = (event.details.get("before"), event.details.get("after"))
        name = of.owner.name
        return event.resource_type == of.owner.kind.name and any(name in side for side in sides if side)

    async def _changes(self, of: Watched, actor: Actor, wanted: Sequence[NumberedEvent]) -> list[Event]:
        """The events with what they changed, as it is now. Parts are told of as their owner's event holds them."""
        now: dict[str, Struct] = {}
        if of.kind.owner is None:
            async with self._call.app.database.reading() as tx:
                rows = await lists.some(tx, actor, of.kind, [event.resource_id for event in wanted])
                sent = await of.show(tx, actor, rows)
            now = {row.id: item for row, item in zip(rows, sent, strict=True)}
        return [
            Event(
                number=event.number,
                name=event.action.partition(".")[2],
                data=Change(number=event.number, event=shown(event), object=now.get(event.resource_id)),
            )
            for event in wanted
        ]
