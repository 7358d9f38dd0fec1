"""1,000 who listen at once to every change, then to the transcript of one session: how long after it was written each
event reached each of them, and whether one was lost or came twice. What is written counts from before its commit."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import httpx
import uvloop
from report import median, percentile, tell
from stage.listeners import First, Listener, all_heard, listening, many_files
from stage.plane import API, Plane, control_plane, processor_seconds, throw_away

from mooring.base.db import Database, connect
from mooring.base.hints import Hints
from mooring.sessions import transcript

LISTENERS = 1_000
EVENTS = 80
EVERY = 0.1
# How long the last event may take before it counts as lost.
PATIENCE = 20.0
TEXT = "a line of output as a task writes it, neither long nor short"


async def measured(
    name: str, plane: Plane, path: str, write: Callable[[int], Awaitable[Any]], *, field: str, behind: int
) -> None:
    """All listen, then events are written; told what each heard. `field` says in each event when it was written."""
    first = First(API + path, plane.token, field=field)
    listeners = [first, *(Listener(API + path, plane.token) for _ in range(LISTENERS - 1))]
    await listening(plane.url, listeners)
    before, began = processor_seconds(plane.pid), time.monotonic()
    for number in range(EVENTS):
        await write(number)
        await asyncio.sleep(max(0.0, began + (number + 1) * EVERY - time.monotonic()))
    await all_heard(listeners, EVENTS, seconds=PATIENCE)
    used, took = processor_seconds(plane.pid) - before, time.monotonic() - began
    for listener in listeners:
        listener.transport.abort()
    expected = list(range(behind + 1, behind + EVENTS + 1))
    wrong = sum(listener.numbers != expected or listener.failed is not None for listener in listeners)
    written = {number: datetime.fromisoformat(text).timestamp() for number, text in first.written.items()}
    late = [
        (at - written[number]) * 1000
        for listener in listeners
        for number, at in zip(listener.numbers, listener.at, strict=True)
        if number in written
    ]
    tell(f"{name}: {LISTENERS:,} listeners, p50", median(late), "ms")
    tell(f"{name}: {LISTENERS:,} listeners, p99 (goal: 100)", percentile(late, 0.99), "ms")
    tell(f"{name}: listeners who lost an event or heard one twice", wrong, "")
    tell(f"{name}: share of a core of the server", used / took * 100, "%")
    tell(f"{name}: processor time of the server for an event heard", used / (LISTENERS * EVENTS) * 1e6, "µs")


async def changes(plane: Plane, http: httpx.AsyncClient) -> None:
    """Everything that is recorded."""
    newest = await http.get("/resource_events?size=1&orderBy=number desc&search=number > 0")
    behind = newest.json()["items"][0]["number"]

    async def write(number: int) -> None:
        (await http.post("/skills", json={"name": f"skill {number}", "prompt": TEXT})).raise_for_status()

    await measured("every change", plane, "/resource_events?watch=true", write, field="timestamp", behind=behind)


async def of_a_session(plane: Plane, http: httpx.AsyncClient, database: Database) -> None:
    """A transcript that grows; it is written by another process than the one that is listened to."""
    session = (await http.post("/sessions", json={"name": "long"})).json()["id"]

    async def write(number: int) -> None:
        async with database.transaction() as tx:
            await transcript.say(tx, session, "log", {"stream": "stdout", "text": f"{number} {TEXT}"})
        await database.send_hints()

    # The first event says that the session was made.
    path = f"/sessions/{session}/events?after=1"
    await measured("one transcript", plane, path, write, field="at", behind=1)


async def both(plane: Plane) -> None:
    database = await connect(f"postgresql://mooring@/mooring?host={plane.postgres}", hints=Hints(), most=2)
    headers = {"Authorization": f"Bearer {plane.token}"}
    async with httpx.AsyncClient(base_url=plane.url + API, headers=headers, timeout=60) as http:
        await http.post("/skills", json={"name": "the first"})
        await asyncio.sleep(1)
        await changes(plane, http)
        await of_a_session(plane, http, database)
    await database.close()


def main() -> None:
    many_files()
    with throw_away() as data, control_plane(data) as plane:
        uvloop.run(both(plane))


main()
