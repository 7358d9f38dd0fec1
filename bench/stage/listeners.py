"""Many who listen to one stream of events, each on a connection of its own; what each heard, and when."""

import asyncio
import json
import re
import resource
import time
from collections.abc import Sequence
from typing import Any

_EVENT = re.compile(rb"id: (\d+)\nevent: ([^\n]+)\ndata: ([^\n]*)\n\n")
_AT_ONCE = 50


class Listener(asyncio.Protocol):
    """One who listens: the numbers of the events in the order in which they came, and when (`time.time`)."""

    def __init__(self, path: str, token: str) -> None:
        self._asked = (
            f"GET {path} HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\nAuthorization: Bearer {token}\r\n\r\n"
        )
        self._rest = b""
        self.open = asyncio.Event()
        self.numbers: list[int] = []
        self.at: list[float] = []
        self.failed: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.transport.write(self._asked.encode())

    def data_received(self, data: bytes) -> None:
        now = time.time()
        held = self._rest + data
        if not self.open.is_set():
            if not held.startswith(b"HTTP/1.1 200 "):
                self.failed = held.decode(errors="replace")
            if b": open\n" in held or self.failed:
                self.open.set()
        end = 0
        for event in _EVENT.finditer(held):
            end = event.end()
            self.heard(int(event[1]), event[2], event[3], now)
        self._rest = held[end:]

    def heard(self, number: int, name: bytes, data: bytes, now: float) -> None:
        """An event came."""
        del data
        if name == b"reset":
            self.failed = f"the stream was reset behind {number}"
        self.numbers.append(number)
        self.at.append(now)


class First(Listener):
    """The one who also looks at when each event was written, as it says itself."""

    def __init__(self, path: str, token: str, *, field: str) -> None:
        super().__init__(path, token)
        self._field = field
        self.written: dict[int, str] = {}

    def heard(self, number: int, name: bytes, data: bytes, now: float) -> None:
        super().heard(number, name, data, now)
        self.written[number] = json.loads(data)[self._field]


async def listening(url: str, listeners: Sequence[Listener]) -> None:
    """Connect all of them; each is answered before this returns."""
    host, _, port = url.removeprefix("http://").partition(":")
    loop = asyncio.get_running_loop()
    for start in range(0, len(listeners), _AT_ONCE):
        some = listeners[start : start + _AT_ONCE]
        for listener in some:
            await loop.create_connection(lambda one=listener: one, host, int(port))
        for listener in some:
            await listener.open.wait()
            if listener.failed is not None:
                raise RuntimeError(listener.failed)


async def all_heard(listeners: Sequence[Listener], count: int, *, seconds: float) -> None:
    """Return when each has heard so many, or when the time is over."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and any(  # noqa: ASYNC110 - looked at now and then, so that hearing costs nothing more
        len(listener.numbers) < count for listener in listeners
    ):
        await asyncio.sleep(0.05)


def many_files() -> None:
    """Let this process and those it starts have as many connections as the machine allows."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
