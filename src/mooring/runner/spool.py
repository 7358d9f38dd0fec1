"""Every event is in the spool before it is sent, and stays until the control plane has acknowledged it.

One line of JSON per event, `seq` first. The file is rewritten in place when it grows too large, always from the front
and never faster than it is read, so a kill in the middle leaves every event: a reader skips what is no JSON and takes
the first line of each `seq`.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time

from .link import packed
from .shapes import is_map

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

BATCH_EVENTS, BATCH_BYTES = 500, 900_000
LARGEST_EVENT = 500_000
_SHORT = 1000
_PIECE = 262144
# All is acknowledged: beyond this it is worth giving the space back.
_IDLE_BYTES = 1 << 20
# What may be dropped when the control plane is away for too long: logs first, then what an agent said and did.
_TIERS = ((b"log",), (b"log", b"thought", b"tool", b"plan", b"usage", b"message"))


def _seq(line: bytes) -> int:
    return int(line[7 : line.index(b",")])


def _kind(line: bytes) -> bytes:
    return line.split(b'"type":"', 1)[1].split(b'"', 1)[0]


class Spool:
    """Thread-safe. `limit` in bytes; acknowledged events do not count against it for long."""

    def __init__(self, descriptor: int, limit: int) -> None:
        self._descriptor = descriptor
        self._limit = limit
        self._threshold = limit
        self._lock = threading.Condition()
        # Positions are ours: rewriting in place needs writes where we say.
        fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) & ~os.O_APPEND)
        self._size = os.fstat(descriptor).st_size
        self._first = 0
        self._generation = 0
        self.seq = 0
        self._tidy()

    def limit(self, limit: int) -> None:
        self._limit = self._threshold = limit

    def _tidy(self) -> None:
        """Keep the whole lines with rising numbers: what a kill in the middle of a write or a rewrite left goes."""
        at = 0
        for line in self._lines(0):
            if _whole(line) and _seq(line) > self.seq:
                self.seq = _seq(line)
                at += os.pwrite(self._descriptor, line, at)
        os.ftruncate(self._descriptor, at)
        self._size = at

    def append(self, kind: str, data: object) -> None:
        with self._lock:
            line = self._line(kind, data)
            if len(line) > LARGEST_EVENT:
                cut = len(line)
                line = self._line(kind, {**_essence(data), "cut": cut})
            self._write(line)
            if self._size > self._threshold:
                self._compact()
            self._lock.notify_all()

    def _line(self, kind: str, data: object) -> bytes:
        return packed({"seq": self.seq + 1, "at": round(time.time(), 3), "type": kind, "data": data}) + b"\n"

    def _write(self, line: bytes) -> None:
        """Add the next event, whole or, with an OSError, not at all: its number must not be missing after it."""
        done = 0
        try:
            while done < len(line):
                done += os.pwrite(self._descriptor, line[done:], self._size + done)
        except OSError:
            os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(line)
        self.seq += 1

    def unsent(self, seconds: float | None) -> tuple[list[bytes], int]:
        """The next batch and the generation it belongs to; empty when nothing came within `seconds`."""
        with self._lock:
            self._lock.wait_for(lambda: self._first < self._size, seconds)
            batch: list[bytes] = []
            size = 0
            for line in self._lines(self._first):
                size += len(line)
                if batch and (len(batch) == BATCH_EVENTS or size > BATCH_BYTES):
                    break
                batch.append(line)
            return batch, self._generation

    def acknowledge(self, batch: list[bytes], generation: int, seq: int) -> None:
        """The control plane holds every event up to `seq`."""
        with self._lock:
            lines = batch if generation == self._generation else self._lines(self._first)
            for line in lines:
                if _seq(line) > seq:
                    break
                self._first += len(line)
            if self._first >= self._size and self._size > _IDLE_BYTES:
                self._empty(batch[-1])
            self._lock.notify_all()

    def settled(self, seconds: float) -> bool:
        """Whether everything is acknowledged, waiting for at most `seconds`."""
        with self._lock:
            return self._lock.wait_for(lambda: self._first >= self._size, seconds)

    def _empty(self, last: bytes) -> None:
        """Keep the last line alone: a second start must know the number to go on from."""
        self._generation += 1
        self._size = os.pwrite(self._descriptor, last, 0)
        os.ftruncate(self._descriptor, self._size)
        self._first = self._size

    def _compact(self) -> None:
        self._generation += 1
        freed = lines = 0
        for tier in _TIERS:
            more, count = self._squeeze(tier, self._size - self._first - self._limit // 2)
            freed, lines = freed + more, lines + count
            if self._size <= self._limit:
                break
        self._threshold = max(self._limit, self._size + self._limit // 4)
        if lines:
            text = f"{lines} events ({freed} bytes) were left out: the control plane was away for too long"
            self._write(self._line("log", {"stream": "runner", "text": text + "\n"}))

    def _squeeze(self, kinds: tuple[bytes, ...], need: int) -> tuple[int, int]:
        """Rewrite in place without what is acknowledged; the oldest of `kinds` shrink to a number and a count until
        `need` bytes are free. Gives the bytes and the events left out."""
        freed = lines = at = 0
        for line in self._lines(self._first):
            kept = line
            if freed < need and _kind(line) in kinds:
                small = _shrunk(line)
                if len(small) < len(line):
                    kept, freed, lines = small, freed + len(line) - len(small), lines + 1
            at += os.pwrite(self._descriptor, kept, at)
        os.ftruncate(self._descriptor, at)
        self._size, self._first = at, 0
        return freed, lines

    def _lines(self, start: int) -> Iterator[bytes]:
        rest = b""
        at = start
        while piece := os.pread(self._descriptor, _PIECE, at):
            at += len(piece)
            rest += piece
            *whole, rest = rest.split(b"\n")
            for line in whole:
                yield line + b"\n"


def _whole(line: bytes) -> bool:
    """Whether this is an event, not what a kill in the middle of a write left of one."""
    try:
        return line.startswith(b'{"seq":') and json.loads(line)["seq"] > 0
    except ValueError:
        return False


def _shrunk(line: bytes) -> bytes:
    """What stays of an event that is left out: its number and its size. What was shrunk before stays as it is."""
    event = json.loads(line)
    data: dict[str, object] = event["data"]
    cut = data.get("cut", 0)
    if data.get("text") == "" and cut:
        return line
    event.update(type="log", data={"stream": "runner", "text": "", "cut": len(line) + int(str(cut))})
    return packed(event) + b"\n"


def _essence(data: object) -> dict[str, object]:
    """What an event too large to send is about."""
    if not is_map(data):
        return {}
    return {key: value for key, value in data.items() if len(packed(value)) <= _SHORT}
