"""The verbs of secrets. They write rows alone; what goes to a vault goes there before them (see live.py)."""

from collections.abc import Mapping
from typing import LiteralString

from mooring.access.actor import SYSTEM, Actor, Family, Permission, PlatformRole, Subject
from mooring.audit import ledger
from mooring.audit.verbs import Verbs, require
from mooring.base import work
from mooring.base.db import Tx
from mooring.base.errors import Clash, Denied, Unavailable, Unfit
from mooring.secrets.entities import LOCAL, Kept, Secret, SecretPhase
from mooring.secrets.kinds import SECRET
from mooring.secrets.store import secrets as store

SECRETS = Verbs(kind=SECRET)
CHECK_LOOP: LiteralString = "secret-checks"

# Longer than any vault is waited for: until then the one who stores a value may still write its row.
_STORING_SECONDS = 600.0


async def reserve(tx: Tx, actor: Actor, vault: str, secret_id: str) -> None:
    """Note that a value for a secret to be comes into the vault (see `expect`). Raises Denied, Unfit."""
    actor.require(Permission.CREATE, of=Subject(family=Family.SECRET, created_by=actor.user_id))
    actor.require_reason("secret.create")
    await expect(tx, vault, secret_id)


async def expect(tx: Tx, vault: str, secret_id: str) -> None:
    """Note that a value comes into the vault, to be removed unless a row names it. Raises Clash."""
    if not await store.note(tx, vault, secret_id, seconds=_STORING_SECONDS):
        raise Clash(
            f"the vault {vault} left it open whether it took this secret before; what came of that is looked for and "
            f"removed within {_STORING_SECONDS / 60:g} minutes: move the secret then",
            vault=vault,
        )


async def create(tx: Tx, actor: Actor, kept: Kept, values: Mapping[str, object]) -> Secret:
    """The secret whose value was just kept. Raises Denied, Unfit, Clash (the name), Unavailable (it took too long)."""
    await _settle(tx, kept)
    made: dict[str, object] = {
        **values,
        "vault": kept.vault,
        "vault_id": kept.vault_id,
        "vault_version": kept.vault_version,
        "secret_version": 1,
        "registered": False,
        "moves": 0,
        "phase": SecretPhase.READY,
    }
    return await SECRETS.create(tx, actor, made, identifier=kept.secret_id)


async def register(tx: Tx, actor: Actor, values: Mapping[str, object]) -> Secret:
    """A secret whose value lies in a vault already, under `vault_id`; a loop looks whether it can be read.

    Raises Denied: Mooring's credentials open more in a vault than one member may see, so it takes an administrator.
    """
    if actor.role is not PlatformRole.ADMIN:
        raise Denied("you may not register what lies in a vault; allowed: an administrator")
    # `#value` is what a path without a key means: one place has one name.
    vault, vault_id = values["vault"], str(values["vault_id"]).removesuffix("#value")
    if vault == LOCAL:
        raise Unfit("vault: the local vault holds only what Mooring put there; give a value", field="vault")
    if any(part.startswith("sec_") for part in vault_id.replace("#", "/").split("/")):
        raise Unfit("vault_id: this is where Mooring keeps a value of its own; name another", field="vault_id")
    made: dict[str, object] = {
        **values,
        "vault_id": vault_id,
        "secret_version": 1,
        "registered": True,
        "moves": 0,
        "phase": SecretPhase.PENDING,
    }
    return await SECRETS.create(tx, actor, made)


async def to_renew(tx: Tx, actor: Actor, secret_id: str) -> Secret:
    """The secret that is about to get a new value. Raises Missing, Denied, Unfit, Clash (its value was never read)."""
    return await _to_change(tx, actor, secret_id, "secret.renew")


async def _to_change(tx: Tx, actor: Actor, secret_id: str, action: str) -> Secret:
    secret = await SECRETS.read(tx, actor, secret_id)
    await require(tx, actor, Permission.CHANGE, SECRET, secret)
    # Asked for by the event as well, but then the value is in the vault already.
    actor.require_reason(action)
    if secret.vault_version is None:
        says = f"the secret {secret.name!r} was not yet read in its vault"
        raise Clash(f"{says} ({secret.reason or 'it will be, in a moment'})", phase=secret.phase)
    return secret


async def renewed(tx: Tx, actor: Actor, before: Secret, vault_version: str) -> Secret:
    """The secret with the version its vault gave to a new value in place of `before`.

    Raises Clash when the secret lies elsewhere by now: the new value went to where it was before.
    """
    secret = await ledger.read(tx, SYSTEM, SECRET, before.id, lock=True)
    if (secret.vault, secret.vault_id) != (before.vault, before.vault_id):
        raise Clash("the secret was moved meanwhile, perhaps without its new value; try again", id=secret.id)
    if secret.vault_version != before.vault_version:
        # Who read the value in between wrote its version down; who put it there is still to be told.
        await ledger.record(tx, actor, SECRET, secret.id, "renew", {"vault_version": vault_version})
        return secret
    return await ledger.change(tx, actor, SECRET, secret, _at(secret, vault_version), verb="renew")


async def seen(tx: Tx, before: Secret, vault_version: str) -> Secret:
    """The secret with the version that was found in its vault after `before` had been read."""
    secret = await ledger.read(tx, SYSTEM, SECRET, before.id, lock=True)
    if _place(secret) != _place(before):
        return secret
    if secret.vault_version is None:
        changes = {"vault_version": vault_version, "phase": SecretPhase.READY, "reason": None}
        return await ledger.change(tx, SYSTEM, SECRET, secret, changes, verb="check")
    return await ledger.change(tx, SYSTEM, SECRET, secret, _at(secret, vault_version), verb="observe")


async def unread(tx: Tx, secret_id: str, reason: str, *, phase: SecretPhase) -> None:
    """Why a registered secret's value was not read."""
    secret = await ledger.read(tx, SYSTEM, SECRET, secret_id, lock=True)
    if secret.phase is SecretPhase.PENDING:
        await ledger.change(tx, SYSTEM, SECRET, secret, {"phase": phase, "reason": reason}, verb="check")


async def check(tx: Tx, actor: Actor, secret_id: str) -> Secret:
    """The secret, about to be looked for in its vault again. Raises Missing, Denied."""
    secret = await SECRETS.read(tx, actor, secret_id, lock=True)
    await require(tx, actor, Permission.CHANGE, SECRET, secret)
    await work.look_again(tx, CHECK_LOOP, secret_id)
    tx.hint("secrets")
    if secret.phase is SecretPhase.READY:
        return secret
    return await ledger.change(tx, actor, SECRET, secret, {"phase": SecretPhase.PENDING, "reason": None}, verb="check")


async def to_move(tx: Tx, actor: Actor, secret_id: str, vault: str) -> Secret:
    """The secret whose value is about to move into this vault. Raises Missing, Denied, Unfit, Clash."""
    secret = await _to_change(tx, actor, secret_id, "secret.move")
    if secret.vault == vault:
        raise Clash(f"the secret {secret.name!r} is in the vault {vault} already", vault=vault)
    return secret


async def moved(tx: Tx, actor: Actor, before: Secret, kept: Kept) -> Secret:
    """The secret in its new vault; the old value, where it was ours, is removed. Raises Clash when it changed."""
    await _settle(tx, kept)
    secret = await ledger.read(tx, SYSTEM, SECRET, before.id, lock=True)
    if _place(secret) != _place(before):
        raise Clash("the secret's value was changed while it was moved; try again", id=secret.id)
    changes = {
        "vault": kept.vault,
        "vault_id": kept.vault_id,
        "vault_version": kept.vault_version,
        "registered": False,
        "moves": secret.moves + 1,
    }
    if not secret.registered:
        await _discard(tx, secret.vault, secret.id)
    return await ledger.change(tx, actor, SECRET, secret, changes, verb="move")


async def delete(tx: Tx, actor: Actor, before: Secret) -> None:
    """The locked secret is there no more, and its value, where Mooring put it, is removed. Raises Denied, Clash."""
    await SECRETS.delete(tx, actor, before)
    await work.forget(tx, CHECK_LOOP, before.id)
    if not before.registered:
        await _discard(tx, before.vault, before.id)


async def discard(tx: Tx, vault: str, secret_id: str) -> None:
    """Have a value removed that no row came to name."""
    if await store.hurry(tx, vault, secret_id):
        tx.hint("vault_leftovers")


async def hold(tx: Tx, secret_ids: list[str]) -> None:
    """Keep these secrets as they are until the transaction ends."""
    await store.lock(tx, secret_ids)


async def _settle(tx: Tx, kept: Kept) -> None:
    if not await store.settle(tx, kept.vault, kept.secret_id):
        raise Unavailable(f"storing the value in the vault {kept.vault} took too long, and it was removed; try again")


async def _discard(tx: Tx, vault: str, secret_id: str) -> None:
    await store.note(tx, vault, secret_id, seconds=0)
    tx.hint("vault_leftovers")


def _place(secret: Secret) -> tuple[str, str, str | None]:
    return secret.vault, secret.vault_id, secret.vault_version


def _at(secret: Secret, vault_version: str) -> dict[str, object]:
    return {
        "vault_version": vault_version,
        "secret_version": secret.secret_version + 1,
        "phase": SecretPhase.READY,
        "reason": None,
    }
