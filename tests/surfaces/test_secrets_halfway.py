"""What is refused, races or breaks off on its way between rows and vaults: the value that counts is the one said."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from mooring.access.actor import SYSTEM
from mooring.app import App
from mooring.base.errors import Clash
from mooring.base.hidden import Hidden
from mooring.http.server import application
from mooring.secrets import secrets
from surfaces.machines import events, value_of
from surfaces.people import Asker
from vaults.loopback import WorkOS


@pytest.fixture
def both(app: App, workos: Any) -> App:
    """The process with WorkOS beside its own vault."""
    vaults: Any = app.vaults.vaults
    vaults["workos"] = workos
    return app


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
