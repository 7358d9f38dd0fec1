"""The API on a real socket, with what numbers the record: for streams."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec

from mooring.app import App
from mooring.audit.feed import Feed
from mooring.audit.sequence import keep_numbering
from mooring.daemon.serving import server_of
from mooring.http.protocol import ApiProtocol
from mooring.http.server import application
from surfaces.people import BASE, Asker


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A server that runs, and the feed its watchers share."""

    url: str
    feed: Feed


@contextlib.asynccontextmanager
async def serving(app: App) -> AsyncGenerator[Served]:
    """Serve on a free port for as long as the block runs; streams are cut at its end."""
    listening = socket.create_server(("127.0.0.1", 0))
    asgi: Any = application(app)
    server = server_of(asgi, ApiProtocol)
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(keep_numbering(app.database, stopping))
        run = tasks.create_task(server.serve(sockets=[listening]))
        feed: Feed = asgi.state.held.feed
        await feed.begun.wait()
        try:
            yield Served(url=f"http://127.0.0.1:{listening.getsockname()[1]}", feed=feed)
        finally:
            stopping.set()
            server.should_exit = True
            await run


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One event of a stream."""

    number: int
    name: str
    data: dict[str, Any]


@contextlib.asynccontextmanager
async def watching(
    asker: Asker, url: str, path: str, *, last: int | None = None
) -> AsyncGenerator[AsyncGenerator[Heard]]:
    """What the asker is sent, once the server listens to it."""
    headers = {"Authorization": f"Bearer {asker.token}", "Accept": "text/event-stream"}
    if last is not None:
        headers["Last-Event-ID"] = str(last)
    async with (
        httpx.AsyncClient(base_url=url, timeout=30) as client,
        client.stream("GET", BASE + path, headers=headers) as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        lines = answer.aiter_lines()
        assert (await anext(lines)).startswith(":")
        heard = _heard(lines)
        try:
            yield heard
        finally:
            await heard.aclose()


@contextlib.asynccontextmanager
async def numbers(asker: Asker, url: str, path: str, *, last: int | None = None) -> AsyncGenerator[AsyncGenerator[int]]:
    """The numbers alone, read from a bare socket: for many watchers and changes. Raises OSError (no server there)."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    asked = f"GET {BASE}{path} HTTP/1.1\r\nHost: mooring\r\nAuthorization: Bearer {asker.token}\r\n"
    asked += "" if last is None else f"Last-Event-ID: {last}\r\n"
    writer.write(f"{asked}\r\n".encode())

    async def met() -> AsyncGenerator[int]:
        number, told, whole = 0, False, False
        async for line in reader:
            if line.startswith(b"id: "):
                number = int(line[4:])
            elif line.startswith(b"data: "):
                whole = told
            elif line.startswith(b"event: "):
                told = line != b"event: reset\n"
            elif whole and line == b"\n":
                whole = False
                yield number

    said = await reader.readline()
    # What is asked while the server ends has no answer, or one that says so.
    if not said or said[9:10] == b"5":
        writer.transport.abort()
        raise ConnectionResetError
    assert b" 200 " in said
    found = met()
    try:
        yield found
    finally:
        await found.aclose()
        writer.transport.abort()


async def _heard(lines: Any) -> AsyncGenerator[Heard]:
    held: dict[str, str] = {}
    async for line in lines:
        name, mark, value = line.partition(": ")
        if mark and name:
            held[name] = value
        if not line and "data" in held:
            yield Heard(number=int(held["id"]), name=held["event"], data=msgspec.json.decode(held["data"]))
            held = {}
