"""The loops of secrets: look whether what was registered can be read; remove values that no row names."""

from dataclasses import dataclass
from datetime import timedelta
from typing import LiteralString

from mooring.access.actor import SYSTEM
from mooring.audit import ledger
from mooring.base.db import Database, Tx
from mooring.base.errors import MooringError, Unavailable, Unfit
from mooring.base.work import Applied, Loop, forget
from mooring.secrets import rotations, secrets
from mooring.secrets.entities import SecretPhase
from mooring.secrets.errors import NoSuchValue, VaultAway, VaultBroken, VaultRefuses
from mooring.secrets.kinds import SECRET
from mooring.secrets.live import Vaults
from mooring.secrets.store import rotations as rotation_store
from mooring.secrets.store import secrets as store

_LOOK_AGAIN = timedelta(seconds=30)
_SWEEP: LiteralString = "vault-sweep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """The work on secrets."""

    database: Database
    vaults: Vaults

    def loops(self) -> tuple[Loop, ...]:
        """The loops to give to the worker."""
        return (
            Loop(name=secrets.CHECK_LOOP, ready=store.UNLOOKED, step=self.look, wakes=("secrets",)),
            Loop(name=_SWEEP, ready=store.DUE, step=self.sweep, wakes=("vault_leftovers",)),
            Loop(
                name=rotations.LOOP,
                ready=rotation_store.RUNNING,
                step=self.rotate,
                wakes=("vault_rotations",),
                at_once=1,
            ),
        )

    async def look(self, identifier: str) -> Applied:
        """Read the value of one registered secret, once."""
        async with self.database.transaction() as tx:
            secret = await ledger.read(tx, SYSTEM, SECRET, identifier)
        try:
            await self.vaults.open(secret)
        except (NoSuchValue, VaultRefuses, VaultBroken, Unfit) as error:
            return _unread(identifier, error, SecretPhase.FAILED, timedelta(0))
        except (VaultAway, Unavailable) as error:
            return _unread(identifier, error, SecretPhase.PENDING, _LOOK_AGAIN)
        return Applied()

    async def sweep(self, identifier: str) -> Applied:
        """Remove one value that no row names."""
        vault, _, name = identifier.partition(" ")
        async with self.database.transaction() as tx:
            taken = await store.take(tx, vault, name)
        if taken:
            place = self.vaults.vault(vault)
            vault_id = await place.find(name)
            if vault_id is not None:
                await place.delete(vault_id)

        async def write(tx: Tx) -> None:
            if taken:
                await store.removed(tx, vault, name)
            await forget(tx, _SWEEP, identifier)

        return Applied(write=write)

    async def rotate(self, identifier: str) -> Applied:
        """Carry out one change of the embedded vault's key; what an earlier try did is done."""
        vault = self.vaults.with_keys()
        rewrapped = await vault.rewrap()
        return Applied(write=lambda tx: rotations.end(tx, identifier, done=rewrapped.done, broken=rewrapped.broken))


def _unread(identifier: str, error: MooringError, phase: SecretPhase, again: timedelta) -> Applied:
    async def write(tx: Tx) -> None:
        await secrets.unread(tx, identifier, error.reason, phase=phase)

    return Applied(write=write, again=again)
