"""Secrets by REST: kept, renewed, moved, exposed, deleted; a value comes in and never out."""

import asyncio
import base64
from typing import Any

import pytest

from mooring.access.actor import SYSTEM
from mooring.app import App
from mooring.base.db import Database
from mooring.base.errors import Unavailable
from mooring.base.hidden import Hidden
from mooring.base.work import Applied
from mooring.secrets import secrets
from mooring.secrets.loop import Secrets
from mooring.secrets.store import secrets as store
from surfaces.machines import Machine, events, machine, value_of
from surfaces.people import Asker, join
from vaults.loopback import Trouble, WorkOS, forms

CANARY = b"s3cr3t-canary-7f1c"
TEXT = CANARY.decode()


async def kept(asker: Asker, name: str = "token", **fields: object) -> dict[str, Any]:
    return await asker.made("/secrets", {"name": name, "value": TEXT, **fields})


async def actions(admin: Asker, secret: dict[str, Any]) -> list[str]:
    return [event["action"] for event in await events(admin, secret["id"])]


async def work(app: App) -> None:
    """Do what the loops of secrets would do now, once."""
    loops = Secrets(database=app.database, vaults=app.vaults)
    async with app.database.reading() as tx:
        looks, due = await tx.values(str, store.UNLOOKED), await tx.values(str, store.DUE)
    done: list[Applied] = [await loops.look(one) for one in looks] + [await loops.sweep(one) for one in due]
    for applied in done:
        if applied.write is not None:
            async with app.database.transaction() as tx:
                await applied.write(tx)


async def values_kept(database: Database) -> int:
    async with database.reading() as tx:
        return await tx.value(int, "SELECT count(*) FROM vault_values") or 0


# --- keep and read ---


async def test_a_secret_is_kept_and_its_value_is_in_no_answer(admin: Asker, app: App) -> None:
    secret = await kept(admin, description="for the registry")
    assert (secret["vault"], secret["secret_version"], secret["phase"]) == ("local", 1, "ready")
    assert secret["warnings"] == []
    for path in (f"/secrets/{secret['id']}", "/secrets", f"/resource_events?resource_id={secret['id']}"):
        answer = await admin.get(path)
        assert answer.status_code == 200
        assert all(form not in answer.content for form in forms(CANARY))
    assert await value_of(app, secret) == CANARY
    assert await actions(admin, secret) == ["secret.create"]


BYTES = (
    b"x", b"\0", b"\xff\xfe", b"line\nline\r\n", "ü\U0001f511".encode(), bytes(range(256)), b"z" * 65536,
)  # fmt: skip


async def test_any_bytes_are_kept_as_base64(admin: Asker, app: App) -> None:
    for number, content in enumerate(BYTES):
        text = base64.encodebytes(content).decode()
        secret = await admin.made("/secrets", {"name": f"bytes {number}", "value": text, "encoding": "base64"})
        assert await value_of(app, secret) == content


UNFIT: list[tuple[dict[str, object], int, str]] = [
    ({"value": ""}, 422, "1 to 65536"),
    ({"value": "z" * 65537}, 422, "1 to 65536"),
    ({"value": f"not base64 {TEXT}", "encoding": "base64"}, 422, "not base64"),
    ({}, 400, "either a value"),
    ({"value": TEXT, "vault_id": "x"}, 400, "either a value"),
    ({"value": TEXT, "vault": "elsewhere"}, 400, "vault"),
    ({"value": TEXT, "vault": "workos"}, 422, "there is no vault 'workos' here; there are: local"),
    ({"value": TEXT, "name": ""}, 400, "name"),
    ({"value": TEXT, "name": "a\nb"}, 422, "control character"),
    ({"value": 5}, 400, "value"),
    ({"value": TEXT, "secret_version": 7}, 400, "unknown field"),
]


async def test_what_cannot_be_kept_is_refused_without_being_quoted(admin: Asker, app: App) -> None:
    for body, status, says in UNFIT:
        answer = await admin.ask("POST", "/secrets", {"name": "token", **body})
        assert answer.status_code == status, answer.text
        assert says in answer.json()["reason"]
        assert TEXT not in answer.text
    await work(app)
    assert await values_kept(app.database) == 0


async def test_a_value_too_short_to_be_masked_is_kept_with_a_warning(admin: Asker) -> None:
    secret = await admin.made("/secrets", {"name": "pin", "value": "123"})
    assert "cannot be masked" in secret["warnings"][0]
    renewed = await admin.ask("POST", f"/secrets/{secret['id']}/versions", {"value": "12"})
    assert "cannot be masked" in renewed.json()["warnings"][0]


async def test_a_name_that_is_taken_is_refused_and_its_value_does_not_stay(admin: Asker, app: App) -> None:
    await kept(admin)
    answer = await admin.ask("POST", "/secrets", {"name": "token", "value": "other"})
    assert answer.status_code == 409
    await work(app)
    assert await values_kept(app.database) == 1


async def test_a_retry_with_the_same_key_keeps_one_value(admin: Asker, app: App) -> None:
    first = await admin.made("/secrets", {"name": "token", "value": TEXT}, Idempotency_Key="k1")
    again = await admin.made("/secrets", {"name": "token", "value": TEXT}, Idempotency_Key="k1")
    assert again["id"] == first["id"]
    await work(app)
    assert await values_kept(app.database) == 1
    assert await value_of(app, first) == CANARY


# --- new versions ---


async def test_a_new_value_is_a_new_version_with_one_event(admin: Asker, app: App) -> None:
    secret = await kept(admin)
    renewed = await admin.ask("POST", f"/secrets/{secret['id']}/versions", {"value": "second"}, Audit_Reason="leaked")
    assert renewed.json()["secret_version"] == 2
    assert await value_of(app, secret) == b"second"
    assert await actions(admin, secret) == ["secret.create", "secret.renew"]
    stale = await admin.ask("POST", f"/secrets/{secret['id']}/versions", {"value": "third"}, If_Match='"1"')
    assert stale.status_code == 412
    assert await value_of(app, secret) == b"second"


async def test_a_retry_of_a_new_value_under_the_same_key_is_one_version(admin: Asker, app: App) -> None:
    secret = await kept(admin)
    path = f"/secrets/{secret['id']}/versions"
    first = await admin.ask("POST", path, {"value": "second"}, Idempotency_Key="k1")
    again = await admin.ask("POST", path, {"value": "second"}, Idempotency_Key="k1")
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (first.json(), "true")
    assert (await admin.ask("POST", path, {"value": "third"}, Idempotency_Key="k1")).status_code == 422
    assert (await app.vaults.vault("local").describe(secret["vault_id"])) == "2"


async def test_of_many_new_values_at_once_each_version_has_one(admin: Asker) -> None:
    secret = await kept(admin)
    path = f"/secrets/{secret['id']}/versions"
    answers = await asyncio.gather(*(admin.ask("POST", path, {"value": f"value {n}"}) for n in range(8)))
    taken = sum(answer.status_code == 200 for answer in answers)
    assert {answer.status_code for answer in answers} <= {200, 409}
    shown = (await admin.get(f"/secrets/{secret['id']}")).json()
    assert shown["secret_version"] == 1 + taken
    assert shown["vault_version"] == str(1 + taken)


async def test_name_and_description_change_without_touching_the_value(admin: Asker, app: App) -> None:
    secret = await kept(admin)
    changed = await admin.ask("PATCH", f"/secrets/{secret['id']}", {"name": "other", "description": "d"})
    assert (changed.json()["name"], changed.json()["secret_version"]) == ("other", 1)
    for field in ("vault", "vault_id", "secret_version", "value", "registered"):
        answer = await admin.ask("PATCH", f"/secrets/{secret['id']}", {field: "x"})
        assert answer.status_code == 400
    assert await value_of(app, secret) == CANARY


# --- who may ---


async def test_a_stranger_sees_nothing_and_changes_nothing(admin: Asker, app: App) -> None:
    author, outsider = await join(admin, "author"), await join(admin, "outsider")
    secret = await kept(author)
    one = f"/secrets/{secret['id']}"
    for method, path, body in (
        ("GET", one, None), ("GET", f"{one}/usage", None), ("PATCH", one, {"name": "x"}), ("DELETE", one, None),
        ("POST", f"{one}/versions", {"value": "x"}), ("POST", f"{one}/move", {"vault": "local"}),
        ("POST", f"{one}/check", None),
    ):  # fmt: skip
        assert (await outsider.ask(method, path, body)).status_code == 404, path
    assert await value_of(app, secret) == CANARY


async def test_an_auditor_keeps_no_secret_and_leaves_nothing_in_the_vault(admin: Asker, database: Database) -> None:
    auditor = await join(admin, "aud", "auditor")
    answer = await auditor.ask("POST", "/secrets", {"name": "token", "value": TEXT})
    assert answer.status_code == 403
    assert await values_kept(database) == 0


async def test_who_was_granted_a_secret_may_use_but_not_change_it(admin: Asker, app: App) -> None:
    author, outsider = await join(admin, "author"), await join(admin, "outsider")
    secret = await kept(author)
    group = await author.made("/groups", {"name": "builders"})
    await author.ask("PUT", f"/groups/{group['id']}/members/{outsider.id}", {"role": "owner"})
    assert (await author.ask("PUT", f"/groups/{group['id']}/available_secrets/{secret['id']}")).status_code == 200
    assert (await outsider.get(f"/secrets/{secret['id']}")).status_code == 200
    for path, body in ((f"/secrets/{secret['id']}/versions", {"value": "x"}),):
        assert (await outsider.ask("POST", path, body)).status_code == 403
    assert await value_of(app, secret) == CANARY


# --- exposures ---


async def test_a_granted_secret_is_exposed_under_several_names_and_shown_with_the_instance(admin: Asker) -> None:
    secret = await kept(admin)
    small = await machine(admin)
    await small.grant(secret)
    for where in ({"expose_as_env": "TOKEN"}, {"expose_as_env": "API_TOKEN"}, {"expose_as_file": "/run/secrets/token"}):
        assert (await small.expose(secret, **where)).status_code == 201
    shown = (await admin.get(f"/compute_instances/{small.instance['id']}")).json()
    assert [one["expose_as_env"] or one["expose_as_file"] for one in shown["exposures"]] == [
        "TOKEN", "API_TOKEN", "/run/secrets/token",
    ]  # fmt: skip


async def test_what_the_group_was_not_granted_is_refused_and_recorded(admin: Asker) -> None:
    secret = await kept(admin)
    small = await machine(admin)
    answer = await small.expose(secret, expose_as_env="TOKEN")
    assert answer.status_code == 403
    assert "was not granted" in answer.json()["reason"]
    assert (await admin.get(f"/compute_instances/{small.instance['id']}")).json()["exposures"] == []
    [event] = (await admin.get(f"/resource_events?resource_id={small.instance['id']}")).json()["items"][:1]
    assert (event["action"], event["details"]["secret_id"]) == ("compute_instance.refuse", secret["id"])


async def test_another_groups_secret_is_not_there_for_who_does_not_see_it_and_that_is_recorded(admin: Asker) -> None:
    author = await join(admin, "author")
    secret = await kept(admin)
    small = await machine(author)
    answer = await small.expose(secret, expose_as_env="TOKEN")
    assert answer.status_code == 422
    assert "there is no secret" in answer.json()["reason"]
    events = (await author.get(f"/resource_events?resource_id={small.instance['id']}")).json()["items"]
    assert events[0]["action"] == "compute_instance.refuse"


RESERVED = (
    "PATH", "HOME", "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_", "MOORING_TOKEN", "MOORING_", "IFS", "BASH_ENV", "ENV",
    "PYTHONPATH", "GIT_SSH_COMMAND", "NODE_OPTIONS",
    "", "1A", "A-B", "A B", "A=B", "A\n", "Ä", "A\0", "A" * 201,
)  # fmt: skip
ELSEWHERE = (
    "/etc/passwd", "/run/secrets", "/run/secrets/", "/run/secrets/..", "/run/secrets/../x", "/run/secrets/a/../b",
    "/run/secrets//a", "run/secrets/a", "/run/secrets/a\n", "/run/secrets/.hidden", "/run/secrets/a b",
    "/run/secrets/" + "a" * 200, "",
)  # fmt: skip


async def test_reserved_and_unfit_names_are_refused(admin: Asker) -> None:
    secret = await kept(admin)
    small = await machine(admin)
    await small.grant(secret)
    both = {"expose_as_env": "A", "expose_as_file": "/run/secrets/a"}
    unfit = [{"expose_as_env": name} for name in RESERVED] + [{"expose_as_file": path} for path in ELSEWHERE]
    for where in ({}, both, *unfit):
        answer = await small.expose(secret, **where)
        assert answer.status_code in (400, 422), where
        assert "expose_as" in answer.json()["reason"], where
    assert (await admin.get(f"/compute_instances/{small.instance['id']}")).json()["exposures"] == []


async def test_a_variable_or_file_has_one_meaning_in_an_instance(admin: Asker) -> None:
    secret = await kept(admin)
    small = await machine(admin, environment={"MODE": "fast"})
    await small.grant(secret)
    assert (await small.expose(secret, expose_as_env="TOKEN")).status_code == 201
    assert (await small.expose(secret, expose_as_env="TOKEN")).status_code == 409
    assert (await small.expose(secret, expose_as_env="MODE")).status_code == 409
    assert (await small.expose(secret, expose_as_file="/run/secrets/a")).status_code == 201
    assert (await small.expose(secret, expose_as_file="/run/secrets/a/b")).status_code == 409
    one = f"/compute_instances/{small.instance['id']}"
    assert (await admin.ask("PATCH", one, {"environment": {"TOKEN": "plain"}})).status_code == 409


async def test_an_instance_does_not_carry_its_exposures_into_a_group_without_the_grant(admin: Asker) -> None:
    secret = await kept(admin)
    small = await machine(admin)
    other = await admin.made("/groups", {"name": "others"})
    await small.grant(secret)
    await small.expose(secret, expose_as_env="TOKEN")
    one = f"/compute_instances/{small.instance['id']}"
    assert (await admin.ask("PATCH", one, {"group_id": other["id"]})).status_code == 403
    await Machine(asker=admin, group=other, instance=small.instance).grant(secret)
    assert (await admin.ask("PATCH", one, {"group_id": other["id"]})).status_code == 200


async def test_a_revoked_grant_hinders_no_change_but_one_of_what_it_was_for(admin: Asker) -> None:
    secret, small = await kept(admin), await machine(admin)
    await small.grant(secret)
    exposure = (await small.expose(secret, expose_as_env="TOKEN")).json()
    await small.revoke(secret)
    one = f"/compute_instances/{small.instance['id']}"
    for patch in ({"environment": {"MODE": "fast"}}, {"description": "old", "cpus": 2}, {"name": "other"}):
        changed = await admin.ask("PATCH", one, patch)
        assert changed.status_code == 200, changed.text
    assert (await admin.ask("PATCH", one, {"environment": {"TOKEN": "plain"}})).status_code == 409
    assert (await admin.ask("PATCH", exposure["href"], {"expose_as_env": "OTHER"})).status_code == 403
    other = await admin.made("/groups", {"name": "others"})
    assert (await admin.ask("PATCH", one, {"group_id": other["id"]})).status_code == 403
    assert (await admin.ask("DELETE", exposure["href"])).status_code == 204
    assert (await admin.ask("PATCH", one, {"group_id": other["id"]})).status_code == 200


# --- git credentials ---


async def test_a_group_asks_a_host_with_a_secret_that_was_granted_to_it(admin: Asker) -> None:
    secret = await kept(admin)
    small = await machine(admin)
    one = f"/groups/{small.group['id']}"
    body = {"git_credentials": {"Git.example.org:8443": secret["id"]}}
    refused = await admin.ask("PATCH", one, body)
    assert (refused.status_code, "was not granted" in refused.json()["reason"]) == (422, True)
    await small.grant(secret)
    changed = (await admin.ask("PATCH", one, body)).json()
    assert changed["git_credentials"] == {"git.example.org:8443": secret["id"]}
    for host in ("*.example.org", "a b", "https://x", ""):
        assert (await admin.ask("PATCH", one, {"git_credentials": {host: secret["id"]}})).status_code == 422
    assert (await admin.ask("PATCH", one, {"git_credentials": {"x": "password"}})).status_code == 422
    cleared = (await admin.ask("PATCH", one, {"git_credentials": {"git.example.org:8443": None}})).json()
    assert cleared["git_credentials"] == {}
    body = {"name": "other", "git_credentials": {"git.example.org": secret["id"]}}
    assert (await admin.ask("POST", "/groups", body)).status_code == 422


async def test_a_credential_whose_grant_was_revoked_stays_named_and_so_its_secret_stays(admin: Asker) -> None:
    first, small = await kept(admin), await machine(admin)
    second = await admin.made("/secrets", {"name": "second", "value": "four and more"})
    one = f"/groups/{small.group['id']}"
    for secret in (first, second):
        await small.grant(secret)
    named = {"git.example.org": first["id"], "example.org": first["id"]}
    assert (await admin.ask("PATCH", one, {"git_credentials": named})).status_code == 200
    await small.revoke(first)
    # What was named before is in nobody's way: other hosts are added, and names changed.
    more = {"git_credentials": {"other.example.org": second["id"]}, "description": "old"}
    assert (await admin.ask("PATCH", one, more)).status_code == 200
    # But nothing new is named that is not granted.
    assert (await admin.ask("PATCH", one, {"git_credentials": {"x.example.org": first["id"]}})).status_code == 422
    refused = await admin.ask("DELETE", f"/secrets/{first['id']}")
    assert (refused.status_code, refused.json()["details"]["used_by"]) == (409, [small.group["id"]])
    assert (await admin.ask("PATCH", one, {"git_credentials": dict.fromkeys(named)})).status_code == 200
    assert (await admin.ask("DELETE", f"/secrets/{first['id']}")).status_code == 204


# --- delete ---


async def test_a_secret_in_use_stays_and_one_that_is_not_goes_with_its_value(admin: Asker, app: App) -> None:
    secret = await kept(admin)
    small = await machine(admin)
    await small.grant(secret)
    exposure = (await small.expose(secret, expose_as_env="TOKEN")).json()
    refused = await admin.ask("DELETE", f"/secrets/{secret['id']}")
    assert refused.status_code == 409
    assert small.instance["id"] in refused.json()["details"]["used_by"]
    assert (await admin.ask("DELETE", f"/instance_secret_mappings/{exposure['id']}")).status_code == 204
    assert (
        await admin.ask("DELETE", f"/groups/{small.group['id']}/available_secrets/{secret['id']}")
    ).status_code == 200
    assert (await admin.ask("DELETE", f"/secrets/{secret['id']}")).status_code == 204
    assert (await admin.get(f"/secrets/{secret['id']}")).status_code == 404
    await work(app)
    assert await values_kept(app.database) == 0
    again = await kept(admin)
    assert await value_of(app, again) == CANARY


# --- other vaults ---


async def test_a_secret_moves_there_and_back_and_leaves_nothing_behind(
    admin: Asker, both: App, workos_server: WorkOS
) -> None:
    secret = await kept(admin)
    there = (await admin.ask("POST", f"/secrets/{secret['id']}/move", {"vault": "workos"})).json()
    assert (there["vault"], there["secret_version"]) == ("workos", 1)
    assert workos_server.objects[there["vault_id"]]["name"] == secret["id"]
    assert await value_of(both, there) == CANARY
    await work(both)
    assert await values_kept(both.database) == 0
    back = (await admin.ask("POST", f"/secrets/{secret['id']}/move", {"vault": "local"})).json()
    await work(both)
    assert await value_of(both, back) == CANARY
    assert workos_server.objects == {}
    assert await actions(admin, secret) == ["secret.create", "secret.move", "secret.move"]


async def test_a_retry_of_a_move_under_the_same_key_is_one_move(admin: Asker, both: App, workos_server: WorkOS) -> None:
    secret = await kept(admin)
    path = f"/secrets/{secret['id']}/move"
    first = await admin.ask("POST", path, {"vault": "workos"}, Idempotency_Key="k1")
    again = await admin.ask("POST", path, {"vault": "workos"}, Idempotency_Key="k1")
    assert (again.status_code, again.json(), again.headers["Idempotent-Replayed"]) == (200, first.json(), "true")
    assert (await admin.ask("POST", path, {"vault": "local"}, Idempotency_Key="k1")).status_code == 422
    assert await actions(admin, secret) == ["secret.create", "secret.move"]
    await work(both)
    assert len(workos_server.objects) == 1
    assert await value_of(both, first.json()) == CANARY


async def test_a_value_whose_row_was_never_written_is_removed(admin: Asker, both: App, workos_server: WorkOS) -> None:
    workos_server.troubles = [Trouble(cut=True, done_first=True)]
    answer = await admin.ask("POST", "/secrets", {"name": "token", "value": TEXT, "vault": "workos"})
    assert answer.status_code == 503
    [made] = workos_server.objects.values()
    await work(both)
    assert len(workos_server.objects) == 1
    async with both.database.transaction() as tx:
        await store.hurry(tx, "workos", made["name"])
    await work(both)
    assert workos_server.objects == {}
    await kept(admin, vault="workos")
    assert len(workos_server.objects) == 1


@pytest.mark.usefixtures("both")
async def test_a_failing_vault_is_answered_with_503_and_none_of_its_words(admin: Asker, workos_server: WorkOS) -> None:
    workos_server.troubles = [Trouble(status=422, body=b'{"message": "%b"}' % CANARY)]
    answer = await admin.ask("POST", "/secrets", {"name": "token", "value": TEXT, "vault": "workos"})
    assert answer.status_code == 503
    assert TEXT not in answer.text
    assert (await admin.get("/secrets")).json()["total"] == 0


@pytest.mark.usefixtures("both")
async def test_a_vault_without_a_place_for_values_is_no_missing_secret(admin: Asker, workos_server: WorkOS) -> None:
    workos_server.troubles = [Trouble(status=404)]
    answer = await admin.ask("POST", "/secrets", {"name": "token", "value": TEXT, "vault": "workos"})
    assert (answer.status_code, "check its address and its mount" in answer.json()["reason"]) == (503, True)
    await kept(admin, vault="workos")


async def test_a_value_that_is_being_stored_is_left_alone_and_one_that_is_being_removed_gets_no_row(app: App) -> None:
    async with app.vaults.storing(SYSTEM, "local", Hidden(CANARY)) as stored:
        await work(app)
        assert await values_kept(app.database) == 1
        async with app.database.transaction() as tx:
            await store.hurry(tx, "local", stored.secret_id)
        # A sweep that came in between: what it removes is not named any more.
        await work(app)
        with pytest.raises(Unavailable, match="took too long"):
            async with app.database.transaction() as tx:
                await secrets.create(tx, SYSTEM, stored, {"name": "late", "description": ""})
    assert await values_kept(app.database) == 0


def theirs(server: WorkOS, value: str = "plain") -> None:
    server.objects["secret_1"] = {"id": "secret_1", "name": "x", "value": value, "context": {}, "version": "v1"}


async def test_what_lies_in_a_vault_is_registered_looked_for_and_never_removed(
    admin: Asker, both: App, workos_server: WorkOS
) -> None:
    theirs(workos_server)
    secret = await admin.made("/secrets", {"name": "theirs", "vault": "workos", "vault_id": "secret_1"})
    assert (secret["phase"], secret["vault_version"]) == ("pending", None)
    assert (await admin.ask("POST", f"/secrets/{secret['id']}/versions", {"value": "x"})).status_code == 409
    await work(both)
    shown = (await admin.get(f"/secrets/{secret['id']}")).json()
    assert (shown["phase"], shown["vault_version"], shown["secret_version"]) == ("ready", "v1", 1)
    renewed = await admin.ask("POST", f"/secrets/{secret['id']}/versions", {"value": "next"})
    assert renewed.json()["secret_version"] == 2
    assert (await admin.ask("DELETE", f"/secrets/{secret['id']}")).status_code == 204
    await work(both)
    assert workos_server.objects["secret_1"]["value"] == "next"


@pytest.mark.usefixtures("both")
async def test_one_place_in_a_vault_is_one_secret(admin: Asker, workos_server: WorkOS) -> None:
    theirs(workos_server)
    await admin.made("/secrets", {"name": "a", "vault": "workos", "vault_id": "secret_1"})
    again = await admin.ask("POST", "/secrets", {"name": "b", "vault": "workos", "vault_id": "secret_1"})
    assert again.status_code == 409


async def test_a_registered_secret_that_is_not_there_says_so_until_it_is(
    admin: Asker, both: App, workos_server: WorkOS
) -> None:
    secret = await admin.made("/secrets", {"name": "theirs", "vault": "workos", "vault_id": "secret_1"})
    await work(both)
    shown = (await admin.get(f"/secrets/{secret['id']}")).json()
    assert (shown["phase"], shown["reason"]) == ("failed", "WorkOS has no value for secret_1 (404)")
    theirs(workos_server)
    assert (await admin.ask("POST", f"/secrets/{secret['id']}/check")).json()["phase"] == "pending"
    await work(both)
    assert (await admin.get(f"/secrets/{secret['id']}")).json()["phase"] == "ready"


@pytest.mark.usefixtures("both")
async def test_a_member_registers_nothing_since_that_would_open_all_that_mooring_may_read(
    admin: Asker, workos_server: WorkOS
) -> None:
    theirs(workos_server)
    author = await join(admin, "author")
    answer = await author.ask("POST", "/secrets", {"name": "theirs", "vault": "workos", "vault_id": "secret_1"})
    assert answer.status_code == 403
    assert (await author.get("/secrets")).json()["total"] == 0


@pytest.mark.usefixtures("both")
async def test_nobody_registers_what_mooring_keeps_for_another(admin: Asker) -> None:
    secret = await kept(admin)
    for vault in ("local", "workos"):
        for vault_id in (secret["id"], f"mooring/{secret['id']}", f"mooring/{secret['id']}#value"):
            body = {"name": "mine", "vault": vault, "vault_id": vault_id}
            assert (await admin.ask("POST", "/secrets", body)).status_code == 422, body


async def test_a_value_changed_in_the_vault_itself_is_noticed_before_it_is_overwritten(
    admin: Asker, both: App, workos_server: WorkOS
) -> None:
    secret = await kept(admin, vault="workos")
    workos_server.objects[secret["vault_id"]] |= {"value": base64.b64encode(b"theirs").decode(), "version": "elsewhere"}
    answer = await admin.ask("POST", f"/secrets/{secret['id']}/versions", {"value": "mine"})
    assert answer.status_code == 409
    shown = (await admin.get(f"/secrets/{secret['id']}")).json()
    assert (shown["secret_version"], shown["vault_version"]) == (2, "elsewhere")
    assert await value_of(both, secret) == b"theirs"
    assert (await admin.ask("POST", f"/secrets/{secret['id']}/versions", {"value": "mine"})).status_code == 200
    assert await value_of(both, secret) == b"mine"
