"""The rows of transcripts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from mooring.base.db import Tx
from mooring.sessions.entities import Head, Said, TranscriptEvent


async def make_cursor(tx: Tx, session_id: str) -> None:
    await tx.run("INSERT INTO session_cursors (session_id) VALUES ($1)", session_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Of a run, the last seq that was kept before, and the last that is kept now."""

    before: int
    last: int


async def append(tx: Tx, session_id: str, run_id: str, said: Sequence[Said]) -> Kept | None:
    """Keep the events that are new, numbered on from the cursor; none, if one is missing before them.

    `said` is dense by seq. The cursor is held until the transaction ends: numbers are given out one writer at a time.
    """
    return await tx.row(
        Kept,
        _APPEND,
        session_id,
        run_id,
        [event.seq for event in said],
        [event.at for event in said],
        [event.type for event in said],
        [event.data for event in said],
    )


_APPEND = """
WITH held AS (
    SELECT number, CASE WHEN run_id = $2 THEN seq ELSE 0 END AS seq
    FROM session_cursors WHERE session_id = $1 FOR UPDATE
),
said AS (SELECT * FROM unnest($3::bigint[], $4::float8[], $5::text[], $6::jsonb[]) AS said (seq, at, type, data)),
kept AS (
    INSERT INTO session_events (session_id, run_id, number, seq, at, type, data)
    SELECT $1, $2, held.number + said.seq - held.seq, said.seq, to_timestamp(said.at), said.type, said.data
    FROM held, said WHERE said.seq > held.seq AND (SELECT min(seq) FROM said) <= held.seq + 1
    RETURNING number, seq
),
moved AS (
    UPDATE session_cursors SET number = last.number, run_id = $2, seq = last.seq
    FROM (SELECT max(number) AS number, max(seq) AS seq FROM kept) AS last
    WHERE session_id = $1 AND last.seq IS NOT NULL
)
SELECT held.seq AS before, coalesce((SELECT max(seq) FROM kept), held.seq) AS last FROM held
"""


async def say(tx: Tx, session_id: str, word: str, data: Mapping[str, object]) -> int:
    """Add an event of no run. How many sessions there were to add it to: 1 or 0."""
    return await tx.run(_SAY, session_id, word, data)


_SAY = """
WITH moved AS (UPDATE session_cursors SET number = number + 1 WHERE session_id = $1 RETURNING number)
INSERT INTO session_events (session_id, number, at, type, data)
SELECT $1, number, clock_timestamp(), $2, $3 FROM moved
"""


async def after(tx: Tx, session_id: str, number: int, limit: int) -> list[TranscriptEvent]:
    return await tx.rows(
        TranscriptEvent,
        "SELECT number, at, type, data FROM session_events "
        "WHERE session_id = $1 AND number > $2 ORDER BY number LIMIT $3",
        session_id,
        number,
        limit,
    )


async def head(tx: Tx, session_id: str) -> Head | None:
    return await tx.row(
        Head,
        "SELECT u.number, s.phase, s.assigned_user_id, i.group_id FROM sessions s "
        "JOIN session_cursors u ON u.session_id = s.id LEFT JOIN compute_instances i ON i.id = s.compute_instance_id "
        "WHERE s.id = $1 AND s.deleted_at IS NULL",
        session_id,
    )


async def start_task(tx: Tx, session_id: str, number: int, attempt: int, at: datetime) -> None:
    await tx.run(
        "UPDATE session_tasks SET phase = 'running', attempts = $3, "
        "started_at = CASE phase WHEN 'pending' THEN $4 ELSE started_at END "
        "WHERE session_id = $1 AND number = $2 AND phase IN ('pending', 'running', 'checking')",
        session_id,
        number,
        attempt,
        at,
    )


async def check_task(tx: Tx, session_id: str, number: int) -> None:
    await tx.run(
        "UPDATE session_tasks SET phase = 'checking' WHERE session_id = $1 AND number = $2 AND phase = 'running'",
        session_id,
        number,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEnd:
    number: int
    phase: str
    exit_code: int | None
    reason: str | None
    at: datetime


async def end_task(tx: Tx, session_id: str, end: TaskEnd) -> None:
    await tx.run(
        "UPDATE session_tasks SET phase = $3, exit_code = $4, reason = $5, ended_at = $6 "
        "WHERE session_id = $1 AND number = $2 AND phase IN ('pending', 'running', 'checking')",
        session_id,
        end.number,
        end.phase,
        end.exit_code,
        end.reason,
        end.at,
    )


async def reopen(tx: Tx, session_id: str) -> None:
    """What a pause interrupted has yet to be done, and the attempt does not count."""
    await tx.run(
        "UPDATE session_tasks SET phase = 'pending', attempts = greatest(attempts - 1, 0) "
        "WHERE session_id = $1 AND phase IN ('running', 'checking')",
        session_id,
    )


async def skip_rest(tx: Tx, session_id: str, at: datetime) -> None:
    """What was under way when the session ended has failed; what had not begun is skipped."""
    await tx.run(
        "UPDATE session_tasks SET phase = CASE phase WHEN 'pending' THEN 'skipped' ELSE 'failed' END, ended_at = $2 "
        "WHERE session_id = $1 AND phase IN ('pending', 'running', 'checking')",
        session_id,
        at,
    )
