"""The record over HTTP: how far it is sealed, whether it is whole, taken out."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest

from mooring.app import App
from mooring.audit import sequence
from mooring.audit.archiving import Archiver
from mooring.audit.sealing import Sealer
from mooring.base.db import connect
from mooring.base.errors import Unfit
from mooring.base.hints import Hints
from mooring.base.postgres import EmbeddedPostgres
from mooring.http.server import application
from mooring.settings import Settings
from surfaces.people import Asker, join


async def test_what_is_to_have_a_reason_is_refused_without_one(app: App, admin: Asker) -> None:
    strict = replace(app, settings=replace(app.settings, reasons="agent.update *.delete group.*"))
    asgi: Any = application(strict)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=asgi), base_url="http://mooring") as client:
        asker = replace(admin, http=client)
        agent = await asker.made("/agents", {"name": "a"})
        skill = await asker.made("/skills", {"name": "s"})
        group = await asker.made("/groups", {"name": "g"}, Audit_Reason="a start")
        refusals: tuple[tuple[str, str, object], ...] = (
            ("PATCH", agent["href"], {"name": "b"}),
            ("DELETE", skill["href"], None),
            ("POST", "/groups", {"name": "h"}),
            ("PUT", f"/groups/{group['id']}/members/{admin.id}", {"role": "viewer"}),
        )
        for method, path, body in refusals:
            refused = await asker.ask(method, path, body)
            assert (refused.status_code, "Audit-Reason" in refused.json()["reason"]) == (422, True), path
            assert (await asker.ask(method, path, body, Audit_Reason="so be it")).status_code < 300
        # What changes nothing needs no reason.
        assert (await asker.ask("PATCH", agent["href"], {"name": "b"})).status_code == 200


def test_a_pattern_no_action_could_match_is_refused() -> None:
    with pytest.raises(Unfit, match="MOORING_REASONS"):
        replace(Settings(), reasons="Secret!").reasons_wanted  # noqa: B018 - read for its refusal


async def test_administrators_and_auditors_verify_and_export_and_nobody_else(app: App, admin: Asker) -> None:
    author, watcher = await join(admin, "author"), await join(admin, "watcher", role="auditor")
    async with app.database.transaction() as tx:
        count = await sequence.number(tx)
    sealer = Sealer(database=app.database, key=app.seal_key, outside=app.seals, clock=app.clock)
    await sealer.step()
    for asker in (admin, watcher):
        state = (await asker.get("/record")).json()
        assert (state["sealed_to"], state["key"]) == (count, app.seal_key.public.hex())
        verdict = (await asker.ask("POST", "/record/verify")).json()
        assert (verdict["intact"], verdict["sealed_to"], verdict["finding"]) == (True, count, None)
        lines = (await asker.get("/record/export")).text.splitlines()
        assert [msgspec.json.decode(line)["number"] for line in lines] == list(range(1, count + 1))
        rest = (await asker.get(f"/record/export?after={count - 1}")).text.splitlines()
        assert rest == lines[-1:]
        assert (await asker.get(f"/record/export?after={2**63 - 2}")).text == ""
        assert (await asker.get(f"/record/export?after={2**63 - 1}")).status_code == 400
    # What was moved to the object store is exported just the same.
    whole = (await admin.get("/record/export")).text
    no_time = timedelta(0)
    archiver = Archiver(database=app.database, key=app.seal_key, shelf=app.seals, clock=app.clock, keeps=no_time)
    assert await archiver.step()
    assert (await admin.get("/record/export")).text == whole
    assert (await admin.get("/record")).json()["archived_to"] == count
    assert (await admin.ask("POST", "/record/verify")).json()["intact"] is True
    for method, path in (("GET", "/record"), ("POST", "/record/verify"), ("GET", "/record/export")):
        assert (await author.ask(method, path)).status_code == 403


async def test_an_export_that_begins_where_events_were_removed_is_refused(
    app: App, admin: Asker, postgres: EmbeddedPostgres
) -> None:
    async with app.database.transaction() as tx:
        await sequence.number(tx)
    superuser = await connect(postgres.url("postgres", "mooring"), hints=Hints(), most=1)
    async with superuser.transaction() as tx:
        await tx.script("SET LOCAL session_replication_role = replica")
        await tx.run("DELETE FROM resource_events WHERE seq = (SELECT seq FROM event_numbers WHERE number = 1)")
    await superuser.close()
    refused = await admin.get("/record/export")
    assert (refused.status_code, "the event 1 is neither" in refused.json()["reason"]) == (503, True)
    assert (await admin.get("/record/export?after=1")).status_code == 200
