"""What exposures ask of instances and grants."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mooring.base.db import Tx
from mooring.compute.entities import Exposed, InstanceSecretMapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What of an instance matters to its exposures."""

    group_id: str
    environment: dict[str, Any]


async def place(tx: Tx, instance_id: str) -> Place:
    """The instance of an exposure; it is there, because its exposures go with it."""
    found = await tx.row(Place, "SELECT group_id, environment FROM compute_instances WHERE id = $1", instance_id)
    assert found is not None
    return found


async def has_secret(tx: Tx, group_id: str, secret_id: str) -> bool:
    """Whether the secret was granted to the group. The grant is kept until the transaction ends."""
    return bool(
        await tx.value(
            str,
            "SELECT secret_id FROM group_secrets WHERE group_id = $1 AND secret_id = $2 FOR SHARE",
            group_id,
            secret_id,
        )
    )


async def of(tx: Tx, instance_ids: Sequence[str]) -> list[InstanceSecretMapping]:
    """The exposures of the instances, in the order of their making."""
    return await tx.rows(
        InstanceSecretMapping,
        "SELECT id, created_at, updated_at, version, created_by_user_id, compute_instance_id, secret_id, "
        "expose_as_env, expose_as_file FROM instance_secret_mappings "
        "WHERE compute_instance_id = ANY($1) AND deleted_at IS NULL "
        "ORDER BY created_at, id",
        list(instance_ids),
    )


# --- what runs get ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """What a run may get by its plan, whether it has it, and for which user it was made."""

    exposures: tuple[Exposed, ...]
    received: bool
    on_behalf_of: str | None


async def promise(tx: Tx, run_id: str, exposures: Sequence[Exposed], on_behalf_of: str | None) -> None:
    """Note what the run may get, and for whom it is made."""
    await tx.run(
        "UPDATE run_links SET exposures = $2, on_behalf_of = $3 WHERE run_id = $1",
        run_id,
        list(exposures),
        on_behalf_of,
    )


async def owed(tx: Tx, run_id: str, *, lock: bool = False) -> Owed | None:
    """What the run was promised; with `lock`, nobody else gives it out until the transaction ends."""
    if lock:
        await tx.run("SELECT 1 FROM run_links WHERE run_id = $1 FOR UPDATE", run_id)
    return await tx.row(
        Owed,
        "SELECT exposures, environment_received_at IS NOT NULL AS received, on_behalf_of "
        "FROM run_links WHERE run_id = $1",
        run_id,
    )


async def granted(tx: Tx, instance_id: str | None, secret_ids: Sequence[str]) -> list[str]:
    """Those of the secrets that the instance's group may use now; the grants are kept until the transaction ends."""
    return await tx.values(
        str,
        "SELECT g.secret_id FROM group_secrets g JOIN compute_instances c ON c.group_id = g.group_id "
        "JOIN secrets s ON s.id = g.secret_id "
        "WHERE c.id = $1 AND c.deleted_at IS NULL AND s.deleted_at IS NULL AND g.secret_id = ANY($2) "
        "ORDER BY g.secret_id FOR SHARE OF g",
        instance_id,
        list(secret_ids),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """Which version of a secret a run got, and where the value lay: in which vault, after how many moves.

    The place is null where it is not known: from before it was noted, for a secret that may have been moved by then.
    """

    secret_id: str
    secret_version: int
    vault_version: str
    vault: str | None
    vault_id: str | None
    moves: int | None


async def delivered(tx: Tx, run_id: str, given: Delivered) -> None:
    """Note which version the run got."""
    await tx.run(
        "INSERT INTO secret_deliveries (run_id, secret_id, secret_version, vault_version, vault, vault_id, moves) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (run_id, secret_id) DO UPDATE "
        "SET secret_version = excluded.secret_version, vault_version = excluded.vault_version, "
        "vault = excluded.vault, vault_id = excluded.vault_id, moves = excluded.moves, delivered_at = now()",
        run_id,
        given.secret_id,
        given.secret_version,
        given.vault_version,
        given.vault,
        given.vault_id,
        given.moves,
    )


async def deliveries_of(tx: Tx, run_id: str) -> list[Delivered]:
    """What the run got, and the runs before it whose work it went on with."""
    return await tx.rows(
        Delivered,
        "SELECT DISTINCT secret_id, secret_version, vault_version, vault, vault_id, moves FROM secret_deliveries "
        "WHERE run_id = $1 OR run_id IN "
        "(SELECT r.id FROM runs it JOIN runs r ON r.session_id = it.session_id WHERE it.id = $1) ORDER BY 1, 2, 3",
        run_id,
    )
