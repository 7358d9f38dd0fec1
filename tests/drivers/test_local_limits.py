"""What the control groups of this machine stop, and what the run is then said to have ended of."""

import os
from dataclasses import replace
from typing import Any

import pytest

from mooring.base.errors import Unavailable, Unfit
from mooring.compute.drivers.base import Capabilities, Ending, Limits, State
from mooring.compute.drivers.local import cgroups
from mooring.compute.drivers.local.driver import LocalDriver
from mooring.compute.drivers.local.engine import Engine
from mooring.compute.drivers.local.recipe import effective, fits

pytestmark = pytest.mark.slow

MIB = 1 << 20
HOG = "kept = []\nwhile True:\n    kept.append(bytearray(b'x' * (8 << 20)))"
# Every process that can be made, kept; then the last refusal is the program's end.
BOMB = """
pids = []
try:
    while True:
        pid = os.fork()
        if pid == 0:
            time.sleep(600)
        pids.append(pid)
except BlockingIOError:
    print(len(pids), flush=True)
    sys.exit(9)
"""


@pytest.fixture(autouse=True)
def enforced(engine: Engine) -> None:
    """Where no control group may be written this part is reported as not run, with the fix."""
    missing = [line for line in engine.capabilities().missing if line.startswith(("cpus", "memory", "pids"))]
    if missing:
        pytest.skip(f"not run: {missing[0]}")


async def test_a_memory_hog_is_killed_and_reported(desk: Any) -> None:
    seen = await desk.over(desk.python(HOG), desk.spec(limits=Limits(memory=64 * MIB)))
    assert (seen.state, seen.ending) == (State.EXITED, Ending.OUT_OF_MEMORY)
    assert "memory limit" in seen.detail


async def test_scratch_files_count_as_memory(desk: Any) -> None:
    fill = "with open('/tmp/fill', 'wb') as file:\n    while True:\n        file.write(b'x' * (8 << 20))"
    seen = await desk.over(desk.python(fill), desk.spec(limits=Limits(memory=64 * MIB)))
    assert seen.ending is Ending.OUT_OF_MEMORY


async def test_a_fork_bomb_is_stopped_and_reported(desk: Any, left: Any) -> None:
    driver, spec = desk.python(BOMB), desk.spec(limits=Limits(pids=32))
    seen = await desk.over(driver, spec)
    assert (seen.ending, seen.exit_code) == (Ending.TOO_MANY_PROCESSES, 9)
    assert int(driver.place(spec.run).log.read_text()) < 32
    await driver.remove(spec.run)
    assert left(driver.place(spec.run)) == []


async def test_a_task_that_forks_without_end_fails_and_its_runner_lives_to_tell(moored: Any) -> None:
    run = replace(moored, spec=replace(moored.spec, limits=Limits(pids=64)))
    run.plane.tasks(
        {"prompt": "echo kept > /outputs/kept; bomb() { bomb | bomb & }; while :; do bomb; sleep 0.1; done"}
    )
    run.plane.assignment["grace"] = 0.5
    seen = await run.over()
    assert (seen.ending, seen.exit_code) == (Ending.TOO_MANY_PROCESSES, 1)
    assert "process limit was reached" in seen.detail
    assert "task 1 (task 0) failed" in run.plane.exit["reason"]
    assert run.plane.artifacts == {"outputs/kept": b"kept\n"}


async def test_a_task_that_eats_memory_is_killed_and_its_run_says_why(moored: Any) -> None:
    run = replace(moored, spec=replace(moored.spec, limits=Limits(memory=96 * MIB)))
    hog = "kept = []\nwhile True: kept.append(bytearray(b'x' * (8 << 20)))"
    run.plane.tasks({"prompt": f'echo before; exec python3 -c "{hog}"'})
    seen = await run.over()
    assert seen.ending is Ending.OUT_OF_MEMORY
    assert "memory limit was reached" in seen.detail
    assert run.plane.text() == "before\n"


async def test_one_hog_does_not_touch_another_run(desk: Any) -> None:
    driver = desk.python("tell('up'); time.sleep(600)")
    calm = desk.spec(limits=Limits(memory=64 * MIB))
    await driver.ensure(calm)
    await desk.heard()
    await desk.over(desk.python(HOG), desk.spec(limits=Limits(memory=64 * MIB)))
    assert (await desk.seen(driver, calm.run)).state is State.RUNNING


async def test_limits_stand_in_the_kernel(desk: Any) -> None:
    driver, spec = (
        desk.python("tell('up'); time.sleep(600)"),
        desk.spec(limits=Limits(cpus=0.5, memory=64 * MIB, pids=40)),
    )
    await driver.ensure(spec)
    await desk.heard()
    leaf = cgroups.leaf_of(desk.engine.trees, driver.place(spec.run).name)
    for controller, file, value, may_miss in cgroups.writes(spec.limits, unified=leaf.unified):
        path = leaf.directories[controller] / file
        assert (may_miss and not path.exists()) or path.read_text().strip() == value
    assert all(len(cgroups.members((path,))) == 2 for path in leaf.paths)


async def test_a_limit_the_kernel_does_not_take_is_said_and_leaves_nothing(desk: Any, left: Any) -> None:
    driver, spec = desk.shell("exit 0"), desk.spec(limits=Limits(pids=1 << 23))
    with pytest.raises(Unavailable, match=r"could not be set up: .*Invalid argument"):
        await driver.ensure(spec)
    assert (await desk.seen(driver, spec.run)).state is State.LOST
    await driver.remove(spec.run)
    assert left(driver.place(spec.run)) == []


async def test_the_settings_defaults_stand_where_the_spec_asks_nothing(desk: Any) -> None:
    driver = desk.python(HOG, default_limits=Limits(memory=64 * MIB))
    assert isinstance(driver, LocalDriver)
    assert (await desk.over(driver, desk.spec())).ending is Ending.OUT_OF_MEMORY


async def test_a_run_that_asks_for_nothing_cannot_take_the_whole_machine(desk: Any) -> None:
    driver, spec = desk.python("tell('up'); time.sleep(600)"), desk.spec()
    await driver.ensure(spec)
    await desk.heard()
    leaf = cgroups.leaf_of(desk.engine.trees, driver.place(spec.run).name)
    assert (leaf.directories["pids"] / "pids.max").read_text() == "4096\n"
    name = "memory.max" if leaf.unified else "memory.limit_in_bytes"
    page, pages = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_PHYS_PAGES")
    assert 0.7 < int((leaf.directories["memory"] / name).read_text()) / (page * pages) < 0.9


def test_without_groups_a_limit_is_refused_and_a_default_is_dropped(desk: Any) -> None:
    able = Capabilities(missing=("memory: no control group of this machine may be written for it; mount them.",))
    with pytest.raises(Unfit, match=r"memory limit cannot be enforced here.*mount them"):
        fits(desk.spec(limits=Limits(memory=64 * MIB)), able)
    assert effective(Limits(), Limits(memory=64 * MIB), able) == Limits()
