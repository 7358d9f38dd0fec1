"""The rows of runs and their links."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from mooring.base.db import Tx
from mooring.compute.phases import Report, Run

UNCLEARED = """
    SELECT runs.id FROM run_links JOIN runs ON runs.id = run_links.run_id
    WHERE run_links.place = $5 AND run_links.cleared_at IS NULL
        AND (run_links.released_at IS NOT NULL OR runs.phase IN ('pending', 'starting', 'running', 'stopping'))
    ORDER BY runs.created_at, runs.id
"""
"""Every run of the place $5 that is not over, or that is and may be cleared away."""


async def make_link(tx: Tx, run_id: str, place: str, assignment: Mapping[str, object]) -> None:
    await tx.run("INSERT INTO run_links (run_id, place, assignment) VALUES ($1, $2, $3)", run_id, place, assignment)


async def assignment(tx: Tx, run_id: str) -> dict[str, Any] | None:
    return await tx.value(dict[str, Any], "SELECT assignment FROM run_links WHERE run_id = $1", run_id)


async def report(tx: Tx, run_id: str) -> Report | None:
    return await tx.value(Report, "SELECT report FROM run_links WHERE run_id = $1", run_id)


async def keep_report(tx: Tx, run_id: str, said: Report) -> None:
    """The first report counts."""
    await tx.run("UPDATE run_links SET report = $2 WHERE run_id = $1 AND report IS NULL", run_id, said)


async def keep_received(tx: Tx, run_id: str) -> None:
    await tx.run(
        "UPDATE run_links SET environment_received_at = now() WHERE run_id = $1 AND environment_received_at IS NULL",
        run_id,
    )


async def keep_released(tx: Tx, run_id: str) -> None:
    await tx.run("UPDATE run_links SET released_at = now() WHERE run_id = $1", run_id)


async def kept(tx: Tx, session_id: str) -> list[str]:
    """The runs of a session that may not be cleared away yet once they are over."""
    return await tx.values(
        str,
        "SELECT runs.id FROM runs JOIN run_links ON run_links.run_id = runs.id WHERE runs.session_id = $1 "
        "AND run_links.released_at IS NULL ORDER BY runs.id",
        session_id,
    )


async def place(tx: Tx, run_id: str) -> str:
    """The data directory that a run belongs to."""
    found = await tx.value(str, "SELECT place FROM run_links WHERE run_id = $1", run_id)
    assert found is not None, "a run has a link"
    return found


async def keep_cleared(tx: Tx, run_id: str) -> None:
    await tx.run("UPDATE run_links SET cleared_at = now() WHERE run_id = $1", run_id)


async def add_command(tx: Tx, run_id: str, kind: str, data: Mapping[str, object]) -> None:
    """The next command of a run whose row is locked."""
    await tx.run(
        "INSERT INTO run_commands (run_id, number, type, data) "
        "SELECT $1, coalesce(max(number), 0) + 1, $2, $3 FROM run_commands WHERE run_id = $1",
        run_id,
        kind,
        data,
    )


async def commands(tx: Tx, run_id: str, after: int) -> list[dict[str, Any]]:
    """Commands after number `after`, oldest first, as the link sends them."""
    return await tx.values(
        dict[str, Any],
        "SELECT jsonb_build_object('number', number, 'type', type, 'data', data) FROM run_commands "
        "WHERE run_id = $1 AND number > $2 ORDER BY number",
        run_id,
        after,
    )


async def append_logs(tx: Tx, run_id: str, rows: Sequence[tuple[int, datetime, str, object]]) -> None:
    """The output of a run without a session; what is there already stays."""
    await tx.run_each(
        "INSERT INTO run_logs (run_id, number, at, type, data) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        [(run_id, *row) for row in rows],
    )


async def last_log(tx: Tx, run_id: str) -> int:
    """The number of the last log entry, 0 when there is none."""
    return await tx.value(int, "SELECT coalesce(max(number), 0) FROM run_logs WHERE run_id = $1", run_id) or 0


async def exists(tx: Tx, run_id: str) -> bool:
    """Whether there is or was such a run."""
    return bool(await tx.value(bool, "SELECT EXISTS (SELECT 1 FROM runs WHERE id = $1)", run_id))


async def refused_lately(tx: Tx, run_id: str, reason: str) -> bool:
    """Whether the same refusal stands in the record since ten seconds: who asks without end does not fill it."""
    return bool(
        await tx.value(
            bool,
            "SELECT EXISTS (SELECT 1 FROM resource_events WHERE resource_id = $1 AND action = 'run.refuse' "
            "AND details ->> 'reason' = $2 AND timestamp > now() - interval '10 seconds')",
            run_id,
            reason,
        )
    )


async def of_session(tx: Tx, session_id: str) -> Run | None:
    """The newest run of a session."""
    return await tx.row(
        Run,
        "SELECT id, created_at, updated_at, version, created_by_user_id, compute_instance_id, session_id, engine, "
        "phase, wanted, reason, exit_code, started_at, ended_at, spec FROM runs "
        "WHERE session_id = $1 AND deleted_at IS NULL ORDER BY created_at DESC, id DESC LIMIT 1",
        session_id,
    )
