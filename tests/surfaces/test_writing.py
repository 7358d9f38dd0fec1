"""Writing: names, references, concurrency, retries, and what is refused."""

import asyncio
import random
import string
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mooring.access.actor import Actor
from mooring.access.rules import PlatformRole
from mooring.http.call import BODY_BYTES
from mooring.http.errors import CODES
from mooring.identity.users import USERS
from surfaces.people import BASE, Asker, join


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/users", {"username": "author", "name": "Author"}, "username"),
        ("/groups", {"name": "builders"}, "name"),
    ],
)
async def test_names_are_unique_among_the_living(admin: Asker, path: str, body: dict[str, Any], field: str) -> None:
    made = await admin.made(path, body)
    again = await admin.ask("POST", path, body)
    assert (again.status_code, field in again.json()["reason"]) == (409, True)
    other = await admin.made(path, {**body, field: "other"})
    assert (await admin.ask("PATCH", other["href"], {field: body[field]})).status_code == 409
    assert (await admin.ask("DELETE", made["href"])).status_code == 204
    assert (await admin.ask("PATCH", other["href"], {field: body[field]})).status_code == 200


async def test_names_of_agents_may_repeat(admin: Asker) -> None:
    first, second = await admin.made("/agents", {"name": "a"}), await admin.made("/agents", {"name": "a"})
    assert first["id"] < second["id"]


@pytest.mark.parametrize("name", ["", " ", "\t", "a\nb", "a\x00b", "x" * 201, "a\x7f", "a\u2028b"])
async def test_a_name_that_cannot_be_one_is_refused_naming_the_field(admin: Asker, name: str) -> None:
    answer = await admin.ask("POST", "/skills", {"name": name})
    assert (answer.status_code in (400, 422), "name" in answer.json()["reason"]) == (True, True), answer.text


async def test_one_and_true_are_two_values_of_a_map(admin: Asker) -> None:
    agent = await admin.made("/agents", {"name": "a", "settings": {"a": {"b": [1, 0]}}})
    changed = await admin.ask("PATCH", agent["href"], {"settings": {"a": {"b": [True, 0]}}})
    assert (changed.json()["version"], changed.json()["settings"]) == (2, {"a": {"b": [True, 0]}})
    again = await admin.ask("PATCH", agent["href"], {"settings": {"a": {"b": [True, 0]}}})
    assert again.json()["version"] == 2


async def test_a_name_is_trimmed_and_may_be_in_any_script(admin: Asker) -> None:
    for name in (" é ", "构建", "🚀" * 200, "a'; DROP TABLE skills; --"):
        assert (await admin.made("/skills", {"name": name}))["name"] == name.strip()


@pytest.mark.parametrize(
    ("environment", "network", "allow", "named"),
    [
        ({"PATH": "/evil"}, "none", [], "PATH"),
        ({"LD_PRELOAD": "/evil.so"}, "none", [], "LD_PRELOAD"),
        ({"MOORING_TOKEN": "x"}, "none", [], "MOORING_TOKEN"),
        ({"1A": "x"}, "none", [], "1A"),
        ({"A": "x\x00"}, "none", [], "environment.A"),
        ({}, "allow-list", [], "network_allow"),
        ({}, "none", ["example.org"], "network_allow"),
        ({}, "allow-list", ["exa mple"], "network_allow"),
        ({}, "open", [], "network"),
    ],
)
async def test_an_instance_that_cannot_be_meant_is_refused(
    admin: Asker, environment: dict[str, str], network: str, allow: list[str], named: str
) -> None:
    group = await admin.made("/groups", {"name": "builders"})
    body = {"name": "small", "group_id": group["id"], "environment": environment}
    answer = await admin.ask("POST", "/compute_instances", {**body, "network": network, "network_allow": allow})
    assert (answer.status_code in (400, 422), named in answer.json()["reason"]) == (True, True), answer.text
    assert (await admin.get("/compute_instances")).json()["total"] == 0


async def test_what_is_larger_than_its_field_is_refused_naming_the_field_and_the_limit(admin: Asker) -> None:
    group = await admin.made("/groups", {"name": "builders"})
    box = {"name": "small", "group_id": group["id"]}
    hosts = [f"a{number}.example.org" for number in range(101)]
    for path, body, field, limit in (
        ("/agents", {"name": "a", "settings": {"a": ["x" * 60_000, {"b": "é" * 4_000}]}}, "settings", "65536"),
        ("/compute_instances", {**box, "environment": {"A": "x" * 60_000, "B": "x" * 6_000}}, "environment", "65536"),
        ("/compute_instances", {**box, "network": "allow-list", "network_allow": hosts}, "network_allow", "100"),
        ("/tasks", {"name": "t", "check": "x" * 200_001}, "check", "200000"),
    ):
        answer = await admin.ask("POST", path, body)
        assert answer.status_code in (400, 422), path
        assert field in answer.json()["reason"], answer.text
        assert limit in answer.json()["reason"], answer.text
    named = {"git_credentials": dict.fromkeys(hosts, f"sec_{'0' * 27}")}
    answer = await admin.ask("PATCH", group["href"], named)
    assert (answer.status_code, "git_credentials names 101 hosts; at most 100" in answer.text) == (422, True)
    made = await admin.made("/agents", {"name": "a", "settings": {"a": "x" * 60_000}})
    # A patch is small, and what it makes of the row is not.
    assert (await admin.ask("PATCH", made["href"], {"settings": {"b": "x" * 60_000}})).status_code == 422


async def test_a_filesystem_that_was_not_granted_or_is_not_there_is_refused(admin: Asker) -> None:
    group = await admin.made("/groups", {"name": "builders"})
    body = {"name": "small", "group_id": group["id"], "filesystem_id": f"fs_{'0' * 27}"}
    answer = await admin.ask("POST", "/compute_instances", body)
    assert (answer.status_code, "filesystem_id" in answer.json()["reason"]) == (422, True)


async def test_a_reference_to_what_was_deleted_or_is_of_another_kind_is_422_naming_the_field(admin: Asker) -> None:
    agent, skill = await admin.made("/agents", {"name": "a"}), await admin.made("/skills", {"name": "s"})
    await admin.ask("DELETE", agent["href"])
    for identifier in (agent["id"], skill["id"], "x", f"agt_{'0' * 27}"):
        answer = await admin.ask("POST", "/workflows", {"name": "w", "agent_id": identifier})
        assert (answer.status_code, "agent_id" in answer.json()["reason"]) == (422, True)


@pytest.mark.parametrize(
    "url",
    ["ftp://example.org/x", "https://user:secret@example.org/x", "not a url", "https://example.org", "https://-/x#-f"],
)
async def test_a_repository_that_cannot_be_one_is_refused(admin: Asker, url: str) -> None:
    answer = await admin.ask("POST", "/skills", {"name": "s", "repo_url": url})
    assert (answer.status_code, "repo_url" in answer.json()["reason"]) == (422, True)


async def test_of_32_who_patch_one_version_exactly_one_wins_each(admin: Asker) -> None:
    agent = await admin.made("/agents", {"name": "a"})
    for version in range(1, 4):
        answers = await asyncio.gather(
            *(
                admin.ask("PATCH", agent["href"], {"prompt": f"{version} {number}"}, If_Match=f'"{version}"')
                for number in range(32)
            )
        )
        assert sorted(answer.status_code for answer in answers) == [200] + [412] * 31


async def test_if_match_holds_for_whatever_is_done_to_a_resource_and_is_refused_where_there_is_none(
    admin: Asker,
) -> None:
    other = await join(admin, "other")
    group = await admin.made("/groups", {"name": "g"})
    secret = await admin.made("/secrets", {"name": "s", "value": "v"})
    session = await admin.made("/sessions", {"name": "s"})
    member, granted = f"{group['href']}/members/{other.id}", f"{group['href']}/available_secrets/{secret['id']}"
    acts: tuple[tuple[str, str, object, int], ...] = (
        ("PUT", member, {"role": "viewer"}, 1),
        ("PUT", granted, None, 2),
        ("DELETE", granted, None, 3),
        ("DELETE", member, None, 4),
        ("POST", f"{session['href']}/cancel", None, 1),
    )
    for method, path, body, version in acts:
        for stale in (99, version + 1, version - 1):
            refused = await admin.ask(method, path, body, If_Match=f'"{stale}"')
            assert (refused.status_code, refused.json()["code"]) == (412, "mooring-31"), path
        answer = await admin.ask(method, path, body, If_Match=f'"{version}"')
        assert (answer.status_code, answer.json()["version"]) == (200, version + 1), answer.text
    for method, path, body in (("POST", "/agents", {"name": "a"}), ("POST", "/record/verify", None)):
        refused = await admin.ask(method, path, body, If_Match='"1"')
        assert (refused.status_code, "If-Match" in refused.json()["reason"]) == (400, True)


async def test_32_puts_make_32_versions_and_a_chain_of_events_without_a_gap(admin: Asker) -> None:
    agent = await admin.made("/agents", {"name": "a", "prompt": "first"})
    answers = await asyncio.gather(
        *(admin.ask("PUT", agent["href"], {"name": "a", "prompt": str(number)}) for number in range(32))
    )
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(answer.json()["version"] for answer in answers) == list(range(2, 34))
    events = (await admin.get(f"/resource_events?resource_id={agent['id']}&action=agent.update")).json()["items"]
    steps = {event["details"]["before"]["prompt"]: event["details"]["after"]["prompt"] for event in events}
    assert len(steps) == 32
    at, met = "first", 0
    while at in steps:
        at, met = steps[at], met + 1
    assert met == 32


async def test_two_who_change_each_other_do_not_wait_for_each_other(admin: Asker) -> None:
    other = await join(admin, "other", role="admin")
    one, two = (Actor(user_id=asker.id, role=PlatformRole.ADMIN) for asker in (admin, other))
    async with (
        asyncio.timeout(20),
        admin.database.transaction() as first,
        admin.database.transaction() as second,
    ):
        users_other = await USERS.read(first, one, other.id, lock=True)
        users_admin = await USERS.read(second, two, admin.id, lock=True)
        # Each event names its actor, whose row the other one holds.
        await USERS.replace(first, one, users_other, {"name": "changed"})
        await USERS.replace(second, two, users_admin, {"name": "one"})


async def test_100_creates_under_one_key_make_one_row_and_one_answer(admin: Asker) -> None:
    answers = await asyncio.gather(
        *(admin.ask("POST", "/agents", {"name": "a"}, Idempotency_Key="k-1") for _ in range(100))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert len({answer.headers["Location"] for answer in answers}) == 1
    assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == 99
    assert (await admin.get("/agents")).json()["total"] == 1


async def test_a_key_is_of_one_asker_one_path_and_one_body(admin: Asker) -> None:
    author = await join(admin, "author")
    first = await admin.made("/agents", {"name": "a"}, Idempotency_Key="k")
    other = await admin.ask("POST", "/agents", {"name": "b"}, Idempotency_Key="k")
    assert (other.status_code, "Idempotency-Key" in other.json()["reason"]) == (422, True)
    assert (await author.made("/agents", {"name": "b"}, Idempotency_Key="k"))["id"] != first["id"]
    assert (await admin.made("/skills", {"name": "a"}, Idempotency_Key="k"))["kind"] == "Skill"


async def test_a_path_that_is_longer_than_an_index_takes_is_nothing_under_a_key_too(admin: Asker) -> None:
    chance = random.Random(1)  # noqa: S311 - repeatable, no secret
    # Of many letters: what repeats is compressed.
    identifier = "".join(chance.choices(string.ascii_letters, k=10_000))
    answer = await admin.ask("POST", f"/sessions/{identifier}/start", {}, Idempotency_Key="k")
    assert answer.status_code == 404, answer.text


async def test_a_refusal_is_not_kept_under_a_key(admin: Asker) -> None:
    held = await admin.made("/groups", {"name": "g"})
    assert (await admin.ask("POST", "/groups", {"name": "g"}, Idempotency_Key="k")).status_code == 409
    await admin.ask("DELETE", held["href"])
    assert (await admin.ask("POST", "/groups", {"name": "g"}, Idempotency_Key="k")).status_code == 201


async def test_a_retry_under_a_key_is_answered_as_the_first_was_though_if_match_names_what_was_before(
    admin: Asker,
) -> None:
    user = await admin.made("/users", {"username": "u", "name": "u"})
    asked: tuple[str, str] = ("POST", f"{user['href']}/disable")
    first = await admin.ask(*asked, Idempotency_Key="k", If_Match='"1"')
    again = await admin.ask(*asked, Idempotency_Key="k", If_Match='"1"')
    assert (first.status_code, first.json()["version"]) == (200, 2)
    assert (again.status_code, again.text, again.headers["Idempotent-Replayed"]) == (200, first.text, "true")
    assert (await admin.ask(*asked, Idempotency_Key="l", If_Match='"1"')).status_code == 412


async def test_a_new_tokens_text_is_never_repeated_by_a_key(admin: Asker) -> None:
    made = await admin.made("/tokens", {"name": "t"}, Idempotency_Key="k")
    again = await admin.ask("POST", "/tokens", {"name": "t"}, Idempotency_Key="k")
    assert (again.status_code, again.json()["details"]["id"]) == (409, made["id"])
    assert made["token"] not in again.text
    async with admin.database.transaction() as tx:
        kept = await tx.values(str, "SELECT coalesce(encode(body, 'escape'), '') FROM idempotency_keys")
    assert kept == [""]


@pytest.mark.parametrize(
    ("content", "media", "status"),
    [
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"name": "\xff"}', "application/json", 400),
        (b'{"name": "a", "settings": ' + b'{"a":' * 100 + b"1" + b"}" * 100 + b"}", "application/json", 400),
        (b"[" * 200_000, "application/json", 400),
        (b'{"name": "a", "settings": {"a": 1e999, "b": 123456789012345678901234567890}}', "application/json", 400),
        (b"name=a", "application/x-www-form-urlencoded", 415),
        (b'{"name": "' + b"a" * BODY_BYTES + b'"}', "application/json", 413),
    ],
)
async def test_a_body_that_cannot_be_taken_is_refused(admin: Asker, content: bytes, media: str, status: int) -> None:
    answer = await admin.send("POST", "/agents", content, media)
    assert (answer.status_code, answer.json()["kind"]) == (status, "Error"), answer.text


async def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(admin: Asker) -> None:
    async def never() -> AsyncIterator[bytes]:
        pytest.fail("it was waited for")
        yield b""

    headers = {"Authorization": f"Bearer {admin.token}", "Content-Length": str(BODY_BYTES + 1)}
    answer = await admin.http.post(f"{BASE}/agents", content=never(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "mooring-32")


async def test_every_refusal_is_listed_and_says_where_it_stands(admin: Asker) -> None:
    listed = {item["code"]: item for item in (await admin.get("/errors")).json()["items"]}
    assert len(listed) == len(CODES)
    answer = await admin.get(f"/agents/agt_{'0' * 27}")
    error = answer.json()
    assert error.keys() == {"id", "kind", "href", "code", "reason", "operation_id", "details"}
    assert error["operation_id"] == answer.headers["X-Operation-ID"]
    assert (await admin.get(error["href"])).json() == listed[error["code"]]
    assert (await admin.get("/errors/999")).status_code == 404


async def test_a_path_that_is_not_there_and_a_method_it_does_not_take(admin: Asker) -> None:
    assert (await admin.get("/colours")).status_code == 404
    answer = await admin.ask("DELETE", "/agents")
    assert (answer.status_code, answer.headers["Allow"], answer.json()["code"]) == (
        405,
        "GET, HEAD, POST, OPTIONS",
        "mooring-30",
    )


async def test_a_reason_that_is_no_text_is_refused(admin: Asker) -> None:
    answer = await admin.ask("POST", "/agents", {"name": "a"}, Audit_Reason="x" * 1001)
    assert (answer.status_code, "Audit-Reason" in answer.json()["reason"]) == (400, True)


@pytest.mark.parametrize(
    "raw", ["/agents/%ff", "/agents?orderBy=%ff", "/agents?%ff=1", "/agents?page=%00", "/%2e%2e/x"]
)
async def test_bytes_that_are_no_text_are_refused_wherever_they_stand(admin: Asker, raw: str) -> None:
    assert (await admin.get(raw)).status_code in (400, 404)


async def test_a_header_that_is_no_text_is_refused(admin: Asker) -> None:
    for name in (b"Audit-Reason", b"Idempotency-Key"):
        headers = {b"Authorization": f"Bearer {admin.token}".encode(), name: b"\xff"}
        answer = await admin.http.post(f"{BASE}/agents", json={"name": "a"}, headers=headers)
        assert answer.status_code == 400, name


@pytest.mark.parametrize("host", [b"x:abc", b"x:99999999", b"x:-1", b"@:x", b"x:\xb2", b"a b"])
async def test_what_stands_in_host_breaks_nothing(admin: Asker, host: bytes) -> None:
    headers = {b"Authorization": f"Bearer {admin.token}".encode(), b"Host": host, b"Idempotency-Key": b"k"}
    unreadable = host in (b"x:\xb2", b"a b")
    for method, path, status in (
        ("GET", "/nope", 404),
        ("GET", f"{BASE}/agents", 200),
        ("POST", f"{BASE}/agents", 201),
    ):
        answer = await admin.http.request(method, path, json={"name": "a"}, headers=headers)
        assert answer.status_code == (400 if unreadable else status), (path, answer.text)
        assert answer.is_success or answer.json()["kind"] == "Error"
