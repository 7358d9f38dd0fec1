"""What runs inside a server process — the API, the runs' link, the loops, the hints — as one group."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
from collections.abc import AsyncGenerator, Callable, Generator
from datetime import timedelta
from pathlib import Path
from typing import Any, Never

import structlog
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mooring.app import App
from mooring.audit.archiving import Archiver
from mooring.audit.sealing import Sealer
from mooring.audit.sequence import keep_numbering
from mooring.base.db import Database
from mooring.base.errors import Clash, Unavailable, Unfit
from mooring.base.unprivileged import process_user
from mooring.base.work import Worker, pause, repeat
from mooring.compute.live import Delivery
from mooring.compute.loop import Runs
from mooring.files.loop import Filesystems
from mooring.http.link_peer import PeerProtocol
from mooring.http.protocol import ApiProtocol
from mooring.http.runner_link import link_application
from mooring.http.server import application
from mooring.secrets.loop import Secrets
from mooring.sessions.capture import Capture
from mooring.sessions.loop import Sessions
from mooring.sessions.plan import Bounds
from mooring.settings import Settings
from mooring.wiring import grace_of, link_socket

log = structlog.stdlib.get_logger("mooring")

# NOTIFY at most this often: it is a hint, and many at once are one.
_HINT_EVERY = timedelta(milliseconds=15)
_LISTEN_AGAIN = timedelta(seconds=1)
# Streams are cut after this when the server ends; their readers come back with the last number they saw.
_LAST_WORDS = 2
_LAST_PORT = 65_535


class Server(uvicorn.Server):
    """uvicorn, but the process's signals are ours: one stop for all parts."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def tcp_socket(listen: str) -> socket.socket:
    """The socket of the API. Raises Unfit (not HOST:PORT), Clash (taken)."""
    host, mark, port = listen.rpartition(":")
    if not mark or not port.isdecimal() or len(port) > len(str(_LAST_PORT)) or int(port) > _LAST_PORT:
        raise Unfit(
            f"--listen {listen!r} is not HOST:PORT (for instance 127.0.0.1:7070; port 0: any free one, 65535 the last)"
        )
    bare = host.strip("[]")
    made = socket.socket(socket.AF_INET6 if ":" in bare else socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((bare, int(port)))
    except TypeError as error:
        made.close()
        raise Unfit(f"--listen {listen!r} is not HOST:PORT: {host!r} cannot be a host") from error
    except OSError as error:
        made.close()
        raise Clash(f"cannot listen on {listen}: {error.strerror}; choose another with --listen") from error
    return made


def url_of(listening: socket.socket) -> str:
    """Where the API answers."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _unix_socket(path: Path) -> socket.socket:
    """The link's socket, for the run user alone; one that an earlier process left is replaced."""
    path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX)
    # Bound by a short name: the path of a unix socket may have 107 bytes, the data directory more.
    here = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.chdir(path.parent)
        made.bind(path.name)
    finally:
        os.fchdir(here)
        os.close(here)
    path.chmod(0o600)
    process_user("mooring-run").own(path)
    return made


def server_of(asgi: Any, protocol: type[HttpToolsProtocol]) -> Server:  # noqa: ANN401 - an ASGI application
    """What serves the application, on the sockets it is given."""
    config = uvicorn.Config(
        asgi,
        http=protocol,
        loop="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # Whoever asks from this machine could name any address as its own, and none would be limited.
        proxy_headers=False,
        timeout_graceful_shutdown=_LAST_WORDS,
        timeout_keep_alive=60,
    )
    return Server(config)


async def serve(app: App, api: socket.socket | None, *, works: bool, ready: Callable[[], None]) -> None:
    """Run the parts until SIGTERM or SIGINT; `ready` is called when they answer.

    `api` is where to serve; with `works`, runs are made and watched too.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    servers: list[tuple[Server, socket.socket]] = []
    if api is not None:
        servers.append((server_of(application(app), ApiProtocol), api))
    if works:
        servers.append((server_of(link_application(app), PeerProtocol), _unix_socket(link_socket(app.settings))))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_send_hints(app.database, stopping))
        tasks.create_task(keep_numbering(app.database, stopping))
        tasks.create_task(
            repeat(lambda: _listen(app.database, stopping), name="listen", every=_LISTEN_AGAIN, stopping=stopping)
        )
        serving = [tasks.create_task(server.serve(sockets=[listening])) for server, listening in servers]
        if works:
            tasks.create_task(_work(app, stopping))
            tasks.create_task(_seal(app, stopping))
        await _started([server for server, _ in servers], serving)
        _spare_the_collector()
        ready()
        await stopping.wait()
        app.database.hints.close()
        for server, _ in servers:
            server.should_exit = True


async def _started(servers: list[Server], serving: list[asyncio.Task[None]]) -> None:
    while not all(server.started for server in servers):
        if any(task.done() for task in serving):
            raise Unavailable("the server could not start; see the log above")
        await pause(0.01)


def _spare_the_collector() -> None:
    """Have the collector of cycles leave alone what is there now, and look less often at what comes."""
    # With a thousand streams open, each of its whole rounds stops the process for tens of milliseconds.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


async def _send_hints(database: Database, stopping: asyncio.Event) -> None:
    """Tell other processes what changed here, coalesced."""
    while not stopping.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await database.hints.unsent.wait()
        if database.hints.unsent.is_set():
            await pause(_HINT_EVERY.total_seconds())
            with contextlib.suppress(Unavailable):
                await database.send_hints()


async def _listen(database: Database, stopping: asyncio.Event) -> None:
    """Hear what changed elsewhere, until the line breaks (then it is made again)."""
    async with database.listening() as stands:
        while stands() and not stopping.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await stopping.wait()


async def _work(app: App, stopping: asyncio.Event) -> None:
    """The loops. Watches of runs end with them; the runs go on."""
    starts = app.settings.starts_per_core * (os.cpu_count() or 1)
    async with _ended_together() as watches:
        runs = Runs(
            database=app.database,
            drivers=app.drivers,
            link_key=app.link_key,
            grace=grace_of(app.settings),
            at_once=max(8, 2 * starts),
            tasks=watches,
            cache=app.cache,
        )
        sessions = Sessions(
            database=app.database,
            drivers=app.drivers,
            mirrors=app.mirrors,
            vaults=app.vaults,
            vault_wait=timedelta(seconds=app.settings.vault_wait),
            bounds=bounds_of(app.settings),
            clock=app.clock,
            capture=Capture(
                database=app.database,
                drivers=app.drivers,
                cache=app.cache,
                depot=app.depot,
                delivery=Delivery(
                    database=app.database,
                    vaults=app.vaults,
                    clock=app.clock,
                    wait=timedelta(seconds=app.settings.vault_wait),
                ),
            ),
            at_once=8,
            place=app.place,
        )
        secrets = Secrets(database=app.database, vaults=app.vaults)
        files = Filesystems(database=app.database, depot=app.depot, blobs=app.blobs)
        loops = (sessions.loop(), runs.loop(), *secrets.loops(), *files.loops())
        worker = Worker(app.database, loops, place=app.place)
        # Before anything comes into it.
        await app.cache.tidy()
        scrub = repeat(app.cache.scrub, name="scrub", every=_every(app.settings.cache_scrub), stopping=stopping)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(worker.run())
            tasks.create_task(scrub)
            await stopping.wait()
            worker.stop()


def _every(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


async def _seal(app: App, stopping: asyncio.Event) -> None:
    """Seal the record as it grows, and move what is old."""
    sealer = Sealer(database=app.database, key=app.seal_key, outside=app.seals, clock=app.clock)
    keeps = timedelta(days=app.settings.record_days)
    archiver = Archiver(database=app.database, key=app.seal_key, shelf=app.seals, clock=app.clock, keeps=keeps)

    async def step() -> None:
        while not stopping.is_set() and (await sealer.step() or (keeps and await archiver.step())):
            continue

    await repeat(step, name="seal", every=timedelta(seconds=app.settings.seal_seconds), stopping=stopping)


def _end() -> Never:
    raise _Over


class _Over(Exception):
    pass


@contextlib.asynccontextmanager
async def _ended_together() -> AsyncGenerator[asyncio.TaskGroup]:
    """A group whose tasks are cancelled at the end of the block."""
    try:
        async with asyncio.TaskGroup() as tasks:
            yield tasks
            _end()
    except* _Over:
        log.debug("watches ended")


def bounds_of(settings: Settings) -> Bounds:
    """What every assignment bounds."""
    return Bounds(
        grace=settings.grace,
        line_bytes=settings.line_bytes,
        task_output_bytes=settings.task_output_bytes,
        spool_bytes=settings.spool_bytes,
        artifact_bytes=settings.artifact_bytes,
    )
