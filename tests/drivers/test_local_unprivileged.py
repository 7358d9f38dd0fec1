"""The engine for one who is not root: the same proof, the same endings, as a user without any right."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from mooring.base.unprivileged import process_user
from mooring.runner.build import build

pytestmark = pytest.mark.slow

SOURCE = Path(__file__).parents[2] / "src" / "mooring"

# A control plane of that user: proves the isolation, runs one run over a filesystem, stops another, leaves nothing.
PROGRAM = """
import asyncio, json, os, sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from mooring.base.unprivileged import process_user
from mooring.compute.drivers.base import RunId, RunSpec
from mooring.compute.drivers.local.driver import LocalDriver
from mooring.compute.drivers.local.settings import LocalSettings

data = Path(sys.argv[1])
for name in ("link", "lower"):
    (data / name).mkdir()
(data / "lower" / "below").write_text("from below")
script = 'cat /workspace/below; echo; echo changed > /workspace/below; id -u'
settings = LocalSettings(root=data / "runs", link_dir=data / "link", runner=data / "runner.pyz",
                         user=process_user("mooring-run"), program=("/bin/sh", "-c", script))

async def main():
    driver = LocalDriver(settings)
    able = await driver.probe()
    one = RunSpec(run=RunId("run_one"), image="host", token="made-up", lower=data / "lower")
    await driver.ensure(one)
    await driver.ended(one.run)
    [seen] = await driver.list()
    said = driver.place(one.run).log.read_text()
    asleep = LocalDriver(replace(settings, program=("/bin/sh", "-c", "trap '' TERM; sleep 600")))
    two = replace(one, run=RunId("run_two"))
    await asleep.ensure(two)
    await asleep.stop(two.run, timedelta(seconds=0.1))
    stopped = next(one for one in await driver.list() if one.run == two.run)
    for spec in (one, two):
        await driver.remove(spec.run)
    left = [path.name for path in (data / "runs").iterdir() if not path.name.startswith(".")]
    print(json.dumps({"uid": os.getuid(), "missing": able.missing, "limits": sorted(able.limits),
                      "exit": seen.exit_code, "said": said, "ending": stopped.ending, "left": left,
                      "below": (data / "lower" / "below").read_text()}))

asyncio.run(main())
"""


@pytest.fixture
def told() -> dict[str, Any]:
    """What the program told, run by a user that is not root."""
    user = process_user("mooring-db")
    place = Path(tempfile.mkdtemp(prefix="mooring-plain-"))
    # Its own copy: a checkout may lie where nobody but its owner walks.
    shutil.copytree(SOURCE, place / "mooring", ignore=shutil.ignore_patterns("__pycache__"))
    build(place / "runner.pyz")
    for path in (place, *place.rglob("*")):
        user.own(path)
    interpreter = sys.executable if os.geteuid() != 0 else "/usr/bin/python3"
    version = "import sys; sys.exit(sys.version_info < (3, 11))"
    if subprocess.run([interpreter, "-c", version], check=False).returncode != 0:
        pytest.skip("not run: /usr/bin/python3 is older than 3.11; run the tests as a user that is not root")
    done = subprocess.run(
        [*user.prefix(), interpreter, "-c", PROGRAM, str(place)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(place), "HOME": "/nonexistent"},
        cwd=place,
        check=False,
        capture_output=True,
        text=True,
    )
    shutil.rmtree(place)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_user_without_rights_has_the_same_isolation_and_endings(told: dict[str, Any]) -> None:
    assert told["uid"] != 0
    assert (told["exit"], told["ending"], told["left"]) == (0, "killed", [])
    assert (told["said"], told["below"]) == ("from below\n1000\n", "from below")
    # What is not enforced is said with what enables it, never left out.
    for limit in {"cpus", "memory", "pids"} - set(told["limits"]):
        assert any(line.startswith(f"{limit}:") and "Delegate=yes" in line for line in told["missing"])
