"""The verbs of runs. They write what is wanted and what was seen; the loop makes it so."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, LiteralString

from mooring.access.actor import SYSTEM, Actor, Permission
from mooring.audit import ledger
from mooring.audit.verbs import Verbs, require
from mooring.base import work
from mooring.base.db import Tx
from mooring.base.errors import Clash, Missing, NotKnown
from mooring.compute.kinds import RUN
from mooring.compute.phases import NEXT, SERVED, TERMINAL, Report, Run, RunPhase, RunWanted
from mooring.compute.store import runs as store

LOOP: LiteralString = "runs"
RUNS = Verbs(kind=RUN)


async def create(
    tx: Tx,
    actor: Actor,
    *,
    place: str,
    spec: Mapping[str, object],
    assignment: Mapping[str, object],
    engine: str,
    session_id: str | None,
    compute_instance_id: str | None,
) -> Run:
    """A run that is to be, made by the workers of the data directory `place`; its id completes its assignment.

    Raises Clash when the session has a living one.
    """
    run = await ledger.insert(
        tx,
        actor,
        RUN,
        {
            "compute_instance_id": compute_instance_id,
            "session_id": session_id,
            "engine": engine,
            "phase": RunPhase.PENDING,
            "wanted": RunWanted.RUNNING,
            "reason": None,
            "exit_code": None,
            "started_at": None,
            "ended_at": None,
            "spec": spec,
        },
    )
    await store.make_link(tx, run.id, place, {**assignment, "run": run.id})
    return run


async def read(tx: Tx, actor: Actor, run_id: str) -> Run:
    """The run the actor sees. Raises Missing."""
    return await ledger.read(tx, actor, RUN, run_id)


async def of_session(tx: Tx, session_id: str) -> Run | None:
    """The newest run of a session, None before there is one. For who sees the session."""
    return await store.of_session(tx, session_id)


async def report_of(tx: Tx, run_id: str) -> Report | None:
    """What the runner said at its end, if it did."""
    return await store.report(tx, run_id)


async def stop(tx: Tx, actor: Actor, run_id: str) -> Run:
    """The run is no longer wanted; one that is over stays as it ended."""
    run = await ledger.read(tx, actor, RUN, run_id, lock=True)
    await require(tx, actor, Permission.OPERATE, RUN, run)
    if run.phase in TERMINAL or run.wanted is RunWanted.STOPPED:
        return run
    await tell(tx, run, "cancel", {})
    await work.look_again(tx, LOOP, run.id)
    return await ledger.change(tx, actor, RUN, run, {"wanted": RunWanted.STOPPED}, verb="stop")


async def pause(tx: Tx, run_id: str) -> None:
    """Have the runner end and leave everything where it is."""
    await tell(tx, await ledger.read(tx, SYSTEM, RUN, run_id, lock=True), "pause", {})


async def tell(tx: Tx, run: Run, kind: str, data: Mapping[str, object]) -> None:
    """Leave a command for the runner; it is waiting for one. `run` is locked."""
    await store.add_command(tx, run.id, kind, data)
    tx.hint(f"commands:{run.id}")


async def go(tx: Tx, run_id: str, phase: RunPhase, *, reason: str | None = None, exit_code: int | None = None) -> Run:
    """The run in its next phase. Raises Clash when that does not follow from the one it is in."""
    run = await ledger.read(tx, SYSTEM, RUN, run_id, lock=True)
    if phase not in NEXT[run.phase]:
        raise Clash(f"a run does not go from {run.phase} to {phase}", run=run_id)
    now = datetime.now(UTC)
    changes: dict[str, object] = {"phase": phase}
    if phase is RunPhase.RUNNING:
        changes["started_at"] = now
    if phase in TERMINAL:
        changes |= {"ended_at": now, "reason": reason, "exit_code": exit_code}
    changed = await ledger.change(tx, SYSTEM, RUN, run, changes, verb="phase")
    if phase in TERMINAL:
        # Whoever still listens for commands hears that there are none any more.
        tx.hint(f"commands:{run.id}")
        if run.session_id is None:
            await release(tx, run.id)
    if run.session_id is not None:
        await work.look_again(tx, "sessions", run.session_id)
        tx.hint("sessions")
    return changed


async def give_up(tx: Tx, run_id: str, reason: str) -> None:
    """The run failed: what was to be done for it broke in a way nobody foresaw. What it left is cleared away next."""
    run = await ledger.read(tx, SYSTEM, RUN, run_id, lock=True)
    if run.phase not in TERMINAL:
        await work.forget(tx, LOOP, run_id)
        reason = f"it was given up, {reason}; the log of `moor work` says more"
        await go(tx, run_id, RunPhase.FAILED, reason=reason)


async def served(tx: Tx, run_id: str) -> Run:
    """The run whose link is asked. Raises NotKnown when it is over: an ended run's token opens nothing."""
    run = await ledger.read(tx, SYSTEM, RUN, run_id)
    if run.phase not in SERVED:
        raise NotKnown("this run is over; its token is no longer good", run=run_id)
    return run


async def assignment(tx: Tx, run_id: str) -> dict[str, Any]:
    """What the runner is to do (docs/link.md)."""
    found = await store.assignment(tx, run_id)
    if found is None:
        raise Missing(f"there is no run {run_id}", id=run_id)
    return found


async def place(tx: Tx, run_id: str) -> str:
    """The data directory the run belongs to."""
    return await store.place(tx, run_id)


async def received(tx: Tx, run_id: str) -> None:
    """The run has its secrets."""
    await store.keep_received(tx, run_id)


async def refuse(tx: Tx, run_id: str, reason: str) -> None:
    """Record that a run was refused something, or somebody who claimed to be it; once in ten seconds for one reason."""
    if await store.exists(tx, run_id) and not await store.refused_lately(tx, run_id, reason):
        await ledger.record(tx, SYSTEM, RUN, run_id, "refuse", {"reason": reason})


async def commands(tx: Tx, run_id: str, after: int) -> list[dict[str, Any]]:
    """What is to be told to the runner after number `after`, oldest first."""
    return await store.commands(tx, run_id, after)


async def append_logs(tx: Tx, run_id: str, said: Sequence[tuple[int, float, str, object]]) -> int:
    """Keep what a run without a session says; what is kept already is passed over. The last number kept now."""
    rows = [(seq, datetime.fromtimestamp(at, UTC), word, data) for seq, at, word, data in said]
    await store.append_logs(tx, run_id, rows)
    tx.hint(f"logs:{run_id}")
    return await store.last_log(tx, run_id)


async def reported(tx: Tx, run_id: str, report: Report) -> None:
    """Keep what the runner said at its end; the first time counts."""
    await store.keep_report(tx, run_id, report)
    await work.look_again(tx, LOOP, run_id)
    tx.hint("runs")


async def release_all(tx: Tx, session_id: str) -> None:
    """The same for every run of a session that is over."""
    for run_id in await store.kept(tx, session_id):
        await release(tx, run_id)


async def release(tx: Tx, run_id: str) -> None:
    """All that the run left was taken: it may be cleared away."""
    await store.keep_released(tx, run_id)
    await work.look_again(tx, LOOP, run_id)
    tx.hint("runs")


async def cleared(tx: Tx, run_id: str) -> None:
    """Nothing is left of the run on its engine."""
    await store.keep_cleared(tx, run_id)
    await work.forget(tx, LOOP, run_id)
