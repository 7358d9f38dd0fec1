"""The catalog by REST: from nothing to a workflow, and every change in the record."""

from surfaces.people import Asker, join


async def test_a_workflow_is_described_reordered_and_recorded(admin: Asker) -> None:
    agent = await admin.made("/agents", {"name": "builder"}, Audit_Reason="the first one")
    skills = [(await admin.made("/skills", {"name": name}))["id"] for name in ("a", "b", "c")]
    workflow = await admin.made("/workflows", {"name": "build", "agent_id": agent["id"]})
    for skill in skills[:2]:
        await admin.made("/workflow_skills", {"workflow_id": workflow["id"], "skill_id": skill})
    items = [{"skill_id": skill} for skill in reversed(skills)]
    assert (await admin.ask("PUT", f"/workflows/{workflow['id']}/skills", {"items": items})).status_code == 200
    shown = (await admin.get(f"/workflows/{workflow['id']}")).json()
    assert [(part["skill_id"], part["position"]) for part in shown["skills"]] == list(
        zip(reversed(skills), range(3), strict=True)
    )
    # Made, two parts added, reordered: four changes, four events.
    assert shown["version"] == 4
    events = (await admin.get(f"/resource_events?resource_id={workflow['id']}")).json()
    assert events["total"] == 4
    first = (await admin.get(f"/resource_events?resource_id={agent['id']}")).json()["items"][0]
    assert (first["action"], first["reason"], first["actor_id"]) == ("agent.create", "the first one", admin.id)


async def test_an_operator_makes_instances_in_the_group_and_a_stranger_sees_none(admin: Asker) -> None:
    group = await admin.made("/groups", {"name": "builders"})
    author, outsider = await join(admin, "author"), await join(admin, "outsider")
    made = await admin.ask("PUT", f"/groups/{group['id']}/members/{author.id}", {"role": "operator"})
    assert made.status_code == 200
    instance = await author.made("/compute_instances", {"name": "small", "group_id": group["id"]})
    assert (await outsider.get(f"/compute_instances/{instance['id']}")).status_code == 404
    assert (await outsider.get("/compute_instances")).json()["total"] == 0
    assert (await outsider.get(f"/resource_events?resource_id={instance['id']}")).json()["total"] == 0
