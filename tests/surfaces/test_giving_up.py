"""Sessions and runs whose steps break for ever: after a while they fail and say so, and their run is ended."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any, Never

from mooring.access.actor import SYSTEM
from mooring.app import App
from mooring.base.work import Loop, Worker
from mooring.compute import runs
from mooring.compute.loop import Runs
from mooring.compute.phases import RunPhase
from mooring.compute.store import runs as store
from mooring.daemon.serving import bounds_of
from mooring.sessions.loop import Sessions
from surfaces.people import Asker
from surfaces.test_pausing_by_rest import run_of, running


def of_runs(app: App) -> Loop:
    tasks: Any = None
    return Runs(
        database=app.database, drivers={}, link_key=b"", grace=timedelta(0), at_once=1, tasks=tasks, cache=app.cache
    ).loop()


def of_sessions(app: App) -> Loop:
    capture: Any = None
    return Sessions(
        database=app.database, drivers={}, mirrors=app.mirrors, vaults=app.vaults, vault_wait=timedelta(0),
        bounds=bounds_of(app.settings), clock=app.clock, capture=capture, at_once=1, place="here",
    ).loop()  # fmt: skip


async def broken(app: App, loop: Loop, identifier: str, *, before: int) -> None:
    """A step that breaks, the last of `before` + 1."""
    async with app.database.transaction() as tx:
        await tx.run("DELETE FROM leases")
        await tx.run(
            "INSERT INTO leases (loop, resource_id, failures) VALUES ($1, $2, $3)", loop.name, identifier, before
        )

    async def step(_: str) -> Never:
        worker.stop()
        raise AttributeError("nobody foresaw this")

    worker = Worker(app.database, (replace(loop, step=step),), place="here")
    async with asyncio.timeout(20):
        await worker.run()


async def failures(app: App, identifier: str) -> list[int]:
    async with app.database.reading() as tx:
        return await tx.values(int, "SELECT failures FROM leases WHERE resource_id = $1", identifier)


async def ready(app: App) -> list[str]:
    """The runs that want a step."""
    async with app.database.reading() as tx:
        return await tx.values(str, store.UNCLEARED.replace("$5", "$1"), "here")


async def test_a_session_whose_steps_broke_for_ten_minutes_failed_and_its_run_is_stopped(
    app: App, admin: Asker
) -> None:
    identifier = await running(admin)
    await broken(app, of_sessions(app), identifier, before=23)
    found = (await admin.get(f"/sessions/{identifier}")).json()
    assert (found["phase"], await failures(app, identifier)) == ("running", [24])
    await broken(app, of_sessions(app), identifier, before=24)
    found = (await admin.get(f"/sessions/{identifier}")).json()
    reason = "it was given up, it broke 25 times: AttributeError; the log of `moor work` says more"
    assert (found["phase"], found["reason"]) == ("failed", reason)
    assert ((await run_of(admin, identifier)).wanted, await failures(app, identifier)) == ("stopped", [])
    assert await ready(app) == [(await run_of(admin, identifier)).id], "to be stopped"
    async with app.database.transaction() as tx:
        await runs.go(tx, (await run_of(admin, identifier)).id, RunPhase.LOST)
    assert await ready(app) == [(await run_of(admin, identifier)).id], "to be cleared away"
    events = (await admin.get(f"/resource_events?resource_id={identifier}")).json()["items"]
    assert (events[0]["action"], events[0]["details"]["after"]["reason"]) == ("session.phase", reason)


async def test_a_run_whose_steps_broke_for_ten_minutes_failed_and_its_session_hears_why(app: App, admin: Asker) -> None:
    run = await run_of(admin, await running(admin))
    await broken(app, of_runs(app), run.id, before=24)
    async with app.database.reading() as tx:
        over = await runs.read(tx, SYSTEM, run.id)
    assert (over.phase, "broke 25 times: AttributeError" in str(over.reason)) == (RunPhase.FAILED, True)
    # It is to be cleared away, at once.
    assert await failures(app, run.id) == []


async def test_clearing_a_run_away_is_repeated_however_often_it_breaks(app: App, admin: Asker) -> None:
    run = await run_of(admin, await running(admin))
    async with app.database.transaction() as tx:
        await runs.go(tx, run.id, RunPhase.SUCCEEDED)
        await runs.release(tx, run.id)
    await broken(app, of_runs(app), run.id, before=40)
    async with app.database.reading() as tx:
        over = await runs.read(tx, SYSTEM, run.id)
    assert (over.phase, await failures(app, run.id)) == (RunPhase.SUCCEEDED, [41])
