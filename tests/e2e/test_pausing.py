"""Sessions that pause and go on: nothing is lost, nothing is done twice, whoever is killed meanwhile."""

import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.plane import Json, Plane
from e2e.test_filesystem import FILES, content, instance, paths, push, said
from repositories import repository

pytestmark = pytest.mark.slow

SEED = random.Random(20261126)  # noqa: S311 - chooses when to kill
ONCE = """
echo one >> "$HOME/count"
echo first
"""
# Its first start changes things and is interrupted; its second finds them.
TWICE = """
if [ ! -e "$HOME/started" ]; then
    touch "$HOME/started"
    {changes}
    echo early > /outputs/early
    echo ready; sleep 600
fi
{looks}
"""
LAST = 'wc -l < "$HOME/count"'


def twice(changes: str = "true", looks: str = "echo again") -> str:
    return TWICE.format(changes=changes, looks=looks)


def paused(plane: Plane, session: str) -> Json:
    """The session, paused in the middle of the task that says it is ready."""
    plane.until(session, "ready")
    plane.call("POST", f"/sessions/{session}/pause")
    plane.reach(session, "paused")
    return plane.call("GET", f"/sessions/{session}")


def resumed(plane: Plane, session: str) -> Json:
    """The session that was paused, once it is over."""
    plane.call("POST", f"/sessions/{session}/resume")
    return plane.wait(session)


def gapless(plane: Plane, session: str) -> bool:
    numbers = [event["number"] for event in plane.transcript(session)]
    return numbers == list(range(1, len(numbers) + 1))


def test_a_session_goes_on_where_it_was_with_everything_it_had(plane: Plane, directory: Path) -> None:
    url = repository(directory / "projects" / "paused", {"README.md": "hello\n", "old": "old\n"})
    changes = """
    git rm -q old; echo two >> README.md; git commit -qam 'Second'
    echo staged > staged; git add staged; echo loose > loose
    """
    looks = "git log --format=%s -1; git status --short; git symbolic-ref --short HEAD; cat loose /outputs/early; ls"
    session = plane.start(ONCE, twice(changes, looks), LAST, repo_url=url)
    before = paused(plane, session)
    assert (before["phase"], before["wanted"], before["ended_at"], before["result"]) == ("paused", "pause", None, None)
    assert [(task["phase"], task["attempts"]) for task in before["tasks"]] == [
        ("succeeded", 1), ("pending", 0), ("pending", 0),
    ]  # fmt: skip
    after = resumed(plane, session)
    assert (after["phase"], after["reason"]) == ("completed", None), after
    assert [(task["phase"], task["attempts"]) for task in after["tasks"]] == [("succeeded", 1)] * 3
    told = plane.output(session).split("ready\n")
    assert told[0] == "first\n"
    assert told[1] == (f"Second\nA  staged\n?? loose\nmooring/{session}\nloose\nearly\nREADME.md\nloose\nstaged\n1\n")
    assert after["plan_hash"] == before["plan_hash"]
    assert [commit["title"] for commit in after["result"]["commits"]] == ["Second"]
    assert b"+loose" in plane.artifact(session, "changes.patch")
    assert plane.artifact(session, "outputs/early") == b"early\n"
    assert [task["outcome"] for task in after["result"]["tasks"]] == ["succeeded"] * 3
    assert gapless(plane, session)
    assert plane.call("GET", f"/runs?session_id={session}")["total"] == 2


def test_a_session_may_pause_again_and_again(plane: Plane) -> None:
    counts = 'n=$(cat "$HOME/n" || echo 0); echo $((n+1)) > "$HOME/n"; [ "$n" = 3 ] || { echo "ready $n"; sleep 600; }'
    session, after = plane.start({"prompt": counts, "max_attempts": 1}, "echo end"), 0
    for number in range(3):
        plane.until(session, f"ready {number}")
        plane.call("POST", f"/sessions/{session}/pause")
        after = plane.reach(session, "paused", after)
        plane.call("POST", f"/sessions/{session}/resume")
    assert plane.wait(session)["phase"] == "completed"
    phases = [event["data"]["phase"] for event in plane.transcript(session) if event["type"] == "session.phase"]
    assert phases == [
        "created", "pending", "preparing", "running", *["pausing", "paused", "preparing", "running"] * 3, "completed",
    ]  # fmt: skip
    plane.cleared()


def test_a_pause_ends_every_process_also_those_that_do_not_listen(new_plane: Callable[..., Plane]) -> None:
    plane = new_plane()
    session = plane.start("trap '' TERM INT HUP; (trap '' TERM; setsid sleep 600) & echo ready; sleep 600; sleep 600")
    assert paused(plane, session)["phase"] == "paused"
    runs = str(plane.data / "runs")
    lives = [process for process in Path("/proc").glob("[0-9]*") if runs in words(process)]
    assert lives == []


def words(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def test_cancelling_a_paused_session_leaves_nothing_of_it(new_plane: Callable[..., Plane]) -> None:
    plane = new_plane()
    session = plane.start(ONCE, twice())
    paused(plane, session)
    assert list((plane.data / "runs").glob("[!.]*")), "what it left is kept"
    cancelled = plane.call("POST", f"/sessions/{session}/cancel")
    assert (cancelled["phase"], [task["phase"] for task in cancelled["tasks"]]) == (
        "cancelled", ["succeeded", "skipped"],
    )  # fmt: skip
    assert plane.wait(session)["phase"] == "cancelled"
    plane.cleared()
    refused = plane.call("POST", f"/sessions/{session}/resume", status=409)
    assert "cancelled" in refused["reason"]


def test_what_is_gone_is_not_begun_anew_but_said(plane: Plane) -> None:
    session = plane.start(ONCE, twice())
    paused(plane, session)
    run = plane.call("GET", f"/runs?session_id={session}")["items"][0]["id"]
    (plane.data / "runs" / run.encode().hex() / "home").rename(plane.data / "taken-home")
    over = resumed(plane, session)
    assert over["phase"] == "failed"
    assert "not here any more" in over["reason"]
    plane.cleared()


def test_a_session_is_resumed_only_with_what_is_granted_still(plane: Plane) -> None:
    filesystem = push(plane, FILES, "paused grants")
    machine = instance(plane, filesystem)
    secret = plane.call("POST", "/secrets", {"name": "paused", "value": "v4lue-of-the-secret"})
    grants = f"/groups/{machine['group_id']}/available_secrets/{secret['id']}"
    plane.call("PUT", grants)
    mapping = {"compute_instance_id": machine["id"], "secret_id": secret["id"], "expose_as_env": "TOKEN"}
    plane.call("POST", "/instance_secret_mappings", mapping)
    session = plane.start(twice(looks='echo "again ${#TOKEN}"'), compute_instance_id=machine["id"])
    paused(plane, session)
    plane.call("DELETE", grants)
    refused = plane.call("POST", f"/sessions/{session}/resume", status=403)
    assert f"may not use {secret['id']}" in refused["reason"]
    assert plane.call("GET", f"/sessions/{session}")["phase"] == "paused"
    plane.call("PUT", grants)
    files = f"/groups/{machine['group_id']}/available_filesystems/{filesystem['id']}"
    plane.call("DELETE", files)
    refused = plane.call("POST", f"/sessions/{session}/resume", status=422)
    assert "was revoked" in refused["reason"]
    plane.call("PUT", files)
    assert resumed(plane, session)["phase"] == "completed"
    assert "again 19" in plane.output(session)
    given = plane.call("GET", f"/resource_events?resource_id={secret['id']}&action=secret.expose")["total"]
    assert given == 2, "each run gets it, and each time is an event"


# --- what it changed in its filesystem ---

CHANGES = """
cd /workspace
rm data/old.txt; rm -r tools; mkdir tools; echo new > tools/new; echo more >> data/a.txt
"""
LOOKS = "cd /workspace; ls data tools; cat data/a.txt; echo end > data/end"


def test_a_pause_keeps_a_version_and_the_end_a_further_one(plane: Plane) -> None:
    filesystem = push(plane, FILES, "paused capture")
    machine = instance(plane, filesystem)
    session = plane.start(ONCE, twice(CHANGES, LOOKS), compute_instance_id=machine["id"], capture=True)
    before = paused(plane, session)
    made = plane.call("GET", f"/filesystem_versions/{before['output_filesystem_version_id']}")
    assert (made["number"], made["session_id"]) == (2, session)
    assert made["parent_version_id"] == filesystem["current_version_id"]
    assert paths(plane, filesystem, "2") == {
        "current": "symlink", "data": "directory", "data/a.txt": "file", "tools": "directory", "tools/new": "file",
    }  # fmt: skip
    assert content(plane, filesystem, "data/a.txt") == b"a\nmore\n"
    after = resumed(plane, session)
    assert after["phase"] == "completed", after
    assert "data:\na.txt\n\ntools:\nnew\na\nmore\n" in plane.output(session)
    last = plane.call("GET", f"/filesystem_versions/{after['output_filesystem_version_id']}")
    assert (last["number"], last["parent_version_id"]) == (3, made["id"])
    assert "data/end" in paths(plane, filesystem, "3")
    assert "moved on" not in said(plane, session)


def test_what_was_not_changed_since_the_pause_is_the_version_the_pause_made(plane: Plane) -> None:
    filesystem = push(plane, FILES, "paused unchanged")
    machine = instance(plane, filesystem)
    session = plane.start(twice(CHANGES, "true"), compute_instance_id=machine["id"], capture=True)
    before = paused(plane, session)
    after = resumed(plane, session)
    assert after["output_filesystem_version_id"] == before["output_filesystem_version_id"] is not None
    assert plane.call("GET", f"/filesystems/{filesystem['id']}")["current_version_number"] == 2


def test_what_no_version_may_hold_hinders_the_version_and_not_the_pause(plane: Plane) -> None:
    filesystem = push(plane, FILES, "paused hostile")
    machine = instance(plane, filesystem)
    hostile = "ln -s /etc/passwd /workspace/link; ln -s / /workspace/root; ln -s /etc $HOME/.config"
    session = plane.start(
        twice(hostile, "rm /workspace/link /workspace/root"), compute_instance_id=machine["id"], capture=True
    )
    before = paused(plane, session)
    assert (before["phase"], before["output_filesystem_version_id"]) == ("paused", None)
    told = [event["data"]["reason"] for event in plane.transcript(session) if event["type"] == "error"]
    assert len(told) == 1
    assert "(link-absolute)" in told[0]
    assert resumed(plane, session)["phase"] == "completed"


def test_a_value_a_session_had_before_its_pause_withholds_the_capture_after_it(plane: Plane) -> None:
    filesystem = push(plane, FILES, "paused secretive")
    machine = instance(plane, filesystem)
    secret = plane.call("POST", "/secrets", {"name": "replaced", "value": "c4nary-value-before"})
    plane.call("PUT", f"/groups/{machine['group_id']}/available_secrets/{secret['id']}")
    mapping = {"compute_instance_id": machine["id"], "secret_id": secret["id"], "expose_as_env": "TOKEN"}
    plane.call("POST", "/instance_secret_mappings", mapping)
    leaks = twice('echo "$TOKEN" > /workspace/leak', 'test "$TOKEN" = c4nary-value-after')
    session = plane.start(leaks, compute_instance_id=machine["id"], capture=True)
    paused(plane, session)
    plane.call("POST", f"/secrets/{secret['id']}/versions", {"value": "c4nary-value-after"})
    after = resumed(plane, session)
    assert (after["phase"], after["output_filesystem_version_id"]) == ("completed", None)


# --- killed ---


def killed(plane: Plane, session: str, act: str, after: float) -> None:
    """Ask for it, kill the control plane some time later, and start it again."""
    plane.call("POST", f"/sessions/{session}/{act}")
    timer = threading.Timer(after, plane.kill)
    timer.start()
    timer.join()
    plane.up()


def kill_twice(plane: Plane) -> None:
    filesystem = push(plane, FILES, "killed")
    machine = instance(plane, filesystem)
    session = plane.start(ONCE, twice(CHANGES, LOOKS), LAST, compute_instance_id=machine["id"], capture=True)
    plane.until(session, "ready")
    killed(plane, session, "pause", SEED.uniform(0, 1.5))
    plane.reach(session, "paused")
    before = plane.call("GET", f"/sessions/{session}")
    assert before["output_filesystem_version_id"] is not None
    killed(plane, session, "resume", SEED.uniform(0, 1.0))
    after = plane.wait(session)
    assert (after["phase"], after["reason"]) == ("completed", None)
    assert plane.output(session) == "first\nready\na.txt\n\ntools:\nnew\na\nmore\n1\n".replace(
        "a.txt\n", "data:\na.txt\n", 1
    )
    versions = plane.call("GET", f"/filesystems/{filesystem['id']}/versions")["items"]
    assert [version["number"] for version in versions] == [3, 2, 1]
    assert gapless(plane, session)
    plane.cleared()


def test_who_is_killed_while_pausing_and_while_resuming_goes_on(new_plane: Callable[..., Plane]) -> None:
    kill_twice(new_plane(throw_away="no"))


@pytest.mark.long
@pytest.mark.parametrize("number", range(25))
def test_fifty_kills_while_pausing_and_resuming(new_plane: Callable[..., Plane], number: int) -> None:
    del number
    kill_twice(new_plane(throw_away="no"))
