"""Pausing and resuming by REST, as far as nothing runs: who may, from which phase, what it leaves in the record."""

from datetime import timedelta

import pytest

from mooring.access.actor import SYSTEM
from mooring.compute import runs
from mooring.compute.phases import Run, RunPhase
from mooring.sessions import pauses, sessions
from mooring.sessions.entities import SessionPhase
from mooring.sessions.plan import Plan
from mooring.sessions.store import sessions as store
from surfaces.people import Asker, join
from surfaces.test_sessions_by_rest import session


async def running(asker: Asker, **values: object) -> str:
    """A session with a run that runs, as the loops would have it. Its id."""
    identifier = str((await session(asker, start=True, **values))["id"])
    async with asker.database.transaction() as tx:
        request = await store.request(tx, identifier)
        assert request is not None
        plan = Plan(request=request, instructions="", repository=None, skills=(), tasks=(None,), agent=None)
        await sessions.go(tx, identifier, SessionPhase.PREPARING)
        await sessions.planned(tx, identifier, plan)
        run = await runs.create(
            tx, SYSTEM, place="here", spec={"inputs": ["/bundle"]}, assignment={"tasks": []}, engine="local",
            session_id=identifier, compute_instance_id=None,
        )  # fmt: skip
        for phase in (RunPhase.STARTING, RunPhase.RUNNING):
            await runs.go(tx, run.id, phase)
        await sessions.go(tx, identifier, SessionPhase.RUNNING)
    return identifier


async def run_of(asker: Asker, identifier: str) -> Run:
    async with asker.database.transaction() as tx:
        found = await runs.of_session(tx, identifier)
    assert found is not None
    return found


async def paused(asker: Asker, *, begun: bool = True, **values: object) -> str:
    """A session that lies still; `begun`: in the middle of its task. Its id."""
    identifier = await running(asker, **values)
    assert (await asker.ask("POST", f"/sessions/{identifier}/pause")).status_code == 200
    run = await run_of(asker, identifier)
    async with asker.database.transaction() as tx:
        await pauses.begin(tx, identifier, run.id)
        if begun:
            await tx.run(
                "UPDATE session_tasks SET phase = 'checking', attempts = 2, started_at = now() WHERE session_id = $1",
                identifier,
            )
        for phase in (RunPhase.STOPPING, RunPhase.STOPPED):
            await runs.go(tx, run.id, phase)
        await pauses.lie_still(tx, identifier, output=None)
    return identifier


async def test_a_pause_is_wanted_once_and_recorded_with_its_reason(admin: Asker) -> None:
    path = f"/sessions/{await running(admin)}"
    first = await admin.ask("POST", f"{path}/pause", Audit_Reason="lunch", Idempotency_Key="once")
    assert (first.status_code, first.json()["wanted"], first.json()["phase"]) == (200, "pause", "running")
    retried = await admin.ask("POST", f"{path}/pause", Audit_Reason="lunch", Idempotency_Key="once")
    again = await admin.ask("POST", f"{path}/pause")
    assert first.json() == retried.json()
    assert again.json()["version"] == first.json()["version"]
    found = (await admin.get("/resource_events?action=session.pause")).json()["items"]
    assert [(event["resource_id"], event["reason"]) for event in found] == [(first.json()["id"], "lunch")]


async def test_a_session_that_is_paused_stays_so_and_is_not_deleted(admin: Asker) -> None:
    path = f"/sessions/{await paused(admin)}"
    again = await admin.ask("POST", f"{path}/pause")
    assert (again.status_code, again.json()["phase"]) == (200, "paused")
    refused = await admin.ask("DELETE", path)
    assert (refused.status_code, "cancel it first" in refused.json()["reason"]) == (409, True)


async def test_what_is_not_running_is_not_paused_and_what_is_not_paused_not_resumed(admin: Asker) -> None:
    made = await session(admin)
    started = await session(admin, start=True)
    for one, phase in ((made, "created"), (started, "pending")):
        for word in ("pause", "resume"):
            refused = await admin.ask("POST", f"/sessions/{one['id']}/{word}")
            assert (refused.status_code, refused.json()["details"]["phase"]) == (409, phase)
            assert f"is {phase}" in refused.json()["reason"]
    cancelled = await running(admin)
    await admin.ask("POST", f"/sessions/{cancelled}/cancel")
    refused = await admin.ask("POST", f"/sessions/{cancelled}/pause")
    assert (refused.status_code, "being cancelled" in refused.json()["reason"]) == (409, True)


@pytest.mark.parametrize("word", ["pause", "resume"])
async def test_who_may_not_operate_a_session_does_neither(admin: Asker, word: str) -> None:
    creator, assignee, stranger = [await join(admin, name) for name in ("creator", "assignee", "stranger")]
    auditor = await join(admin, "auditor", "auditor")
    made = await (running if word == "pause" else paused)(creator, assigned_user_id=assignee.id)
    path = f"/sessions/{made}/{word}"
    for asker, status in ((stranger, 404), (auditor, 403), (assignee, 200)):
        assert (await asker.ask("POST", path)).status_code == status


async def test_resuming_makes_a_run_of_the_same_plan_where_the_last_one_was(admin: Asker) -> None:
    identifier = await paused(admin)
    before, ended = (await admin.get(f"/sessions/{identifier}")).json(), await run_of(admin, identifier)
    assert [(task["phase"], task["attempts"]) for task in before["tasks"]] == [("pending", 1)]
    answer = await admin.ask("POST", f"/sessions/{identifier}/resume", Audit_Reason="after lunch")
    assert (answer.status_code, answer.json()["phase"], answer.json()["wanted"]) == (200, "preparing", "run")
    assert answer.json()["plan_hash"] == before["plan_hash"]
    run = await run_of(admin, identifier)
    assert (run.phase, run.spec) == (RunPhase.PENDING, {"inputs": [], "resumes": ended.id})
    async with admin.database.transaction() as tx:
        assignment = await runs.assignment(tx, run.id)
        assert await runs.place(tx, run.id) == "here"
    assert (assignment["run"], assignment["resumed"]["done"], assignment["resumed"]["attempts"]) == (run.id, [], 1)
    refused = await admin.ask("POST", f"/sessions/{identifier}/resume")
    assert (refused.status_code, "is preparing" in refused.json()["reason"]) == (409, True)
    found = (await admin.get("/resource_events?action=session.resume")).json()["items"]
    assert [event["reason"] for event in found] == ["after lunch"]


async def test_what_had_not_begun_begins_anew(admin: Asker) -> None:
    identifier = await paused(admin, begun=False)
    await admin.ask("POST", f"/sessions/{identifier}/resume")
    run = await run_of(admin, identifier)
    assert run.spec == {"inputs": ["/bundle"]}
    async with admin.database.transaction() as tx:
        assert "resumed" not in await runs.assignment(tx, run.id)


async def test_time_paused_is_not_time_worked(admin: Asker) -> None:
    identifier = await paused(admin)
    shift = (
        "UPDATE session_pauses SET asked_at = asked_at - $2::interval, paused_at = paused_at - $2 WHERE session_id = $1"
    )
    async with admin.database.transaction() as tx:
        await tx.run("UPDATE sessions SET started_at = started_at - $2::interval WHERE id = $1", identifier, HOUR)
        await tx.run(shift, identifier, HOUR)
    await admin.ask("POST", f"/sessions/{identifier}/resume")
    async with admin.database.transaction() as tx:
        assignment = await runs.assignment(tx, (await run_of(admin, identifier)).id)
    assert 0 <= assignment["resumed"]["seconds"] < HOUR.total_seconds() / 2


HOUR = timedelta(hours=1)


async def test_cancelling_a_paused_session_ends_it_at_once_and_lets_go_of_what_was_kept(admin: Asker) -> None:
    identifier = await paused(admin)
    kept = await run_of(admin, identifier)
    cancelled = (await admin.ask("POST", f"/sessions/{identifier}/cancel")).json()
    assert (cancelled["phase"], [task["phase"] for task in cancelled["tasks"]]) == ("cancelled", ["skipped"])
    released = "SELECT released_at IS NOT NULL FROM run_links WHERE run_id = $1"
    async with admin.database.transaction() as tx:
        assert await tx.value(bool, released, kept.id)
    for word in ("pause", "resume"):
        assert (await admin.ask("POST", f"/sessions/{identifier}/{word}")).status_code == 409
