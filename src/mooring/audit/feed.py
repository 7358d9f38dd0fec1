"""The newest events of this process's database in memory, once for all who watch: a ring, and an index per watcher."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import islice

import msgspec

from mooring.audit import events, sequence
from mooring.audit.events import NumberedEvent
from mooring.base.db import Database
from mooring.base.errors import Unavailable

MOST_EVENTS = 20_000
MOST_BYTES = 64 << 20
_BATCH = 1_000
_POLL = 1.0


class Feed:
    """The events with the highest numbers, dense. One task fills it (`run`); watchers read behind their own number."""

    def __init__(self, database: Database, *, most: int = MOST_EVENTS) -> None:
        self._database = database
        self.most = most
        self._ring: deque[tuple[NumberedEvent, int]] = deque()
        self._bytes = 0
        self._written: dict[str, dict[int, bytes]] = {}
        self._more = asyncio.Event()
        self._stopped = False
        self.begun = asyncio.Event()
        self.last = 0

    async def run(self) -> None:
        """Follow the record until `stop`."""
        with self._database.hints.waiting(sequence.TOPIC) as hint:
            while not self._stopped:
                hint.clear()
                found: Sequence[NumberedEvent] = ()
                with contextlib.suppress(Unavailable):
                    found = await self._read()
                if not found:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_POLL):
                            await hint.wait()

    def stop(self) -> None:
        """Read no more, and let those who wait go."""
        self._stopped = True
        self._database.hints.wake([sequence.TOPIC])
        self._wake()

    @property
    def stopped(self) -> bool:
        """Whether nothing will come any more."""
        return self._stopped

    def after(self, number: int, most: int) -> list[NumberedEvent] | None:
        """The events behind a number, oldest first, at most so many; None when the ring begins after them."""
        first = self.last - len(self._ring) + 1
        if number + 1 < first:
            return None
        skipped = number + 1 - first
        return [event for event, _ in islice(self._ring, skipped, skipped + most)]

    def written(self, form: str) -> dict[int, bytes]:
        """Events as they are sent to those who see everything, by number, in one form (a kind's, or the record's)."""
        return self._written.setdefault(form, {})

    def keep(self, held: dict[int, bytes], made: Mapping[int, bytes]) -> None:
        """Keep what was written for others; only of events the ring holds, and as long as it does."""
        first = self.last - len(self._ring) + 1
        for number, text in made.items():
            if number >= first:
                held[number] = text
                self._bytes += len(text)

    async def wait(self, number: int, seconds: float) -> None:
        """Return when there is something behind the number, or after so long."""
        more = self._more
        if self.last > number or self._stopped:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await more.wait()

    async def _read(self) -> Sequence[NumberedEvent]:
        async with self._database.reading() as tx:
            if not self.begun.is_set():
                self.last = await sequence.last(tx)
                self.begun.set()
            found = await events.after(tx, self.last, _BATCH)
        for event in found:
            size = len(msgspec.json.encode(event.details))
            self._ring.append((event, size))
            self._bytes += size
        if found:
            self.last = found[-1].number
            while self._ring and (len(self._ring) > self.most or self._bytes > MOST_BYTES):
                self._drop()
            self._wake()
        return found

    def _drop(self) -> None:
        event, size = self._ring.popleft()
        self._bytes -= size
        for held in self._written.values():
            self._bytes -= len(held.pop(event.number, b""))

    def _wake(self) -> None:
        # Everyone who waits holds the old one; who comes later gets the new one.
        more, self._more = self._more, asyncio.Event()
        more.set()
