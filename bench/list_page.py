"""A page of 100 sessions out of 1,000,000 by cursor: the first, one in the middle, the last, by turns."""

import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx
import uvloop
from report import median, tell
from stage.plane import API, Plane, control_plane, throw_away

SESSIONS = 1_000_000
ROUNDS = 150
FIRST = datetime(2024, 1, 1, tzinfo=UTC)
# asyncpg has no type information.
_asyncpg: Any = asyncpg

# Every session has ended, so that no loop takes it up; each has one task.
_SESSIONS = """
INSERT INTO sessions (id, created_at, updated_at, name, phase, reason, started_at, ended_at)
SELECT 'ses_' || lpad(n::text, 27, '0'), at, at, 'session ' || n, 'failed', 'it had to', at, at
FROM generate_series(1, $1::int) AS n, LATERAL (SELECT $2::timestamptz + n * interval '1 second' AS at) AS times
"""
_TASKS = """
INSERT INTO session_tasks (session_id, number, name, phase)
SELECT 'ses_' || lpad(n::text, 27, '0'), 0, 'task', 'failed' FROM generate_series(1, $1::int) AS n
"""


async def fill(plane: Plane) -> None:
    """Make the rows; what they refer to is not looked at, since they refer to nothing."""
    connection = await _asyncpg.connect(f"postgresql://postgres@/mooring?host={plane.postgres}", timeout=60)
    await connection.execute("SET session_replication_role = replica")
    await connection.execute(_SESSIONS, SESSIONS, FIRST)
    await connection.execute(_TASKS, SESSIONS)
    await connection.execute("VACUUM (ANALYZE) sessions")
    await connection.execute("VACUUM (ANALYZE) session_tasks")
    await connection.close()


def behind(http: httpx.Client, number: int) -> str:
    """The cursor behind so many sessions."""
    answer = http.get(f"/sessions?size=100&page={number // 100}&fields=name")
    return quote(answer.raise_for_status().json()["next"])


def took(http: httpx.Client, after: str, newest: int) -> float:
    """Milliseconds of one page; it must begin with the session of the number `newest`."""
    began = time.perf_counter()
    answer = http.get(f"/sessions?size=100&after={after}")
    done = (time.perf_counter() - began) * 1000
    items = answer.raise_for_status().json()["items"]
    assert (items[0]["name"], len(items)) == (f"session {newest}", 100), answer.text[:300]
    return done


def main() -> None:
    headers = {"Accept": "application/json"}
    with throw_away() as data, control_plane(data, throw_away="yes") as plane:
        uvloop.run(fill(plane))
        headers["Authorization"] = f"Bearer {plane.token}"
        with httpx.Client(base_url=plane.url + API, headers=headers, timeout=120) as http:
            half, most = SESSIONS // 2, SESSIONS - 100
            asked = (("", SESSIONS), (behind(http, half), SESSIONS - half), (behind(http, most), SESSIONS - most))
            for after, newest in asked * 3:
                took(http, after, newest)
            rounds = [[took(http, after, newest) for after, newest in asked] for _ in range(ROUNDS)]
        first, middle, last = (median([one[part] for one in rounds]) for part in range(3))
        for name, value in (("a page in the middle", middle), ("the last page", last)):
            tell(f"list: {name} of 1,000,000 sessions", value, "ms", compared_with="the first page", other=first)


main()
