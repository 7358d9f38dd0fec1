"""The real application on a port of loopback, and `moor` as a person at a terminal of 80 columns has it."""

import asyncio
import contextlib
import io
import socket
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from mooring.__main__ import main
from mooring.app import App
from mooring.audit.sequence import keep_numbering
from mooring.http.server import application
from surfaces.people import Asker


class _Server(uvicorn.Server):
    """Without the process's signals: those are pytest's."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@dataclass
class Served:
    """The application, which may be down for a while; its port stays the same."""

    app: App
    port: int = 0
    _server: _Server | None = None
    _serving: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def up(self) -> None:
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", self.port))
        self.port = listening.getsockname()[1]
        asgi: Any = application(self.app)
        config = uvicorn.Config(asgi, lifespan="on", log_config=None, access_log=False, timeout_graceful_shutdown=1)
        self._server = _Server(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listening]))
        await self._server.ready.wait()

    async def down(self) -> None:
        """At once, whoever is being answered."""
        assert self._server is not None
        assert self._serving is not None
        for connection in list(self._server.server_state.connections):
            transport = connection.transport
            assert transport is not None
            transport.abort()
        self._server.should_exit = self._server.force_exit = True
        await self._serving


@pytest.fixture
async def served(app: App) -> AsyncGenerator[Served]:
    served = Served(app=app)
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(keep_numbering(app.database, stopping))
        await served.up()
        yield served
        await served.down()
        stopping.set()
        app.database.hints.wake(["events"])


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a command came to."""

    status: int
    raw: bytes
    err: str

    @property
    def out(self) -> str:
        return self.raw.decode()

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class Screen(io.BytesIO):
    """What a command has written so far, for one who waits for it, and may go away."""

    def __init__(self) -> None:
        super().__init__()
        self.err = io.StringIO()
        self.gone = False
        self._loop = asyncio.get_running_loop()
        self._written = asyncio.Event()

    def write(self, piece: Any, /) -> int:
        if self.gone:
            raise BrokenPipeError
        written = super().write(piece)
        self._loop.call_soon_threadsafe(self._written.set)
        return written

    async def until(self, text: str) -> None:
        """Wait until it stands there."""
        while text.encode() not in self.getvalue():
            self._written.clear()
            await self._written.wait()


Moor = Callable[..., Coroutine[Any, Any, Said]]


@pytest.fixture
async def moor(served: Served, admin: Asker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Moor:
    """The command as the administrator has it, awaited with its words. One at a time."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("MOORING_SERVER", served.url)
    monkeypatch.setenv("MOORING_TOKEN", admin.token)
    monkeypatch.setenv("COLUMNS", "80")
    # A test that fails must not leave a follower waiting for an hour.
    monkeypatch.setattr("mooring.client.following.RECONNECTS", 12)
    busy = asyncio.Lock()

    async def moor(*argv: str, stdin: str = "", screen: Screen | None = None) -> Said:
        # Two would write to one standard output.
        assert not busy.locked(), "one at a time; several are processes of their own"
        screen = screen or Screen()
        out = io.TextIOWrapper(screen, encoding="utf-8", newline="", write_through=True)
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        async with busy:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(screen.err):
                status = await asyncio.to_thread(main, list(argv))
        with contextlib.suppress(BrokenPipeError):
            out.detach()
        return Said(status=status, raw=screen.getvalue(), err=screen.err.getvalue())

    return moor
