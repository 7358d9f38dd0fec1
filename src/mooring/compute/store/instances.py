"""What instances ask of the grants and versions."""

from mooring.base.db import Tx


async def has_filesystem(tx: Tx, group_id: str, filesystem_id: str) -> bool:
    """Whether the filesystem was granted to the group."""
    return bool(
        await tx.value(
            bool,
            "SELECT EXISTS (SELECT 1 FROM group_filesystems WHERE group_id = $1 AND filesystem_id = $2)",
            group_id,
            filesystem_id,
        )
    )


async def is_version(tx: Tx, filesystem_id: str, version_id: str) -> bool:
    """Whether the version is one of the filesystem's."""
    return bool(
        await tx.value(
            bool,
            "SELECT EXISTS (SELECT 1 FROM filesystem_versions WHERE filesystem_id = $1 AND id = $2)",
            filesystem_id,
            version_id,
        )
    )


async def group_of(tx: Tx, instance_id: str) -> str | None:
    """The group of an instance, also of one that was deleted since; None where there was none."""
    return await tx.value(str, "SELECT group_id FROM compute_instances WHERE id = $1", instance_id)
