"""The contract every kind keeps, verb by verb."""

from typing import Any

import pytest

from mooring.http.catalog import WORKFLOW_SKILL, WORKFLOW_TASK
from mooring.http.compute import EXPOSURE
from surfaces.people import BASE, Asker
from surfaces.samples import SAMPLES, Sample

EVERY = [pytest.param(sample, id=kind) for kind, sample in SAMPLES.items()]
PARTS = {WORKFLOW_SKILL.path: "workflow_id", WORKFLOW_TASK.path: "workflow_id", EXPOSURE.path: "compute_instance_id"}
"""Where a part is → the field that names its owner."""


async def events_of(asker: Asker, resource_id: str) -> list[dict[str, Any]]:
    """The events of a resource, oldest first."""
    answer = await asker.get(f"/resource_events?resource_id={resource_id}&orderBy=timestamp asc")
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def told_of(sample: Sample, made: dict[str, Any]) -> str:
    """The resource whose events hold the changes: for a part its owner."""
    return made[PARTS.get(sample.path, "id")]


@pytest.mark.parametrize("sample", EVERY)
async def test_what_is_made_is_where_the_answer_says_and_in_the_list(admin: Asker, sample: Sample) -> None:
    body = await sample.body(admin)
    answer = await admin.ask("POST", sample.path, body)
    assert answer.status_code == 201, answer.text
    made = sample.shown(answer.json())
    assert made["kind"] == sample.kind
    assert answer.headers["Location"] == made["href"] == f"{BASE}{sample.path}/{made['id']}"
    assert (answer.headers["ETag"], made["version"]) == ('"1"', 1)
    assert set(answer.json()) - set(made) == set(sample.once)
    assert made.items() >= {name: value for name, value in body.items() if name not in sample.unshown}.items()
    assert made["created_by_user_id"] == admin.id
    read = await admin.get(made["href"])
    assert (read.status_code, read.json(), read.headers["ETag"]) == (200, made, '"1"')
    listed = (await admin.get(sample.path)).json()
    assert (listed["kind"], listed["page"]) == (f"{sample.kind}List", 1)
    assert made in listed["items"]
    assert listed["size"] == len(listed["items"]) == listed["total"]


@pytest.mark.parametrize("sample", [entry for entry in EVERY if entry.values[0].settled])  # type: ignore[union-attr]
async def test_who_has_this_version_is_not_sent_it_again(admin: Asker, sample: Sample) -> None:
    made = await sample.made(admin)
    for tag in ('"1"', 'W/"1"', '"7", "1"', "*"):
        answer = await admin.get(made["href"], If_None_Match=tag)
        assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", '"1"')
    assert (await admin.get(made["href"], If_None_Match='"2"')).status_code == 200
    assert (await admin.get(made["href"], If_None_Match="2")).status_code == 400


@pytest.mark.parametrize("sample", EVERY)
async def test_a_patch_changes_what_it_names_and_leaves_one_event_with_before_after_and_reason(
    admin: Asker, sample: Sample
) -> None:
    made = await sample.made(admin)
    before = await events_of(admin, told_of(sample, made))
    answer = await admin.ask("PATCH", made["href"], sample.patch, If_Match='"1"', Audit_Reason="weil es so sein muß")
    assert answer.status_code == 200, answer.text
    after = answer.json()
    assert (after["version"], answer.headers["ETag"]) == (2, '"2"')
    changed = {name for name in after if after[name] != made[name]}
    assert changed == {*sample.patch, "version", "updated_at"}
    [event] = (await events_of(admin, told_of(sample, made)))[len(before) :]
    assert (event["reason"], event["actor_id"]) == ("weil es so sein muß", admin.id)
    assert event["action"].endswith(".update")
    if sample.path not in PARTS:
        assert event["details"] == {
            "before": {name: made[name] for name in sample.patch},
            "after": {name: after[name] for name in sample.patch},
        }


@pytest.mark.parametrize("sample", EVERY)
async def test_a_patch_that_changes_nothing_keeps_the_version_and_makes_no_event(admin: Asker, sample: Sample) -> None:
    made = await sample.made(admin)
    before = await events_of(admin, told_of(sample, made))
    for patch in ({}, {name: made[name] for name in sample.patch}):
        answer = await admin.ask("PATCH", made["href"], patch)
        assert (answer.status_code, answer.json()) == (200, made)
    assert await events_of(admin, told_of(sample, made)) == before


@pytest.mark.parametrize("sample", [entry for entry in EVERY if entry.values[0].cleared])  # type: ignore[union-attr]
async def test_null_in_a_patch_clears_a_field_to_what_it_is_when_left_out(admin: Asker, sample: Sample) -> None:
    made = await sample.made(admin)
    answer = await admin.ask("PATCH", made["href"], dict.fromkeys(sample.cleared))
    assert answer.status_code == 200, answer.text
    assert answer.json().items() >= sample.cleared.items()


@pytest.mark.parametrize("sample", EVERY)
async def test_a_stale_if_match_changes_nothing(admin: Asker, sample: Sample) -> None:
    made = await sample.made(admin)
    for method, body in (("PATCH", sample.patch), ("PUT", made), ("DELETE", None)):
        answer = await admin.ask(method, made["href"], body, If_Match='"2"')
        assert (answer.status_code, answer.json()["code"]) == (412, "mooring-31")
    assert (await admin.get(made["href"])).json() == made


@pytest.mark.parametrize("sample", EVERY)
async def test_put_takes_back_what_was_read_and_refuses_what_the_server_keeps(admin: Asker, sample: Sample) -> None:
    made = await sample.made(admin)
    same = await admin.ask("PUT", made["href"], made)
    assert (same.status_code, same.json()) == (200, made)
    for name, value in (("id", "x"), ("version", 2), ("created_at", "2020-01-01T00:00:00Z"), ("kind", "Other")):
        answer = await admin.ask("PUT", made["href"], {**made, name: value})
        assert (answer.status_code, name in answer.json()["reason"]) == (400, True)
    if sample.path not in PARTS and sample.kind != "ComputeInstance":
        changed = await admin.ask("PUT", made["href"], {**made, **sample.patch})
        assert (changed.status_code, changed.json()["version"]) == (200, 2)


@pytest.mark.parametrize("sample", EVERY)
async def test_an_unknown_key_a_wrong_type_and_a_missing_field_are_400_naming_it(admin: Asker, sample: Sample) -> None:
    body = await sample.body(admin)
    required = next(iter(body))
    for wrong, named in (
        ({**body, "colour": "red"}, "colour"),
        ({**body, required: 5}, required),
        *([({name: value for name, value in body.items() if name != required}, required)] if sample.needs else []),
    ):
        answer = await admin.ask("POST", sample.path, wrong)
        assert (answer.status_code, named in answer.json()["reason"]) == (400, True), answer.text
    made = await sample.made(admin, body)
    for patch, named in (({"colour": "red"}, "colour"), ({"version": 3}, "version"), ({required: 5}, required)):
        answer = await admin.ask("PATCH", made["href"], patch)
        assert (answer.status_code, named in answer.json()["reason"]) == (400, True), answer.text


@pytest.mark.parametrize("sample", EVERY)
async def test_what_is_deleted_is_not_there_and_can_be_made_again_for_ever(admin: Asker, sample: Sample) -> None:
    body = await sample.body(admin)
    for _ in range(3):
        made = await sample.made(admin, body)
        known = len(await events_of(admin, told_of(sample, made)))
        answer = await admin.ask("DELETE", made["href"], If_Match='"1"', Audit_Reason="no longer")
        assert (answer.status_code, answer.content) == (204, b"")
        for method in ("GET", "DELETE", "PATCH", "PUT"):
            gone = await admin.ask(method, made["href"], None if method in ("GET", "DELETE") else {})
            assert gone.status_code == 404
        assert made["id"] not in {item["id"] for item in (await admin.get(sample.path)).json()["items"]}
        [event] = (await events_of(admin, told_of(sample, made)))[known:]
        assert event["reason"] == "no longer"
        assert event["details"]["before"]


@pytest.mark.parametrize("sample", EVERY)
async def test_ids_that_are_none_are_404(admin: Asker, sample: Sample) -> None:
    made = await sample.made(admin)
    prefix = made["id"].partition("_")[0]
    swapped = made["id"].swapcase() if made["id"].swapcase() != made["id"] else "x"
    for wrong in ("x", swapped, f"{prefix}_", f"{prefix}_{'z' * 27}", f"{made['id']}'--", "%00", "..%2Fusers"):
        assert (await admin.get(f"{sample.path}/{wrong}")).status_code == 404
