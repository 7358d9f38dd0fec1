"""A load on a server: connections that stay open, each with its next request as soon as the last is answered."""

import asyncio
import itertools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import uvloop

# What the connections send, each request whole; they take from it by turns.
Requests = Iterator[bytes]
_LONGEST = 600.0


@dataclass(slots=True)
class Answered:
    """How many requests were answered in how many seconds, and how long each took."""

    seconds: float = 0.0
    took: list[float] = field(default_factory=list[float])
    # When each was answered, on the clock of `time.perf_counter`.
    at: list[float] = field(default_factory=list[float])

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.took) / self.seconds


class Connection(asyncio.Protocol):
    """One connection: sends, reads the whole answer, sends the next, until none is left or `ends` (a time) has come."""

    def __init__(self, requests: Requests, *, status: int, ends: float, answered: Answered) -> None:
        self._requests = requests
        self._expected = b"HTTP/1.1 %d " % status
        self._ends = ends
        self._answered = answered
        self._held = bytearray()
        self._sent = 0.0
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._next()

    def _next(self) -> None:
        self._sent = time.perf_counter()
        request = next(self._requests, None)
        if request is None or self._sent >= self._ends:
            self._end(None)
        else:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._held += data
        if not self._whole():
            return
        if not self._held.startswith(self._expected):
            self._end(RuntimeError(f"{bytes(self._held[:600])!r}"))
            return
        self._held.clear()
        now = time.perf_counter()
        self._answered.took.append(now - self._sent)
        self._answered.at.append(now)
        self._next()

    def _whole(self) -> bool:
        end = self._held.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self._held[:end]).lower()
        length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
        return len(self._held) >= end + 4 + int(length or 0)

    def _end(self, error: Exception | None) -> None:
        self._transport.abort()
        if self.over.done():
            return
        if error is None:
            self.over.set_result(None)
        else:
            self.over.set_exception(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or RuntimeError("the server closed a connection"))


async def driven(url: str, requests: Requests, *, status: int, connections: int, seconds: float) -> Answered:
    """What the server answers within the time, or until no request is left. Raises at a status not expected."""
    host, _, port = url.removeprefix("http://").partition(":")
    loop, answered, began = asyncio.get_running_loop(), Answered(), time.perf_counter()

    def made() -> Connection:
        return Connection(requests, status=status, ends=began + seconds, answered=answered)

    opened = [(await loop.create_connection(made, host, int(port)))[1] for _ in range(connections)]
    await asyncio.gather(*(connection.over for connection in opened))
    answered.seconds = time.perf_counter() - began
    return answered


def drive(
    url: str, requests: Requests, *, status: int = 200, connections: int = 16, seconds: float = _LONGEST
) -> Answered:
    """`driven`, for who does nothing else meanwhile."""
    return uvloop.run(driven(url, requests, status=status, connections=connections, seconds=seconds))


def get(paths: list[str], token: str) -> Requests:
    """GET of these paths, over and over."""
    head = f"HTTP/1.1\r\nHost: bench\r\nAccept: application/json\r\nAuthorization: Bearer {token}\r\n\r\n"
    return itertools.cycle([f"GET {path} {head}".encode() for path in paths])


def post(path: str, token: str, body: Callable[[int], object]) -> Requests:
    """POST of the bodies made from 0, 1, 2 and so on."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nAccept: application/json\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: "
    )
    for number in itertools.count():
        sent = json.dumps(body(number)).encode()
        yield head.encode() + b"%d\r\n\r\n" % len(sent) + sent
