"""What belongs to something else: skills and tasks in a workflow, members of a group; and what a use forbids."""

import asyncio
from typing import Any

from surfaces.people import Asker, join


async def workflow_of(admin: Asker, skills: str) -> tuple[dict[str, Any], list[str]]:
    """A workflow with skills of these names, and their ids."""
    ids = [(await admin.made("/skills", {"name": name}))["id"] for name in skills]
    workflow = await admin.made("/workflows", {"name": "build"})
    for skill in ids:
        await admin.made("/workflow_skills", {"workflow_id": workflow["id"], "skill_id": skill})
    return workflow, ids


def order(shown: dict[str, Any], part: str = "skill") -> list[tuple[int, str]]:
    return [(item["position"], item[f"{part}_id"]) for item in shown[f"{part}s"]]


async def test_what_is_added_without_a_position_stands_last_even_when_all_add_at_once(admin: Asker) -> None:
    workflow = await admin.made("/workflows", {"name": "build"})
    tasks = [(await admin.made("/tasks", {"name": f"t{number}"}))["id"] for number in range(8)]
    made = await asyncio.gather(
        *(admin.made("/workflow_tasks", {"workflow_id": workflow["id"], "task_id": task}) for task in tasks)
    )
    assert sorted(part["position"] for part in made) == list(range(8))
    shown = (await admin.get(workflow["href"])).json()
    assert (shown["version"], {task for _, task in order(shown, "task")}) == (9, set(tasks))


async def test_a_position_that_is_taken_and_a_skill_that_is_in_are_409(admin: Asker) -> None:
    workflow, [first, *_] = await workflow_of(admin, "ab")
    other = (await admin.made("/skills", {"name": "c"}))["id"]
    for body in ({"skill_id": other, "position": 1}, {"skill_id": first}):
        answer = await admin.ask("POST", "/workflow_skills", {"workflow_id": workflow["id"], **body})
        assert answer.status_code == 409, answer.text


async def test_a_reorder_is_one_change_that_keeps_the_ids_of_what_stays(admin: Asker) -> None:
    workflow, skills = await workflow_of(admin, "abc")
    before = (await admin.get(workflow["href"])).json()
    new = (await admin.made("/skills", {"name": "d"}))["id"]
    wanted = [skills[2], new, skills[0]]
    answer = await admin.ask(
        "PUT", f"{workflow['href']}/skills", {"items": [{"skill_id": skill} for skill in wanted]}, If_Match='"4"'
    )
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"5"')
    after = (await admin.get(workflow["href"])).json()
    assert order(after) == list(enumerate(wanted))
    ids = {item["skill_id"]: item["id"] for item in before["skills"]}
    assert {item["skill_id"]: item["id"] for item in after["skills"]}.items() >= {
        skills[0]: ids[skills[0]],
        skills[2]: ids[skills[2]],
    }.items()
    newest = (await admin.get(f"/resource_events?resource_id={workflow['id']}&size=1")).json()["items"][0]
    assert [item["skill_id"] for item in newest["details"]["before"]["skills"]] == skills
    assert [item["skill_id"] for item in newest["details"]["after"]["skills"]] == wanted
    assert (await admin.get(f"/workflow_skills/{ids[skills[1]]}")).status_code == 404


async def test_the_same_order_again_is_no_change(admin: Asker) -> None:
    workflow, skills = await workflow_of(admin, "abc")
    same = {"items": [{"skill_id": skill} for skill in skills]}
    assert (await admin.ask("PUT", f"{workflow['href']}/skills", same)).headers["ETag"] == '"4"'
    stale = await admin.ask("PUT", f"{workflow['href']}/skills", same, If_Match='"3"')
    assert stale.status_code == 412


async def test_a_task_stands_at_two_positions_a_skill_at_one(admin: Asker) -> None:
    workflow, [skill] = await workflow_of(admin, "a")
    task = (await admin.made("/tasks", {"name": "t"}))["id"]
    twice = {"items": [{"task_id": task, "continue_on_failure": True}, {"task_id": task}]}
    answer = await admin.ask("PUT", f"{workflow['href']}/tasks", twice)
    assert [item["continue_on_failure"] for item in answer.json()["items"]] == [True, False]
    assert (await admin.get(f"{workflow['href']}/tasks")).json() == answer.json()
    refused = await admin.ask("PUT", f"{workflow['href']}/skills", {"items": [{"skill_id": skill}] * 2})
    assert refused.status_code == 422


async def test_a_workflow_that_is_full_takes_no_more(admin: Asker) -> None:
    workflow = await admin.made("/workflows", {"name": "build"})
    task = await admin.made("/tasks", {"name": "t"})
    full = {"items": [{"task_id": task["id"]}] * 500}
    assert (await admin.ask("PUT", f"{workflow['href']}/tasks", full)).status_code == 200
    for more in ({}, {"position": 700}):
        answer = await admin.ask(
            "POST", "/workflow_tasks", {"workflow_id": workflow["id"], "task_id": task["id"], **more}
        )
        assert (answer.status_code, answer.json()["reason"]) == (422, "a workflow has at most 500 tasks")
    assert len((await admin.get(workflow["href"])).json()["tasks"]) == 500


async def test_many_reorder_at_once_and_every_state_is_one_of_theirs(admin: Asker) -> None:
    workflow, skills = await workflow_of(admin, "abcd")
    orders = [[*skills[turn:], *skills[:turn]] for turn in range(4)] * 2
    answers = await asyncio.gather(
        *(
            admin.ask("PUT", f"{workflow['href']}/skills", {"items": [{"skill_id": skill} for skill in wanted]})
            for wanted in orders
        )
    )
    assert {answer.status_code for answer in answers} == {200}
    shown = (await admin.get(workflow["href"])).json()
    assert [skill for _, skill in order(shown)] in orders


async def test_a_part_cannot_move_to_another_workflow(admin: Asker) -> None:
    workflow, _ = await workflow_of(admin, "a")
    other = await admin.made("/workflows", {"name": "other"})
    [part] = (await admin.get(workflow["href"])).json()["skills"]
    answer = await admin.ask("PATCH", part["href"], {"workflow_id": other["id"]})
    assert (answer.status_code, "workflow_id" in answer.json()["reason"]) == (422, True)


async def test_who_may_not_change_a_workflow_may_not_change_its_parts(admin: Asker) -> None:
    workflow, [skill] = await workflow_of(admin, "a")
    [part] = (await admin.get(workflow["href"])).json()["skills"]
    outsider = await join(admin, "outsider")
    nothing: list[object] = []
    attempts: tuple[tuple[str, str, object], ...] = (
        ("POST", "/workflow_skills", {"workflow_id": workflow["id"], "skill_id": skill}),
        ("PATCH", part["href"], {"position": 5}),
        ("DELETE", part["href"], None),
        ("PUT", f"{workflow['href']}/skills", {"items": nothing}),
    )
    for method, path, body in attempts:
        assert (await outsider.ask(method, path, body)).status_code == 403, path


async def test_what_is_in_use_is_not_deleted_and_the_answer_names_the_users(admin: Asker) -> None:
    workflow, [skill] = await workflow_of(admin, "a")
    agent = await admin.made("/agents", {"name": "a"})
    await admin.ask("PATCH", workflow["href"], {"agent_id": agent["id"]})
    for used in (f"/skills/{skill}", agent["href"]):
        answer = await admin.ask("DELETE", used)
        assert (answer.status_code, answer.json()["details"]["used_by"]) == (409, [workflow["id"]])
    assert (await admin.ask("DELETE", workflow["href"])).status_code == 204
    # The workflow's parts went with it, so nothing holds the others any more.
    assert (await admin.get("/workflow_skills")).json()["total"] == 0
    for used in (f"/skills/{skill}", agent["href"]):
        assert (await admin.ask("DELETE", used)).status_code == 204


async def test_a_group_with_instances_and_a_user_with_memberships_or_tokens_are_not_deleted(admin: Asker) -> None:
    author = await join(admin, "author")
    group = await admin.made("/groups", {"name": "builders"})
    await admin.ask("PUT", f"/groups/{group['id']}/members/{author.id}", {"role": "viewer"})
    instance = await admin.made("/compute_instances", {"name": "small", "group_id": group["id"]})
    held = await admin.ask("DELETE", group["href"])
    assert held.json()["details"]["used_by"] == [instance["id"]]
    user = await admin.ask("DELETE", f"/users/{author.id}")
    assert (user.status_code, group["id"] in user.json()["details"]["used_by"]) == (409, True)
    assert (await admin.ask("DELETE", instance["href"])).status_code == 204
    assert (await admin.ask("DELETE", group["href"])).status_code == 204
    [token] = [item for item in (await admin.get("/tokens")).json()["items"] if item["user_id"] == author.id]
    assert (await admin.ask("POST", f"{token['href']}/revoke")).status_code == 200
    assert (await admin.ask("DELETE", f"/users/{author.id}")).status_code == 204


async def test_a_user_who_goes_takes_the_revoked_tokens_along_and_each_leaves_an_event(admin: Asker) -> None:
    author = await join(admin, "author")
    second = await author.made("/tokens", {"name": "second"})
    tokens = [item for item in (await admin.get("/tokens")).json()["items"] if item["user_id"] == author.id]
    for token in tokens:
        await admin.ask("POST", f"{token['href']}/revoke")
    assert (await admin.get(second["href"])).status_code == 200
    assert (await admin.ask("DELETE", f"/users/{author.id}", Audit_Reason="left")).status_code == 204
    assert (await admin.get(second["href"])).status_code == 404
    assert author.id not in (await admin.get("/tokens")).text
    for token in tokens:
        newest = (await admin.get(f"/resource_events?resource_id={token['id']}&size=1")).json()["items"][0]
        assert (newest["action"], newest["reason"]) == ("token.delete", "left")


async def test_membership_is_a_change_of_the_group(admin: Asker) -> None:
    author = await join(admin, "author")
    group = await admin.made("/groups", {"name": "builders"})
    path = f"/groups/{group['id']}/members/{author.id}"
    for role, version in (("viewer", 2), ("viewer", 2), ("owner", 3)):
        answer = await admin.ask("PUT", path, {"role": role}, Audit_Reason="joins")
        assert answer.json()["version"] == version
    assert (await admin.ask("DELETE", path)).json()["version"] == 4
    events = (await admin.get(f"/resource_events?resource_id={group['id']}")).json()["items"]
    assert [event["details"] for event in events[:-1]] == [
        {"before": {"members": {author.id: "owner"}}, "after": {"members": {}}},
        {"before": {"members": {author.id: "viewer"}}, "after": {"members": {author.id: "owner"}}},
        {"before": {"members": {}}, "after": {"members": {author.id: "viewer"}}},
    ]
    assert events[-1]["details"]["after"]["members"] == {admin.id: "owner"}
    unknown = await admin.ask("PUT", f"/groups/{group['id']}/members/usr_{'0' * 27}", {"role": "viewer"})
    assert (unknown.status_code, "user_id" in unknown.json()["reason"]) == (422, True)
