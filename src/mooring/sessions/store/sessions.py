"""The rows of sessions, their plans, tasks and artifacts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mooring.base.db import Tx
from mooring.sessions.entities import Artifact, Pause, SessionTask
from mooring.sessions.plan import Plan, Request

ACTIVE = """
    SELECT sessions.id FROM sessions
    WHERE deleted_at IS NULL AND phase IN ('pending', 'preparing', 'running', 'waiting', 'pausing')
        AND NOT EXISTS (
            SELECT 1 FROM run_links JOIN runs ON runs.id = run_links.run_id
            WHERE runs.session_id = sessions.id AND run_links.cleared_at IS NULL AND run_links.place <> $5
        )
    ORDER BY created_at, id
"""
"""Every session that was started and is not over, unless its run is at another place than $5: only there lies what the
run leaves."""


async def keep_request(tx: Tx, session_id: str, request: Request, *, started_by: str | None) -> None:
    await tx.run(
        "INSERT INTO session_plans (session_id, request, started_by) VALUES ($1, $2, $3)",
        session_id,
        request,
        started_by,
    )


async def started_by(tx: Tx, session_id: str) -> str | None:
    """The user who started the session."""
    return await tx.value(str, "SELECT started_by FROM session_plans WHERE session_id = $1", session_id)


async def keep_plan(tx: Tx, session_id: str, plan: Plan) -> None:
    await tx.run("UPDATE session_plans SET plan = $2 WHERE session_id = $1 AND plan IS NULL", session_id, plan)


async def request(tx: Tx, session_id: str) -> Request | None:
    return await tx.value(Request, "SELECT request FROM session_plans WHERE session_id = $1", session_id)


async def plan(tx: Tx, session_id: str) -> dict[str, Any] | None:
    return await tx.value(dict[str, Any], "SELECT plan FROM session_plans WHERE session_id = $1", session_id)


async def ask_to_pause(tx: Tx, session_id: str, run_id: str) -> None:
    await tx.run("INSERT INTO session_pauses (session_id, run_id) VALUES ($1, $2)", session_id, run_id)


async def keep_paused(tx: Tx, session_id: str) -> None:
    """What was asked to pause has ended with everything kept."""
    await tx.run("UPDATE session_pauses SET paused_at = now() WHERE session_id = $1 AND paused_at IS NULL", session_id)


async def keep_resumed(tx: Tx, session_id: str) -> None:
    await tx.run(
        "UPDATE session_pauses SET resumed_at = now() "
        "WHERE session_id = $1 AND paused_at IS NOT NULL AND resumed_at IS NULL",
        session_id,
    )


async def pauses(tx: Tx, session_id: str) -> list[Pause]:
    """The pauses of a session, in order."""
    return await tx.rows(
        Pause,
        "SELECT run_id, asked_at, paused_at, resumed_at FROM session_pauses WHERE session_id = $1 ORDER BY asked_at",
        session_id,
    )


async def make_tasks(tx: Tx, session_id: str, names: Sequence[str]) -> None:
    await tx.run(
        "INSERT INTO session_tasks (session_id, number, name) "
        "SELECT $1, place - 1, name FROM unnest($2::text[]) WITH ORDINALITY AS named (name, place)",
        session_id,
        list(names),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Owned(SessionTask):
    session_id: str


async def tasks(tx: Tx, session_ids: Sequence[str]) -> dict[str, list[SessionTask]]:
    """The tasks of several sessions, each in order."""
    found: dict[str, list[SessionTask]] = {session_id: [] for session_id in session_ids}
    rows = await tx.rows(
        _Owned,
        "SELECT session_id, number, name, phase, attempts, exit_code, reason, started_at, ended_at "
        "FROM session_tasks WHERE session_id = ANY($1) ORDER BY session_id, number",
        list(session_ids),
    )
    for row in rows:
        found[row.session_id].append(row)
    return found


async def artifacts(tx: Tx, session_id: str) -> list[Artifact]:
    return await tx.rows(
        Artifact,
        "SELECT id, created_at, updated_at, version, created_by_user_id, session_id, name, size, sha256, blob_key, "
        "withheld FROM artifacts WHERE session_id = $1 AND deleted_at IS NULL ORDER BY name",
        session_id,
    )
