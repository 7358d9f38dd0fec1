"""What a run's link gives out: secrets whose grants stand, once, to the run alone, as they are at that moment."""

import asyncio
import base64
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from mooring.access.actor import SYSTEM
from mooring.app import App
from mooring.compute import runs, token
from mooring.compute.deliveries import Withheld
from mooring.compute.drivers.base import Observed, RunSpec, State
from mooring.compute.live import Delivery
from mooring.compute.loop import Runs
from mooring.compute.phases import Run, RunPhase
from mooring.http.runner_link import link_application
from surfaces.machines import Machine, events, machine
from surfaces.people import Asker, join
from surfaces.test_pausing_by_rest import run_of, running
from vaults.loopback import Trouble, WorkOS

CANARY = "s3cr3t-canary-7f1c"


@dataclass
class SetClock:
    """A clock that is set by hand."""

    at: datetime

    def now(self) -> datetime:
        return self.at


class Anywhere:
    """An engine whose runs reach the link over a network: there the token is all there is. It makes nothing."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def list(self) -> list[Any]:
        return []

    async def ensure(self, spec: RunSpec) -> Observed:
        self.asked.append(spec.run)
        return Observed(run=spec.run, spec_hash="", state=State.RUNNING, reference="")


@pytest.fixture
async def link(app: App) -> AsyncGenerator[httpx.AsyncClient]:
    drivers: Any = dict.fromkeys(("anywhere", "local"), Anywhere())
    asgi: Any = link_application(replace(app, drivers=drivers))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=asgi), base_url="http://link/link/v1") as client:
        yield client


@pytest.fixture
async def small(admin: Asker) -> Machine:
    return await machine(admin)


async def asked(link: httpx.AsyncClient, app: App, run: Run, what: str = "environment") -> httpx.Response:
    bearer = {"Authorization": f"Bearer {token.make(app.link_key, run.id)}"}
    if what == "received":
        return await link.post("/environment/received", headers=bearer)
    return await link.get(f"/{what}", headers=bearer)


def variables(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 200, answer.text
    return {name: base64.b64decode(text).decode() for name, text in answer.json()["variables"].items()}


async def refusals(admin: Asker, run: Run) -> list[str]:
    return [one["details"]["reason"] for one in await events(admin, run.id) if one["action"] == "run.refuse"]


async def exposed(admin: Asker, secret: dict[str, Any]) -> list[dict[str, Any]]:
    return [one["details"] for one in await events(admin, secret["id"]) if one["action"] == "secret.expose"]


async def test_a_run_gets_its_secrets_until_it_has_them(
    admin: Asker, app: App, small: Machine, link: httpx.AsyncClient
) -> None:
    secret = await small.secret("token", CANARY)
    run = await small.run(app)
    for _ in range(2):
        assert variables(await asked(link, app, run)) == {"TOKEN": CANARY}
    assert (await asked(link, app, run, "received")).status_code == 204
    again = await asked(link, app, run)
    assert again.status_code == 409
    assert CANARY not in again.text
    told = await exposed(admin, secret)
    assert [(one["run_id"], one["secret_version"], one["vault_version"]) for one in told] == [(run.id, 1, "1")] * 2
    assert await refusals(admin, run) == ["it asked for its secrets again after it had received them"]


async def test_two_runs_of_one_instance_do_not_wait_for_each_other(
    app: App, small: Machine, link: httpx.AsyncClient
) -> None:
    await small.secret("token", CANARY)
    started = [await small.run(app) for _ in range(5)]
    answers = await asyncio.gather(*(asked(link, app, run) for run in started))
    assert all(variables(answer) == {"TOKEN": CANARY} for answer in answers)


async def test_an_ended_runs_token_opens_nothing_and_its_use_is_recorded(
    admin: Asker, app: App, small: Machine, link: httpx.AsyncClient
) -> None:
    secret = await small.secret("token", CANARY)
    run = await small.run(app)
    async with app.database.transaction() as tx:
        await runs.go(tx, run.id, RunPhase.FAILED, reason="it was killed")
    assert (await asked(link, app, run)).status_code == 401
    assert await refusals(admin, run) == ["its token was used after its end"]
    assert await exposed(admin, secret) == []


async def test_a_token_that_is_not_the_runs_own_opens_nothing_and_its_use_is_recorded(
    admin: Asker, app: App, small: Machine, link: httpx.AsyncClient
) -> None:
    secret = await small.secret("token", CANARY)
    mine, other = await small.run(app), await small.run(app)
    proof = token.make(app.link_key, mine.id).rpartition("_")[2]
    forged = f"mrr_{other.id.removeprefix('run_')}_{proof}"
    for text in (forged, forged[:-1], f"{forged}0", "mrr_x_y", "", token.make(bytes(32), other.id)):
        answer = await link.get("/environment", headers={"Authorization": f"Bearer {text}"})
        assert answer.status_code == 401
    assert await refusals(admin, other) == ["a token that is not its own was used in its name"]
    assert await refusals(admin, mine) == []
    assert await exposed(admin, secret) == []


async def test_a_grant_taken_back_after_the_start_withholds_everything(
    admin: Asker, app: App, small: Machine, link: httpx.AsyncClient
) -> None:
    secret, other = await small.secret("token", CANARY), await small.secret("other", "other value")
    run = await small.run(app)
    await small.revoke(secret)
    answer = await asked(link, app, run)
    assert answer.status_code == 403
    assert secret["id"] in answer.json()["reason"]
    assert other["id"] not in answer.json()["reason"]
    assert await exposed(admin, secret) + await exposed(admin, other) == []
    assert await refusals(admin, run) == [answer.json()["reason"]]


async def test_a_grant_taken_back_between_two_requests_withholds_the_second(
    app: App, small: Machine, link: httpx.AsyncClient
) -> None:
    secret = await small.secret("token", CANARY)
    run = await small.run(app)
    assert variables(await asked(link, app, run)) == {"TOKEN": CANARY}
    await small.revoke(secret)
    assert (await asked(link, app, run)).status_code == 403


async def test_a_deleted_secret_is_withheld_though_the_plan_names_it(
    app: App, admin: Asker, small: Machine, link: httpx.AsyncClient
) -> None:
    secret = await small.secret("token", CANARY)
    run = await small.run(app)
    [mapping] = (await admin.get(f"/compute_instances/{small.instance['id']}")).json()["exposures"]
    assert (await admin.ask("DELETE", f"/instance_secret_mappings/{mapping['id']}")).status_code == 204
    await small.revoke(secret)
    assert (await admin.ask("DELETE", f"/secrets/{secret['id']}")).status_code == 204
    assert (await asked(link, app, run)).status_code == 403


async def test_a_disabled_users_run_gets_nothing(
    admin: Asker, app: App, small: Machine, link: httpx.AsyncClient
) -> None:
    secret = await small.secret("token", CANARY)
    author = await joined(admin, small)
    run = await small.run(app, on_behalf_of=author.id)
    assert (await admin.ask("POST", f"/users/{author.id}/disable")).status_code == 200
    answer = await asked(link, app, run)
    assert (answer.status_code, answer.json()["reason"]) == (403, "the user who started it is disabled")
    assert await exposed(admin, secret) == []
    assert (await admin.ask("POST", f"/users/{author.id}/enable")).status_code == 200
    assert variables(await asked(link, app, run)) == {"TOKEN": CANARY}


async def joined(admin: Asker, small: Machine, role: str = "operator") -> Asker:
    """A member of the machine's group."""
    author = await join(admin, "author")
    await put_into_group(admin, small, author, role)
    return author


async def put_into_group(admin: Asker, small: Machine, author: Asker, role: str) -> None:
    answer = await admin.ask("PUT", f"/groups/{small.group['id']}/members/{author.id}", {"role": role})
    assert answer.status_code == 200, answer.text


async def test_the_run_of_who_left_the_group_or_only_watches_there_gets_nothing(
    admin: Asker, app: App, small: Machine, link: httpx.AsyncClient
) -> None:
    secret = await small.secret("token", CANARY)
    author = await joined(admin, small)
    run, starting = [
        await small.run(app, on_behalf_of=author.id, phase=one) for one in (RunPhase.RUNNING, RunPhase.STARTING)
    ]
    left = "the user who started it is no operator of its instance's group any more"
    await put_into_group(admin, small, author, "viewer")
    answer = await asked(link, app, run)
    assert (answer.status_code, answer.json()["reason"]) == (403, left)
    await admin.ask("DELETE", f"/groups/{small.group['id']}/members/{author.id}")
    assert (await asked(link, app, run)).status_code == 403
    assert await stepped(app, starting) == ("failed", left, [])
    assert await refusals(admin, run) == [left]
    assert await exposed(admin, secret) == []
    await admin.ask("PATCH", f"/users/{author.id}", {"role": "admin"})
    assert variables(await asked(link, app, run)) == {"TOKEN": CANARY}


async def test_what_may_not_have_its_secrets_is_not_even_made(admin: Asker, app: App, small: Machine) -> None:
    secret = await small.secret("token", CANARY)
    author = await joined(admin, small)
    good = await small.run(app, phase=RunPhase.STARTING)
    disabled = await small.run(app, phase=RunPhase.STARTING, on_behalf_of=author.id)
    await admin.ask("POST", f"/users/{author.id}/disable")
    assert await stepped(app, good) == ("running", None, [good.id])
    assert await stepped(app, disabled) == ("failed", "the user who started it is disabled", [])
    revoked = await small.run(app, phase=RunPhase.STARTING)
    await small.revoke(secret)
    phase, reason, made = await stepped(app, revoked)
    assert (phase, made) == ("failed", [])
    assert secret["id"] in str(reason)
    assert await refusals(admin, revoked) == [reason]


async def stepped(app: App, run: Run) -> tuple[str, str | None, list[str]]:
    """What the loop of runs makes of it: its phase, the reason, and what the engine was asked to make."""
    anywhere, none = Anywhere(), timedelta(0)
    drivers: Any = {"anywhere": anywhere}
    async with asyncio.TaskGroup() as tasks:
        loop = Runs(
            database=app.database, drivers=drivers, link_key=app.link_key, grace=none, at_once=1, tasks=tasks,
            cache=app.cache,
        )  # fmt: skip
        applied = await loop.step(run.id)
        assert applied.write is not None
        async with app.database.transaction() as tx:
            await applied.write(tx)
            now = await runs.RUNS.read(tx, SYSTEM, run.id)
    return now.phase, now.reason, anywhere.asked


async def test_what_a_run_sends_is_not_taken_once_it_is_over(admin: Asker, app: App, link: httpx.AsyncClient) -> None:
    for method, path, body in (
        ("POST", "/events", b'{"events": [{"seq": 1, "at": 1.0, "type": "log", "data": {"text": "late"}}]}'),
        ("PUT", "/artifacts/late", b"late"),
        ("POST", "/exit", b'{"outcome": "succeeded"}'),
    ):
        run = await run_of(admin, await running(admin, name=path))

        async def content(run: Run = run, body: bytes = body) -> AsyncGenerator[bytes]:
            yield body[:2]
            async with app.database.transaction() as tx:
                await runs.go(tx, run.id, RunPhase.FAILED)
            yield body[2:]

        bearer = {"Authorization": f"Bearer {token.make(app.link_key, run.id)}"}
        answer = await link.request(method, path, content=content(), headers=bearer)
        assert (answer.status_code, "over" in answer.json()["reason"]) == (401, True), path
        assert await refusals(admin, run) == ["its token was used after its end"]


async def test_the_usage_of_a_secret_names_groups_exposures_and_the_runs_that_hold_it(
    admin: Asker, app: App, small: Machine, link: httpx.AsyncClient
) -> None:
    secret = await small.secret("token", CANARY)
    first, second = await small.run(app), await small.run(app)
    await asked(link, app, first)
    await admin.ask("POST", f"/secrets/{secret['id']}/versions", {"value": "second"})
    await asked(link, app, second)
    async with app.database.transaction() as tx:
        await runs.go(tx, first.id, RunPhase.FAILED)
    used = (await admin.get(f"/secrets/{secret['id']}/usage")).json()
    assert [group["name"] for group in used["groups"]] == ["builders"]
    assert [(one["compute_instance"], one["expose_as_env"], one["granted"]) for one in used["exposures"]] == [
        ("small", "TOKEN", True)
    ]
    assert [(one["run_id"], one["secret_version"], one["holds"]) for one in used["deliveries"]] == [
        (second.id, 2, True),
        (first.id, 1, False),
    ]
    await small.revoke(secret)
    used = (await admin.get(f"/secrets/{secret['id']}/usage")).json()
    assert (used["groups"], used["exposures"][0]["granted"]) == ([], False)


async def test_who_was_granted_a_secret_sees_the_usage_of_their_own_groups_alone(
    admin: Asker, app: App, small: Machine, link: httpx.AsyncClient
) -> None:
    secret = await small.secret("token", CANARY)
    await asked(link, app, await small.run(app))
    author = await join(admin, "author")
    other = await machine(admin, "others")
    await admin.ask("PUT", f"/groups/{other.group['id']}/members/{author.id}", {"role": "viewer"})
    await other.grant(secret)
    used = (await author.get(f"/secrets/{secret['id']}/usage")).json()
    assert ([group["name"] for group in used["groups"]], used["exposures"], used["deliveries"]) == (["others"], [], [])


# --- vaults that are away ---


def delivery(app: App, clock: SetClock) -> Delivery:
    return Delivery(database=app.database, vaults=app.vaults, clock=clock, wait=timedelta(seconds=60))


async def test_a_run_waits_while_the_vault_is_away_then_fails_with_that_reason(
    admin: Asker, both: App, small: Machine, workos_server: WorkOS, link: httpx.AsyncClient
) -> None:
    secret = await small.secret("token", CANARY, vault="workos")
    run = await small.run(both)
    workos_server.troubles = [Trouble(status=503)] * 50
    waiting = await asked(link, both, run)
    assert waiting.status_code == 503
    clock = SetClock(datetime.now(UTC) + timedelta(seconds=61))
    with pytest.raises(Exception, match=r"the secret 'token' could not be read for 60 s: WorkOS failed \(503\)"):
        await delivery(both, clock).environment(run)
    workos_server.troubles.clear()
    next_run = await small.run(both)
    assert variables(await asked(link, both, next_run)) == {"TOKEN": CANARY}
    assert [one["run_id"] for one in await exposed(admin, secret)] == [next_run.id]


async def test_a_vault_that_refuses_us_is_waited_for_as_well(
    both: App, small: Machine, workos_server: WorkOS, link: httpx.AsyncClient
) -> None:
    await small.secret("token", CANARY, vault="workos")
    run = await small.run(both)
    workos_server.troubles = [Trouble(status=401)]
    assert (await asked(link, both, run)).status_code == 503
    assert variables(await asked(link, both, run)) == {"TOKEN": CANARY}


async def test_a_value_that_is_gone_fails_the_run_at_once(
    both: App, small: Machine, workos_server: WorkOS, link: httpx.AsyncClient
) -> None:
    await small.secret("token", CANARY, vault="workos")
    run = await small.run(both)
    workos_server.objects.clear()
    answer = await asked(link, both, run)
    assert answer.status_code == 403
    assert "cannot be read" in answer.json()["reason"]


async def test_a_value_changed_in_the_vault_itself_is_counted_before_it_is_given(
    admin: Asker, both: App, small: Machine, workos_server: WorkOS, link: httpx.AsyncClient
) -> None:
    secret = await small.secret("token", CANARY, vault="workos")
    theirs = base64.b64encode(b"theirs").decode()
    workos_server.objects[secret["vault_id"]] |= {"value": theirs, "version": "elsewhere"}
    assert variables(await asked(link, both, await small.run(both))) == {"TOKEN": "theirs"}
    [told] = await exposed(admin, secret)
    assert (told["secret_version"], told["vault_version"]) == (2, "elsewhere")
    shown = (await admin.get(f"/secrets/{secret['id']}")).json()
    assert (shown["secret_version"], shown["vault_version"]) == (2, "elsewhere")


async def test_what_a_run_got_can_be_told_in_files_after_it_was_rotated(
    admin: Asker, app: App, small: Machine, link: httpx.AsyncClient
) -> None:
    secret = await small.secret("token", CANARY)
    run = await small.run(app)
    await asked(link, app, run)
    await admin.ask("POST", f"/secrets/{secret['id']}/versions", {"value": "second value"})
    found = await delivery(app, SetClock(datetime.now(UTC))).given(run)
    assert [(one.name, one.value.reveal()) for one in found] == [("token", CANARY.encode())]


async def test_what_cannot_be_told_any_more_is_withheld(
    admin: Asker, both: App, small: Machine, link: httpx.AsyncClient
) -> None:
    secret = await small.secret("token", CANARY, vault="workos")
    run = await small.run(both)
    await asked(link, both, run)
    await admin.ask("POST", f"/secrets/{secret['id']}/versions", {"value": "second value"})
    with pytest.raises(Withheld, match="cannot be told"):
        await delivery(both, SetClock(datetime.now(UTC))).given(run)


# --- rotated while runs start ---


async def _rotated_while_runs_start(
    admin: Asker, app: App, small: Machine, link: httpx.AsyncClient, *, vault: str, versions: int, starts: int
) -> None:
    secret = await small.secret("token", "value 1", vault=vault)
    one = f"/secrets/{secret['id']}"

    async def rotate() -> None:
        for number in range(2, versions + 1):
            answer = await admin.ask("POST", f"{one}/versions", {"value": f"value {number}"})
            assert answer.status_code in (200, 409), answer.text

    async def start() -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for _ in range(starts):
            run = await small.run(app)
            answer = await asked(link, app, run)
            assert answer.status_code in (200, 503), answer.text
            if answer.status_code == 200:
                found.append((run.id, variables(answer)["TOKEN"]))
        return found

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(rotate())
        starting = [tasks.create_task(start()) for _ in range(4)]
    given = [task.result() for task in starting]
    told = {one["run_id"]: one["secret_version"] for one in await exposed(admin, secret)}
    # Every version has one value: which is which is in the vault's history, and in the record's order.
    current = 1
    for event in await events(admin, secret["id"]):
        if event["action"] in ("secret.renew", "secret.observe") and "after" in event["details"]:
            current = event["details"]["after"]["secret_version"]
        if event["action"] == "secret.expose":
            assert event["details"]["secret_version"] == current
    of_version: dict[int, set[str]] = {}
    for run_id, value in [pair for pairs in given for pair in pairs]:
        of_version.setdefault(told[run_id], set()).add(value)
    assert sum(len(pairs) for pairs in given) > starts
    assert all(len(values) == 1 for values in of_version.values()), of_version


@pytest.mark.parametrize("vault", ["local", "workos"])
async def test_rotated_while_runs_start_each_gets_the_version_that_is_recorded(
    admin: Asker, both: App, small: Machine, link: httpx.AsyncClient, vault: str
) -> None:
    await _rotated_while_runs_start(admin, both, small, link, vault=vault, versions=15, starts=4)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("vault", ["local", "workos"])
async def test_rotated_many_times_while_many_runs_start_each_gets_the_version_that_is_recorded(
    admin: Asker, both: App, small: Machine, link: httpx.AsyncClient, vault: str
) -> None:
    await _rotated_while_runs_start(admin, both, small, link, vault=vault, versions=200, starts=100)
