"""A project its own makers released: its source distribution and its own suite, inside the sandbox."""

import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from e2e.plane import Plane
from repositories import git

pytestmark = pytest.mark.slow

PROJECT = "simplejson-3.20.2"
# The suite needs the standard library alone. Counted by running it outside of any sandbox.
TESTS = 145
SUITE = """
export PYTHONDONTWRITEBYTECODE=1
/usr/bin/python3 -m unittest discover -s simplejson/tests -t . 2>&1 | tee /outputs/suite.txt
"""
CHECKSUM = "5fe7a6ce14d1c300d80d08695b7f7e633de6cd72c80644021874d985b3393649"


@pytest.fixture(scope="module")
def project(directory: Path) -> str:
    """The source distribution as a git repository. Its URL."""
    place = directory / "sdist"
    place.mkdir()
    wanted = place / "wanted.txt"
    wanted.write_text(f"{PROJECT.replace('-', '==')} --hash=sha256:{CHECKSUM}\n", encoding="utf-8")
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    done = subprocess.run(
        [*download, "--require-hashes", "-r", str(wanted), "-d", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with tarfile.open(place / f"{PROJECT}.tar.gz") as archive:
        archive.extractall(place, filter="data")
    git(place / PROJECT, "init", "--quiet")
    git(place / PROJECT, "add", "--all", "--force")
    git(place / PROJECT, "commit", "--quiet", "-m", "as released")
    return (place / PROJECT).as_uri()


def test_its_suite_passes_without_a_network_and_what_it_left_is_kept(plane: Plane, project: str) -> None:
    session = plane.run(
        {
            "prompt": SUITE,
            "check": "tail -1 /outputs/suite.txt | grep -q ^OK",
        },
        "/usr/bin/python3 -c 'import socket; socket.create_connection((\"192.0.2.1\", 80), 2)' || echo no network",
        "echo '# seen by a session' >> setup.py; git commit -qam 'Say who was here'",
        repo_url=project,
    )
    assert session["phase"] == "completed", plane.output(session["id"])
    suite = plane.artifact(session["id"], "outputs/suite.txt").decode()
    assert re.search(rf"^Ran {TESTS} tests in", suite, re.MULTILINE)
    assert "no network" in plane.output(session["id"])
    assert session["result"]["patch"] == {"files": 1, "insertions": 1, "deletions": 0}
    assert plane.artifact(session["id"], "changes.patch").count(b"\n+# seen by a session") == 1
