"""What every driver promises, whatever its engine. A new driver adds its desk to `ENGINES` and passes all of these."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from mooring.base.errors import Clash, Missing, Unfit
from mooring.compute.drivers.base import Ending, Limits, Network, Resumes, State

pytestmark = pytest.mark.slow

ENGINES = ["local"]
NOW = timedelta(0)
SLEEP = "tell('up'); time.sleep(600)"
STUBBORN = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SLEEP
POLITE = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n" + SLEEP


@pytest.fixture(params=ENGINES)
def desk(request: pytest.FixtureRequest, desk: Any) -> Any:
    assert request.param in ENGINES
    return desk


async def test_probe_names_what_is_enforced_and_what_is_missing(desk: Any) -> None:
    able = await desk.shell("exit 0").probe()
    assert Network.NONE in able.networks
    assert "host" in able.images
    assert all(line for line in able.missing)


async def test_a_run_ends_with_the_exit_code_of_its_program(desk: Any) -> None:
    seen = await desk.over(desk.shell("exit 3"), desk.spec())
    assert (seen.state, seen.ending, seen.exit_code) == (State.EXITED, Ending.EXIT, 3)


async def test_ensure_again_starts_nothing(desk: Any) -> None:
    driver, spec = desk.shell("echo once; exit 0"), desk.spec()
    first = await driver.ensure(spec)
    await driver.ended(spec.run)
    again = await driver.ensure(spec)
    assert (first.spec_hash, again.state) == (again.spec_hash, State.EXITED)
    assert driver.place(spec.run).log.read_text() == "once\n"


async def test_ensure_at_the_same_time_starts_once(desk: Any) -> None:
    spec = desk.spec()
    drivers = [desk.shell("echo once") for _ in range(4)]
    await asyncio.gather(*(driver.ensure(spec) for driver in drivers))
    await drivers[0].ended(spec.run)
    assert drivers[0].place(spec.run).log.read_text() == "once\n"


async def test_another_token_is_the_same_run(desk: Any) -> None:
    driver, spec = desk.shell("exit 0"), desk.spec(token="before")
    await driver.ensure(spec)
    again = await driver.ensure(desk.spec(run=spec.run, token="after a restart"))
    assert again.run == spec.run


async def test_same_id_with_another_spec_clashes(desk: Any) -> None:
    driver, spec = desk.shell("exit 0"), desk.spec()
    await driver.ensure(spec)
    with pytest.raises(Clash, match=spec.run):
        await driver.ensure(desk.spec(run=spec.run, labels={"other": "yes"}))


@pytest.mark.parametrize(
    ("field", "asked"),
    [
        ("image", {"image": "debian:13"}),
        ("network", {"network": Network.FULL}),
        ("network", {"network": Network.ALLOW_LIST}),
        ("disk", {"limits": Limits(disk=1 << 30)}),
        ("memory", {"limits": Limits(memory=4096)}),
        ("pids", {"limits": Limits(pids=1)}),
    ],
)
async def test_a_spec_that_asks_for_more_than_is_enforced_is_refused(
    desk: Any, field: str, asked: dict[str, Any]
) -> None:
    driver, spec = desk.shell("exit 0"), desk.spec(**asked)
    with pytest.raises(Unfit, match=field) as refusal:
        await driver.ensure(spec)
    assert refusal.value.facts["field"] == field
    assert spec.run not in {one.run for one in await driver.list()}


async def test_the_token_comes_by_descriptor_and_stands_nowhere_else(desk: Any) -> None:
    driver = desk.python(
        "token = os.read(3, 100).decode(); os.close(3)\n"
        "places = [open('/proc/self/' + name).read() for name in ('cmdline', 'environ')]\n"
        "print(token, any(token in place for place in places))"
    )
    assert await desk.said(driver, desk.spec(token="token-of-this-run")) == "token-of-this-run False\n"


async def test_stop_lets_a_polite_program_end_itself(desk: Any) -> None:
    driver, spec = desk.python(POLITE), desk.spec()
    await driver.ensure(spec)
    await desk.heard()
    await driver.stop(spec.run, timedelta(seconds=30))
    seen = await desk.seen(driver, spec.run)
    assert (seen.state, seen.ending, seen.exit_code) == (State.EXITED, Ending.EXIT, 7)


async def test_stop_kills_what_ignores_it(desk: Any) -> None:
    driver, spec = desk.python(STUBBORN), desk.spec()
    await driver.ensure(spec)
    await desk.heard()
    await driver.stop(spec.run, timedelta(seconds=0.1))
    seen = await desk.seen(driver, spec.run)
    assert (seen.state, seen.ending) == (State.EXITED, Ending.KILLED)
    assert "asked to stop" in seen.detail


async def test_what_is_not_there_may_be_stopped_awaited_and_removed(desk: Any) -> None:
    driver, absent = desk.shell("exit 0"), desk.spec().run
    await driver.stop(absent, NOW)
    await driver.ended(absent)
    await driver.remove(absent)


async def test_stop_and_remove_may_be_repeated(desk: Any) -> None:
    driver, spec = desk.python(SLEEP), desk.spec()
    await driver.ensure(spec)
    for _ in range(2):
        await driver.stop(spec.run, NOW)
    for _ in range(2):
        await driver.remove(spec.run)
    assert spec.run not in {one.run for one in await driver.list()}


async def test_a_running_run_is_not_removed(desk: Any) -> None:
    driver, spec = desk.python(SLEEP), desk.spec()
    await driver.ensure(spec)
    with pytest.raises(Clash, match="stop it"):
        await driver.remove(spec.run)


async def test_ended_returns_for_every_one_who_waits(desk: Any) -> None:
    driver, spec = desk.python(SLEEP), desk.spec()
    await driver.ensure(spec)
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(driver.ended(spec.run))
        await desk.heard()
        await driver.stop(spec.run, NOW)


async def test_list_has_every_run_in_its_state(desk: Any) -> None:
    quick, slow = desk.spec(), desk.spec()
    await desk.over(desk.shell("exit 0"), quick)
    driver = desk.python(SLEEP)
    await driver.ensure(slow)
    states = {one.run: one.state for one in await driver.list()}
    assert (states[quick.run], states[slow.run]) == (State.EXITED, State.RUNNING)


async def test_another_driver_goes_on_with_a_run(desk: Any) -> None:
    spec = desk.spec()
    await desk.python(POLITE).ensure(spec)
    await desk.heard()
    adopted = desk.shell("echo never started")
    assert (await adopted.ensure(spec)).state is State.RUNNING
    await adopted.stop(spec.run, timedelta(seconds=30))
    assert (await desk.seen(adopted, spec.run)).exit_code == 7


async def test_twenty_starts_at_once_all_end_well(desk: Any) -> None:
    driver, specs = desk.shell("exit 0"), [desk.spec() for _ in range(20)]
    seen = await asyncio.gather(*(desk.over(driver, spec) for spec in specs))
    assert [one.exit_code for one in seen] == [0] * 20


LEAVES = """
for place in ("/workspace", "/home/agent", "/outputs"):
    os.mkdir(place + "/directory")
    open(place + "/directory/file", "w").write("from " + place)
    os.symlink("/etc/passwd", place + "/link")
    os.chmod(place + "/directory", 0)
    os.chmod(place, 0)
"""
FINDS = """
for place in ("/workspace", "/home/agent", "/outputs"):
    print(oct(os.stat(place).st_mode), oct(os.stat(place + "/directory").st_mode), os.readlink(place + "/link"))
    os.chmod(place + "/directory", 0o700)
    print(open(place + "/directory/file").read())
"""


async def test_a_run_goes_on_with_what_an_ended_one_left(desk: Any) -> None:
    ended, spec, driver = desk.spec(), desk.spec(), desk.python(FINDS)
    await desk.over(desk.python(LEAVES), ended)
    assert isinstance(desk.driver(), Resumes)
    for _ in range(2):
        await driver.resume(spec, ended.run)
        await driver.ended(spec.run)
        # What it took over is its own now.
        await driver.remove(ended.run)
    places = ("/workspace", "/home/agent", "/outputs")
    assert driver.place(spec.run).log.read_text() == "".join(
        f"0o40700 0o40000 /etc/passwd\nfrom {place}\n" for place in places
    )


async def test_nothing_goes_on_with_what_is_gone(desk: Any) -> None:
    ended, spec, driver = desk.spec(), desk.spec(), desk.shell("echo never")
    with pytest.raises(Missing, match="not here any more"):
        await driver.resume(spec, ended.run)
    assert State.RUNNING not in {one.state for one in await driver.list() if one.run == spec.run}
    await driver.remove(spec.run)
    assert spec.run not in {one.run for one in await driver.list()}
