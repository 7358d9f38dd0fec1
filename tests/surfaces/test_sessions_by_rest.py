"""Sessions by REST, as far as nothing runs: what may be asked for, who sees it, what is refused."""

from typing import Any

import pytest

from mooring.base.ids import new_id
from mooring.sessions import artifacts, transcript
from mooring.sessions.entities import Said
from surfaces.people import Asker, join


async def workflow(asker: Asker, *, script: str = "true") -> str:
    """A workflow of one script. Its id."""
    agent = await asker.made("/agents", {"name": "sh", "runtime": "shell"})
    made = await asker.made("/workflows", {"name": "build", "agent_id": agent["id"]})
    task = await asker.made("/tasks", {"name": "script", "prompt": script})
    await asker.ask("PUT", f"/workflows/{made['id']}/tasks", {"items": [{"task_id": task["id"]}]})
    return str(made["id"])


async def session(asker: Asker, **values: object) -> dict[str, Any]:
    return await asker.made("/sessions", {"workflow_id": await workflow(asker), **values})


async def test_a_session_is_named_after_its_workflow_and_stays_editable_until_it_is_started(admin: Asker) -> None:
    made = await session(admin)
    assert (made["name"], made["phase"], made["tasks"]) == ("build", "created", [])
    path = f"/sessions/{made['id']}"
    changed = await admin.ask("PATCH", path, {"prompt": "be quick", "timeout": 60})
    assert (changed.json()["prompt"], changed.json()["timeout"]) == ("be quick", 60)
    started = await admin.ask("POST", f"{path}/start")
    assert (started.status_code, started.json()["phase"]) == (200, "pending")
    assert [task["phase"] for task in started.json()["tasks"]] == ["pending"]
    refused = await admin.ask("PATCH", path, {"prompt": "too late"})
    assert (refused.status_code, "pending" in refused.json()["reason"]) == (409, True)
    assert (await admin.ask("PATCH", path, {"name": "still mine to name"})).status_code == 200


async def test_what_was_started_is_not_started_again(admin: Asker) -> None:
    made = await session(admin, start=True)
    again = await admin.ask("POST", f"/sessions/{made['id']}/start")
    assert (again.status_code, "started already" in again.json()["reason"]) == (409, True)


async def test_a_retry_of_a_start_under_one_key_gets_the_first_answer(admin: Asker) -> None:
    path = f"/sessions/{(await session(admin))['id']}/start"
    first = await admin.ask("POST", path, Idempotency_Key="once")
    second = await admin.ask("POST", path, Idempotency_Key="once")
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()


@pytest.mark.parametrize(
    ("values", "status", "says"),
    [
        ({"workflow_id": "wf_0ujtsYcgvSTl8PAuAdqWYSMnLOv"}, 422, "workflow_id"),
        ({"assigned_user_id": "usr_0ujtsYcgvSTl8PAuAdqWYSMnLOv"}, 422, "assigned_user_id"),
        ({"compute_instance_id": "ci_0ujtsYcgvSTl8PAuAdqWYSMnLOv"}, 422, "compute_instance_id"),
        ({"repo_url": "not a url"}, 422, "repo_url"),
        ({"repo_url": "https://name:word@example.org/x"}, 422, "git_credentials"),
        ({"timeout": 0}, 400, "timeout"),
        ({"timeout": "soon"}, 400, "timeout"),
        ({"permission_policy": "maybe"}, 400, "permission_policy"),
        ({"phase": "completed"}, 400, "phase"),
        ({"name": "bell\x07"}, 422, "name"),
    ],
)
async def test_what_cannot_be_is_refused_by_name(
    admin: Asker, values: dict[str, object], status: int, says: str
) -> None:
    refused = await admin.ask("POST", "/sessions", {"workflow_id": await workflow(admin), **values})
    assert refused.status_code == status, refused.text
    assert says in refused.json()["reason"]
    assert (await admin.get("/sessions")).json()["total"] == 0


@pytest.mark.parametrize(
    ("agent", "task", "says"),
    [
        ({"runtime": "llm"}, {}, "'llm' is not available"),
        ({}, {"prompt": ""}, "has no prompt"),
        ({}, {"prompt": "   \n"}, "has no prompt"),
    ],
)
async def test_a_workflow_that_cannot_run_is_refused_at_start_and_nothing_is_kept(
    admin: Asker, agent: dict[str, object], task: dict[str, object], says: str
) -> None:
    agent_id = (await admin.made("/agents", {"name": "a", **agent}))["id"]
    workflow_id = (await admin.made("/workflows", {"name": "w", "agent_id": agent_id}))["id"]
    task_id = (await admin.made("/tasks", {"name": "t", "prompt": "true", **task}))["id"]
    await admin.ask("PUT", f"/workflows/{workflow_id}/tasks", {"items": [{"task_id": task_id}]})
    refused = await admin.ask("POST", "/sessions", {"workflow_id": workflow_id, "start": True})
    assert refused.status_code == 422
    assert says in refused.json()["reason"]
    assert (await admin.get("/sessions")).json()["total"] == 0


async def test_a_session_that_goes_on_is_not_deleted_and_one_that_is_over_is(admin: Asker) -> None:
    made = await session(admin, start=True)
    path = f"/sessions/{made['id']}"
    assert (await admin.ask("DELETE", path)).status_code == 409
    waiting = await session(admin)
    assert (await admin.ask("POST", f"/sessions/{waiting['id']}/cancel")).json()["phase"] == "cancelled"
    assert (await admin.ask("DELETE", f"/sessions/{waiting['id']}")).status_code == 204
    assert (await admin.get(f"/sessions/{waiting['id']}")).status_code == 404


async def test_cancelling_twice_is_cancelling_once(admin: Asker) -> None:
    path = f"/sessions/{(await session(admin, start=True))['id']}"
    answers = [await admin.ask("POST", f"{path}/{word}") for word in ("cancel", "stop")]
    assert [answer.json()["wanted"] for answer in answers] == ["cancel"] * 2
    assert answers[0].json()["version"] == answers[1].json()["version"]


async def test_creator_and_assignee_see_a_session_and_nobody_else_does(admin: Asker) -> None:
    creator, assignee, stranger = [await join(admin, name) for name in ("creator", "assignee", "stranger")]
    made = await session(creator, assigned_user_id=assignee.id)
    paths = [f"/sessions/{made['id']}{part}" for part in ("", "/events", "/artifacts")]
    for path in paths:
        assert [(await asker.get(path)).status_code for asker in (creator, assignee, stranger)] == [200, 200, 404]
    assert [(await asker.get("/sessions")).json()["total"] for asker in (creator, assignee, stranger)] == [1, 1, 0]
    assert (await stranger.ask("POST", f"/sessions/{made['id']}/start")).status_code == 404
    # Who is asked may start and end it, but not change what it is.
    assert (await assignee.ask("PATCH", paths[0], {"prompt": "mine now"})).status_code == 403
    assert (await assignee.ask("POST", f"/sessions/{made['id']}/cancel")).status_code == 200


async def test_a_session_without_a_plan_says_when_it_gets_one(admin: Asker) -> None:
    refused = await admin.get(f"/sessions/{(await session(admin))['id']}/plan")
    assert (refused.status_code, "when it is prepared" in refused.json()["reason"]) == (404, True)


async def told(admin: Asker, session_id: str, texts: list[str]) -> None:
    """Have a runner say these lines."""
    run = new_id("run")
    async with admin.database.transaction() as tx:
        await tx.run(
            "INSERT INTO runs (id, session_id, engine, phase, spec) VALUES ($1, $2, 'local', 'running', '{}')",
            run,
            session_id,
        )
        said = [
            Said(seq=seq, at=1.0, type="log", data={"stream": "stdout", "text": text})
            for seq, text in enumerate(texts, 1)
        ]
        assert await transcript.append(tx, session_id, run, said) == len(texts)
        # Sent again, as a runner does that heard no answer: nothing is kept twice.
        assert await transcript.append(tx, session_id, run, said[-1:]) == len(texts)


async def test_a_transcript_is_read_in_pages_without_a_gap(admin: Asker) -> None:
    made = await session(admin)
    await told(admin, made["id"], [str(number) for number in range(9)])
    events, after = list[Any](), 0
    while after is not None:
        page = (await admin.get(f"/sessions/{made['id']}/events?after={after}&limit=4")).json()
        assert len(page["items"]) <= 4
        events += page["items"]
        after = page["next"]
    assert [event["number"] for event in events] == list(range(1, 11))
    assert [event["data"]["text"] for event in events if event["type"] == "log"] == [str(n) for n in range(9)]


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("?after=-1", {}),
        ("?after=one", {}),
        ("?limit=0", {}),
        ("?limit=1001", {}),
        ("?since=1", {}),
        ("", {"Accept": "text/event-stream", "Last_Event_ID": "one"}),
        ("", {"Accept": "text/event-stream", "Last_Event_ID": "-1"}),
        ("", {"Accept": "text/event-stream", "Last_Event_ID": "9" * 30}),
    ],
)
async def test_a_place_in_a_transcript_that_is_none_is_refused(
    admin: Asker, query: str, headers: dict[str, str]
) -> None:
    made = await session(admin)
    refused = await admin.get(f"/sessions/{made['id']}/events{query}", **headers)
    assert (refused.status_code, refused.json()["kind"]) == (400, "Error")


async def test_the_stream_of_a_session_that_is_over_ends_after_the_last_event(admin: Asker) -> None:
    made = await session(admin)
    await admin.ask("POST", f"/sessions/{made['id']}/cancel")
    answer = await admin.get(f"/sessions/{made['id']}/events", Accept="text/event-stream", Last_Event_ID="1")
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert [line for line in answer.text.splitlines() if line.startswith(("id:", "event:"))] == [
        # The number it begins behind, told before there is anything to tell.
        "id: 1",
        "id: 2",
        "event: session.phase",
    ]


async def test_an_artifact_is_downloaded_and_never_shown_as_a_page(admin: Asker, app: Any, tmp_path: Any) -> None:
    made = await session(admin)
    content = b"<script>alert(1)</script>"
    (tmp_path / "file").write_bytes(content)
    digest = "0" * 64
    with (tmp_path / "file").open("rb") as file:
        await app.blobs.put_file(artifacts.blob_key(digest), file)
    async with admin.database.transaction() as tx:
        await artifacts.keep(tx, made["id"], "outputs/a b.html", size=len(content), sha256=digest)
    (listed,) = (await admin.get(f"/sessions/{made['id']}/artifacts")).json()["items"]
    answer = await admin.get(listed["href"])
    assert answer.content == content
    assert listed["name"] == "outputs/a b.html"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert (await admin.get(f"/sessions/{made['id']}/artifacts/outputs/none")).status_code == 404
    await app.blobs.delete(artifacts.blob_key(digest))
    assert (await admin.get(f"/sessions/{made['id']}/artifacts/outputs/a%20b.html")).status_code == 503


async def test_an_artifact_that_is_kept_back_says_why(admin: Asker) -> None:
    made = await session(admin)
    async with admin.database.transaction() as tx:
        data = {"name": "outputs/key", "size": 5, "withheld": "it holds the value of KEY"}
        await artifacts.hold_back(tx, made["id"], data)
    (listed,) = (await admin.get(f"/sessions/{made['id']}/artifacts")).json()["items"]
    assert (listed["size"], listed["sha256"], listed["withheld"]) == (5, None, "it holds the value of KEY")
    answer = await admin.get(listed["href"])
    assert answer.status_code == 404
    assert "it holds the value of KEY" in answer.json()["reason"]
