"""The vaults and the embedded one's key by REST."""

from typing import Any

from mooring.app import App
from mooring.secrets.loop import Secrets
from mooring.secrets.store import rotations
from surfaces.machines import events, value_of
from surfaces.people import Asker, join
from vaults.loopback import Trouble, WorkOS


async def carry_out(app: App) -> None:
    """Do what the loop of rotations would do now."""
    loops = Secrets(database=app.database, vaults=app.vaults)
    async with app.database.reading() as tx:
        running = await tx.values(str, rotations.RUNNING)
    for one in running:
        applied = await loops.rotate(one)
        assert applied.write is not None
        async with app.database.transaction() as tx:
            await applied.write(tx)


async def test_a_rotation_moves_every_value_to_a_new_key_and_is_recorded(admin: Asker, app: App) -> None:
    made = [await admin.made("/secrets", {"name": f"secret {n}", "value": f"value {n}"}) for n in range(5)]
    [vault] = (await admin.get("/vaults")).json()["items"]
    old = vault["keys"][0]["id"]
    assert (vault["name"], vault["first"], vault["usable"]) == ("local", True, True)
    rotation = await admin.made("/vault_rotations", {}, Audit_Reason="a key holder left")
    assert (rotation["phase"], rotation["key_id"] != old) == ("running", True)
    keys = (await admin.get("/vaults")).json()["items"][0]["keys"]
    assert keys == [
        {"id": rotation["key_id"], "active": True, "values": 0},
        {"id": old, "active": False, "values": 5},
    ]
    await carry_out(app)
    ended = (await admin.get(f"/vault_rotations/{rotation['id']}")).json()
    assert (ended["phase"], ended["done"], ended["broken"]) == ("completed", 5, [])
    assert (await admin.get("/vaults")).json()["items"][0]["keys"] == [
        {"id": rotation["key_id"], "active": True, "values": 5}
    ]
    for number, secret in enumerate(made):
        assert await value_of(app, secret) == f"value {number}".encode()
    told = await events(admin, rotation["id"])
    assert [event["action"] for event in told] == ["vault_rotation.create", "vault_rotation.end"]
    assert told[0]["reason"] == "a key holder left"


async def test_a_rotation_that_meets_a_value_that_does_not_open_fails_and_names_it(admin: Asker, app: App) -> None:
    good = await admin.made("/secrets", {"name": "good", "value": "good value"})
    bad = await admin.made("/secrets", {"name": "bad", "value": "bad value"})
    async with app.database.transaction() as tx:
        await tx.run("UPDATE vault_values SET wrapped_key = $2 WHERE vault_id = $1", bad["id"], bytes(60))
    rotation = await admin.made("/vault_rotations", {})
    await carry_out(app)
    ended = (await admin.get(f"/vault_rotations/{rotation['id']}")).json()
    assert (ended["phase"], ended["done"], ended["broken"]) == ("failed", 1, [bad["id"]])
    assert await value_of(app, good) == b"good value"


async def test_a_retry_under_the_same_key_makes_no_second_key_and_no_second_rotation(admin: Asker, app: App) -> None:
    first = await admin.ask("POST", "/vault_rotations", {}, Idempotency_Key="k1")
    active = app.vaults.with_keys().active_key
    again = await admin.ask("POST", "/vault_rotations", {}, Idempotency_Key="k1")
    assert (again.status_code, again.json(), again.headers["Idempotent-Replayed"]) == (201, first.json(), "true")
    assert app.vaults.with_keys().active_key == active == first.json()["key_id"]
    assert (await admin.get("/vault_rotations")).json()["total"] == 1


async def test_only_an_administrator_looks_after_vaults(admin: Asker) -> None:
    author = await join(admin, "author")
    assert (await author.ask("POST", "/vault_rotations", {})).status_code == 403
    [vault] = (await author.get("/vaults")).json()["items"]
    assert (vault["name"], vault["usable"], vault["keys"]) == ("local", None, None)
    rotation = await admin.made("/vault_rotations", {})
    assert (await author.get(f"/vault_rotations/{rotation['id']}")).status_code == 404
    auditor = await join(admin, "aud", "auditor")
    assert (await auditor.get(f"/vault_rotations/{rotation['id']}")).status_code == 200
    assert (await auditor.ask("POST", "/vault_rotations", {})).status_code == 403


async def test_a_vault_that_cannot_be_used_says_why(admin: Asker, app: App, workos: Any, workos_server: WorkOS) -> None:
    vaults: Any = app.vaults.vaults
    vaults["workos"] = workos
    workos_server.troubles = [Trouble(status=401)]
    local, remote = (await admin.get("/vaults")).json()["items"]
    assert (local["usable"], remote["usable"]) == (True, False)
    assert "MOORING_WORKOS_API_KEY" in remote["reason"]
