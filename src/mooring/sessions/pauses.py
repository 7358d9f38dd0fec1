"""The verbs of pausing: a session lies still, with everything its run left, and goes on with that in another run."""

from collections.abc import Sequence

from mooring.access.actor import SYSTEM, Actor, Permission
from mooring.audit import ledger
from mooring.audit.verbs import require
from mooring.base import work
from mooring.base.db import Tx
from mooring.base.errors import Clash
from mooring.compute import deliveries, instances, runs
from mooring.compute.instances import INSTANCES
from mooring.compute.phases import Run
from mooring.sessions.entities import (
    NEXT,
    TERMINAL,
    Pause,
    Session,
    SessionPhase,
    SessionWanted,
    time_paused,
)
from mooring.sessions.plan import AskedInstance, going_on
from mooring.sessions.sessions import LOOP, SESSIONS, go, say_phase
from mooring.sessions.store import sessions as store
from mooring.sessions.store import transcript as transcript_store


async def pause(tx: Tx, actor: Actor, session_id: str) -> Session:
    """The session is to lie still; one that does, or is about to, stays so. Raises Clash from any other phase."""
    session = await SESSIONS.read(tx, actor, session_id, lock=True)
    await require(tx, actor, Permission.OPERATE, SESSIONS.kind, session)
    if session.wanted is SessionWanted.PAUSE and session.phase not in TERMINAL:
        return session
    if SessionPhase.PAUSING not in NEXT[session.phase] or session.wanted is SessionWanted.CANCEL:
        says = "is being cancelled" if session.wanted is SessionWanted.CANCEL else f"is {session.phase}"
        raise Clash(f"the session {says}; only one that is running or waiting is paused", phase=session.phase)
    changed = await ledger.change(tx, actor, SESSIONS.kind, session, {"wanted": SessionWanted.PAUSE}, verb="pause")
    await work.look_again(tx, LOOP, session.id)
    return changed


async def resume(tx: Tx, actor: Actor, session_id: str) -> Session:
    """The session goes on by its plan, in a run of its own, with what the last one left.

    Raises Clash where it is not paused; Denied, Unfit, Missing where what it uses is not granted any more.
    """
    session = await SESSIONS.read(tx, actor, session_id, lock=True)
    await require(tx, actor, Permission.OPERATE, SESSIONS.kind, session)
    if session.phase is not SessionPhase.PAUSED:
        raise Clash(f"the session is {session.phase}; only one that is paused is resumed", phase=session.phase)
    request, ended = await store.request(tx, session.id), await runs.of_session(tx, session.id)
    assert request is not None, "a session that was started has a request"
    assert ended is not None, "a session that is paused had a run"
    await _still_granted(tx, actor, request.instance)
    run = await _run_again(tx, session, ended)
    await deliveries.promise(tx, run.id, request.instance.exposures, on_behalf_of=actor.user_id)
    await store.keep_resumed(tx, session.id)
    changes = {"phase": SessionPhase.PREPARING, "wanted": SessionWanted.RUN}
    changed = await ledger.change(tx, actor, SESSIONS.kind, session, changes, verb="resume")
    await say_phase(tx, changed)
    return changed


async def _still_granted(tx: Tx, actor: Actor, instance: AskedInstance) -> None:
    """Return when the actor and the instance's group still may use what the plan names."""
    if instance.id is None:
        return
    found = await INSTANCES.read(tx, actor, instance.id)
    await require(tx, actor, Permission.OPERATE, INSTANCES.kind, found)
    await deliveries.check(tx, instance.id, instance.exposures)
    if instance.filesystem is not None:
        await instances.check_grant(tx, instance.id, instance.filesystem.id)


async def _run_again(tx: Tx, session: Session, ended: Run) -> Run:
    """A run of the same plan, where the ended one was: what that left lies there."""
    tasks = (await store.tasks(tx, [session.id]))[session.id]
    assignment = await runs.assignment(tx, ended.id)
    spec: dict[str, object] = dict(ended.spec)
    # One that was killed before it began a task may have left half a checkout: then from the beginning.
    if any(task.started_at is not None for task in tasks):
        assignment = going_on(assignment, tasks, _worked(session, await store.pauses(tx, session.id)))
        spec |= {"inputs": [], "resumes": ended.id}
    return await runs.create(
        tx,
        SYSTEM,
        place=await runs.place(tx, ended.id),
        spec=spec,
        assignment=assignment,
        engine=ended.engine,
        session_id=session.id,
        compute_instance_id=ended.compute_instance_id,
    )


def _worked(session: Session, pauses: Sequence[Pause]) -> float:
    """Seconds from the start of a session that is paused, without its pauses."""
    assert session.started_at is not None, "it was started"
    until = pauses[-1].paused_at
    assert until is not None, "it is paused"
    return (until - session.started_at - time_paused(pauses)).total_seconds()


# --- for the loop ---


async def begin(tx: Tx, session_id: str, run_id: str) -> None:
    """The session is about to lie still: its run is told."""
    await store.ask_to_pause(tx, session_id, run_id)
    await go(tx, session_id, SessionPhase.PAUSING)
    await runs.pause(tx, run_id)


async def lie_still(tx: Tx, session_id: str, *, output: str | None) -> None:
    """The session is paused; the task that was interrupted is to be done again. `output` as for `go`."""
    await go(tx, session_id, SessionPhase.PAUSED, output=output)
    await transcript_store.reopen(tx, session_id)
    await store.keep_paused(tx, session_id)
    await work.forget(tx, LOOP, session_id)
