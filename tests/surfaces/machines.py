"""Instances that expose secrets, and runs of them, as a control plane has them before their first byte."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from mooring.access.actor import SYSTEM
from mooring.app import App
from mooring.compute import deliveries, exposures, runs
from mooring.compute.entities import Exposed
from mooring.compute.live import Delivery
from mooring.compute.phases import Run, RunPhase
from surfaces.people import Asker


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """An instance of a group."""

    asker: Asker
    group: dict[str, Any]
    instance: dict[str, Any]

    async def grant(self, secret: dict[str, Any]) -> None:
        answer = await self.asker.ask("PUT", f"/groups/{self.group['id']}/available_secrets/{secret['id']}")
        assert answer.status_code == 200, answer.text

    async def revoke(self, secret: dict[str, Any]) -> None:
        answer = await self.asker.ask("DELETE", f"/groups/{self.group['id']}/available_secrets/{secret['id']}")
        assert answer.status_code == 200, answer.text

    async def expose(self, secret: dict[str, Any], **where: str) -> Any:
        body = {"compute_instance_id": self.instance["id"], "secret_id": secret["id"], **where}
        return await self.asker.ask("POST", "/instance_secret_mappings", body)

    async def secret(self, name: str, value: str, *, vault: str = "local", **where: str) -> dict[str, Any]:
        """A secret granted to the group and exposed; unless said otherwise as a variable of its name in capitals."""
        made = await self.asker.made("/secrets", {"name": name, "value": value, "vault": vault})
        await self.grant(made)
        exposed = await self.expose(made, **(where or {"expose_as_env": name.upper()}))
        assert exposed.status_code == 201, exposed.text
        return made

    async def run(self, app: App, *, phase: RunPhase = RunPhase.RUNNING, on_behalf_of: str | None = None) -> Run:
        """A run of the instance, promised what it exposes now; nothing of it is made anywhere."""
        async with app.database.transaction() as tx:
            run = await runs.create(
                tx, SYSTEM, place=app.place, spec={}, assignment={}, engine="anywhere", session_id=None,
                compute_instance_id=self.instance["id"],
            )  # fmt: skip
            promised = [
                Exposed(secret_id=one.secret_id, expose_as_env=one.expose_as_env, expose_as_file=one.expose_as_file)
                for one in (await exposures.of(tx, [self.instance["id"]]))[self.instance["id"]]
            ]
            await deliveries.promise(tx, run.id, promised, on_behalf_of=on_behalf_of)
            for following in (RunPhase.STARTING, RunPhase.RUNNING):
                if run.phase is not phase:
                    run = await runs.go(tx, run.id, following)
        return run


async def machine(asker: Asker, name: str = "builders", **fields: object) -> Machine:
    """A new instance of a new group."""
    group = await asker.made("/groups", {"name": name})
    instance = await asker.made("/compute_instances", {"name": "small", "group_id": group["id"], **fields})
    return Machine(asker=asker, group=group, instance=instance)


async def given(app: App, small: Machine) -> Run:
    """A run that got what its instance exposes."""
    run = await small.run(app)
    await Delivery(database=app.database, vaults=app.vaults, clock=app.clock, wait=timedelta(0)).environment(run)
    return run


async def over(app: App, secret: dict[str, Any], count: int, *, phase: str = "succeeded") -> None:
    """So many runs that got the secret after all that are there, and are over unless said otherwise."""
    async with app.database.transaction() as tx:
        await tx.run(
            "WITH made AS (INSERT INTO runs (id, engine, spec, phase, ended_at) "
            "SELECT 'run_' || lpad(n::text, 27, '0'), 'anywhere', '{}', $2, CASE WHEN $2 = 'succeeded' THEN now() END "
            "FROM generate_series(1, $3) n RETURNING id) "
            "INSERT INTO secret_deliveries (run_id, secret_id, secret_version, vault_version, delivered_at) "
            "SELECT id, $1, 1, '1', now() + right(id, 5)::int * interval '1 ms' FROM made",
            secret["id"],
            phase,
            count,
        )


async def value_of(app: App, secret: dict[str, Any]) -> bytes:
    """What lies in the vault."""
    opened = await app.vaults.vault(secret["vault"]).read(secret["vault_id"])
    return opened.value.reveal()


async def events(admin: Asker, resource_id: str) -> list[dict[str, Any]]:
    """The events of a resource, oldest first."""
    found = (await admin.get(f"/resource_events?resource_id={resource_id}&size=1000")).json()["items"]
    return list(reversed(found))
