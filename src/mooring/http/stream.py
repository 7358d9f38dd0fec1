"""Streams of events to a client: Server-Sent Events with numbers, so that who comes back goes on where it was."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

import msgspec

from mooring.app import App
from mooring.http.call import Call
from mooring.http.errors import Malformed
from mooring.http.route import EVENTS, Answer

BEAT = 15.0
# A hint of another process may be lost; looking again covers it.
_POLL = 1.0
_HIGHEST = 2**63 - 1


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


def last_number(call: Call, *, after: int | None = None) -> int:
    """The number to go on after: Last-Event-ID, else `after` of the query, else 0. Raises Malformed."""
    header = call.header("Last-Event-ID")
    if header is None:
        return after or 0
    if not (header.isascii() and header.isdecimal()) or int(header[:20]) > _HIGHEST:
        raise Malformed("Last-Event-ID is a number this stream gave out", header="Last-Event-ID")
    return int(header)


async def follow(
    app: App,
    topics: Sequence[str],
    fetch: Callable[[int], Awaitable[Sequence[Event]]],
    *,
    after: int,
    over: Callable[[], Awaitable[bool]] | None = None,
) -> AsyncIterator[Event | None]:
    """What `fetch` finds after a number, again and again: at each hint for one of the topics, and now and then.

    Ends when `over` says so, or this process ends, and nothing is left to fetch.
    """
    now = asyncio.get_running_loop().time
    silent_since = now()
    with app.database.hints.waiting(*topics) as hint:
        while True:
            hint.clear()
            # Asked before the fetch: what is written in between is fetched then.
            last = over is not None and await over()
            found = await fetch(after)
            for event in found:
                after, silent_since = event.number, now()
                yield event
            if found:
                continue
            if last or app.database.hints.closed:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL):
                    await hint.wait()
            if now() - silent_since >= BEAT:
                silent_since = now()
                yield None
