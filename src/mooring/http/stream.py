"""Streams of events to a client: Server-Sent Events with numbers, so that who comes back goes on where it was."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec

from mooring.http.call import Call
from mooring.http.errors import Malformed
from mooring.http.route import EVENTS, Answer

BEAT = 15.0
_HIGHEST = 2**63 - 1
_DIGITS = len(str(_HIGHEST))


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of a stream; `number` is what the client sends back as Last-Event-ID."""

    number: int
    name: str
    data: object

    def written(self) -> bytes:
        """The event as it is sent."""
        data = msgspec.json.encode(self.data)
        return b"id: %d\nevent: %s\ndata: %s\n\n" % (self.number, self.name.encode(), data)


def sse(events: AsyncIterator[Event | bytes | None], *, after: int) -> Answer:
    """The events as they come, several at once where they are written already; None is a sign of life.

    `after` is the number they begin behind: told at once, so that whoever loses the line before the first one knows it.
    """
    headers = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
    return Answer(stream=_written(events, after), media=EVENTS, headers=headers)


async def _written(events: AsyncIterator[Event | bytes | None], after: int) -> AsyncIterator[bytes]:
    # At once, so that the client knows it is listened to. A block without data is no event, but its id counts.
    yield b": open\nid: %d\n\n" % after
    async for event in events:
        if event is None:
            yield b": beat\n\n"
        else:
            yield event if isinstance(event, bytes) else event.written()


async def begun(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces, the first one read already: what is wrong with that is answered as an error."""
    first = await anext(pieces, b"")

    async def all_of_it() -> AsyncIterator[bytes]:
        yield first
        async for piece in pieces:
            yield piece

    return all_of_it()


def last_number(call: Call, *, after: int | None = None) -> int:
    """The number to go on after: Last-Event-ID, else `after` of the query, else 0. Raises Malformed."""
    header = call.header("Last-Event-ID")
    if header is None:
        return after or 0
    if not (header.isascii() and header.isdecimal()) or len(header) > _DIGITS or int(header) > _HIGHEST:
        raise Malformed("Last-Event-ID is a number this stream gave out", header="Last-Event-ID")
    return int(header)
