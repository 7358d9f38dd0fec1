"""What a run leaves lies in one data directory: its session is seen to there, and nowhere else."""

import asyncio
from datetime import timedelta

from mooring.access.actor import SYSTEM
from mooring.base.db import Database
from mooring.base.work import Applied, Loop, Worker
from mooring.compute import runs
from mooring.compute.phases import RunPhase
from mooring.sessions.store.sessions import ACTIVE
from surfaces.people import Asker
from surfaces.test_sessions_by_rest import session


async def seen_at(database: Database, place: str, *, last: str) -> list[str]:
    """The sessions that a worker of this place looks at, until it has looked at `last`."""
    seen: list[str] = []

    async def step(identifier: str) -> Applied:
        seen.append(identifier)
        if identifier == last:
            worker.stop()
        return Applied(again=timedelta(hours=1))

    async with database.transaction() as tx:
        await tx.run("DELETE FROM leases")
    # One at a time, and the oldest first: what is not seen before the last is not seen.
    worker = Worker(database, (Loop(name="test", ready=ACTIVE, step=step, wakes=(), at_once=1),), place=place)
    async with asyncio.timeout(20):
        await worker.run()
    return seen


async def run_at(database: Database, session_id: str, place: str) -> str:
    async with database.transaction() as tx:
        run = await runs.create(
            tx,
            SYSTEM,
            place=place,
            spec={},
            assignment={},
            engine="local",
            session_id=session_id,
            compute_instance_id=None,
        )
        await runs.go(tx, run.id, RunPhase.FAILED, reason="for the test")
    return run.id


async def test_a_session_whose_run_is_elsewhere_is_left_to_the_worker_there(database: Database, admin: Asker) -> None:
    theirs, ours, nobodys = [(await session(admin, start=True))["id"] for _ in range(3)]
    run = await run_at(database, theirs, "there")
    await run_at(database, ours, "here")
    assert await seen_at(database, "here", last=nobodys) == [ours, nobodys]
    assert await seen_at(database, "there", last=nobodys) == [theirs, nobodys]
    # Once nothing of its run is left there, it is anybody's again.
    async with database.transaction() as tx:
        await runs.cleared(tx, run)
    assert await seen_at(database, "here", last=nobodys) == [theirs, ours, nobodys]
