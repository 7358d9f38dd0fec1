"""What secrets keep beside their rows: values that may be left over in a vault."""

from dataclasses import dataclass

from mooring.base.db import Tx

UNLOOKED = "SELECT id FROM secrets WHERE deleted_at IS NULL AND phase = 'pending' ORDER BY created_at, id"
"""Registered secrets whose value nobody has looked at."""

DUE = "SELECT vault || ' ' || name AS id FROM vault_leftovers WHERE due <= now() ORDER BY due"
"""Values to be removed from their vaults."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """A value in a vault, by the name it was stored under."""

    vault: str
    name: str


async def note(tx: Tx, vault: str, name: str, *, seconds: float) -> bool:
    """Note that a value may be left over there after so many seconds. Whether there was no such note yet."""
    return bool(
        await tx.run(
            "INSERT INTO vault_leftovers (vault, name, due) VALUES ($1, $2, now() + make_interval(secs => $3)) "
            "ON CONFLICT DO NOTHING",
            vault,
            name,
            seconds,
        )
    )


async def settle(tx: Tx, vault: str, name: str) -> bool:
    """Cross out the note: a row names the value now. Whether it still stood, and nobody removes the value."""
    return bool(await tx.run("DELETE FROM vault_leftovers WHERE vault = $1 AND name = $2 AND NOT taken", vault, name))


async def hurry(tx: Tx, vault: str, name: str) -> bool:
    """Have the value removed at once. Whether it was noted."""
    return bool(await tx.run("UPDATE vault_leftovers SET due = now() WHERE vault = $1 AND name = $2", vault, name))


async def take(tx: Tx, vault: str, name: str) -> bool:
    """Claim the removal: from here on no row comes to name the value. Whether it is still to be removed."""
    return bool(
        await tx.run(
            "UPDATE vault_leftovers SET taken = TRUE WHERE vault = $1 AND name = $2 AND (due <= now() OR taken)",
            vault,
            name,
        )
    )


async def removed(tx: Tx, vault: str, name: str) -> None:
    await tx.run("DELETE FROM vault_leftovers WHERE vault = $1 AND name = $2", vault, name)


async def lock(tx: Tx, secret_ids: list[str]) -> None:
    """Keep the secrets from any change until the transaction ends; readers and others who keep them may go on."""
    await tx.run("SELECT 1 FROM secrets WHERE id = ANY($1) ORDER BY id FOR SHARE", secret_ids)
