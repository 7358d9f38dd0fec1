"""The control plane is killed, the run goes on; whoever comes next takes it up where it is."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mooring.base.work import pause
from mooring.compute.drivers.base import Ending, RunSpec, State
from mooring.compute.drivers.local.driver import LocalDriver
from mooring.compute.drivers.local.launch import launch
from mooring.compute.drivers.local.place import Place
from mooring.compute.drivers.local.settings import LocalSettings

pytestmark = pytest.mark.slow

# A control plane that starts a run and then does nothing, in a process of its own. It says a word at each step.
CONTROL_PLANE = """
import asyncio, json, sys
from pathlib import Path
from mooring.base.unprivileged import process_user
from mooring.compute.drivers.base import RunSpec
from mooring.compute.drivers.local.driver import LocalDriver
from mooring.compute.drivers.local.settings import LocalSettings
root, link, runner, run, token, program = json.loads(sys.argv[1])
settings = LocalSettings(root=Path(root), link_dir=Path(link), runner=Path(runner), user=process_user("mooring-run"),
                         program=tuple(program) or None)
async def main():
    driver = LocalDriver(settings)
    await driver.probe()
    print("ready", flush=True)
    await driver.ensure(RunSpec(run=run, image="host", token=token))
    print("started", flush=True)
    await driver.ended(run)
asyncio.run(main())
"""


@contextmanager
def control_plane(settings: LocalSettings, spec: RunSpec) -> Generator[subprocess.Popen[str]]:
    """One that is about to start this run; at the end it is dead."""
    places = (str(place) for place in (settings.root, settings.link_dir, settings.runner))
    whole = [*places, spec.run, spec.token, settings.program or ()]
    process = subprocess.Popen(
        [sys.executable, "-c", CONTROL_PLANE, json.dumps(whole)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")},
    )
    try:
        assert says(process) == "ready"
        yield process
    finally:
        process.kill()
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()


def says(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def spooled(place: Place) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (place.path / "spool").read_text().splitlines()]


async def there(path: Path) -> None:
    """Until a task has made a file: nobody tells while the control plane is away."""
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(path.exists):
            await pause(0.02)


TALKING = """
    echo begun; echo one >> /workspace/starts
    while ! [ -e /workspace/go ]; do sleep 0.02; done
    seq 3000; touch /workspace/said
    while ! [ -e /workspace/end ]; do sleep 0.02; done; echo ended
"""


async def test_a_run_goes_on_when_the_control_plane_is_killed_and_nothing_is_lost_or_repeated(moored: Any) -> None:
    plane, workspace = moored.plane, moored.place.workspace
    plane.tasks({"prompt": TALKING}, {"prompt": "echo second"})
    with control_plane(moored.engine.settings, moored.spec) as process:
        assert says(process) == "started"
        await moored.until("begun")
        plane.go_away()
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    (workspace / "go").touch()
    await there(workspace / "said")
    assert "3000" not in plane.text()
    assert (await moored.driver.ensure(moored.spec)).state is State.RUNNING
    plane.begin()
    (workspace / "end").touch()
    seen = await moored.over()
    assert (seen.state, seen.ending, seen.exit_code) == (State.EXITED, Ending.EXIT, 0)
    assert plane.text() == "begun\n" + "".join(f"{n}\n" for n in range(1, 3001)) + "ended\nsecond\n"
    assert plane.gapless()
    assert (workspace / "starts").read_text() == "one\n"


async def test_a_run_that_ended_while_nobody_listened_left_its_report_and_every_event(moored: Any) -> None:
    plane, workspace = moored.plane, moored.place.workspace
    plane.tasks({"prompt": TALKING})
    await moored.begin()
    await moored.until("begun")
    plane.go_away()
    (workspace / "go").touch()
    (workspace / "end").touch()
    seen = await moored.over()
    assert seen.exit_code == 0
    later = LocalDriver(moored.engine.settings, moored.engine)
    report = later.report(moored.spec.run)
    assert report is not None
    assert json.loads(report)["outcome"] == "succeeded"
    assert later.spool(moored.spec.run) == moored.place.path / "spool"
    # What was acknowledged before may be gone from it; what follows is whole.
    events = {**plane.events, **{one["seq"]: one for one in spooled(moored.place)}}
    assert sorted(events) == list(range(1, len(events) + 1))
    said = "".join(events[seq]["data"]["text"] for seq in sorted(events) if events[seq]["type"] == "log")
    assert said == "begun\n" + "".join(f"{n}\n" for n in range(1, 3001)) + "ended\n"


async def test_a_control_plane_killed_anywhere_in_a_start_leaves_one_start(
    desk: Any, left: Callable[[Place], list[str]]
) -> None:
    script = "echo once; exit 4"
    driver, settings = desk.shell(script), replace(desk.engine.settings, program=("/bin/sh", "-c", script))
    chance = random.Random(20)  # noqa: S311 - moments, the same every time
    for _ in range(6):
        spec = desk.spec()
        with control_plane(settings, spec):
            await pause(chance.random() * 0.03)
        # Whoever comes next asks for the same; what was begun is not begun again.
        await driver.ensure(spec)
        await driver.ended(spec.run)
        seen = await desk.seen(driver, spec.run)
        assert (seen.state, seen.exit_code) == (State.EXITED, 4)
        assert driver.place(spec.run).log.read_text().count("once") == 1
        await driver.stop(spec.run, timedelta(0))
        await driver.remove(spec.run)
        assert left(driver.place(spec.run)) == []


async def test_of_two_shims_one_starts_and_the_other_is_no_failure(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a start that was cut off is made again, and its shim comes to it late after all."""

    async def twice(*start: Any) -> None:
        await asyncio.gather(launch(*start), launch(*start))

    monkeypatch.setattr("mooring.compute.drivers.local.driver.launch", twice)
    driver, spec = desk.shell("echo once; exit 4"), desk.spec()
    seen = await desk.over(driver, spec)
    assert (seen.state, seen.exit_code) == (State.EXITED, 4)
    assert driver.place(spec.run).log.read_text().count("once") == 1


async def test_a_stubborn_run_that_is_stopped_still_reports_within_the_grace(moored: Any) -> None:
    moored.plane.assignment["grace"] = 4.0
    moored.plane.tasks({"prompt": "trap '' TERM; (setsid sleep 600 &); echo ready; while :; do sleep 1; done"})
    await moored.begin()
    await moored.until("ready")
    await moored.driver.stop(moored.spec.run, timedelta(seconds=4))
    seen = await moored.over()
    assert (seen.ending, seen.exit_code) == (Ending.EXIT, 143)
    assert moored.plane.exit["outcome"] == "cancelled"
