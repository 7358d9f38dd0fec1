"""What a run got is told in files by that value, whatever came of the secret since: rotated, moved, moved back."""

from datetime import timedelta
from typing import Any

import pytest

from mooring.app import App
from mooring.compute.deliveries import Withheld
from mooring.compute.live import Delivery
from mooring.compute.phases import Run
from mooring.secrets.loop import Secrets
from mooring.secrets.store import secrets as store
from surfaces.machines import Machine, events, given, machine
from surfaces.people import Asker

OLD, NEW = "s3cr3t-canary-7f1c", "another-value-9a2b"


@pytest.fixture
async def small(admin: Asker) -> Machine:
    return await machine(admin)


def delivery(app: App) -> Delivery:
    return Delivery(database=app.database, vaults=app.vaults, clock=app.clock, wait=timedelta(0))


async def renewed(admin: Asker, secret: dict[str, Any], value: str = NEW) -> None:
    answer = await admin.ask("POST", f"/secrets/{secret['id']}/versions", {"value": value})
    assert answer.status_code == 200, answer.text


async def moved(admin: Asker, app: App, secret: dict[str, Any], vault: str) -> None:
    """The value in the other vault, and where it was before there is nothing left."""
    answer = await admin.ask("POST", f"/secrets/{secret['id']}/move", {"vault": vault})
    assert answer.status_code == 200, answer.text
    loops = Secrets(database=app.database, vaults=app.vaults)
    async with app.database.reading() as tx:
        due = await tx.values(str, store.DUE)
    for one in due:
        applied = await loops.sweep(one)
        assert applied.write is not None
        async with app.database.transaction() as tx:
            await applied.write(tx)


async def tells(app: App, run: Run, value: str) -> bool:
    """Whether a file with this value would be known to hold what the run got."""
    found = await delivery(app).given(run)
    return value.encode() in {one.value.reveal() for one in found}


async def test_what_was_rotated_and_then_moved_cannot_be_told_any_more(admin: Asker, both: App, small: Machine) -> None:
    secret = await small.secret("token", OLD)
    run = await given(both, small)
    await renewed(admin, secret)
    await moved(admin, both, secret, "workos")
    says = "the secret 'token' cannot be told: it got a new value and was moved to another vault after version 1 was"
    with pytest.raises(Withheld, match=says):
        await delivery(both).given(run)
    # Who comes now gets the new value, and that can be told.
    assert await tells(both, await given(both, small), NEW)


async def test_a_version_that_was_counted_anew_after_the_way_back_is_not_taken_for_the_one_before(
    admin: Asker, both: App, small: Machine
) -> None:
    secret = await small.secret("token", OLD)
    run = await given(both, small)
    await renewed(admin, secret)
    await moved(admin, both, secret, "workos")
    await moved(admin, both, secret, "local")
    shown = (await admin.get(f"/secrets/{secret['id']}")).json()
    assert (shown["vault"], shown["vault_id"], shown["vault_version"]) == ("local", secret["id"], "1")
    with pytest.raises(Withheld, match="cannot be told"):
        await delivery(both).given(run)


async def test_a_move_takes_the_value_along_so_it_can_be_told_still(admin: Asker, both: App, small: Machine) -> None:
    secret = await small.secret("token", OLD)
    run = await given(both, small)
    await moved(admin, both, secret, "workos")
    assert await tells(both, run, OLD)
    await moved(admin, both, secret, "local")
    assert await tells(both, run, OLD)


async def test_what_was_given_after_a_move_is_told_after_a_rotation(admin: Asker, both: App, small: Machine) -> None:
    secret = await small.secret("token", "the value before", vault="workos")
    await renewed(admin, secret, OLD)
    await moved(admin, both, secret, "local")
    run = await given(both, small)
    await renewed(admin, secret)
    assert await tells(both, run, OLD)
    assert not await tells(both, run, NEW)


async def test_of_a_delivery_without_a_place_only_the_current_version_can_be_told(
    admin: Asker, both: App, small: Machine
) -> None:
    secret = await small.secret("token", OLD)
    run = await given(both, small)
    async with both.database.transaction() as tx:
        await tx.run("UPDATE secret_deliveries SET vault = NULL, vault_id = NULL, moves = NULL")
    assert await tells(both, run, OLD)
    await renewed(admin, secret)
    with pytest.raises(Withheld, match="may have been moved"):
        await delivery(both).given(run)


async def test_the_record_and_the_usage_say_in_which_vault_the_version_lay(
    admin: Asker, both: App, small: Machine
) -> None:
    secret = await small.secret("token", OLD)
    await given(both, small)
    await moved(admin, both, secret, "workos")
    await given(both, small)
    told = [one["details"] for one in await events(admin, secret["id"]) if one["action"] == "secret.expose"]
    used = (await admin.get(f"/secrets/{secret['id']}/usage")).json()["deliveries"]
    assert [one["vault"] for one in told] == ["local", "workos"]
    assert [one["vault"] for one in used] == ["workos", "local"]
