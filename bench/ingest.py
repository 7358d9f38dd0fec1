"""Transcripts taken in: batches of 50 events, as a runner sends them, decoded and kept by the verb of the runs' link,
against pgbench with the same statement on the same durable server, by turns."""

import asyncio
import time
from collections.abc import Generator
from typing import Any

import asyncpg
import msgspec
import uvloop
from report import median, tell
from stage.bare import DATABASE, Statement, database, pgbench, statement
from stage.plane import Plane, control_plane, throw_away

from mooring.base.db import Database, connect
from mooring.base.hints import Hints
from mooring.sessions import transcript
from mooring.sessions.entities import Said

# asyncpg has no type information.
_asyncpg: Any = asyncpg

BATCH = 50
SESSIONS = 12
ROUNDS = 3
SECONDS = 3
TEXT = "a line of output as a task writes it, neither long nor short"
DATA = {"task": 0, "attempt": 1, "stream": "stdout", "text": TEXT}

# One session with its run for each who writes, by number.
_ID, _EACH = "lpad(n::text, 27, '0')", f"FROM generate_series(0, {SESSIONS - 1}) AS n"
_MAKE = (
    f"INSERT INTO sessions (id, name) SELECT 'ses_' || {_ID}, 'session' {_EACH}",
    f"INSERT INTO session_cursors (session_id) SELECT 'ses_' || {_ID} {_EACH}",
    f"INSERT INTO runs (id, session_id, engine, spec) SELECT 'run_' || {_ID}, 'ses_' || {_ID}, 'local', '{{}}' {_EACH}",
)
_CLIENT = "lpad(:client_id::text, 27, '0')"
_NEXT = (
    f"SELECT array_agg(seq + n) FROM session_cursors, generate_series(1, {BATCH}) AS n "
    f"WHERE session_id = 'ses_' || {_CLIENT}"
)


class _Events(msgspec.Struct, kw_only=True):
    """A batch as it is sent."""

    events: list[Said]


def bodies() -> Generator[bytes]:
    """The batches of a run, one after the other."""
    event = b'{"seq": %%d, "at": 1770000000.25, "type": "log", "data": %s}' % msgspec.json.encode(DATA)
    form = b'{"events": [' + b", ".join([event] * BATCH) + b"]}"
    first = 1
    while True:
        yield form % tuple(range(first, first + BATCH))
        first += BATCH


async def prepare(plane: Plane) -> None:
    """The sessions and their runs, in Mooring's database and in the one beside it."""
    for name in ("mooring", DATABASE):
        connection = await _asyncpg.connect(f"postgresql://postgres@/{name}?host={plane.postgres}")
        await connection.execute("SET session_replication_role = replica")
        for made in _MAKE:
            await connection.execute(made)
        await connection.close()


async def keep(database: Database, number: int, sent: Generator[bytes], ends: float) -> int:
    """One after the other until the time is over; how many events were kept."""
    session, run = f"ses_{number:027}", f"run_{number:027}"
    kept = 0
    while time.perf_counter() < ends:
        said = msgspec.json.decode(next(sent), type=_Events).events
        async with database.statement() as tx:
            await transcript.append(tx, session, run, said)
        kept += len(said)
    return kept


async def ours(database: Database, sent: list[Generator[bytes]], seconds: float) -> tuple[float, float]:
    """Events a second, and events for a second of this process's processor time."""
    began, used = time.perf_counter(), time.process_time()
    writers = [keep(database, number, bodies, began + seconds) for number, bodies in enumerate(sent)]
    kept = sum(await asyncio.gather(*writers))
    return kept / (time.perf_counter() - began), kept / (time.process_time() - used)


def the_statement() -> Statement:
    """What the verb asks of the database, each client of pgbench going on with a run of its own."""
    said = [Said(seq=seq, at=1770000000.25, type="log", data=DATA) for seq in range(1, BATCH + 1)]
    return statement(
        lambda tx: transcript.append(tx, "ses_0", "run_0", said),
        made={1: f"'ses_' || {_CLIENT}", 2: f"'run_' || {_CLIENT}", 3: _NEXT},
    )


async def measure(plane: Plane, what: Statement, theirs: list[float]) -> list[tuple[float, float]]:
    """By turns."""
    database = await connect(f"postgresql://mooring@/mooring?host={plane.postgres}", hints=Hints())
    sent = [bodies() for _ in range(SESSIONS)]
    await ours(database, sent, 0.5)
    found: list[tuple[float, float]] = []
    for _ in range(ROUNDS):
        found.append(await ours(database, sent, SECONDS))
        theirs.append(BATCH * await asyncio.to_thread(pgbench, plane, what, clients=SESSIONS, seconds=SECONDS))
    await database.close()
    return found


def main() -> None:
    theirs: list[float] = []
    with throw_away() as data, control_plane(data) as plane:
        database(plane)
        uvloop.run(prepare(plane))
        mine = uvloop.run(measure(plane, the_statement(), theirs))
    other = median(theirs)
    rate, per_core = (median([one[part] for one in mine]) for part in range(2))
    tell("transcript ingest, batches of 50", rate, "events/s", compared_with="pgbench, the same statement", other=other)
    tell("transcript ingest, for a core of the API", per_core, "events/s", compared_with="pgbench", other=other)


main()
