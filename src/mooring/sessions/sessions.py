"""The verbs of sessions. They write what is wanted; the loop makes it so."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import LiteralString

from mooring.access.actor import SYSTEM, Actor, Permission
from mooring.audit import ledger
from mooring.audit.verbs import Verbs, require
from mooring.base import work
from mooring.base.db import Tx
from mooring.base.errors import Clash
from mooring.catalog.kinds import WORKFLOW
from mooring.compute import runs
from mooring.sessions import plan as plans
from mooring.sessions import transcript
from mooring.sessions.entities import EDITABLE, NEXT, TERMINAL, Session, SessionPhase, SessionTask, SessionWanted
from mooring.sessions.kinds import SESSION
from mooring.sessions.plan import Plan
from mooring.sessions.resolve import resolve
from mooring.sessions.store import sessions as store
from mooring.sessions.store import transcript as transcript_store

LOOP: LiteralString = "sessions"
SESSIONS = Verbs(kind=SESSION)
# Nothing runs then: who ends it there has ended it.
_AT_REST = frozenset({SessionPhase.CREATED, SessionPhase.PAUSED})

_NEW: Mapping[str, object] = {
    "phase": SessionPhase.CREATED,
    "wanted": SessionWanted.RUN,
    "reason": None,
    "plan_hash": None,
    "retried_from": None,
    "forked_from": None,
    "result": None,
    "output_filesystem_version_id": None,
    "started_at": None,
    "ended_at": None,
}


async def create(tx: Tx, actor: Actor, values: Mapping[str, object]) -> Session:
    """A new session, still editable. Raises Denied, Unfit."""
    session = await SESSIONS.create(tx, actor, {**values, "name": await _name(tx, actor, values), **_NEW})
    await transcript_store.make_cursor(tx, session.id)
    await say_phase(tx, session)
    return session


async def _name(tx: Tx, actor: Actor, values: Mapping[str, object]) -> object:
    """The name that was given, else the workflow's."""
    named, workflow_id = values.get("name"), values.get("workflow_id")
    if named is None and isinstance(workflow_id, str):
        named = (await ledger.refer(tx, actor, WORKFLOW, workflow_id, field="workflow_id")).name
    return named or "session"


async def change(tx: Tx, actor: Actor, before: Session, values: Mapping[str, object]) -> Session:
    """The locked session with these values. Raises Clash once it was started: its plan is what counts then."""
    if before.phase not in EDITABLE and set(SESSIONS.changes(before, values)) - {"name", "assigned_user_id"}:
        raise Clash(f"the session is {before.phase}; only its name and assignee can change now", phase=before.phase)
    return await SESSIONS.replace(tx, actor, before, values)


async def delete(tx: Tx, actor: Actor, before: Session) -> None:
    """The locked session is there no more. Raises Clash while it goes on."""
    if before.phase not in TERMINAL | EDITABLE:
        raise Clash(f"the session is {before.phase}; cancel it first", phase=before.phase)
    await SESSIONS.delete(tx, actor, before)


async def start(tx: Tx, actor: Actor, session_id: str, *, longest: float) -> Session:
    """The session, with everything it refers to resolved for good. Raises Clash (started already), Unfit (it lacks).

    `longest` is the timeout in seconds of a session that does not say.
    """
    session = await SESSIONS.read(tx, actor, session_id, lock=True)
    await require(tx, actor, Permission.OPERATE, SESSIONS.kind, session)
    if session.phase is not SessionPhase.CREATED:
        raise Clash(f"the session was started already; it is {session.phase}", phase=session.phase)
    request = await resolve(tx, actor, session, longest=longest)
    plans.check(request)
    await store.keep_request(tx, session.id, request, started_by=actor.user_id)
    await store.make_tasks(tx, session.id, [task.name for task in request.tasks])
    changes = {"phase": SessionPhase.PENDING, "started_at": datetime.now(UTC)}
    started = await ledger.change(tx, actor, SESSIONS.kind, session, changes, verb="start")
    await say_phase(tx, started)
    return started


async def cancel(tx: Tx, actor: Actor, session_id: str) -> Session:
    """The session is no longer wanted; one that is over stays as it ended."""
    session = await SESSIONS.read(tx, actor, session_id, lock=True)
    await require(tx, actor, Permission.OPERATE, SESSIONS.kind, session)
    if session.phase in TERMINAL or session.wanted is SessionWanted.CANCEL:
        return session
    changes: dict[str, object] = {"wanted": SessionWanted.CANCEL}
    if session.phase in _AT_REST:
        changes |= {"phase": SessionPhase.CANCELLED, "ended_at": datetime.now(UTC)}
    changed = await ledger.change(tx, actor, SESSIONS.kind, session, changes, verb="cancel")
    await work.look_again(tx, LOOP, session.id)
    if changed.phase is not session.phase:
        await _over(tx, changed)
    return changed


async def tasks(tx: Tx, session_ids: Sequence[str]) -> dict[str, list[SessionTask]]:
    """The tasks of sessions the actor was found to see, in order; none before they were started."""
    return await store.tasks(tx, session_ids)


async def plan(tx: Tx, session_id: str) -> dict[str, object] | None:
    """The plan of a session the actor was found to see; None before it is made."""
    return await store.plan(tx, session_id)


# --- for the loop ---


async def planned(tx: Tx, session_id: str, plan: Plan) -> Session:
    """The session with its plan, written once."""
    session = await ledger.read(tx, SYSTEM, SESSIONS.kind, session_id, lock=True)
    await store.keep_plan(tx, session_id, plan)
    return await ledger.change(tx, SYSTEM, SESSIONS.kind, session, {"plan_hash": plans.plan_hash(plan)}, verb="plan")


async def go(
    tx: Tx,
    session_id: str,
    phase: SessionPhase,
    *,
    reason: str | None = None,
    result: object | None = None,
    output: str | None = None,
) -> Session:
    """The session in its next phase; at its end with what it came to. `output` is a version it made of its filesystem.

    Raises Clash when that does not follow from the one it is in, or it was cancelled meanwhile and would lie still.
    """
    session = await ledger.read(tx, SYSTEM, SESSIONS.kind, session_id, lock=True)
    if phase not in NEXT[session.phase]:
        raise Clash(f"a session does not go from {session.phase} to {phase}", session=session_id)
    if phase is SessionPhase.PAUSED and session.wanted is SessionWanted.CANCEL:
        raise Clash("the session was cancelled meanwhile", session=session_id)
    changes: dict[str, object] = {"phase": phase}
    if output is not None:
        changes["output_filesystem_version_id"] = output
    if phase in TERMINAL:
        changes |= {"ended_at": datetime.now(UTC), "reason": reason, "result": result}
    changed = await ledger.change(tx, SYSTEM, SESSIONS.kind, session, changes, verb="phase")
    if phase in TERMINAL:
        await _over(tx, changed)
    else:
        await say_phase(tx, changed)
    return changed


async def give_up(tx: Tx, session_id: str, reason: str) -> None:
    """The session failed: what was to be done for it broke in a way nobody foresaw. Its run is stopped."""
    session = await ledger.read(tx, SYSTEM, SESSIONS.kind, session_id, lock=True)
    if SessionPhase.FAILED not in NEXT[session.phase]:
        return
    run = await runs.of_session(tx, session_id)
    if run is not None:
        await runs.stop(tx, SYSTEM, run.id)
    await go(tx, session_id, SessionPhase.FAILED, reason=f"it was given up, {reason}; the log of `moor work` says more")


async def keep_reason(tx: Tx, session_id: str, reason: str) -> None:
    """Why it is being ended, for when it has."""
    session = await ledger.read(tx, SYSTEM, SESSIONS.kind, session_id, lock=True)
    await ledger.change(tx, SYSTEM, SESSIONS.kind, session, {"reason": reason}, verb="phase")


async def _over(tx: Tx, session: Session) -> None:
    """Nothing more is done for it, and nothing its runs left is needed."""
    assert session.ended_at is not None, "it is over"
    await transcript_store.skip_rest(tx, session.id, session.ended_at)
    await runs.release_all(tx, session.id)
    await work.forget(tx, LOOP, session.id)
    await say_phase(tx, session)


async def say_phase(tx: Tx, session: Session) -> None:
    """Tell the transcript where the session is."""
    said: dict[str, object] = {"phase": session.phase}
    if session.reason is not None:
        said["reason"] = session.reason
    await transcript.say(tx, session.id, "session.phase", said)
