"""Ordered tasks with checks, attempts and limits, by the shell runtime."""

from pathlib import Path

import pytest

from runner.conftest import Berth

pytestmark = pytest.mark.slow


def test_tasks_run_in_their_order_and_are_reported(berth: Berth) -> None:
    berth.tasks({"prompt": "echo one"}, {"prompt": "echo two >&2"})
    assert berth.lead() == 0
    plane = berth.plane
    assert [one["task"] for one in plane.of("task.started")] == [0, 1]
    assert [one["outcome"] for one in plane.of("task.finished")] == ["succeeded", "succeeded"]
    assert plane.text(task=0, stream="stdout") == "one\n"
    assert plane.text(task=1, stream="stderr") == "two\n"
    assert plane.exit is not None
    assert plane.exit["outcome"] == "succeeded"
    assert plane.gapless()


def test_a_script_sees_its_place_and_its_environment(berth: Berth) -> None:
    berth.tasks({"prompt": 'echo "$GREETING $MOORING_SESSION $MOORING_TASK $MOORING_ATTEMPT $HOME $PWD $LANG"'})
    assert berth.lead() == 0
    assert berth.plane.text().strip() == f"hello ses_1 0 1 {berth.home} {berth.workdir} C.UTF-8"


def test_a_check_that_fails_is_fed_back(berth: Berth) -> None:
    prompt = 'test -z "${MOORING_CHECK_OUTPUT-}" || cat "$MOORING_CHECK_OUTPUT" > done'
    berth.tasks({"prompt": prompt, "check": "echo please; grep please done", "max_attempts": 3})
    assert berth.lead() == 0
    checks = berth.plane.of("check.output")
    assert [check["passed"] for check in checks] == [False, True]
    assert checks[0]["output"].startswith("please")
    assert berth.plane.of("task.finished")[0]["attempts"] == 2


def test_a_failing_task_stops_the_session(berth: Berth) -> None:
    berth.tasks({"prompt": "echo no >&2\nmissing-command"}, {"prompt": "echo never"})
    assert berth.lead() == 1
    assert [one["outcome"] for one in berth.plane.of("task.finished")] == ["failed", "skipped"]
    assert berth.plane.of("task.finished")[0]["exit_code"] == 127
    assert ": 2: missing-command: not found" in berth.plane.text(stream="stderr")
    assert "never" not in berth.plane.text()


def test_continue_on_failure_goes_on_and_still_fails(berth: Berth) -> None:
    berth.tasks({"prompt": "exit 3", "continue_on_failure": True}, {"prompt": "echo on"})
    assert berth.lead() == 1
    assert [one["outcome"] for one in berth.plane.of("task.finished")] == ["failed", "succeeded"]
    assert berth.plane.exit is not None
    assert "exit status 3" in berth.plane.exit["reason"]


def test_a_task_past_its_timeout_is_killed(berth: Berth) -> None:
    berth.assign(grace=0.3)
    berth.tasks(
        {"prompt": "trap '' TERM\nsleep 300", "timeout": 0.5, "continue_on_failure": True}, {"prompt": "echo on"}
    )
    assert berth.lead() == 1
    first, second = berth.plane.of("task.finished")
    assert "longer than 0.5 s" in first["reason"]
    assert second["outcome"] == "succeeded"


def test_the_runs_timeout_ends_it(berth: Berth) -> None:
    berth.assign(timeout=0.7)
    berth.tasks({"prompt": "sleep 300"}, {"prompt": "echo never"})
    assert berth.lead() == 124
    assert berth.plane.exit is not None
    assert berth.plane.exit["outcome"] == "timeout"
    assert [one["outcome"] for one in berth.plane.exit["tasks"]] == ["failed", "skipped"]


def test_silence_past_the_idle_timeout_ends_it(berth: Berth) -> None:
    berth.assign(idle_timeout=0.5)
    berth.tasks({"prompt": "echo busy; sleep 300"})
    assert berth.lead() == 124
    assert berth.plane.exit is not None
    assert "nothing happened" in berth.plane.exit["reason"]


def test_a_command_gives_its_exit_status(berth: Berth) -> None:
    berth.assign(kind="command", session=None, command="echo out; exit 7")
    assert berth.lead() == 7
    assert berth.plane.text(stream="stdout") == "out\n"
    assert berth.plane.exit is not None
    assert (berth.plane.exit["outcome"], berth.plane.exit["exit_code"]) == ("failed", 7)


def test_a_background_process_does_not_hold_the_task_nor_outlive_the_run(berth: Berth) -> None:
    berth.tasks({"prompt": "sleep 300 & echo $! > pid; echo started"})
    assert berth.lead() == 0
    pid = (berth.workdir / "pid").read_text().strip()
    assert berth.plane.text() == "started\n"
    assert not Path("/proc", pid).exists()


def test_cancel_ends_what_ignores_sigterm(berth: Berth) -> None:
    berth.assign(grace=0.3)
    berth.tasks({"prompt": "trap '' TERM\necho ready\nwhile :; do sleep 1; done"})
    started = berth.start()
    berth.plane.wait_for("log", stream="stdout")
    berth.plane.command("cancel")
    assert started.ended() == 143
    assert berth.plane.exit is not None
    assert berth.plane.exit["outcome"] == "cancelled"


def test_a_cancelled_run_reports_and_leaves_its_work_within_the_grace(berth: Berth) -> None:
    berth.assign(grace=3.0)
    berth.tasks(
        {"prompt": "trap '' TERM\necho work > \"$MOORING_OUTPUTS/work\"; echo ready\nwhile :; do sleep 1; done"}
    )
    started = berth.start()
    berth.plane.wait_for("log", stream="stdout")
    started.process.terminate()
    # What a driver does after the grace.
    assert started.ended(seconds=3) == 143
    assert berth.plane.artifacts == {"outputs/work": b"work\n"}
    assert berth.plane.exit is not None


def test_sigterm_of_the_supervisor_cancels(berth: Berth) -> None:
    berth.tasks({"prompt": "echo ready; sleep 300"})
    started = berth.start()
    berth.plane.wait_for("log", stream="stdout")
    started.process.terminate()
    assert started.ended() == 143
