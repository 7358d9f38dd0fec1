"""Who may do what, and what one may not see does not exist."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from mooring.app import App
from mooring.http.server import ROUTES, application
from mooring.identity import users
from surfaces.people import BASE, Asker, join
from surfaces.samples import SAMPLES
from surfaces.served import serving


def some_id(path: str) -> str:
    """The path with an id of some resource in every place."""
    return re.sub(r"{[^}]+}", "ses_0ujtsYcgvSTl8PAuAdqWYSMnLOv", path)


CLOSED = [route for route in ROUTES if not route.public]


async def test_without_a_token_every_route_answers_401_and_nothing_else(http: httpx.AsyncClient) -> None:
    for route in CLOSED:
        for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Basic YTpi"}):
            answer = await http.request(route.method, BASE + some_id(route.path), headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "mooring-15"), route.path
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_health_and_the_description_are_open_to_all(http: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/readyz", f"{BASE}/openapi", "/docs"):
        assert (await http.get(path)).status_code == 200


@pytest.mark.parametrize(
    "token",
    [
        "mrg_",
        "mrg_" + "0" * 49,
        "x",
        "mrg_" + "é" * 49,
        "mrg_0ujtsYcgvSTl8PAuAdqWYSMnLOv0ujtsYcgvSTl8PAuAdqWYSMn",
    ],
)
async def test_what_is_no_token_is_401(admin: Asker, token: str) -> None:
    assert (await replace(admin, token=token).get("/whoami")).status_code == 401


async def test_a_token_with_one_character_changed_is_401(admin: Asker) -> None:
    last = "a" if admin.token[-1] != "a" else "b"
    assert (await replace(admin, token=admin.token[:-1] + last).get("/whoami")).status_code == 401


async def test_whoami_says_who_with_which_scopes_and_roles(admin: Asker) -> None:
    author = await join(admin, "author")
    group = await author.made("/groups", {"name": "mine"})
    who = (await author.get("/whoami")).json()
    assert (who["user"]["id"], who["scopes"], who["groups"]) == (author.id, ["read", "write"], {group["id"]: "owner"})


async def test_a_token_that_is_revoked_deleted_or_expired_opens_nothing(admin: Asker) -> None:
    for end in ("revoke", "delete", "expire"):
        soon = (datetime.now(UTC) + timedelta(milliseconds=150)).isoformat() if end == "expire" else None
        made = await admin.made("/tokens", {"name": end, "expires_at": soon})
        other = replace(admin, token=made["token"])
        if end == "revoke":
            assert (await admin.ask("POST", f"{made['href']}/revoke")).json()["revoked_at"]
        elif end == "delete":
            assert (await admin.ask("DELETE", made["href"])).status_code == 204
        # An expired one is refused once its time has come: asked until then.
        answer = await other.get("/whoami")
        while end == "expire" and answer.status_code == 200:
            answer = await other.get("/whoami")
        assert answer.status_code == 401


async def test_a_disabled_user_is_not_let_in_until_enabled(admin: Asker) -> None:
    author = await join(admin, "author")
    assert (await admin.ask("POST", f"/users/{author.id}/disable")).json()["disabled_at"]
    refused = await author.get("/whoami")
    assert (refused.status_code, "disabled" in refused.json()["reason"]) == (401, True)
    assert (await admin.ask("POST", f"/users/{author.id}/enable")).json()["disabled_at"] is None
    assert (await author.get("/whoami")).status_code == 200


async def test_the_last_administrator_stays_one(admin: Asker) -> None:
    for method, path, body in (
        ("POST", f"/users/{admin.id}/disable", None),
        ("PATCH", f"/users/{admin.id}", {"role": "member"}),
    ):
        answer = await admin.ask(method, path, body)
        assert (answer.status_code, "last administrator" in answer.json()["reason"]) == (409, True)
    second = await join(admin, "second", role="admin")
    assert (await second.ask("POST", f"/users/{admin.id}/disable")).status_code == 200
    assert (await second.ask("POST", f"/users/{second.id}/disable")).status_code == 409


async def test_a_token_that_may_only_read_changes_nothing(admin: Asker) -> None:
    made = await admin.made("/tokens", {"name": "reader", "scopes": ["read"]})
    reader = replace(admin, token=made["token"])
    agent = await admin.made("/agents", {"name": "a"})
    assert (await reader.get(agent["href"])).status_code == 200
    for method, path, body in (
        ("POST", "/agents", {"name": "b"}),
        ("PATCH", agent["href"], {"name": "b"}),
        ("PUT", agent["href"], {"name": "b"}),
        ("DELETE", agent["href"], None),
        ("POST", "/tokens", {"name": "wider", "scopes": ["write"]}),
        ("POST", "/tokens", {"name": "same", "scopes": ["read"]}),
    ):
        answer = await reader.ask(method, path, body)
        assert (answer.status_code, answer.json()["code"]) == (403, "mooring-4"), path
    assert (await admin.get("/agents")).json()["items"] == [agent]


async def test_an_auditor_reads_everything_and_writes_nothing(admin: Asker) -> None:
    watcher = await join(admin, "watcher", role="auditor")
    for sample in SAMPLES.values():
        body = await sample.body(admin)
        made = await sample.made(admin, body)
        assert (await watcher.get(made["href"])).json() == made
        for method, path, sent in (
            # Tokens of their own everybody makes.
            *([("POST", sample.path, body)] if sample.kind != "Token" else []),
            ("PATCH", made["href"], sample.patch),
            ("DELETE", made["href"], None),
        ):
            assert (await watcher.ask(method, path, sent)).status_code == 403, (method, path)
        assert (await admin.get(made["href"])).json() == made
        assert (await admin.ask("DELETE", made["href"])).status_code == 204


async def test_members_read_the_catalog_and_change_what_they_made(admin: Asker) -> None:
    author, outsider = await join(admin, "author"), await join(admin, "outsider")
    agent = await author.made("/agents", {"name": "mine"})
    assert (await outsider.get(agent["href"])).json() == agent
    for method, body in (("PATCH", {"name": "his"}), ("PUT", {"name": "his"}), ("DELETE", None)):
        answer = await outsider.ask(method, agent["href"], body)
        assert (answer.status_code, "its creator" in answer.json()["reason"]) == (403, True)
    assert (await author.ask("PATCH", agent["href"], {"name": "hers"})).status_code == 200
    assert (await admin.ask("DELETE", agent["href"])).status_code == 204


async def test_only_an_administrator_makes_users_and_only_for_oneself_does_one_make_tokens(admin: Asker) -> None:
    author = await join(admin, "author")
    assert (await author.ask("POST", "/users", {"username": "x", "name": "X"})).status_code == 403
    assert (await author.ask("PATCH", f"/users/{author.id}", {"role": "admin"})).status_code == 403
    assert (await author.ask("POST", "/tokens", {"name": "x", "user_id": admin.id})).status_code == 403
    own = await author.made("/tokens", {"name": "own"})
    assert own["user_id"] == author.id
    [admins] = (await admin.get("/tokens?orderBy=created_at asc")).json()["items"][:1]
    assert (await author.get(admins["href"])).status_code == 404
    assert {item["user_id"] for item in (await author.get("/tokens")).json()["items"]} == {author.id}


async def test_a_tokens_text_is_shown_once_and_never_again(admin: Asker) -> None:
    made = await admin.made("/tokens", {"name": "x"})
    texts = [
        (await admin.get(path)).text
        for path in (
            made["href"],
            "/tokens",
            "/resource_events?size=1000",
            f"/resource_events?resource_id={made['id']}",
        )
    ]
    assert all(made["token"] not in text and "hash" not in text for text in texts)
    assert (await admin.get(made["href"])).json()["last_used_at"] is None
    await replace(admin, token=made["token"]).get("/whoami")
    assert (await admin.get(made["href"])).json()["last_used_at"] is not None
    assert (await admin.get(made["href"])).json()["version"] == 1


async def test_group_roles_decide_over_its_instances(admin: Asker) -> None:
    group = await admin.made("/groups", {"name": "builders"})
    people = {role: await join(admin, role) for role in ("viewer", "operator", "owner")}
    stranger = await join(admin, "stranger")
    for role, person in people.items():
        await admin.ask("PUT", f"/groups/{group['id']}/members/{person.id}", {"role": role})
    made = await admin.made("/compute_instances", {"name": "small", "group_id": group["id"]})
    for role, person in people.items():
        assert (await person.get(made["href"])).status_code == 200
        changed = await person.ask("PATCH", made["href"], {"description": role})
        assert changed.status_code == (403 if role == "viewer" else 200)
        posted = await person.ask("POST", "/compute_instances", {"name": role, "group_id": group["id"]})
        assert posted.status_code == (403 if role == "viewer" else 201)
        member = await person.ask("PUT", f"/groups/{group['id']}/members/{stranger.id}", {"role": "viewer"})
        assert member.status_code == (200 if role == "owner" else 403)
        assert (await admin.ask("DELETE", f"/groups/{group['id']}/members/{stranger.id}")).status_code in (200, 404)


async def test_another_groups_token_finds_nothing_and_changes_nothing(admin: Asker) -> None:
    group = await admin.made("/groups", {"name": "theirs"})
    instance = await admin.made("/compute_instances", {"name": "small", "group_id": group["id"]})
    stranger = await join(admin, "stranger")
    await stranger.made("/groups", {"name": "own"})
    missing = await stranger.get(f"/compute_instances/ci_{'0' * 27}")
    for path in (instance["href"], group["href"]):
        for method, body in (("GET", None), ("PATCH", {"name": "x"}), ("PUT", {"name": "x"}), ("DELETE", None)):
            answer = await stranger.ask(method, path, body)
            assert answer.status_code == 404
            assert answer.json().keys() == missing.json().keys()
            assert answer.json()["reason"].startswith("there is no ")
    for method, path, body in (
        ("POST", "/compute_instances", {"name": "mine", "group_id": group["id"]}),
        ("PUT", f"/groups/{group['id']}/members/{stranger.id}", {"role": "owner"}),
        ("GET", f"/groups/{group['id']}/members", None),
    ):
        assert (await stranger.ask(method, path, body)).status_code in (404, 422), path
    assert (await stranger.get(f"/resource_events?resource_id={instance['id']}")).json()["total"] == 0
    [event] = (await admin.get(f"/resource_events?resource_id={instance['id']}")).json()["items"]
    assert (await stranger.get(event["href"])).status_code == 404
    assert (await admin.get(event["href"])).json() == event


async def test_a_member_taken_out_sees_the_group_no_more(admin: Asker) -> None:
    group = await admin.made("/groups", {"name": "builders"})
    author = await join(admin, "author")
    await admin.ask("PUT", f"/groups/{group['id']}/members/{author.id}", {"role": "viewer"})
    assert (await author.get(group["href"])).status_code == 200
    assert (await admin.ask("DELETE", f"/groups/{group['id']}/members/{author.id}")).status_code == 200
    assert (await author.get(group["href"])).status_code == 404
    assert (await admin.ask("DELETE", f"/groups/{group['id']}/members/{author.id}")).status_code == 404


async def test_who_asks_too_often_is_told_how_long_to_wait_and_others_are_not_kept(app: App) -> None:
    few = replace(app, settings=replace(app.settings, rate_per_token=1.0))
    asgi: Any = application(few)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=asgi), base_url="http://mooring") as client:
        async with app.database.transaction() as tx:
            first = await users.first_admin(tx)
        assert first is not None
        admin = Asker(http=client, database=app.database, id=first[0].id, token=first[1])
        author = await join(admin, "author")
        answers = [await admin.get("/whoami") for _ in range(4)]
        assert answers[-1].status_code == 429
        assert answers[-1].json()["code"] == "mooring-34"
        assert int(answers[-1].headers["Retry-After"]) >= 1
        assert (await author.get("/whoami")).status_code == 200


@pytest.mark.slow
async def test_nobody_gets_round_the_limit_of_an_address_by_naming_another(app: App) -> None:
    limited = replace(app, settings=replace(app.settings, rate_per_address=0.1))
    async with serving(limited) as served, httpx.AsyncClient(base_url=served.url) as client:
        answers = [
            await client.get(f"{BASE}/agents", headers={"X-Forwarded-For": f"192.0.2.{number}"}) for number in range(3)
        ]
    assert [answer.status_code for answer in answers] == [401, 429, 429]
