"""How sessions end when they are cancelled, late, killed, or when the control plane is."""

import json
import os
import re
import select
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.plane import Plane

pytestmark = pytest.mark.slow

STUBBORN = "trap '' TERM INT HUP; (trap '' TERM; setsid sleep 600) & echo ready; while :; do sleep 600 || true; done"


def test_cancelling_ends_every_process_also_those_that_do_not_listen(new_plane: Callable[..., Plane]) -> None:
    plane = new_plane()
    session = plane.start(STUBBORN, "echo never")
    plane.until(session, "ready")
    plane.call("POST", f"/sessions/{session}/cancel")
    ended = plane.wait(session)
    assert ended["phase"] == "cancelled"
    assert [task["phase"] for task in ended["tasks"]] == ["failed", "skipped"]
    plane.cleared()


def test_a_session_that_waits_to_start_is_cancelled_at_once(plane: Plane) -> None:
    session = plane.call("POST", "/sessions", {"workflow_id": plane.workflow(["true"])})["id"]
    assert plane.call("POST", f"/sessions/{session}/cancel")["phase"] == "cancelled"


def test_a_session_past_its_timeout_is_ended_and_says_so(plane: Plane) -> None:
    session = plane.run(STUBBORN, timeout=1.5)
    assert session["phase"] == "failed"
    assert "1.5 s" in session["reason"]


def test_a_task_past_its_timeout_fails_and_says_so(plane: Plane) -> None:
    session = plane.run({"prompt": STUBBORN, "timeout": 0.5}, "echo never")
    assert [task["phase"] for task in session["tasks"]] == ["failed", "skipped"]
    assert "0.5 s" in session["reason"]


def test_the_session_goes_on_when_the_control_plane_is_killed(new_plane: Callable[..., Plane]) -> None:
    plane = new_plane()
    script = "echo started; i=0; while [ $i -lt 400 ]; do echo line $i; i=$((i+1)); sleep 0.005; done"
    session = plane.start(script, "echo second")
    plane.until(session, "line 20")
    plane.kill()
    plane.up()
    assert plane.wait(session)["phase"] == "completed"
    lines = plane.output(session).splitlines()
    assert lines == ["started", *(f"line {number}" for number in range(400)), "second"]
    numbers = [event["number"] for event in plane.transcript(session)]
    assert numbers == list(range(1, len(numbers) + 1))
    runs = plane.call("GET", f"/runs?session_id={session}")
    assert runs["total"] == 1
    plane.cleared()


def test_a_session_that_ended_while_nobody_looked_is_taken_up_whole(new_plane: Callable[..., Plane]) -> None:
    plane = new_plane()
    session = plane.start("echo ready; sleep 1; seq 1 5000")
    plane.until(session, "ready")
    plane.kill()
    (claim,) = (plane.data / "runs").glob("*/shim/claim")
    shim = os.pidfd_open(json.loads(claim.read_text(encoding="utf-8"))["pid"])
    assert select.select([shim], [], [], 60)[0], "the run did not end by itself"
    os.close(shim)
    plane.up()
    assert plane.wait(session)["phase"] == "completed"
    assert plane.output(session) == "ready\n" + "".join(f"{number}\n" for number in range(1, 5001))
    plane.cleared()


def runner_of(data: Path) -> int:
    """The process id, seen from here, of the one runner under way: bubblewrap tells it."""
    (status,) = (data / "runs").glob("*/shim/status.json")
    found = re.search(r'"child-pid": *(\d+)', status.read_text(encoding="utf-8"))
    assert found is not None
    return int(found[1])


def test_a_runner_that_is_killed_fails_its_session_and_leaves_nothing(new_plane: Callable[..., Plane]) -> None:
    plane = new_plane()
    session = plane.start("echo ready; (trap '' TERM; setsid sleep 600) & sleep 600", "echo never")
    plane.until(session, "ready")
    os.kill(runner_of(plane.data), signal.SIGKILL)
    ended = plane.wait(session)
    assert ended["phase"] == "failed"
    assert "killed" in ended["reason"] or "gone" in ended["reason"] or "before it could report" in ended["reason"]
    assert [task["phase"] for task in ended["tasks"]] == ["failed", "skipped"]
    plane.cleared()


def test_fifty_sessions_at_once_all_end(plane: Plane) -> None:
    workflow = plane.workflow(["echo here"])
    body = {"workflow_id": workflow, "start": True}
    sessions = [plane.call("POST", "/sessions", body)["id"] for _ in range(50)]
    assert {plane.wait(session)["phase"] for session in sessions} == {"completed"}
    assert {plane.output(session) for session in sessions} == {"here\n"}


def test_hostile_output_arrives_bounded_and_marked(new_plane: Callable[..., Plane]) -> None:
    plane = new_plane(task_output_bytes="1000000", line_bytes="10000")
    session = plane.run(
        r"printf 'a\000b\377c\n'; printf '\033]0;title\007\033[2J\n'",
        "head -c 10000000 /dev/zero | tr '\\0' x; echo",
        "seq 1 100000",
        "yes | head -c 20000000",
        "echo the end",
    )
    assert session["phase"] == "completed"
    said = plane.output(session["id"])
    assert "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c\n" in said or "b\N{REPLACEMENT CHARACTER}c\n" in said
    assert said.endswith("the end\n")
    assert len(said.encode()) < 5 * 1_000_000
    cuts = [event["data"]["cut"] for event in plane.transcript(session["id"]) if event["data"].get("cut")]
    assert sum(cuts) > 20_000_000
    assert max(len(event["data"].get("text", "").encode()) for event in plane.transcript(session["id"])) < 100_000


def test_artifacts_beyond_what_a_session_may_leave_are_withheld_and_named(new_plane: Callable[..., Plane]) -> None:
    plane = new_plane(artifact_bytes="3000", artifacts_bytes="5000")
    session = plane.run(
        "cd /outputs; head -c 2500 /dev/zero > a; cp a b; cp a c; head -c 4000 /dev/zero > d; echo x > e"
    )
    listed = {one["name"]: one for one in plane.call("GET", f"/sessions/{session['id']}/artifacts")["items"]}
    told = {
        event["data"]["name"]: event["data"].get("withheld", "")
        for event in plane.transcript(session["id"])
        if event["type"] == "artifact"
    }
    assert [name for name, one in listed.items() if one["withheld"] is None] == ["outputs/a", "outputs/b"]
    assert told == {name: one["withheld"] or "" for name, one in listed.items()}
    assert listed["outputs/d"]["size"] == 4000
    assert "0 bytes are left" in told["outputs/c"]
    assert "larger than 3000" in told["outputs/d"]
    assert session["phase"] == "completed"
