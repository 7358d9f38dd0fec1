"""What exposures ask of instances and grants."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mooring.base.db import Tx
from mooring.compute.entities import InstanceSecretMapping


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
