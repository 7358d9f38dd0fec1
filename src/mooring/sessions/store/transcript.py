"""The rows of transcripts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from mooring.base.db import Tx
from mooring.sessions.entities import Head, TranscriptEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """The last number given out; of run `run_id`, the last seq stored."""

    number: int
    run_id: str | None
    seq: int


async def make_cursor(tx: Tx, session_id: str) -> None:
    await tx.run("INSERT INTO session_cursors (session_id) VALUES ($1)", session_id)


async def lock_cursor(tx: Tx, session_id: str) -> Cursor | None:
    """The cursor, held until the transaction ends: numbers are given out one writer at a time."""
    return await tx.row(
        Cursor, "SELECT number, run_id, seq FROM session_cursors WHERE session_id = $1 FOR UPDATE", session_id
    )


async def move_cursor(tx: Tx, session_id: str, cursor: Cursor) -> None:
    await tx.run(
        "UPDATE session_cursors SET number = $2, run_id = $3, seq = $4 WHERE session_id = $1",
        session_id,
        cursor.number,
        cursor.run_id,
        cursor.seq,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    number: int
    seq: int | None
    at: datetime
    type: str
    data: Mapping[str, object]


async def insert(tx: Tx, session_id: str, run_id: str | None, rows: Sequence[Row]) -> None:
    """All rows in one statement."""
    await tx.run(
        "INSERT INTO session_events (session_id, run_id, number, seq, at, type, data) "
        "SELECT $1, $2, * FROM unnest($3::bigint[], $4::bigint[], $5::timestamptz[], $6::text[], $7::jsonb[])",
        session_id,
        run_id,
        [row.number for row in rows],
        [row.seq for row in rows],
        [row.at for row in rows],
        [row.type for row in rows],
        [row.data for row in rows],
    )


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
        "UPDATE session_tasks SET phase = 'running', attempts = $3, started_at = coalesce(started_at, $4) "
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


async def skip_rest(tx: Tx, session_id: str, at: datetime) -> None:
    """What was under way when the session ended has failed; what had not begun is skipped."""
    await tx.run(
        "UPDATE session_tasks SET phase = CASE phase WHEN 'pending' THEN 'skipped' ELSE 'failed' END, ended_at = $2 "
        "WHERE session_id = $1 AND phase IN ('pending', 'running', 'checking')",
        session_id,
        at,
    )
