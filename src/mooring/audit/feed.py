"""The newest events of this process's database in memory, once for all who watch."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence

import msgspec

from mooring.audit import events, sequence
from mooring.audit.events import NumberedEvent
from mooring.base.db import Database
from mooring.base.errors import Unavailable
from mooring.base.ring import Ring

MOST_EVENTS = 20_000
MOST_BYTES = 64 << 20
_BATCH = 1_000
_POLL = 1.0


class Feed:
    """The events with the highest numbers, dense. One task fills it (`run`); watchers read behind their own number."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.ring: Ring[NumberedEvent] = Ring(most=MOST_EVENTS, most_bytes=MOST_BYTES)
        self._written: dict[str, dict[int, bytes]] = {}
        self.begun = asyncio.Event()

    async def run(self) -> None:
        """Follow the record until `stop`."""
        with self._database.hints.waiting(sequence.TOPIC) as hint:
            while not self.ring.stopped:
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
        self.ring.stop()
        self._database.hints.wake([sequence.TOPIC])

    def written(self, form: str) -> dict[int, bytes]:
        """Events as they are sent to those who see everything, by number, in one form (a kind's, or the record's)."""
        return self._written.setdefault(form, {})

    def keep(self, held: dict[int, bytes], made: Mapping[int, bytes]) -> None:
        """Keep what was written for others; only of events the ring holds, and as long as it does."""
        for number, text in made.items():
            # Two may have written the same at once: it is kept once.
            if number >= self.ring.first and number not in held:
                held[number] = text
                self.ring.weigh(number, len(text))

    async def _read(self) -> Sequence[NumberedEvent]:
        async with self._database.reading() as tx:
            if not self.begun.is_set():
                self.ring.last = await sequence.last(tx)
                self.begun.set()
            found = await events.after(tx, self.ring.last, _BATCH)
        if found and found[-1].number != self.ring.last + len(found):
            # Some left the database before they were read here. A ring has no gap: who watches goes on from there.
            self._written.clear()
            self.ring.begin(found[-1].number)
        elif found:
            for event in self.ring.add((event, len(msgspec.json.encode(event.details))) for event in found):
                for held in self._written.values():
                    held.pop(event.number, None)
        return found
