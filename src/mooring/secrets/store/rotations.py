"""The rows of rotations."""

from mooring.base.db import Tx
from mooring.secrets.entities import VaultRotation

RUNNING = "SELECT id FROM vault_rotations WHERE phase = 'running' AND deleted_at IS NULL ORDER BY created_at, id"
"""Rotations that are to be carried out."""


async def newest(tx: Tx) -> VaultRotation | None:
    """The last one that was asked for."""
    return await tx.row(
        VaultRotation,
        "SELECT id, created_at, updated_at, version, created_by_user_id, key_id, phase, done, broken, ended_at "
        "FROM vault_rotations WHERE deleted_at IS NULL ORDER BY created_at DESC, id DESC LIMIT 1",
    )
