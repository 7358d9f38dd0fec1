"""`moor` as a program, on a whole control plane: the example, a kill in the middle, an interrupt, a terminal."""

import contextlib
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.plane import ROOT, Plane
from repositories import repository

pytestmark = pytest.mark.slow

EXAMPLE = ROOT / "examples" / "demo.yaml"
COUNT = """
kind: agent
name: sh
---
kind: task
name: count
prompt: |
  echo begun
  for i in $(seq 1 40); do echo "line $i"; sleep 0.1; done
---
kind: workflow
name: counting
agent: sh
tasks: [count]
"""


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "mooring", *words]


def moor(plane: Plane, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """`moor` with these words, by a person of the plane's."""
    return subprocess.run(
        command(*words), input=given, capture_output=True, text=True, check=False, env=plane.environment(), timeout=120
    )


def settled(text: str) -> str:
    """The text without what differs from run to run: ids, durations, sizes, commit ids, pads."""
    text = re.sub(r"\b(ses)_[0-9A-Za-z]{27}", r"\1_…", text)
    text = re.sub(r" +[0-9.]+ s$", " T", text, flags=re.MULTILINE)
    text = re.sub(r" in [0-9.]+ s$", " in T", text, flags=re.MULTILINE)
    text = re.sub(r" +[0-9.]+ k?B$", " B", text, flags=re.MULTILINE)
    return re.sub(r"\b[0-9a-f]{7,10}\b", "COMMIT", text)


TOLD = """\
session measure-and-report  ses_…
· created
· pending T
· preparing T
· running T

1/4  measure the code
  │ src              2 files       7 lines
  ✓ done T

2/4  find the longest functions
  │    3 lines  longer                   src/a.py:3
  │    2 lines  short                    src/a.py:1
  ✓ done T

3/4  write the report
  │ the first draft: the size is what matters
  ╎ REPORT.md has no section '## Longest functions'
  ✗ check failed (exit status 1)
3/4  write the report, attempt 2
  │ the second draft, because the check said:
  │ REPORT.md has no section '## Longest functions'
  ✓ check passed
  ✓ done after 2 attempts T

4/4  commit it
  │ COMMIT Report on the code
  │\x20
  │  REPORT.md | 14 ++++++++++++++
  │  1 file changed, 14 insertions(+)
  ✓ done T

✓ completed in T
  1 commit, 1 file changed, +14 -0
    COMMIT Report on the code

  changes.patch B
  commits.bundle B
  outputs/REPORT.md B
  outputs/functions.txt B
  outputs/size.txt B

  the changes  moor session patch ses_…
  the files    moor session artifacts ses_… --to DIR
"""
PROJECT = {
    "README.md": "hello\n",
    "src/a.py": "def short():\n    pass\ndef longer():\n    a = 1\n    return a\n",
    "src/b.py": "x = 1\ny = 2\n",
}


def test_the_example_runs_on_a_repository_and_a_person_sees_all_of_it(
    plane: Plane, directory: Path, tmp_path: Path
) -> None:
    url = repository(directory / "projects" / "example", PROJECT)
    assert moor(plane, "apply", "-f", str(EXAMPLE)).returncode == 0
    ran = moor(plane, "run", "measure-and-report", "--repo", url, "--follow")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert settled(ran.stdout) == TOLD
    session = re.findall(r"ses_[0-9A-Za-z]{27}", ran.stdout)[0]
    assert settled(moor(plane, "session", "follow", session).stdout) == TOLD
    assert moor(plane, "session", "patch", session, "--stat").stdout.endswith(" 1 file changed, +14 -0\n")
    kept = moor(plane, "session", "artifacts", session, "--to", str(tmp_path))
    assert kept.returncode == 0
    assert "## Longest functions" in (tmp_path / "outputs" / "REPORT.md").read_text()
    actions = moor(plane, "audit", "log", "--resource", session).stdout
    assert re.findall(r"session\.\w+", actions) == [
        "session.create",
        "session.start",
        "session.phase",
        "session.plan",
        "session.phase",
        "session.phase",
    ]


def test_a_follower_outlives_a_kill_of_the_control_plane(new_plane: Callable[..., Plane]) -> None:
    plane = new_plane()
    address = str(plane.http.base_url).split("/")[2]
    moor(plane, "apply", "-f", "-", given=COUNT)
    following = subprocess.Popen(
        command("run", "counting", "--follow"), env=plane.environment(), stdout=subprocess.PIPE, text=True
    )
    assert following.stdout is not None
    said = ""
    while "line 3\n" not in said:
        said += following.stdout.readline()
    plane.kill()
    while "the line to the server broke" not in said:
        said += following.stdout.readline()
    plane.up(listen=address)
    rest, _ = following.communicate(timeout=60)
    said += rest
    assert following.returncode == 0
    counted = [int(number) for number in re.findall(r"│ line (\d+)\n", said)]
    assert counted == list(range(1, 41))
    assert said.count("begun") == 1
    assert said.index("broke") < said.index("the server is back") < said.index("✓ completed")


def test_an_interrupt_leaves_the_session_going_and_says_how_to_come_back(plane: Plane) -> None:
    # It goes on for longer than the test: however late the cancel comes, there is something to cancel.
    moor(plane, "apply", "-f", "-", given=COUNT.replace("sleep 0.1", "sleep 3600"))
    # Who runs the tests in the background has them ignore the interrupt, and so does all they start.
    heeding = ["env", "--default-signal=INT", *command("run", "counting", "--follow")]
    following = subprocess.Popen(
        heeding, env=plane.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert following.stdout is not None
    said = ""
    while "begun\n" not in said:
        said += following.stdout.readline()
    following.send_signal(signal.SIGINT)
    _, error = following.communicate(timeout=30)
    session = re.findall(r"ses_[0-9A-Za-z]{27}", said)[0]
    assert following.returncode == 130
    assert f"moor session follow {session}" in error
    assert plane.call("GET", f"/sessions/{session}")["phase"] == "running"
    assert moor(plane, "session", "cancel", session).returncode == 0
    assert moor(plane, "session", "follow", session).returncode == 3


def at_a_terminal(plane: Plane, *words: str, **environment: str) -> str:
    """What `moor` writes to a terminal of 60 columns."""
    ours, its = pty.openpty()
    env = {**plane.environment(), "TERM": "xterm", "COLUMNS": "60", **environment}
    with subprocess.Popen(command(*words), env=env, stdin=its, stdout=its, stderr=its):
        os.close(its)
        said = b""
        # A terminal whose other side is closed ends with EIO.
        with contextlib.suppress(OSError):
            while piece := os.read(ours, 65_536):
                said += piece
    os.close(ours)
    return said.decode()


HOSTILE = r"""
kind: agent
name: sh
---
kind: task
name: shout
prompt: |
  printf '\033]0;title\007\033[2J\033[31mred\033[0m \033[5n\n'
  printf 'a line that is much too long for sixty columns of a terminal, and goes on\n'
---
kind: workflow
name: shouting
agent: sh
tasks: [shout]
"""


def test_a_terminal_gets_colours_of_ours_and_no_sequence_of_the_tasks(plane: Plane) -> None:
    moor(plane, "apply", "-f", "-", given=HOSTILE)
    moor(plane, "run", "shouting", "--wait")
    session = moor(plane, "session", "list", "--limit", "1", "-o", "name").stdout.strip()
    said = at_a_terminal(plane, "session", "follow", session)
    assert "\x1b[" in said
    for sequence in ("\x1b]", "\x07", "\x1b[2J", "\x1b[31mred", "\x1b[5n"):
        assert sequence not in said
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", said)
    assert "│ red " in plain
    shown = [line for line in plain.replace("\r", "\n").split("\n") if "columns" in line or "goes on" in line]
    assert shown
    assert all(len(line) <= 60 for line in shown)
    bare = at_a_terminal(plane, "session", "show", session, NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", bare)
