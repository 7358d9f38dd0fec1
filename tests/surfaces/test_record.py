"""The record over HTTP: how far it is sealed, whether it is whole, taken out."""

import msgspec

from mooring.app import App
from mooring.audit import sequence
from mooring.audit.sealing import Sealer
from surfaces.people import Asker, join


async def test_administrators_and_auditors_verify_and_export_and_nobody_else(app: App, admin: Asker) -> None:
    mia, eve = await join(admin, "mia"), await join(admin, "eve", role="auditor")
    async with app.database.transaction() as tx:
        count = await sequence.number(tx)
    sealer = Sealer(database=app.database, key=app.seal_key, outside=app.seals, clock=app.clock)
    await sealer.step()
    for asker in (admin, eve):
        state = (await asker.get("/record")).json()
        assert (state["sealed_to"], state["key"]) == (count, app.seal_key.public.hex())
        verdict = (await asker.ask("POST", "/record/verify")).json()
        assert (verdict["intact"], verdict["sealed_to"], verdict["finding"]) == (True, count, None)
        lines = (await asker.get("/record/export")).text.splitlines()
        assert [msgspec.json.decode(line)["number"] for line in lines] == list(range(1, count + 1))
        rest = (await asker.get(f"/record/export?after={count - 1}")).text.splitlines()
        assert rest == lines[-1:]
    for method, path in (("GET", "/record"), ("POST", "/record/verify"), ("GET", "/record/export")):
        assert (await mia.ask(method, path)).status_code == 403
