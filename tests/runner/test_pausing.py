"""A session that pauses, and the run that goes on with it: nothing done twice, nothing taken away."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from runner.conftest import Berth, Started
from runner.plane import agent
from runner.test_acp import SCRIPTED

pytestmark = pytest.mark.slow

BLOCKS = "mkfifo gate; echo ready; cat gate"


def pause(berth: Berth) -> Started:
    """Run the tasks until one says that it is ready, and pause then."""
    started = berth.start()
    berth.plane.wait(lambda: "ready" in berth.plane.text())
    berth.plane.command("pause")
    assert started.ended() == 75
    return started


def done(task: int, outcome: str = "succeeded", reason: str | None = None) -> dict[str, Any]:
    """The report of a task of the run before."""
    return {"task": task, "outcome": outcome, "attempts": 1, "exit_code": 0, "reason": reason, "seconds": 1.5}


def resume(berth: Berth, *reports: dict[str, Any], seconds: float = 1.0, attempts: int = 0) -> None:
    berth.assign(resumed={"seconds": seconds, "done": list(reports), "attempts": attempts})


def test_a_pause_ends_every_process_and_decides_nothing_about_its_task(berth: Berth) -> None:
    (berth.outputs / "early").write_text("early")
    berth.tasks({"prompt": "echo one > one"}, {"prompt": f"sleep 600 & echo $! > pid; {BLOCKS}"}, {"prompt": "true"})
    pause(berth)
    plane = berth.plane
    assert plane.exit is not None
    assert (plane.exit["outcome"], [one["task"] for one in plane.exit["tasks"]]) == ("paused", [0])
    assert [one["task"] for one in plane.of("task.finished")] == [0]
    assert plane.of("error") == []
    assert not Path("/proc", (berth.workdir / "pid").read_text().strip()).exists()


def test_a_pause_takes_nothing_home(berth: Berth) -> None:
    (berth.outputs / "early").write_text("early")
    berth.tasks({"prompt": BLOCKS})
    pause(berth)
    assert berth.plane.artifacts == {}
    assert (berth.outputs / "early").read_text() == "early"


def test_what_is_done_is_not_done_again_and_stands_in_the_report(berth: Berth) -> None:
    berth.tasks({"prompt": "echo again > again"}, {"prompt": "echo two"}, {"prompt": "echo three"})
    resume(berth, done(0))
    assert berth.lead() == 0
    assert not (berth.workdir / "again").exists()
    assert [one["task"] for one in berth.plane.of("task.started")] == [1, 2]
    assert berth.plane.exit is not None
    assert [(one["task"], one["seconds"] == 1.5) for one in berth.plane.exit["tasks"]] == [
        (0, True), (1, False), (2, False),
    ]  # fmt: skip


def test_a_failure_before_the_pause_is_still_one_at_the_end(berth: Berth) -> None:
    berth.tasks({"prompt": "exit 3", "continue_on_failure": True}, {"prompt": "echo on"})
    resume(berth, done(0, "failed", "exit status 3"))
    assert berth.lead() == 1
    assert berth.plane.exit is not None
    assert berth.plane.exit["reason"] == "task 1 (task 0) failed: exit status 3"
    assert berth.plane.text() == "on\n"


def test_an_interrupted_attempt_costs_none(berth: Berth) -> None:
    berth.tasks({"prompt": "echo $MOORING_ATTEMPT", "check": "false", "max_attempts": 3})
    resume(berth, attempts=1)
    assert berth.lead() == 1
    assert berth.plane.text() == "2\n3\n"


def test_nothing_is_checked_out_installed_or_written_again(berth: Berth) -> None:
    repository = berth.workdir / "project"
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "begin"],
        cwd=repository, check=True,
    )  # fmt: skip
    base = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=repository, check=True, capture_output=True, text=True
    ).stdout.strip()
    (repository / "mine").write_text("uncommitted\n")
    (berth.home / ".gitconfig").symlink_to("/dev/null")
    berth.assign(
        workdir=str(repository), instructions="be good",
        repositories=[{
            "input": 0, "path": str(repository), "commit": base, "branch": "mooring/ses_1", "origin": None,
            "subpath": "", "read_only": False,
        }],
        skills=[{"name": "slug", "input": None, "commit": None, "subpath": "", "text": "a skill"}],
    )  # fmt: skip
    berth.tasks({"prompt": "true"}, {"prompt": "cat mine"})
    resume(berth, done(0))
    assert berth.lead() == 0
    assert berth.plane.text() == "uncommitted\n"
    assert "GET inputs/0" not in berth.plane.asked
    assert sorted(path.name for path in berth.home.iterdir()) == [".gitconfig"]
    assert b"+uncommitted" in berth.plane.artifacts["changes.patch"], "its end takes home what was there before"


def test_the_time_before_the_pause_counts(berth: Berth) -> None:
    berth.assign(timeout=60.0)
    berth.tasks({"prompt": "sleep 300"})
    resume(berth, seconds=59.5)
    assert berth.lead() == 124
    assert berth.plane.exit is not None
    assert "longer than 60 s" in berth.plane.exit["reason"]


def test_a_new_conversation_is_told_the_opening_and_what_is_done(berth: Berth) -> None:
    berth.assign(agent=agent("acp", *SCRIPTED), opening="be careful")
    berth.tasks({"prompt": "never"}, {"prompt": "one"}, {"prompt": "two"})
    resume(berth, done(0))
    assert berth.lead() == 0
    first = berth.plane.text("message", task=1)
    assert first.startswith("<be careful><><This work was paused and goes on now.")
    assert first.endswith("<- task 0: succeeded><><one>")
    assert berth.plane.text("message", task=2) == "<two>"


def test_an_agent_hears_of_the_pause_before_it_is_ended(berth: Berth) -> None:
    berth.assign(agent=agent("acp", *SCRIPTED))
    berth.tasks({"prompt": "say ready\nwait"})
    started = berth.start()
    berth.plane.wait(lambda: "ready" in berth.plane.text("message"))
    berth.plane.command("pause")
    assert started.ended() == 75
    assert (berth.workdir / "cancelled").read_text() == "heard\n"
