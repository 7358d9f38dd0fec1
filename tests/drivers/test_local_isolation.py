"""What a program in a sandbox of this machine cannot see, reach or become."""

import asyncio
import json
import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mooring.base.errors import Unavailable
from mooring.compute.drivers.local.driver import LocalDriver
from mooring.compute.drivers.local.engine import open_engine
from mooring.compute.drivers.local.launch import prepare
from mooring.compute.drivers.local.place import Place
from mooring.compute.drivers.local.selftest import TRIED, judge, prove

pytestmark = pytest.mark.slow

SEE = "import json\nprint(json.dumps({}))"


async def seen(desk: Any, expression: str, **fields: Any) -> Any:
    """What a Python expression is inside."""
    return json.loads(await desk.said(desk.python(SEE.format(expression)), desk.spec(**fields)))


async def test_there_is_nothing_at_the_top_but_the_list(desk: Any) -> None:
    top = await seen(desk, "sorted(os.listdir('/'))")
    listed = {"bin", "dev", "etc", "home", "lib", "lib32", "lib64", "libx32", "opt", "outputs", "proc"}
    assert set(top) <= listed | {"run", "sbin", "tmp", "usr", "workspace"}


async def test_etc_holds_nothing_of_the_machines_people_or_names(desk: Any) -> None:
    etc = await seen(
        desk, "{name: open('/etc/' + name).read() for name in ('passwd', 'group', 'hosts', 'resolv.conf')}"
    )
    assert [line.split(":")[0] for line in etc["passwd"].splitlines()] == ["root", "agent", "nobody"]
    assert socket.gethostname() not in etc["hosts"] + await seen(desk, "socket.gethostname()")
    assert "nameserver" not in etc["resolv.conf"]
    assert not {"shadow", "gshadow", "machine-id", "ssh", "hostname"} & set(await seen(desk, "os.listdir('/etc')"))


async def test_only_the_workspace_home_outputs_and_scratch_can_be_written(desk: Any) -> None:
    tried = (
        "def made(path):\n"
        "    try: os.close(os.open(path + '/mooring-trial', os.O_CREAT | os.O_WRONLY))\n"
        "    except OSError: return False\n"
        "    return True\n"
    )
    places = "[path for path, _, _ in os.walk('/') if not path.startswith('/proc/') and made(path)]"
    said = await desk.said(desk.python(tried + SEE.format(places)), desk.spec())
    scratch = {"/tmp", "/run", "/dev/shm"}
    assert set(json.loads(said)) == scratch | {"/workspace", "/home/agent", "/outputs"}


async def test_there_are_no_other_processes(desk: Any) -> None:
    assert await seen(desk, "[name for name in os.listdir('/proc') if name.isdecimal()]") == ["1"]


async def test_there_is_no_network_but_a_loopback_of_its_own(desk: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        names = await seen(desk, "[name for _, name in socket.if_nameindex()]")
        reached = await seen(desk, f"socket.socket().connect_ex(('127.0.0.1', {server.getsockname()[1]}))")
        away = await seen(desk, "socket.socket().connect_ex(('192.0.2.1', 80))")
    assert (names, reached != 0, away != 0) == (["lo"], True, True)
    own = "(lambda s: socket.create_connection(s.getsockname()) and 1)(socket.create_server(('127.0.0.1', 0)))"
    assert await seen(desk, own) == 1


async def test_there_is_no_capability_and_no_way_to_one(desk: Any) -> None:
    lines = await seen(desk, "[l.split() for l in open('/proc/self/status') if l[:3] in ('Cap', 'NoN', 'Sec', 'Uid')]")
    status = {name: values for name, *values in lines}
    assert all(int(values[0], 16) == 0 for name, values in status.items() if name.startswith("Cap"))
    assert (status["NoNewPrivs:"], status["Seccomp:"], set(status["Uid:"])) == (["1"], ["2"], {"1000"})


async def test_it_is_never_root_of_the_machine(desk: Any, run_user: Any) -> None:
    driver, spec = desk.python("tell('up'); time.sleep(600)"), desk.spec()
    await driver.ensure(spec)
    await desk.heard()
    reference = int((await desk.seen(driver, spec.run)).reference.split()[1])
    below = {reference, *tree(reference)}
    uids = {uid for pid in below for uid in status_of(pid, "Uid:")}
    assert len(below) == 3
    assert uids == {str(run_user.uid)}
    assert run_user.uid != 0


def tree(pid: int) -> list[int]:
    below = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return below + [deeper for one in below for deeper in tree(one)]


def status_of(pid: int, key: str) -> list[str]:
    return next(
        line.split()[1:] for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(key)
    )


async def test_a_user_namespace_inside_is_refused_however_it_is_asked_for(desk: Any) -> None:
    source = (
        "import json, subprocess\n"
        "asked = [['unshare', way, 'true'] for way in ('-U', '-m', '-n', '-p', '-i', '-u', '-C')]\n"
        "print(json.dumps([subprocess.run(one, capture_output=True).returncode != 0 for one in asked]))"
    )
    driver = desk.driver("/usr/bin/python3", "-I", "-c", source)
    assert json.loads(await desk.said(driver, desk.spec())) == [True] * 7


async def test_exactly_the_runners_descriptors_are_open(desk: Any) -> None:
    extra = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(extra, True)  # noqa: FBT003 - Python's own signature
    try:
        numbers = await seen(desk, "[n for n in range(1024) if os.path.exists(f'/proc/self/fd/{n}')]")
    finally:
        os.close(extra)
    assert numbers == [0, 1, 2, 3, 4, 5, 6]


async def test_no_path_of_the_machine_can_be_opened_through_a_descriptor(desk: Any) -> None:
    there = "[os.path.exists(os.readlink(f'/proc/self/fd/{n}')) for n in (1, 4, 5, 6)]"
    assert await seen(desk, there) == [False] * 4


async def test_descriptors_append_and_report_as_agreed(desk: Any) -> None:
    driver = desk.python("[(os.write(n, b'one '), os.lseek(n, 0, 0), os.write(n, b'two')) for n in (4, 5, 6)]")
    spec = desk.spec()
    await desk.said(driver, spec)
    place = driver.place(spec.run)
    assert {(place.path / name).read_text() for name in ("spool", "marker", "report")} == {"one two"}
    assert driver.report(spec.run) == b"one two"


async def test_two_runs_do_not_see_each_other(desk: Any) -> None:
    first, second = desk.spec(), desk.spec()
    driver = desk.python(
        "for base in ('/workspace', '/home/agent', '/outputs', '/tmp', '/run', '/dev/shm'):\n"
        "    print(os.listdir(base)); open(base + '/mine', 'w').close()\n"
    )
    async with asyncio.TaskGroup() as group:
        said = [group.create_task(desk.said(driver, spec)) for spec in (first, second)]
    assert said[0].result() == said[1].result()
    assert "mine" not in said[0].result()
    assert (driver.outputs(first.run) / "mine").exists()


async def test_hidden_files_of_proc_say_nothing(desk: Any) -> None:
    source = (
        "import json\n"
        "def content(name):\n"
        "    try: return open('/proc/' + name).read()\n"
        "    except (PermissionError, FileNotFoundError): return ''\n"
        "names = ('kcore', 'keys', 'key-users', 'timer_list', 'sysrq-trigger', 'kmsg', 'kallsyms')\n"
        "print(json.dumps([name for name in names if content(name)]))\n"
    )
    assert json.loads(await desk.said(desk.python(source), desk.spec())) == []


async def test_inputs_are_there_to_read_and_the_link_survives_a_new_socket(desk: Any, data: Path) -> None:
    (data / "input").write_text("bytes of input 0")
    (data / "input").chmod(0o644)
    driver = desk.python("tell(open('/run/mooring/inputs/0').read())\ntime.sleep(600)")
    spec = desk.spec(inputs=(data / "input",))
    await driver.ensure(spec)
    assert await desk.heard() == "bytes of input 0"
    inside = "[os.access(p, os.W_OK) for p in ('/run/mooring', '/run/mooring/link', '/run/mooring/runner.pyz')]"
    assert await seen(desk, inside) == [False] * 3


async def test_the_self_test_refuses_an_engine_that_leaks(desk: Any) -> None:
    leaky = replace(desk.engine.host, directories=(*desk.engine.host.directories, "var"))
    with pytest.raises(Unavailable, match="list /var"):
        await prove(replace(desk.engine, host=leaky))


async def test_the_self_test_leaves_nothing_not_even_of_one_that_was_killed(desk: Any) -> None:
    root = desk.engine.settings.root / ".selftest"
    place = Place(path=root / "ab12")
    prepare(replace(desk.engine, settings=replace(desk.engine.settings, root=root)), place, desk.spec())
    (place.path / "home" / "file").touch()
    place.path.rename(place.removed)
    await prove(desk.engine)
    assert list(root.iterdir()) == []


def test_a_probe_that_tried_too_little_proves_nothing() -> None:
    with pytest.raises(Unavailable, match=f"{TRIED - 1} of {TRIED}"):
        judge({str(number): "" for number in range(TRIED - 1)})


async def test_a_closed_directory_is_named_with_the_fix(desk: Any, data: Path) -> None:
    closed = data / "closed"
    closed.mkdir(mode=0o700)
    settings = replace(desk.engine.settings, root=closed / "data" / "runs")
    with pytest.raises(Unavailable, match=rf"chmod o\+x {closed}"):
        await LocalDriver(settings).probe()


async def test_a_data_directory_with_a_comma_is_refused(desk: Any, data: Path) -> None:
    with pytest.raises(Unavailable, match="comma"):
        await open_engine(replace(desk.engine.settings, root=data / "a,b"))


async def test_a_missing_tool_is_named_with_its_package(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Unavailable, match="apt-get install bubblewrap"):
        await open_engine(desk.engine.settings)


async def test_a_python_that_is_missing_or_too_old_is_named_before_anything_starts(desk: Any, data: Path) -> None:
    old = data / "python3"
    old.write_text("#!/bin/sh\necho 3 8\n")
    old.chmod(0o755)
    for python in (old, data / "no-python"):
        with pytest.raises(Unavailable, match=rf"the runner needs {python} 3.9 or newer: apt-get install python3"):
            await open_engine(replace(desk.engine.settings, python=python))
