"""What a session promises to the one who starts it."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from e2e.plane import Plane
from repositories import git, repository

pytestmark = pytest.mark.slow


def outcomes(session: dict[str, Any]) -> list[tuple[str, int]]:
    return [(task["phase"], task["attempts"]) for task in session["tasks"]]


@pytest.fixture
def project(directory: Path, request: pytest.FixtureRequest) -> str:
    """A repository of this test's own. Its URL."""
    return repository(directory / "projects" / request.node.name, {"README.md": "hello\n", "src/a.py": "print('a')\n"})


def test_tasks_run_in_order_on_the_repository_and_leave_patch_bundle_and_outputs(
    plane: Plane, project: str, tmp_path: Path
) -> None:
    session = plane.run(
        "cat README.md; echo two >> README.md",
        "git add -A; git commit -qm 'Add a line'",
        "cp README.md /outputs/readme.txt; git status --short",
        repo_url=project,
    )
    assert (session["phase"], session["reason"]) == ("completed", None)
    assert outcomes(session) == [("succeeded", 1)] * 3
    assert plane.output(session["id"]) == "hello\n"
    assert plane.artifact(session["id"], "outputs/readme.txt") == b"hello\ntwo\n"
    assert [commit["title"] for commit in session["result"]["commits"]] == ["Add a line"]

    place = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", project, str(place))
    (tmp_path / "patch").write_bytes(plane.artifact(session["id"], "changes.patch"))
    git(place, "apply", str(tmp_path / "patch"))
    assert (place / "README.md").read_text() == "hello\ntwo\n"
    (tmp_path / "bundle").write_bytes(plane.artifact(session["id"], "commits.bundle"))
    git(place, "fetch", "--quiet", str(tmp_path / "bundle"), "refs/heads/0:work")
    assert git(place, "log", "-1", "--format=%s", "work") == "Add a line"


def test_artifacts_are_listed_with_size_and_checksum(plane: Plane) -> None:
    session = plane.run("mkdir /outputs/d; printf abc > /outputs/d/x")
    (listed,) = plane.call("GET", f"/sessions/{session['id']}/artifacts")["items"]
    assert (listed["name"], listed["size"], listed["sha256"]) == ("outputs/d/x", 3, hashlib.sha256(b"abc").hexdigest())
    assert plane.artifact(session["id"], "outputs/d/x") == b"abc"


def test_an_artifact_keeps_the_spaces_of_its_name(plane: Plane) -> None:
    session = plane.run("printf abc > '/outputs/ x '")
    (listed,) = plane.call("GET", f"/sessions/{session['id']}/artifacts")["items"]
    assert (listed["name"], listed["withheld"]) == ("outputs/ x ", None)
    assert plane.artifact(session["id"], "outputs/%20x%20") == b"abc"


def test_phases_tasks_and_output_are_told_in_order_without_a_gap(plane: Plane) -> None:
    session = plane.run("echo one", "echo two")
    events = plane.transcript(session["id"])
    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    phases = [event["data"]["phase"] for event in events if event["type"] == "session.phase"]
    assert phases == ["created", "pending", "preparing", "running", "completed"]
    told = [event["type"] for event in events if event["type"] in ("task.started", "log", "task.finished")]
    assert told == ["task.started", "log", "task.finished"] * 2


def test_the_stream_goes_on_after_the_number_it_is_given(plane: Plane) -> None:
    session = plane.run("echo one", "echo two")
    events = plane.transcript(session["id"])
    assert list(plane.follow(session["id"], after=4)) == events[4:]


def test_a_check_that_fails_gives_what_it_said_to_the_next_attempt(plane: Plane) -> None:
    task = {
        "prompt": 'if [ -n "${MOORING_CHECK_OUTPUT:-}" ]; then cat "$MOORING_CHECK_OUTPUT" > answer; fi',
        "check": "test -e answer || { echo there is no answer; exit 1; }",
        "max_attempts": 3,
    }
    session = plane.run(task, "cat answer")
    assert outcomes(session) == [("succeeded", 2), ("succeeded", 1)]
    assert plane.output(session["id"]) == "there is no answer\n"
    checks = [event["data"]["passed"] for event in plane.transcript(session["id"]) if event["type"] == "check.output"]
    assert checks == [False, True]


def test_a_task_that_fails_ends_the_session_with_its_output(plane: Plane) -> None:
    session = plane.run("echo before", "echo it is broken >&2; exit 3", "echo never")
    assert session["phase"] == "failed"
    assert "task 2 (task 1) failed" in session["reason"]
    assert outcomes(session) == [("succeeded", 1), ("failed", 1), ("skipped", 0)]
    assert session["tasks"][1]["exit_code"] == 3
    assert plane.output(session["id"]) == "before\nit is broken\n"


def test_a_task_that_may_fail_lets_the_next_one_run_and_the_session_says_so(plane: Plane) -> None:
    session = plane.run({"prompt": "exit 1", "continue_on_failure": True}, "echo still here")
    assert plane.output(session["id"]) == "still here\n"
    assert outcomes(session) == [("failed", 1), ("succeeded", 1)]
    assert session["phase"] == "failed"


def test_a_check_that_never_passes_fails_its_task(plane: Plane) -> None:
    session = plane.run({"prompt": "true", "check": "echo no; exit 1", "max_attempts": 2})
    assert (session["phase"], outcomes(session)) == ("failed", [("failed", 2)])
    assert "check failed" in session["reason"]


def test_two_sessions_at_once_on_one_repository_do_not_see_each_other(plane: Plane, project: str) -> None:
    script = "echo {0} > mine; git add mine; git commit -qm {0}; ls; git log --format=%s; git branch --list"
    first = plane.start(script.format("first"), repo_url=project)
    second = plane.start(script.format("second"), repo_url=project)
    assert [plane.wait(session)["phase"] for session in (first, second)] == ["completed"] * 2
    assert "second" not in plane.output(first)
    assert "first\n" not in plane.output(second).replace("first\n", "", 1).replace("second", "")
    assert plane.output(second).count("first") == 1  # The repository's own first commit.


def test_skills_are_installed_where_agents_look(plane: Plane, directory: Path) -> None:
    files = {"skills/review/SKILL.md": "---\nname: review\ndescription: how\n---\nlook twice\n", "skills/review/x": "1"}
    url = repository(directory / "skills", files)
    skills = [{"name": "Written Here", "prompt": "be kind"}, {"name": "r", "repo_url": f"{url}#:skills/review"}]
    session = plane.run(
        "cd; for d in .agents .claude; do find $d -type f | sort; cat $d/skills/*/SKILL.md; done", skills=skills
    )
    said = plane.output(session["id"])
    for place in (".agents", ".claude"):
        assert f"{place}/skills/written-here/SKILL.md\n" in said
        assert f"{place}/skills/review/x\n" in said
    assert (said.count("look twice\n"), said.count("\nbe kind\n")) == (2, 2)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("file:///tmp/mooring-there-is-no-such-repository", "mooring-there-is-no-such-repository"),
        ("{project}#no-such-branch", "'no-such-branch'"),
        ("{project}#" + "0" * 40, "has no commit " + "0" * 40),
    ],
)
def test_a_source_that_is_not_there_fails_the_session_by_name(plane: Plane, project: str, url: str, says: str) -> None:
    session = plane.run("echo never", repo_url=url.format(project=project))
    assert (session["phase"], plane.output(session["id"])) == ("failed", "")
    assert says in session["reason"]


def test_a_skill_without_its_file_fails_the_session_by_name(plane: Plane, project: str) -> None:
    session = plane.run("echo never", skills=[{"name": "lost", "repo_url": f"{project}#:src"}])
    assert session["phase"] == "failed"
    assert "'lost'" in session["reason"]
    assert "SKILL.md" in session["reason"]


def test_later_edits_change_nothing_of_a_session_that_was_started(plane: Plane) -> None:
    workflow = plane.workflow(["echo as it was"])
    session = plane.call("POST", "/sessions", {"workflow_id": workflow, "start": True})["id"]
    for task in plane.call("GET", f"/workflows/{workflow}/tasks")["items"]:
        plane.call("PATCH", f"/tasks/{task['task_id']}", {"prompt": "echo edited"})
    assert plane.wait(session)["phase"] == "completed"
    assert plane.output(session) == "as it was\n"
    assert plane.call("GET", f"/sessions/{session}/plan")["plan"]["request"]["tasks"][0]["prompt"] == "echo as it was"


def test_every_step_of_a_session_is_an_event_with_its_actor_and_reason(plane: Plane) -> None:
    workflow = plane.workflow(["true"])
    made = plane.http.post(
        "/sessions", json={"workflow_id": workflow, "start": True}, headers={"Audit-Reason": "to see"}
    ).json()
    plane.wait(made["id"])
    found = plane.call("GET", f"/resource_events?resource_id={made['id']}&orderBy=timestamp asc")["items"]
    actions = [(event["action"], event["reason"], event["actor_id"] is not None) for event in found]
    assert actions[0] == ("session.create", "to see", True)
    assert actions[1] == ("session.start", "to see", True)
    assert actions[2:] == [
        ("session.phase", None, False),
        ("session.plan", None, False),
        ("session.phase", None, False),
        ("session.phase", None, False),
    ]
    assert found[-1]["details"]["before"]["phase"] == "running"
    assert found[-1]["details"]["after"]["phase"] == "completed"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"workflow_id": None}, "workflow"),
        ({"permission_policy": "ask"}, "permission_policy"),
    ],
)
def test_a_session_that_cannot_run_is_refused_at_start_and_stays_editable(
    plane: Plane, change: dict[str, Any], says: str
) -> None:
    body = {"name": "s", "workflow_id": plane.workflow(["true"]), **change}
    session = plane.call("POST", "/sessions", body)["id"]
    refused = plane.call("POST", f"/sessions/{session}/start", status=422)
    assert says in refused["reason"]
    assert plane.call("GET", f"/sessions/{session}")["phase"] == "created"


def test_a_session_prompt_is_the_task_of_a_workflow_without_tasks(plane: Plane) -> None:
    session = plane.run(prompt="echo the prompt ran")
    assert plane.output(session["id"]) == "the prompt ran\n"
