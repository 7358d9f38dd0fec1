"""Who can use a secret, and who did: asked of groups, exposures and deliveries."""

from dataclasses import dataclass
from datetime import datetime

from mooring.base.db import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretGroup:
    """A group that may use the secret."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretExposure:
    """An instance that exposes it. `granted`: its group still may use it."""

    id: str
    compute_instance_id: str
    compute_instance: str
    group_id: str
    expose_as_env: str | None
    expose_as_file: str | None
    granted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretDelivery:
    """A run that got it. `holds`: it is not over. `vault`: where the value lay; null where that is not known."""

    run_id: str
    session_id: str | None
    compute_instance_id: str | None
    secret_version: int
    vault: str | None
    vault_version: str
    delivered_at: datetime
    phase: str
    holds: bool


async def groups(tx: Tx, secret_id: str, only: list[str] | None) -> list[SecretGroup]:
    """The groups it was granted to, by name; `only` among these."""
    return await tx.rows(
        SecretGroup,
        "SELECT g.id, g.name FROM group_secrets s JOIN groups g ON g.id = s.group_id "
        "WHERE s.secret_id = $1 AND g.deleted_at IS NULL AND ($2::text[] IS NULL OR g.id = ANY($2)) ORDER BY g.name",
        secret_id,
        only,
    )


async def exposures(tx: Tx, secret_id: str, only: list[str] | None) -> list[SecretExposure]:
    """The living exposures; those of instances of the groups `only`."""
    return await tx.rows(
        SecretExposure,
        "SELECT m.id, c.id AS compute_instance_id, c.name AS compute_instance, c.group_id, m.expose_as_env, "
        "m.expose_as_file, g.secret_id IS NOT NULL AS granted FROM instance_secret_mappings m "
        "JOIN compute_instances c ON c.id = m.compute_instance_id "
        "LEFT JOIN group_secrets g ON g.group_id = c.group_id AND g.secret_id = m.secret_id "
        "WHERE m.secret_id = $1 AND m.deleted_at IS NULL AND ($2::text[] IS NULL OR c.group_id = ANY($2)) "
        "ORDER BY c.name, m.expose_as_env, m.expose_as_file",
        secret_id,
        only,
    )


async def holders(tx: Tx, secret_id: str, only: list[str] | None) -> list[SecretDelivery]:
    """All runs that got it and are not over, the newest first; those of instances of the groups `only`."""
    return await tx.rows(
        SecretDelivery,
        "SELECT d.run_id, r.session_id, r.compute_instance_id, d.secret_version, d.vault, d.vault_version, "
        "d.delivered_at, r.phase, TRUE AS holds FROM secret_deliveries d JOIN runs r ON r.id = d.run_id "
        "LEFT JOIN compute_instances c ON c.id = r.compute_instance_id "
        "WHERE d.secret_id = $1 AND ($2::text[] IS NULL OR c.group_id = ANY($2)) AND r.ended_at IS NULL "
        "ORDER BY d.delivered_at DESC, d.run_id DESC",
        secret_id,
        only,
    )


async def former(tx: Tx, secret_id: str, only: list[str] | None, limit: int) -> list[SecretDelivery]:
    """The newest runs that got it and are over, the newest first; those of instances of the groups `only`."""
    return await tx.rows(
        SecretDelivery,
        "SELECT d.run_id, r.session_id, r.compute_instance_id, d.secret_version, d.vault, d.vault_version, "
        "d.delivered_at, r.phase, FALSE AS holds FROM secret_deliveries d JOIN runs r ON r.id = d.run_id "
        "LEFT JOIN compute_instances c ON c.id = r.compute_instance_id "
        "WHERE d.secret_id = $1 AND ($2::text[] IS NULL OR c.group_id = ANY($2)) AND r.ended_at IS NOT NULL "
        "ORDER BY d.delivered_at DESC, d.run_id DESC LIMIT $3",
        secret_id,
        only,
        limit,
    )
