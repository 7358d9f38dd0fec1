"""Filesystems and their versions. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType

FilesystemId = NewType("FilesystemId", str)
FilesystemVersionId = NewType("FilesystemVersionId", str)


class FilesystemPhase(StrEnum):
    PENDING = "pending"
    IMPORTING = "importing"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filesystem:
    """A tree of files with versions. `source` is where the next version is to come from, while one is to come."""

    id: FilesystemId
    created_at: datetime
    updated_at: datetime
    version: int
    created_by_user_id: str | None
    name: str
    description: str
    phase: FilesystemPhase
    reason: str | None
    source: dict[str, Any] | None
    archive_type: str
    current_version_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesystemVersion:
    """One state of a filesystem, never changed. Sizes in bytes; `number` counts from 1 in its filesystem."""

    id: FilesystemVersionId
    created_at: datetime
    updated_at: datetime
    version: int
    created_by_user_id: str | None
    filesystem_id: str
    number: int
    parent_version_id: str | None
    source: str
    session_id: str | None
    s3_archive_bucket: str
    s3_archive_key: str
    archive_checksum: str
    given_checksum: str | None
    archive_type: str
    archive_size: int
    uncompressed_size: int
    manifest_key: str
    manifest_checksum: str
    entry_count: int
