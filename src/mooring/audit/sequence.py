"""Numbers for events: the one order in which everyone reads them, without a gap, given out after the commits.

An event is written by many at once, and who began first may commit last. So the numbers are given out afterwards, by
one at a time, to what is committed: whoever has seen number n has been able to see every smaller one. Events of one
resource keep the order of its changes, because each change holds its row until it is committed.
"""

import asyncio
import contextlib

from mooring.base.db import Database, Tx
from mooring.base.errors import Unavailable
from mooring.base.work import pause

TOPIC = "numbered"
_MOST = 5_000
# Events that come within this are numbered together.
_GATHER = 0.005
# A hint of another process may be lost; looking again covers it.
_POLL = 1.0
# The first eight bytes of sha256("mooring.sequence"), signed: one gives out numbers at a time.
_LOCK = 869_396_727_296_026_090

_NUMBER = """
WITH taken AS (
    DELETE FROM event_outbox WHERE seq IN (SELECT seq FROM event_outbox ORDER BY seq LIMIT $1) RETURNING seq
),
last AS (SELECT coalesce(max(number), 0) AS number FROM event_numbers)
INSERT INTO event_numbers (number, seq)
SELECT last.number + row_number() OVER (ORDER BY taken.seq), taken.seq FROM taken, last
"""


async def number(tx: Tx) -> int:
    """Give the oldest events without a number the next numbers. How many; at most 5,000."""
    await tx.run("SELECT pg_advisory_xact_lock($1)", _LOCK)
    given = await tx.run(_NUMBER, _MOST)
    if given:
        tx.hint(TOPIC)
    return given


async def last(tx: Tx) -> int:
    """The last number given out, 0 before the first."""
    return await tx.value(int, "SELECT coalesce(max(number), 0) FROM event_numbers") or 0


async def keep_numbering(database: Database, stopping: asyncio.Event) -> None:
    """Number events as they come, until told to stop. Any number of processes may do so."""
    with database.hints.waiting("events") as hint:
        while not stopping.is_set():
            hint.clear()
            given = 0
            with contextlib.suppress(Unavailable):
                async with database.transaction() as tx:
                    given = await number(tx)
            if given:
                await pause(_GATHER)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL):
                    await hint.wait()
                await pause(_GATHER)
