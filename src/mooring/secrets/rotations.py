"""The verbs of the embedded vault's key: a rotation is written down here and carried out by a loop."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import LiteralString

from mooring.access.actor import SYSTEM, WRITE_SCOPE, Actor, PlatformRole
from mooring.audit import ledger
from mooring.base import work
from mooring.base.db import Tx
from mooring.base.errors import Denied
from mooring.secrets.entities import RotationPhase, VaultRotation
from mooring.secrets.kinds import VAULT_ROTATION
from mooring.secrets.store import rotations as store

LOOP: LiteralString = "vault-rotations"


def require_rotation(actor: Actor) -> None:
    """Return when the actor may change the vault's key now. Raises Denied, Unfit (it has to say why)."""
    if actor.role is not PlatformRole.ADMIN or WRITE_SCOPE not in actor.scopes:
        raise Denied("you may not look after vaults; allowed: an administrator, with a token of scope 'write'")
    actor.require_reason("vault_rotation.create")


async def begin(tx: Tx, actor: Actor, key_id: str) -> VaultRotation:
    """A rotation towards the key that is active now. Raises Denied, Unfit."""
    require_rotation(actor)
    none: tuple[str, ...] = ()
    values = {"key_id": key_id, "phase": RotationPhase.RUNNING, "done": 0, "broken": none, "ended_at": None}
    return await ledger.insert(tx, actor, VAULT_ROTATION, values)


async def end(tx: Tx, rotation_id: str, *, done: int, broken: Sequence[str]) -> None:
    """The rotation was carried out; it failed where a value does not open."""
    rotation = await ledger.read(tx, SYSTEM, VAULT_ROTATION, rotation_id, lock=True)
    phase = RotationPhase.FAILED if broken else RotationPhase.COMPLETED
    changes = {"phase": phase, "done": done, "broken": tuple(broken), "ended_at": datetime.now(UTC)}
    await ledger.change(tx, SYSTEM, VAULT_ROTATION, rotation, changes, verb="end")
    await work.forget(tx, LOOP, rotation_id)


async def newest(tx: Tx) -> VaultRotation | None:
    """The last rotation that was asked for."""
    return await store.newest(tx)
