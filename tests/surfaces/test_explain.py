"""Why someone may do something."""

from surfaces.people import Asker, join


async def test_the_chain_goes_from_the_person_through_the_group_to_the_resource(admin: Asker) -> None:
    author = await join(admin, "author")
    group = await admin.made("/groups", {"name": "builders"})
    instance = await admin.made("/compute_instances", {"name": "small", "group_id": group["id"]})
    await admin.ask("PUT", f"/groups/{group['id']}/members/{author.id}", {"role": "operator"})
    why = (await author.get(f"/access/explain?resource={instance['id']}&action=operate")).json()
    assert (why["allowed"], why["because"], why["user_id"]) == (True, "an operator of its group", author.id)
    assert why["chain"] == [
        f"author is an operator of the group builders ({group['id']})",
        f"the compute instance small ({instance['id']}) belongs to the group builders ({group['id']})",
    ]
    not_so = (await author.get(f"/access/explain?resource={instance['id']}&action=grant")).json()
    assert (not_so["allowed"], not_so["because"], not_so["chain"]) == (False, None, [])


async def test_administrators_ask_about_others_and_others_about_themselves(admin: Asker) -> None:
    author = await join(admin, "author")
    agent = await author.made("/agents", {"name": "a"})
    path = f"/access/explain?resource={agent['id']}&action=change"
    about = (await admin.get(f"{path}&user=author")).json()
    assert (about["allowed"], about["chain"]) == (True, [f"author made the agent a ({agent['id']})"])
    assert about == (await admin.get(f"{path}&user={author.id}")).json() == (await author.get(path)).json()
    assert (await author.get(f"{path}&user=admin")).status_code == 403
    await admin.ask("POST", f"/users/{author.id}/disable")
    assert (await admin.get(f"{path}&user=author")).json()["chain"] == ["the user author is disabled"]


async def test_a_part_is_explained_by_its_owner_and_the_unseen_is_404(admin: Asker) -> None:
    author = await join(admin, "author")
    workflow = await author.made("/workflows", {"name": "w"})
    skill = await author.made("/skills", {"name": "s"})
    part = await author.made("/workflow_skills", {"workflow_id": workflow["id"], "skill_id": skill["id"]})
    why = (await author.get(f"/access/explain?resource={part['id']}&action=change")).json()
    assert (why["resource_id"], why["because"]) == (workflow["id"], "its creator")
    group = await admin.made("/groups", {"name": "theirs"})
    for identifier in (group["id"], f"grp_{'0' * 27}", "xyz_1"):
        assert (await author.get(f"/access/explain?resource={identifier}")).status_code == 404
    assert (await admin.get(f"/access/explain?resource={group['id']}&user=nobody")).status_code == 404
    assert (await admin.get(f"/access/explain?resource={group['id']}&action=eat")).status_code == 400
