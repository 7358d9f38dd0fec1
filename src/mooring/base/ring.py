"""The newest of what is numbered without a gap, in memory once for all who read it: a ring, and a number per reader."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Held(Generic[T]):
    thing: T
    size: int


class Ring(Generic[T]):
    """At most `most` things, of `most_bytes` together; where there is more, the oldest go. `last` is the newest's."""

    def __init__(self, *, most: int, most_bytes: int) -> None:
        self.most = most
        self._most_bytes = most_bytes
        self._held: deque[_Held[T]] = deque()
        self.weight = 0
        self._more = asyncio.Event()
        self.last = 0
        # Whether nothing will come any more.
        self.stopped = False

    @property
    def first(self) -> int:
        """The number of the oldest that is held; where nothing is, the next one's."""
        return self.last - len(self._held) + 1

    def add(self, things: Iterable[tuple[T, int]]) -> list[T]:
        """Put things at the end, each with its bytes, and wake who waits. Those that went, oldest first."""
        for thing, size in things:
            self._held.append(_Held(thing, size))
            self.weight += size
            self.last += 1
        gone: list[T] = []
        while self._held and (len(self._held) > self.most or self.weight > self._most_bytes):
            oldest = self._held.popleft()
            self.weight -= oldest.size
            gone.append(oldest.thing)
        self.wake()
        return gone

    def begin(self, last: int) -> None:
        """Hold nothing any more, and go on behind this number; wake who waits."""
        self._held.clear()
        self.weight = 0
        self.last = last
        self.wake()

    def weigh(self, number: int, size: int) -> None:
        """Count bytes that are kept elsewhere for what is held under this number; they go with it."""
        self._held[number - self.first].size += size
        self.weight += size

    def after(self, number: int, most: int) -> list[T] | None:
        """What comes behind a number, oldest first, at most so many; None when the ring begins after it."""
        skipped = number + 1 - self.first
        if skipped < 0:
            return None
        return [held.thing for held in islice(self._held, skipped, skipped + most)]

    async def wait(self, number: int, seconds: float) -> None:
        """Return when there is something behind the number, at `wake`, or after so long."""
        more = self._more
        if self.last > number or self.stopped:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await more.wait()

    def stop(self) -> None:
        """Let all who wait go: nothing will come any more."""
        self.stopped = True
        self.wake()

    def wake(self) -> None:
        """Let all who wait look again."""
        # Everyone who waits holds the old one; who comes later gets the new one.
        more, self._more = self._more, asyncio.Event()
        more.set()
