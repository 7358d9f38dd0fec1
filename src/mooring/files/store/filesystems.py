"""What filesystems and their versions are asked for beyond their rows."""

from mooring.base.db import Tx
from mooring.files.entities import FilesystemVersion

IMPORTING = """
SELECT id FROM filesystems
WHERE deleted_at IS NULL AND source IS NOT NULL AND phase IN ('pending', 'importing') ORDER BY updated_at, id
"""
"""Filesystems to which a version is to come."""


async def last_number(tx: Tx, filesystem_id: str) -> int:
    """The number of the newest version, 0 where there is none yet. Deleted ones count: numbers are given once."""
    return (
        await tx.value(int, "SELECT max(number) FROM filesystem_versions WHERE filesystem_id = $1", filesystem_id) or 0
    )


async def keys(tx: Tx, filesystem_id: str) -> list[str]:
    """Every blob that a version of the filesystem names."""
    return await tx.values(
        str,
        "SELECT unnest(ARRAY[s3_archive_key, manifest_key, blocks_key]) FROM filesystem_versions "
        "WHERE filesystem_id = $1",
        filesystem_id,
    )


async def version_of(tx: Tx, filesystem_id: str, number: int) -> str | None:
    """The id of the living version with this number."""
    return await tx.value(
        str,
        "SELECT id FROM filesystem_versions WHERE filesystem_id = $1 AND number = $2 AND deleted_at IS NULL",
        filesystem_id,
        number,
    )


async def with_archive(tx: Tx, checksum: str) -> list[str]:
    """The living versions whose archive has this checksum."""
    return await tx.values(
        str,
        "SELECT id FROM filesystem_versions WHERE archive_checksum = $1 AND deleted_at IS NULL ORDER BY id",
        checksum,
    )


async def current(tx: Tx, filesystem_ids: list[str]) -> list[FilesystemVersion]:
    """The current version of each filesystem that has one."""
    return await tx.rows(
        FilesystemVersion,
        "SELECT v.id, v.created_at, v.updated_at, v.version, v.created_by_user_id, v.filesystem_id, v.number, "
        "v.parent_version_id, v.source, v.session_id, v.s3_archive_bucket, v.s3_archive_key, v.archive_checksum, "
        "v.given_checksum, v.archive_type, v.archive_size, v.uncompressed_size, v.manifest_key, v.manifest_checksum, "
        "v.blocks_key, v.blocks_checksum, v.entry_count FROM filesystem_versions v "
        "JOIN filesystems f ON f.current_version_id = v.id WHERE f.id = ANY($1)",
        filesystem_ids,
    )
