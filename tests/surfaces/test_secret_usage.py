"""Who holds a secret is told whole, though very many runs got it since; who had it is told as far as it goes."""

import pytest

from mooring.app import App
from mooring.compute import runs
from mooring.compute.phases import RunPhase
from surfaces.machines import Machine, given, machine, over
from surfaces.people import Asker


@pytest.fixture
async def small(admin: Asker) -> Machine:
    return await machine(admin)


async def test_a_run_that_holds_a_secret_is_told_before_the_many_that_got_it_since(
    admin: Asker, app: App, small: Machine
) -> None:
    secret = await small.secret("token", "a value of a secret")
    first, second = await given(app, small), await given(app, small)
    await over(app, secret, 1_000)
    used = (await admin.get(f"/secrets/{secret['id']}/usage")).json()
    told = used["deliveries"]
    assert [one["run_id"] for one in told if one["holds"]] == [second.id, first.id]
    assert [one["run_id"] for one in told[:2]] == [second.id, first.id]
    assert (len(told), used["older_left_out"]) == (1_002, False)
    times = [one["delivered_at"] for one in told[2:]]
    assert times == sorted(times, reverse=True)


async def test_what_is_left_out_is_said_and_is_never_a_run_that_holds_it(
    admin: Asker, app: App, small: Machine
) -> None:
    secret = await small.secret("token", "a value of a secret")
    held, ended = await given(app, small), await given(app, small)
    async with app.database.transaction() as tx:
        await runs.go(tx, ended.id, RunPhase.FAILED)
    await over(app, secret, 1_000)
    used = (await admin.get(f"/secrets/{secret['id']}/usage")).json()
    named = [one["run_id"] for one in used["deliveries"]]
    assert (named[0], ended.id in named, len(named)) == (held.id, False, 1_001)
    assert used["older_left_out"] is True
    assert {one["holds"] for one in used["deliveries"][1:]} == {False}


async def test_with_more_holders_than_history_is_told_all_of_them_are_there(
    admin: Asker, app: App, small: Machine
) -> None:
    secret = await small.secret("token", "a value of a secret")
    await over(app, secret, 1_200, phase="running")
    used = (await admin.get(f"/secrets/{secret['id']}/usage")).json()
    assert ([one["holds"] for one in used["deliveries"]], used["older_left_out"]) == ([True] * 1_200, False)
