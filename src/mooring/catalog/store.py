"""The rows of the catalog that are not a kind's own matter."""

from typing import LiteralString

from mooring.base.db import Tx


async def next_position(tx: Tx, table: LiteralString, workflow_id: str) -> int:
    """The position behind the last part of a locked workflow."""
    found = await tx.value(
        int,
        f"SELECT coalesce(max(position) + 1, 0) FROM {table} WHERE workflow_id = $1 AND deleted_at IS NULL",
        workflow_id,
    )
    return found or 0
