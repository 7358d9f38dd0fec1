"""The link as the control plane serves it, asked by an agent inside a sandbox: it answers the runner of a run alone."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest
import uvicorn

from drivers.conftest import attack
from mooring.access.actor import SYSTEM
from mooring.app import App
from mooring.base.db import Database
from mooring.compute import runs, token
from mooring.compute.drivers.base import RunSpec
from mooring.compute.drivers.local.driver import LocalDriver
from mooring.compute.phases import Run, RunPhase
from mooring.http.link_peer import PeerProtocol
from mooring.http.runner_link import link_application
from mooring.settings import Settings
from mooring.wiring import data_directory, link_socket, open_app
from runner.plane import assignment

pytestmark = pytest.mark.slow


@pytest.fixture
async def app(database: Database) -> AsyncIterator[App]:
    """A control plane's parts with the link served, in a data directory of its own."""
    settings = Settings(data=Path(tempfile.mkdtemp(prefix="mooring-link-")))
    with data_directory(settings):
        async with open_app(settings, database, works=True) as app:
            config = uvicorn.Config(
                link_application(app),
                http=PeerProtocol,
                uds=str(link_socket(settings)),
                lifespan="on",
                log_config=None,
                timeout_graceful_shutdown=1,
            )
            server = uvicorn.Server(config)
            async with asyncio.TaskGroup() as group:
                group.create_task(server.serve())
                yield app
                server.should_exit = True
    rmtree(settings.data)


async def started(app: App, script: str, phase: RunPhase = RunPhase.STARTING) -> Run:
    """A run of one task, in this phase; nothing of it is made yet."""
    whole = assignment(Path("/workspace"), Path("/home/agent"), Path("/outputs"))
    whole |= {"kind": "command", "session": None, "command": script}
    async with app.database.transaction() as tx:
        run = await runs.create(
            tx, SYSTEM, place=app.place, spec={}, assignment=whole, engine="local", session_id=None,
            compute_instance_id=None,
        )  # fmt: skip
        for following in (RunPhase.STARTING, phase):
            if run.phase is not following:
                run = await runs.go(tx, run.id, following)
    return run


async def said(app: App, run: Run) -> str:
    """What the run said from its start to its end."""
    driver = app.drivers["local"]
    assert isinstance(driver, LocalDriver)
    await driver.ensure(RunSpec(run=run.id, image="host", token=token.make(app.link_key, run.id)))
    async with asyncio.timeout(60):
        await driver.ended(run.id)
    await driver.remove(run.id)
    async with app.database.transaction() as tx:
        parts = await tx.values(
            str, "SELECT data->>'text' FROM run_logs WHERE run_id = $1 AND type = 'log' ORDER BY number", run.id
        )
        assert await runs.report_of(tx, run.id) is not None, parts
    return "".join(parts)


async def test_no_token_of_any_kind_opens_the_link_to_an_agent(app: App) -> None:
    other = await started(app, "true", RunPhase.RUNNING)
    ended = await started(app, "true", RunPhase.FAILED)
    mine = await started(app, "")
    tokens = {run.id: token.make(app.link_key, run.id) for run in (other, ended, mine)}
    stale = token.make(b"k" * 32, mine.id)
    given: dict[str, str] = {
        "guessed": f"{tokens[mine.id][:-4]}0000",
        "of an earlier key": stale,
        "of another run": tokens[other.id],
        "of an ended run": tokens[ended.id],
        "of its own run": tokens[mine.id],
    }
    async with app.database.transaction() as tx:
        whole = {**await runs.assignment(tx, mine.id), "command": attack(given)}
        await tx.run("UPDATE run_links SET assignment = $2 WHERE run_id = $1", mine.id, whole)
    answers: dict[str, str] = json.loads(await said(app, mine))
    assert answers == dict.fromkeys(answers, "")
    assert len(answers) == len(given) + 2
    async with app.database.transaction() as tx:
        assert await runs.report_of(tx, other.id) is None
        forged = "SELECT count(*) FROM run_logs WHERE run_id = ANY($1)"
        assert await tx.value(int, forged, [other.id, ended.id]) == 0


async def test_the_environment_is_given_until_it_was_received_and_never_after(app: App) -> None:
    first = await started(app, "echo first")
    assert await said(app, first) == "first\n"
    again = await started(app, "echo never")
    async with app.database.transaction() as tx:
        await runs.received(tx, again.id)
    assert await said(app, again) == ""
    async with app.database.transaction() as tx:
        report: Any = await runs.report_of(tx, again.id)
    assert (report.outcome, "not given twice" in report.reason) == ("failed", True)


FLOOD = """
import resource, select, socket
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
kept = []
for _ in range(1000):
    kept.append(socket.socket(socket.AF_UNIX))
    kept[-1].connect("/run/mooring/link.sock")
poll = select.poll()
for one in kept:
    poll.register(one, 0)
closed = set()
while len(closed) < 1000 - 40 and (found := poll.poll(10000)):
    closed |= {number for number, _ in found}
    [poll.unregister(number) for number, _ in found]
print(len(closed) >= 1000 - 40)
"""


async def test_connections_by_the_thousand_are_not_held(app: App) -> None:
    mine = await started(app, f"/usr/bin/python3 -c '{FLOOD}'")
    assert await said(app, mine) == "True\n"
