"""The link breaks, the control plane goes, the runner is killed: nothing is lost, repeated or started twice."""

import json
import os
from typing import Any

import pytest

from runner.conftest import Berth

pytestmark = pytest.mark.slow


def spooled(berth: Berth) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (berth.place / "spool").read_text().splitlines()]


def reported(berth: Berth) -> dict[str, Any]:
    assert berth.plane.exit is not None
    return berth.plane.exit


def test_a_control_plane_that_goes_and_comes_misses_and_repeats_nothing(berth: Berth) -> None:
    berth.tasks({"prompt": "echo begun; while ! [ -e go ]; do sleep 0.05; done; seq 5000; echo away > said; sleep 0.3"})
    started = berth.start()
    berth.plane.wait_for("log")
    berth.plane.go_away()
    (berth.workdir / "go").touch()
    berth.wait_for_file(berth.workdir / "said")
    assert "5000" not in berth.plane.text()
    berth.plane.begin()
    assert started.ended() == 0
    assert berth.plane.text() == "begun\n" + "".join(f"{n}\n" for n in range(1, 5001))
    assert berth.plane.gapless()
    assert reported(berth)["outcome"] == "succeeded"


def test_answers_that_are_lost_make_events_come_again_under_the_same_numbers(berth: Berth) -> None:
    berth.plane.lose_answers = 3
    berth.tasks({"prompt": "echo one"}, {"prompt": "echo two"})
    assert berth.lead() == 0
    assert berth.plane.repeated > 0
    assert berth.plane.text() == "one\ntwo\n"
    assert berth.plane.gapless()


def test_a_spool_that_is_full_drops_the_oldest_logs_alone_and_says_so(berth: Berth) -> None:
    berth.plane.assignment["limits"]["spool_bytes"] = 200_000
    chatter = "seq -f '%0100g' 3000"
    berth.tasks(
        {"prompt": "echo begun; while ! [ -e go ]; do sleep 0.05; done"},
        {"prompt": chatter, "check": "echo looked at"},
        {"prompt": f"{chatter}; exit 3", "max_attempts": 2, "continue_on_failure": True},
        {"prompt": "echo the last words; touch said; while ! [ -e more ]; do sleep 0.05; done"},
    )
    started = berth.start()
    berth.plane.wait_for("log")
    berth.plane.go_away()
    (berth.workdir / "go").touch()
    berth.wait_for_file(berth.workdir / "said")
    assert (berth.place / "spool").stat().st_size < 400_000
    berth.plane.begin()
    (berth.workdir / "more").touch()
    assert started.ended() == 1
    plane = berth.plane
    assert plane.gapless()
    assert "were left out: the control plane was away for too long" in plane.text(stream="runner")
    assert plane.text().endswith("the last words\n")
    assert len(plane.text(stream="stdout")) < 400_000
    left_out = sum(one.get("cut", 0) for one in plane.of("log") if one["text"] == "")
    assert left_out + len(plane.text(stream="stdout")) > 3 * 3000 * 101
    essential = [kind for kind in plane.kinds() if kind.startswith(("task.", "check."))]
    assert essential == [
        *("task.started", "task.finished"),
        *("task.started", "check.output", "task.finished"),
        *("task.started", "task.started", "task.finished"),
        *("task.started", "task.finished"),
    ]


def test_the_spool_shrinks_when_all_is_acknowledged(berth: Berth) -> None:
    berth.tasks({"prompt": "seq 400000; sleep 0.5"}, {"prompt": "echo on"})
    assert berth.lead() == 0
    assert berth.plane.text(task=0, stream="stdout").endswith("400000\n")
    assert (berth.place / "spool").stat().st_size < 1_500_000


def test_a_second_start_finds_the_marker_and_only_reports(berth: Berth) -> None:
    berth.tasks({"prompt": "echo ran >> ran; echo ready; sleep 300"})
    first = berth.start()
    berth.plane.wait(lambda: "ready" in berth.plane.text())
    first.kill()
    assert berth.start().ended() == 70
    assert (berth.workdir / "ran").read_text() == "ran\n"
    assert reported(berth)["outcome"] == "failed"
    assert "started again" in reported(berth)["reason"]
    assert berth.plane.gapless()


def test_a_runner_killed_before_anything_began_may_be_started_again(berth: Berth) -> None:
    berth.plane.go_away()
    berth.tasks({"prompt": "echo ran >> ran"})
    berth.start().kill()
    berth.plane.begin()
    assert berth.start().ended() == 0
    assert (berth.workdir / "ran").read_text() == "ran\n"


def test_a_second_start_sends_what_the_first_had_no_time_for(berth: Berth) -> None:
    berth.tasks({"prompt": "echo begun; while ! [ -e go ]; do sleep 0.05; done; echo unsent; touch said; sleep 300"})
    first = berth.start()
    berth.plane.wait_for("log")
    berth.plane.go_away()
    (berth.workdir / "go").touch()
    berth.wait_for_file(berth.workdir / "said")
    berth.wait_until(lambda: any("unsent" in str(one["data"]) for one in spooled(berth)))
    first.kill()
    with (berth.place / "spool").open("ab") as spool:
        spool.write(b'{"seq":99,"at":1,"type":"lo')
    berth.plane.begin()
    assert berth.start().ended() == 70
    assert berth.plane.text(stream="stdout") == "begun\nunsent\n"
    assert berth.plane.gapless()


def test_a_token_that_is_no_longer_good_ends_the_run(berth: Berth) -> None:
    berth.assign(grace=0.3)
    berth.tasks({"prompt": "trap '' TERM; echo ready; sleep 300"})
    started = berth.start()
    berth.plane.wait_for("log")
    berth.plane.revoked = True
    assert started.ended() == 1
    assert "no longer, good" in json.loads((berth.place / "exit").read_text())["reason"]


def test_without_an_assignment_nothing_is_started(berth: Berth) -> None:
    berth.plane.revoked = True
    assert berth.lead() == 70
    assert os.stat(berth.place / "marker").st_size == 0  # noqa: PTH116 - a size, at once
    assert "there is no assignment" in berth.started[0].said()


def test_secrets_come_once_and_before_the_first_child(berth: Berth) -> None:
    berth.plane.secrets = {"KEY": b"made-up-value"}
    berth.tasks({"prompt": 'test "$KEY" = made-up-value && echo "the key is $KEY"'})
    assert berth.lead() == 0
    assert berth.plane.text() == "the key is ***KEY***\n"
    asked = berth.plane.asked
    assert asked.count("POST environment/received") == 1
    assert asked.index("GET environment") < asked.index("POST environment/received")
    assert b"made-up-value" not in (berth.place / "spool").read_bytes()


def test_a_run_whose_secrets_were_delivered_before_fails_and_starts_nothing(berth: Berth) -> None:
    berth.plane.received = True
    berth.tasks({"prompt": "echo never"})
    assert berth.lead() == 1
    assert "409" in reported(berth)["reason"]
    assert berth.plane.of("task.started") == []


def test_an_assignment_that_makes_no_sense_fails_with_a_report(berth: Berth) -> None:
    berth.assign(tasks=[{"number": 0}])
    assert berth.lead() == 1
    assert "the runner failed" in reported(berth)["reason"]
