"""The rows of the catalog that are not a kind's own matter."""

from mooring.base.db import Tx


async def next_position_of_skill(tx: Tx, workflow_id: str) -> int:
    """The position behind the last skill of a locked workflow."""
    found = await tx.value(
        int,
        "SELECT coalesce(max(position) + 1, 0) FROM workflow_skills WHERE workflow_id = $1 AND deleted_at IS NULL",
        workflow_id,
    )
    return found or 0


async def next_position_of_task(tx: Tx, workflow_id: str) -> int:
    """The position behind the last task of a locked workflow."""
    found = await tx.value(
        int,
        "SELECT coalesce(max(position) + 1, 0) FROM workflow_tasks WHERE workflow_id = $1 AND deleted_at IS NULL",
        workflow_id,
    )
    return found or 0
