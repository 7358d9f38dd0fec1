"""The verbs of exposures: which secrets an instance's runs get, under which variables and files."""

from collections.abc import Mapping, Sequence
from typing import Any

from mooring.access.actor import Actor
from mooring.audit import ledger
from mooring.audit.verbs import Verbs
from mooring.base.db import Tx
from mooring.base.errors import Clash, Denied, Unfit
from mooring.compute.entities import ComputeInstance, InstanceSecretMapping
from mooring.compute.kinds import COMPUTE_INSTANCE, INSTANCE_SECRET_MAPPING
from mooring.compute.store import exposures as store

MOST = 100
EXPOSURES = Verbs(kind=INSTANCE_SECRET_MAPPING)


class NotGranted(Denied):
    """The instance's group may not use the secret."""


class NotSeen(Unfit):
    """Who exposes the secret does not see it: for them it is not there."""


async def create(tx: Tx, actor: Actor, values: Mapping[str, object]) -> InstanceSecretMapping:
    """A new exposure. Raises Denied, NotGranted, NotSeen, Unfit, Clash (the variable, the file)."""
    instance_id = values["compute_instance_id"]
    try:
        made = await EXPOSURES.create(tx, actor, values)
    except Unfit as error:
        if error.facts.get("field") != "secret_id":
            raise
        raise NotSeen(error.reason, **{**error.facts, "compute_instance_id": instance_id}) from error
    await _check(tx, made)
    return made


async def of(tx: Tx, instance_ids: Sequence[str]) -> dict[str, list[InstanceSecretMapping]]:
    """The exposures of instances the actor was found to see, in the order of their making."""
    found: dict[str, list[InstanceSecretMapping]] = {instance_id: [] for instance_id in instance_ids}
    for exposure in await store.of(tx, instance_ids):
        found[exposure.compute_instance_id].append(exposure)
    return found


async def refused(tx: Tx, actor: Actor, error: NotGranted | NotSeen) -> None:
    """Record that a secret was not exposed to an instance."""
    instance_id = str(error.facts["compute_instance_id"])
    details = {"secret_id": error.facts["id"], "reason": error.reason}
    await ledger.record(tx, actor, COMPUTE_INSTANCE, instance_id, "refuse", details)


async def replace(
    tx: Tx, actor: Actor, before: InstanceSecretMapping, values: Mapping[str, object]
) -> InstanceSecretMapping:
    """The locked exposure with these values; runs under way keep what they have. Raises as `create` does."""
    after = await EXPOSURES.replace(tx, actor, before, values)
    if after != before:
        await _check(tx, after)
    return after


async def check_grants(tx: Tx, instance: ComputeInstance) -> None:
    """Return when the group of an instance may use all that it exposes. Raises NotGranted."""
    for exposure in await store.of(tx, [instance.id]):
        await _granted(tx, instance.group_id, exposure)


async def check_environment(tx: Tx, instance: ComputeInstance) -> None:
    """Return when the environment of an instance sets nothing that it exposes. Raises Clash."""
    for exposure in await store.of(tx, [instance.id]):
        _not_set(exposure, instance.environment)


async def _check(tx: Tx, exposure: InstanceSecretMapping) -> None:
    place = await store.place(tx, exposure.compute_instance_id)
    await _granted(tx, place.group_id, exposure)
    _not_set(exposure, place.environment)
    beside = [other for other in await store.of(tx, [exposure.compute_instance_id]) if other.id != exposure.id]
    if len(beside) >= MOST:
        raise Unfit(f"an instance exposes at most {MOST} secrets", field="compute_instance_id")
    for other in beside:
        if _in_the_way(exposure.expose_as_file, other.expose_as_file):
            raise Clash(f"expose_as_file: {other.expose_as_file} is in the way", field="expose_as_file")


async def _granted(tx: Tx, group_id: str, exposure: InstanceSecretMapping) -> None:
    secret_id, instance_id = exposure.secret_id, exposure.compute_instance_id
    if not await store.has_secret(tx, group_id, secret_id):
        says = f"secret_id: the instance's group was not granted {secret_id}; an owner of both can grant it"
        raise NotGranted(says, field="secret_id", id=secret_id, group_id=group_id, compute_instance_id=instance_id)


def _not_set(exposure: InstanceSecretMapping, environment: Mapping[str, Any]) -> None:
    if exposure.expose_as_env in environment:
        says = (
            f"expose_as_env: the instance's environment sets {exposure.expose_as_env} already; one of the two must go"
        )
        raise Clash(says, field="expose_as_env")


def _in_the_way(one: str | None, other: str | None) -> bool:
    """Whether one file's path goes through the other."""
    if one is None or other is None:
        return False
    return one.startswith(f"{other}/") or other.startswith(f"{one}/")
