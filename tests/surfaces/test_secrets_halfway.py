"""What is refused, races or breaks off on its way between rows and vaults: the value that counts is the one said."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from mooring.access.actor import SYSTEM
from mooring.app import App
from mooring.base.errors import Clash, Unavailable
from mooring.base.hidden import Hidden
from mooring.http.server import application
from mooring.secrets import secrets
from mooring.secrets.errors import VaultRefuses, VaultUnsure
from mooring.secrets.loop import Secrets
from mooring.secrets.store import secrets as store
from surfaces.machines import events, value_of
from surfaces.people import Asker
from vaults.loopback import Trouble, WorkOS


@pytest.fixture
async def strict(both: App, admin: Asker) -> AsyncGenerator[Asker]:
    """The administrator, where what is done with secrets and vaults needs a reason."""
    settings = replace(both.settings, reasons="secret.* vault_rotation.*")
    asgi: Any = application(replace(both, settings=settings))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=asgi), base_url="http://mooring") as client:
        yield replace(admin, http=client)


async def test_what_needs_a_reason_and_has_none_reaches_no_vault_and_makes_no_key(
    admin: Asker, strict: Asker, both: App, workos_server: WorkOS
) -> None:
    here = await admin.made("/secrets", {"name": "here", "value": "one"})
    there = await admin.made("/secrets", {"name": "there", "value": "one", "vault": "workos"})
    asked, key = len(workos_server.asked), both.vaults.with_keys().active_key
    for path, body in (
        ("/secrets", {"name": "other", "value": "one", "vault": "workos"}),
        (f"/secrets/{here['id']}/versions", {"value": "two"}),
        (f"/secrets/{there['id']}/versions", {"value": "two"}),
        (f"/secrets/{here['id']}/move", {"vault": "workos"}),
        (f"/secrets/{there['id']}/move", {"vault": "local"}),
        ("/vault_rotations", {}),
    ):
        refused = await strict.ask("POST", path, body)
        assert (refused.status_code, "Audit-Reason" in refused.json()["reason"]) == (422, True), path
    assert (len(workos_server.asked), both.vaults.with_keys().active_key) == (asked, key)
    assert await value_of(both, here) == await value_of(both, there) == b"one"
    told = await strict.ask("POST", f"/secrets/{here['id']}/versions", {"value": "two"}, Audit_Reason="it was seen")
    assert (told.status_code, await value_of(both, here)) == (200, b"two")


async def test_a_new_value_that_went_to_where_the_secret_no_longer_lies_is_refused(admin: Asker, both: App) -> None:
    secret = await admin.made("/secrets", {"name": "token", "value": "one"})
    async with both.database.reading() as tx:
        before = await secrets.to_renew(tx, SYSTEM, secret["id"])
    async with both.vaults.moving(SYSTEM, secret["id"], "workos") as (opened, kept):
        version = await both.vaults.renew(before, Hidden(b"two"))
        async with both.database.transaction() as tx:
            await secrets.moved(tx, SYSTEM, opened, kept)
    with pytest.raises(Clash, match="was moved"):
        async with both.database.transaction() as tx:
            await secrets.renewed(tx, SYSTEM, before, version)
    moved = (await admin.get(f"/secrets/{secret['id']}")).json()
    assert (moved["secret_version"], await value_of(both, moved)) == (1, b"one")
    told = [event["action"] for event in await events(admin, secret["id"])]
    assert told == ["secret.create", "secret.move"]


# --- values that nobody knows of ---


async def sweep(app: App) -> None:
    """Do what the loop that removes leftover values would do now, once."""
    async with app.database.reading() as tx:
        due = await tx.values(str, store.DUE)
    for one in due:
        applied = await Secrets(database=app.database, vaults=app.vaults).sweep(one)
        assert applied.write is not None
        async with app.database.transaction() as tx:
            await applied.write(tx)


async def noted(app: App) -> list[str]:
    """The names under which values may be left over in WorkOS."""
    async with app.database.reading() as tx:
        return await tx.values(str, "SELECT name FROM vault_leftovers WHERE vault = 'workos' ORDER BY name")


async def store_there(app: App) -> None:
    async with app.vaults.storing(SYSTEM, "workos", Hidden(b"one")):
        pass


async def test_a_value_that_comes_to_its_vault_after_all_is_removed_when_its_note_is_due(
    both: App, workos_server: WorkOS
) -> None:
    workos_server.troubles = [Trouble(status=500)]
    with pytest.raises(VaultUnsure):
        await store_there(both)
    workos_server.troubles = [Trouble(slow=True)]
    cancelled = asyncio.create_task(store_there(both))
    await asyncio.to_thread(workos_server.wait_for, 2)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    await sweep(both)
    left = await noted(both)
    for name in left:
        workos_server.objects[name] = {"id": name, "name": name, "value": "b25l", "context": {}, "version": "v1"}
    async with both.database.transaction() as tx:
        for name in left:
            await store.hurry(tx, "workos", name)
    await sweep(both)
    assert (len(left), workos_server.objects, await noted(both)) == (2, {}, [])


async def test_a_value_that_surely_did_not_come_is_not_waited_for(
    admin: Asker, both: App, workos_server: WorkOS
) -> None:
    secret = await admin.made("/secrets", {"name": "token", "value": "one"})
    for refusal in (401, 404, 429):
        workos_server.troubles = [Trouble(status=refusal)] * 4
        with pytest.raises(Unavailable) as refused:
            await store_there(both)
        assert not isinstance(refused.value, VaultUnsure)
        assert refusal == 429 or isinstance(refused.value, VaultRefuses)
        workos_server.troubles = [Trouble(status=refusal)] * 4
        assert (await admin.ask("POST", f"/secrets/{secret['id']}/move", {"vault": "workos"})).status_code == 503
        workos_server.troubles = []
        await sweep(both)
        assert await noted(both) == []
    assert (await admin.ask("POST", f"/secrets/{secret['id']}/move", {"vault": "workos"})).status_code == 200


async def test_a_move_after_one_that_did_not_end_for_sure_says_what_it_waits_for(
    admin: Asker, both: App, workos_server: WorkOS
) -> None:
    secret = await admin.made("/secrets", {"name": "token", "value": "one"})
    workos_server.troubles = [Trouble(status=500)] * 4
    assert (await admin.ask("POST", f"/secrets/{secret['id']}/move", {"vault": "workos"})).status_code == 503
    workos_server.troubles = []
    answer = await admin.ask("POST", f"/secrets/{secret['id']}/move", {"vault": "workos"})
    assert (answer.status_code, "within 10 minutes" in answer.json()["reason"]) == (409, True)
    async with both.database.transaction() as tx:
        await store.hurry(tx, "workos", secret["id"])
    await sweep(both)
    assert (await admin.ask("POST", f"/secrets/{secret['id']}/move", {"vault": "workos"})).status_code == 200
