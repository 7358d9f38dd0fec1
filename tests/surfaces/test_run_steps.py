"""What the loop of runs makes of what an engine says, and what is not asked of any engine."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mooring.access.actor import SYSTEM
from mooring.app import App
from mooring.compute import runs
from mooring.compute.drivers.base import CanWatch, Leaves, Observed, RunId, RunSpec, State
from mooring.compute.loop import Runs
from mooring.compute.phases import Run, RunPhase
from surfaces.machines import Machine, machine
from surfaces.people import Asker


class Engine:
    """One that says of every run the same, cannot watch any, and has half a report of each."""

    def __init__(self, state: State, *there: RunId) -> None:
        self.state = state
        self.there = there

    def _seen(self, run: RunId) -> Observed:
        return Observed(run=run, spec_hash="", state=self.state, reference="", exit_code=3)

    async def list(self) -> list[Observed]:
        return [self._seen(run) for run in self.there]

    async def ensure(self, spec: RunSpec) -> Observed:
        return self._seen(spec.run)

    async def ended(self, run: RunId) -> None:
        raise OSError(24, f"Too many open files to watch {run}")

    def report(self, _: RunId) -> bytes | None:
        return b'{"outcome": "succeeded", "last_mess'

    def spool(self, _: RunId) -> Path | None:
        return None


@pytest.fixture
async def small(admin: Asker) -> Machine:
    return await machine(admin)


async def stepped(app: App, run: Run, engine: Engine) -> Run:
    drivers: Any = {"anywhere": engine}
    async with asyncio.TaskGroup() as tasks:
        loop = Runs(
            database=app.database, drivers=drivers, link_key=app.link_key, grace=timedelta(0), at_once=1, tasks=tasks,
            cache=app.cache,
        )  # fmt: skip
        applied = await loop.step(run.id)
    async with app.database.transaction() as tx:
        if applied.write is not None:
            await applied.write(tx)
        return await runs.RUNS.read(tx, SYSTEM, run.id)


async def test_a_run_that_another_is_just_starting_is_not_said_to_run(app: App, small: Machine) -> None:
    run = await small.run(app, phase=RunPhase.STARTING)
    assert (await stepped(app, run, Engine(State.PENDING))).phase is RunPhase.STARTING
    assert (await stepped(app, run, Engine(State.RUNNING))).phase is RunPhase.RUNNING


async def test_an_engine_that_cannot_watch_ends_no_loop(app: App, small: Machine) -> None:
    run = await small.run(app)
    engine = Engine(State.RUNNING, run.id)
    assert isinstance(engine, CanWatch)
    assert (await stepped(app, run, engine)).phase is RunPhase.RUNNING


async def test_a_run_whose_report_cannot_be_read_ends_as_it_was_seen_to(app: App, small: Machine) -> None:
    run = await small.run(app)
    engine = Engine(State.EXITED, run.id)
    assert isinstance(engine, Leaves)
    over = await stepped(app, run, engine)
    assert (over.phase, over.exit_code) == (RunPhase.FAILED, 3)
    assert over.reason == "the runner ended with exit status 3 before it could report"


async def test_more_processes_than_a_kernel_counts_are_refused_by_name(small: Machine) -> None:
    for pids, status in (((1 << 22) + 1, 400), (1 << 22, 200)):
        answer = await small.asker.ask("PATCH", f"/compute_instances/{small.instance['id']}", {"pids": pids})
        assert (answer.status_code, "pids" in answer.text) == (status, True)
