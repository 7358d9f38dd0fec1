"""The verbs of deliveries: what a run was promised, whether it may still have it, and that it got it."""

from collections.abc import Mapping, Sequence

from mooring.access.actor import SYSTEM, Permission
from mooring.audit import ledger
from mooring.audit.verbs import subject
from mooring.base.db import Tx
from mooring.base.errors import Clash, Denied, Missing
from mooring.compute.entities import Exposed
from mooring.compute.instances import INSTANCES
from mooring.compute.phases import Run
from mooring.compute.store import exposures as store
from mooring.compute.store.exposures import Delivered
from mooring.identity import users
from mooring.secrets import secrets
from mooring.secrets.entities import Secret
from mooring.secrets.kinds import SECRET


class Withheld(Denied):
    """The run does not get its secrets, now or later: it cannot go on."""


async def promise(tx: Tx, run_id: str, exposures: Sequence[Exposed], *, on_behalf_of: str | None) -> None:
    """Note what a run that was just made may get, and for whom it is made."""
    await store.promise(tx, run_id, exposures, on_behalf_of)


async def check(tx: Tx, instance_id: str | None, exposures: Sequence[Exposed]) -> None:
    """Return when every exposure's grant stands; it stands until the transaction ends. Raises Withheld."""
    wanted = sorted({exposed.secret_id for exposed in exposures})
    if not wanted:
        return
    granted = set(await store.granted(tx, instance_id, wanted))
    missing = [secret_id for secret_id in wanted if secret_id not in granted]
    if missing:
        names = ", ".join(missing)
        raise Withheld(f"the instance's group may not use {names} (any more): its grant was revoked, or it was deleted")


async def check_for(tx: Tx, user_id: str | None, instance_id: str | None, exposures: Sequence[Exposed]) -> None:
    """The same, and that the user who started it could start it now. Raises Withheld."""
    if user_id is not None:
        await _check_starter(tx, user_id, instance_id)
    await check(tx, instance_id, exposures)


async def _check_starter(tx: Tx, user_id: str, instance_id: str | None) -> None:
    try:
        starter = await users.stand(tx, user_id)
        instance = None if instance_id is None else await INSTANCES.read(tx, SYSTEM, instance_id)
    except Missing as error:
        raise Withheld(f"the user who started it, or its instance, was deleted: {error.reason}") from error
    if starter.disabled:
        raise Withheld("the user who started it is disabled")
    if instance is None:
        return
    if not starter.actor.may(Permission.OPERATE, of=await subject(tx, INSTANCES.kind, instance)):
        raise Withheld("the user who started it is no operator of its instance's group any more")


async def owed(tx: Tx, run: Run, *, lock: bool = False) -> tuple[Exposed, ...]:
    """What the run may get now. Raises Withheld; Clash when it has it already."""
    found = await store.owed(tx, run.id, lock=lock)
    assert found is not None, "a run has a link"
    if found.received:
        raise Clash("the run has its environment already; it is not given twice", run=run.id)
    await check_for(tx, found.on_behalf_of, run.compute_instance_id, found.exposures)
    return found.exposures


async def secrets_of(tx: Tx, exposures: Sequence[Exposed]) -> dict[str, Secret]:
    """The secrets that are exposed, by id."""
    wanted = sorted({exposed.secret_id for exposed in exposures})
    return {secret_id: await ledger.read(tx, SYSTEM, SECRET, secret_id) for secret_id in wanted}


async def give(tx: Tx, run: Run, opened: Mapping[str, Secret]) -> bool:
    """Record that the run gets these secrets as they were when they were read. Whether they still are so.

    Nobody changes them, and nobody takes the grants back, until the transaction ends: what is recorded is what was
    current. Raises Withheld, Clash.
    """
    exposures = await owed(tx, run, lock=True)
    await secrets.hold(tx, sorted(opened))
    now = await secrets_of(tx, exposures)
    if now.keys() != opened.keys() or any(_place(now[one]) != _place(opened[one]) for one in now):
        return False
    for secret in now.values():
        await _record(tx, run, secret, [exposed for exposed in exposures if exposed.secret_id == secret.id])
    return True


async def given(tx: Tx, run_id: str) -> list[tuple[Secret, str]]:
    """The secrets a run and those before it of its session got, each with the vault's word for the version it got.

    That is the word of the vault in which the secret lies now. Raises Missing for one that is gone, Withheld for one
    whose value that vault does not have.
    """
    found = await store.deliveries_of(tx, run_id)
    now = [(await ledger.read(tx, SYSTEM, SECRET, one.secret_id), one) for one in found]
    return [(secret, _word(secret, one)) for secret, one in now]


def _word(secret: Secret, given: Delivered) -> str:
    """The word that the vault in which the secret lies has for what was given. Raises Withheld when it has none."""
    if secret.vault_version is not None and given.secret_version == secret.secret_version:
        # A move takes the value along, and is no new version.
        return secret.vault_version
    if (given.vault, given.vault_id, given.moves) == (secret.vault, secret.vault_id, secret.moves):
        return given.vault_version
    moved = "was moved" if given.vault is not None else "may have been moved"
    raise Withheld(
        f"what holds the secret {secret.name!r} cannot be told: it got a new value and {moved} to another vault after "
        f"version {given.secret_version} was given to the run"
    )


async def _record(tx: Tx, run: Run, secret: Secret, exposures: Sequence[Exposed]) -> None:
    assert secret.vault_version is not None, "it was read"
    given = Delivered(
        secret_id=secret.id,
        secret_version=secret.secret_version,
        vault_version=secret.vault_version,
        vault=secret.vault,
        vault_id=secret.vault_id,
        moves=secret.moves,
    )
    await store.delivered(tx, run.id, given)
    details = {
        "run_id": run.id,
        "session_id": run.session_id,
        "compute_instance_id": run.compute_instance_id,
        "secret_version": secret.secret_version,
        "vault": secret.vault,
        "vault_version": secret.vault_version,
        "as": [exposed.expose_as_env or exposed.expose_as_file for exposed in exposures],
    }
    await ledger.record(tx, SYSTEM, SECRET, secret.id, "expose", details)


def _place(secret: Secret) -> tuple[str, str, str | None]:
    return secret.vault, secret.vault_id, secret.vault_version
