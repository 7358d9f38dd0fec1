"""Filesystems and their versions. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType

import msgspec

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
    blocks_key: str
    blocks_checksum: str
    entry_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One entry of a version. `mtime` in seconds since 1970; `tar_offset`: where a file's content begins in the tar."""

    parent: str
    name: str
    type: str
    size: int
    mode: int
    mtime: int
    sha256: str | None
    target: str | None
    tar_offset: int | None

    @property
    def path(self) -> str:
        return f"{self.parent}/{self.name}" if self.parent else self.name


class Upload(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="upload"):
    """An archive that was sent before, by its checksum; `key` is where it lies."""

    checksum: str
    key: str


class StoredObject(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="s3"):
    """An archive that lies in a bucket; where the checksum is given, it must have it."""

    bucket: str
    key: str
    checksum: str | None = None


class Repository(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="git"):
    """The files of a commit, `URL[#ref[:path]]`."""

    repo_url: str


Source = Upload | StoredObject | Repository


class Coming(msgspec.Struct, frozen=True, kw_only=True):
    """The version that is to come: from where, in place of which, wanted by whom.

    `archive_type`: what it is on the outside, where that was said. `portable_names`: whether names that not every
    system can have are refused.
    """

    source: Source
    parent_version_id: str | None
    user_id: str | None
    archive_type: str | None = None
    portable_names: bool = False
