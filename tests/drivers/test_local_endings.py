"""Whatever is killed, nothing stays and the state says what happened."""

import asyncio
import contextlib
import errno
import itertools
import os
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mooring.base.errors import Unavailable
from mooring.compute.drivers.base import Ending, State
from mooring.compute.drivers.local import cgroups, ending, state
from mooring.compute.drivers.local.driver import LocalDriver
from mooring.compute.drivers.local.engine import output
from mooring.compute.drivers.local.launch import claim_start, prepare
from mooring.compute.drivers.local.place import Place, read_bounded
from mooring.compute.drivers.local.processes import Identity, boot_id, children, gone, identity_of_self
from mooring.compute.drivers.local.state import identity_json, look, undecided

pytestmark = pytest.mark.slow

NOW = timedelta(0)
SLEEP = "tell('up'); time.sleep(600)"
# Four generations, each deaf to SIGTERM, two of them in sessions of their own: what a daemon does to get away.
TREE = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for generation in range(3):
    if os.fork() == 0:
        if generation:
            os.setsid()
        continue
    break
tell("up")
time.sleep(600)
"""


async def started(desk: Any, driver: LocalDriver, words: int = 1, **fields: Any) -> tuple[Any, int, int, int]:
    """A running run: its spec, and the host's numbers of its shim, bubblewrap and PID 1."""
    spec = desk.spec(**fields)
    await driver.ensure(spec)
    for _ in range(words):
        await desk.heard()
    seen = look(driver.place(spec.run))
    assert seen is not None
    assert seen.shim is not None
    [bubblewrap] = children(seen.shim.pid)
    [first] = children(bubblewrap)
    assert first == seen.first
    return spec, seen.shim.pid, bubblewrap, first


def cut_off(desk: Any, driver: LocalDriver, boot: str) -> tuple[Any, Place]:
    """A run whose start was claimed by a control plane that is dead, in that boot."""
    spec = desk.spec()
    place = driver.place(spec.run)
    prepare(desk.engine, place, spec)
    (place.path / "started").write_bytes(identity_json(Identity(pid=4194300, start=1, boot=boot)))
    return spec, place


async def killed(pid: int, *also: int) -> None:
    """Kill one process, and wait until it and the others are gone."""
    descriptors = [os.pidfd_open(one) for one in (pid, *also)]
    os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(20):
        for descriptor in descriptors:
            await gone(descriptor)
            os.close(descriptor)


async def test_killing_the_shim_ends_the_sandbox_and_the_run_is_lost(
    desk: Any, left: Callable[[Place], list[str]]
) -> None:
    driver = desk.python(TREE)
    spec, shim, bubblewrap, first = await started(desk, driver, words=4)
    await killed(shim, bubblewrap, first)
    seen = await desk.seen(driver, spec.run)
    assert (seen.state, seen.exit_code) == (State.LOST, None)
    assert "shim" in seen.detail
    await driver.remove(spec.run)
    assert left(driver.place(spec.run)) == []


async def test_killing_bubblewrap_ends_the_sandbox_and_says_so(desk: Any, left: Callable[[Place], list[str]]) -> None:
    driver = desk.python(TREE)
    spec, shim, bubblewrap, first = await started(desk, driver, words=4)
    await killed(bubblewrap, shim, first)
    seen = await desk.seen(driver, spec.run)
    assert (seen.state, seen.ending) == (State.EXITED, Ending.KILLED)
    assert "killed from outside" in seen.detail
    await driver.remove(spec.run)
    assert left(driver.place(spec.run)) == []


async def test_killing_pid_1_ends_the_run_as_killed(desk: Any, left: Callable[[Place], list[str]]) -> None:
    driver = desk.python(TREE)
    spec, shim, bubblewrap, first = await started(desk, driver, words=4)
    await killed(first, bubblewrap, shim)
    seen = await desk.seen(driver, spec.run)
    assert (seen.state, seen.ending, seen.exit_code) == (State.EXITED, Ending.KILLED, 137)
    await driver.remove(spec.run)
    assert left(driver.place(spec.run)) == []


async def test_stop_ends_a_tree_of_daemons_that_ignore_it(desk: Any, left: Callable[[Place], list[str]]) -> None:
    driver = desk.python(TREE)
    spec, *_ = await started(desk, driver, words=4)
    assert len([one for one in left(driver.place(spec.run)) if one.startswith("process")]) >= 5
    await driver.stop(spec.run, timedelta(seconds=0.1))
    assert not [one for one in left(driver.place(spec.run)) if one.startswith("process")]
    await driver.remove(spec.run)
    assert left(driver.place(spec.run)) == []


async def test_a_lost_run_is_never_started_again(desk: Any) -> None:
    driver = desk.python(SLEEP)
    spec, *pids = await started(desk, driver)
    await killed(*pids)
    assert (await driver.ensure(spec)).state is State.LOST
    assert [one for one in driver.place(spec.run).shim.iterdir() if one.name == "exit.json"] == []


async def test_stop_sweeps_what_a_dead_shim_left(desk: Any, left: Callable[[Place], list[str]]) -> None:
    driver = desk.python(SLEEP)
    spec, *pids = await started(desk, driver)
    await killed(*pids)
    await driver.stop(spec.run, NOW)
    await driver.remove(spec.run)
    assert left(driver.place(spec.run)) == []


async def test_a_prepared_run_whose_maker_died_is_started_by_the_next(desk: Any) -> None:
    driver, spec = desk.shell("exit 5"), desk.spec()
    prepare(desk.engine, driver.place(spec.run), spec)
    assert (await desk.seen(driver, spec.run)).state is State.PENDING
    assert (await desk.over(driver, spec)).exit_code == 5


async def test_a_start_begun_by_a_dead_control_plane_is_lost_and_barred(desk: Any) -> None:
    driver = desk.shell("exit 5")
    spec, place = cut_off(desk, driver, "an earlier one")
    assert (await driver.ensure(spec)).state is State.LOST
    assert (place.shim / "claim").exists()


async def test_a_start_cut_off_before_anything_began_is_made_again(
    desk: Any, left: Callable[[Place], list[str]]
) -> None:
    driver = desk.shell("echo began; exit 5")
    spec, place = cut_off(desk, driver, boot_id())
    for _ in range(2):
        assert (await desk.seen(driver, spec.run)).state is State.PENDING
        assert (place.shim / "claim").exists(), "what the dead one may have left on its way cannot begin"
    assert (await desk.over(driver, spec)).exit_code == 5
    assert driver.place(spec.run).log.read_text() == "began\n"
    assert (await driver.ensure(spec)).state is State.EXITED
    await driver.remove(spec.run)
    assert left(place) == []


async def test_a_claim_that_tells_nothing_is_not_taken_for_none(desk: Any) -> None:
    driver = desk.shell("exit 5")
    spec, place = cut_off(desk, driver, boot_id())
    (place.shim / "claim").write_text("")
    assert (await driver.ensure(spec)).state is State.LOST


async def test_a_start_cut_off_is_removed_or_stopped_like_any_other(
    desk: Any, left: Callable[[Place], list[str]]
) -> None:
    driver = desk.shell("exit 5")
    for stop in (False, True):
        spec, place = cut_off(desk, driver, boot_id())
        assert (await desk.seen(driver, spec.run)).state is State.PENDING
        if stop:
            await driver.stop(spec.run, NOW)
            assert (await driver.ensure(spec)).detail == "it was stopped before it began"
        await driver.remove(spec.run)
        assert left(place) == []


async def test_a_run_of_an_earlier_boot_is_lost(desk: Any) -> None:
    driver, spec = desk.shell("exit 5"), desk.spec()
    place = driver.place(spec.run)
    prepare(desk.engine, place, spec)
    assert claim_start(place)
    (place.shim / "claim").write_text(f'{{"pid": {os.getpid()}, "start": 1, "boot": "an earlier one"}}')
    seen = await desk.seen(driver, spec.run)
    assert (seen.state, seen.detail) == (State.LOST, "the machine was restarted while this run was running")


async def test_a_run_stopped_before_it_began_never_begins(desk: Any) -> None:
    driver, spec = desk.shell("echo began"), desk.spec()
    prepare(desk.engine, driver.place(spec.run), spec)
    await driver.stop(spec.run, NOW)
    seen = await driver.ensure(spec)
    assert (seen.state, seen.detail) == (State.LOST, "it was stopped before it began")
    assert driver.place(spec.run).log.read_text() == ""


async def test_a_number_given_to_another_process_is_not_taken_for_the_shim(desk: Any) -> None:
    driver = desk.python(SLEEP)
    spec, shim, *rest = await started(desk, driver)
    claim = driver.place(spec.run).shim / "claim"
    whole = claim.read_text()
    claim.write_text(whole.replace(f'"pid": {shim}', f'"pid": {os.getpid()}'))
    assert (await desk.seen(driver, spec.run)).state is State.LOST
    claim.write_text(whole)
    await driver.stop(spec.run, NOW)
    assert rest


async def test_a_sandbox_that_cannot_be_set_up_says_why(desk: Any, data: Any) -> None:
    driver, spec = desk.shell("exit 0"), desk.spec(inputs=(data / "no such input".replace(" ", "-"),))
    with pytest.raises(Unavailable, match="no-such-input"):
        await driver.ensure(spec)
    seen = await desk.seen(driver, spec.run)
    assert (seen.state, seen.exit_code) == (State.EXITED, None)
    assert "could not be set up" in seen.detail


async def test_a_sandbox_that_does_not_stand_in_time_is_ended(desk: Any, left: Callable[[Place], list[str]]) -> None:
    driver, spec = desk.shell("exit 0", start_timeout=0.0), desk.spec()
    with pytest.raises(Unavailable, match="did not stand"):
        await driver.ensure(spec)
    await driver.remove(spec.run)
    assert left(driver.place(spec.run)) == []


async def test_a_start_that_the_system_refuses_is_not_taken_for_one_under_way(
    desk: Any, left: Callable[[Place], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    driver, spec = desk.shell("exit 0"), desk.spec()

    def refuse(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(cgroups, "make", refuse)
    with pytest.raises(Unavailable, match=r"could not be set up: .*Too many open files"):
        await driver.ensure(spec)
    seen = await desk.seen(driver, spec.run)
    assert (seen.state, seen.detail) == (State.LOST, "it was stopped before it began")
    await driver.remove(spec.run)
    assert left(driver.place(spec.run)) == []


async def test_a_claim_that_is_taken_while_it_is_looked_at_is_told_as_it_was(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver, spec = desk.shell("exit 0"), desk.spec()
    place = driver.place(spec.run)
    prepare(desk.engine, place, spec)
    assert claim_start(place)

    def read(path: Path, limit: int) -> bytes | None:
        content = read_bounded(path, limit)
        if path.name == "claim":
            path.write_bytes(identity_json(identity_of_self()))
        return content

    monkeypatch.setattr(state, "read_bounded", read)
    seen = look(place)
    assert seen is not None
    assert (seen.shim, seen.barred, undecided(seen)) == (None, False, False)
    seen = look(place)
    assert seen is not None
    assert (seen.shim_alive, seen.barred) == (True, False)
    (place.shim / "claim").write_bytes(b'{"barred": true}')


async def test_a_group_that_is_busy_for_a_moment_is_taken_away_and_one_that_stays_so_is_named(
    desk: Any, left: Callable[[Place], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    driver, spec = desk.shell("exit 0"), desk.spec()
    await desk.over(driver, spec)
    remove, busy = cgroups.remove, 3

    def removed(paths: tuple[Path, ...]) -> bool:
        nonlocal busy
        busy -= 1
        return busy < 0 and remove(paths)

    def never(_: tuple[Path, ...]) -> bool:
        return False

    with monkeypatch.context() as patch:
        patch.setattr(cgroups, "remove", never)
        patch.setattr(ending, "_KILL_SECONDS", 0.1)
        with pytest.raises(Unavailable, match="stays busy"):
            await driver.remove(spec.run)
    assert (await desk.seen(driver, spec.run)).state is State.EXITED, "it is still to be removed"
    monkeypatch.setattr(cgroups, "remove", removed)
    await driver.remove(spec.run)
    assert (busy, left(driver.place(spec.run))) == (-1, [])


async def test_of_an_exit_report_no_more_than_a_mebibyte_is_read(desk: Any) -> None:
    driver, spec = desk.shell("head -c 1048577 /dev/zero >&6"), desk.spec()
    await desk.over(driver, spec)
    assert driver.report(spec.run) == bytes(1 << 20)


async def test_a_command_that_says_a_lot_is_heard_to_its_end_and_little_of_it_kept() -> None:
    status, said = await output("sh", "-c", "head -c 8000000 /dev/zero | tr '\\0' x; echo end >&2; exit 3")
    assert (status, said) == (3, "x" * 65536)


async def test_remove_takes_away_what_a_run_hid(desk: Any, left: Callable[[Place], list[str]]) -> None:
    driver = desk.python(
        "for base in ('/workspace', '/home/agent', '/outputs'):\n"
        "    os.chdir(base)\n"
        "    for depth in range(1500):\n"
        "        os.mkdir('d'); os.chdir('d')\n"
        "    os.symlink('/etc', 'link'); open('file', 'w').close(); os.mkfifo('pipe')\n"
        "    os.chdir(base); os.mkdir('closed'); open('closed/file', 'w').close()\n"
        "    os.chmod('closed', 0)\n"
    )
    spec = desk.spec()
    await desk.said(driver, spec)
    await driver.remove(spec.run)
    assert left(driver.place(spec.run)) == []


async def test_the_shim_is_small_and_in_a_session_of_its_own(desk: Any) -> None:
    driver = desk.python(SLEEP)
    _, shim, *_ = await started(desk, driver)
    with open(f"/proc/{shim}/smaps_rollup") as file:  # noqa: PTH123, ASYNC230 - a file of the kernel
        private = sum(int(line.split()[1]) for line in file if line.startswith("Private_"))
    assert os.getsid(shim) == shim
    assert private < 1024


class Killed(BaseException):
    pass


async def test_a_removal_killed_after_any_of_its_steps_is_completed_by_the_next(
    desk: Any, left: Callable[[Place], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    driver, spec = desk.shell("echo x > /outputs/file"), desk.spec()
    await desk.over(driver, spec)
    place = driver.place(spec.run)
    steps = 0

    def counted(do: Callable[..., Any]) -> Callable[..., Any]:
        def one(*given: Any) -> Any:
            nonlocal steps
            if not steps:
                raise Killed
            steps -= 1
            return do(*given)

        return one

    gone: list[bool] = []
    for number in itertools.count():
        # Who began it is dead by now.
        with contextlib.suppress(FileNotFoundError):
            (place.path / "started").write_bytes(identity_json(Identity(pid=1, start=1, boot="another")))
        steps = number
        with monkeypatch.context() as patch, contextlib.suppress(Killed):
            patch.setattr(ending, "output", counted(ending.output))
            for name in ("rename", "unlink", "rmdir"):
                patch.setattr(Path, name, counted(getattr(Path, name)))
            await driver.remove(spec.run)
            break
        gone.append(spec.run not in {one.run for one in await driver.list()})
    assert sorted(gone) == gone
    assert (gone[0], gone[-1]) == (False, True)
    assert left(place) == []
