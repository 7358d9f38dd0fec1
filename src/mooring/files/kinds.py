"""The kinds of files, described."""

from mooring.access.rules import Family
from mooring.audit.kinds import COMMON, Kind, Use
from mooring.base import fields
from mooring.files.entities import Filesystem, FilesystemVersion

FILESYSTEM = Kind(
    name="filesystem",
    table="filesystems",
    prefix="fs",
    entity=Filesystem,
    family=Family.FILESYSTEM,
    written=("name", "description", "phase", "reason", "source", "archive_type", "current_version_id"),
    visible="""
        t.created_by_user_id = {user}
        OR EXISTS (SELECT 1 FROM group_filesystems g WHERE g.filesystem_id = t.id AND g.group_id = ANY({groups}))
    """,
    searchable=("name", "description", "phase", "archive_type", "current_version_id", *COMMON),
    parse={"name": fields.name, "description": fields.text},
    groups="SELECT group_id FROM group_filesystems WHERE filesystem_id = $1",
    used_by=(
        Use(table="compute_instances", column="filesystem_id"),
        Use(table="group_filesystems", column="filesystem_id", living="TRUE", shows="group_id"),
    ),
    parts=(("filesystem_versions", "filesystem_id"),),
)

FILESYSTEM_VERSION = Kind(
    name="filesystem_version",
    table="filesystem_versions",
    prefix="fsv",
    entity=FilesystemVersion,
    family=Family.FILESYSTEM,
    written=(
        "filesystem_id", "number", "parent_version_id", "source", "session_id", "s3_archive_bucket", "s3_archive_key",
        "archive_checksum", "given_checksum", "archive_type", "archive_size", "uncompressed_size", "manifest_key",
        "manifest_checksum", "blocks_key", "blocks_checksum", "entry_count",
    ),
    visible="""
        EXISTS (
            SELECT 1 FROM filesystems f WHERE f.id = t.filesystem_id AND (
                f.created_by_user_id = {user}
                OR EXISTS (
                    SELECT 1 FROM group_filesystems g WHERE g.filesystem_id = f.id AND g.group_id = ANY({groups})
                )
            )
        )
    """,
    searchable=(
        "filesystem_id", "number", "parent_version_id", "source", "session_id", "archive_checksum", "archive_type",
        "archive_size", "uncompressed_size", "entry_count", *COMMON,
    ),
    groups="""
        SELECT g.group_id FROM group_filesystems g JOIN filesystem_versions v ON v.filesystem_id = g.filesystem_id
        WHERE v.id = $1
    """,
    held_by="""
        SELECT f.created_by_user_id AS created_by, NULL::text AS assigned_to
        FROM filesystem_versions v JOIN filesystems f ON f.id = v.filesystem_id WHERE v.id = $1
    """,
    used_by=(
        Use(table="compute_instances", column="filesystem_version_id"),
        Use(table="filesystems", column="current_version_id"),
    ),
    label="number",
)  # fmt: skip
