"""Hints that something changed, within this process at once and to the others by one coalesced NOTIFY.

A hint is never the truth: whoever waits for one also polls. NOTIFY is not sent from a writing transaction, because
PostgreSQL serialises the commits of transactions that notify.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Generator, Iterable

CHANNEL = "mooring"
# NOTIFY payloads end at 8,000 bytes; beyond this many topics in one flush a reader just looks at everything.
_MOST_TOPICS = 100
EVERYTHING = "*"


class Hints:
    """The hub of one process. A topic is a short word: `sessions`, `transcript:ses_…`."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._unsent: set[str] = set()
        self.unsent = asyncio.Event()
        # Whether this process is ending: who waits on behalf of a client stops waiting then.
        self.closed = False

    def touch(self, topics: Iterable[str]) -> None:
        """Something changed here: wake those who wait in this process, and have the others told."""
        found = set(topics)
        if found:
            self.wake(found)
            self._unsent |= found
            self.unsent.set()

    def wake(self, topics: Iterable[str]) -> None:
        """Wake those of this process who wait for one of the topics."""
        named = set(topics)
        keys = set(self._waiting) if EVERYTHING in named else named & set(self._waiting)
        for key in keys:
            for event in self._waiting[key]:
                event.set()

    def close(self) -> None:
        """Wake everyone for the last time: this process is ending."""
        self.closed = True
        self.wake((EVERYTHING,))

    def take_unsent(self) -> str:
        """The payload of the next NOTIFY: topics joined by spaces; everything, when they are too many."""
        topics, self._unsent = self._unsent, set()
        self.unsent.clear()
        return " ".join(sorted(topics)) if len(topics) <= _MOST_TOPICS else EVERYTHING

    @contextlib.contextmanager
    def waiting(self, *topics: str) -> Generator[asyncio.Event]:
        """An event that is set at each hint for one of the topics; clear it before looking, wait after."""
        event = asyncio.Event()
        for topic in topics:
            self._waiting[topic].add(event)
        try:
            yield event
        finally:
            for topic in topics:
                self._waiting[topic].discard(event)
                if not self._waiting[topic]:
                    del self._waiting[topic]
