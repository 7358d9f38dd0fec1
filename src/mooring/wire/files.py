"""Filesystems, their versions and what lies in them, as they are sent."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from mooring.wire.base import Id, Name, Prompt, RepoUrl, Resource

ArchiveType = Literal["tar.gz", "zip", "tar.zst", "tar"]
FilesystemPhase = Literal["pending", "importing", "ready", "failed"]
EntryType = Literal["file", "directory", "symlink"]
Checksum = Annotated[
    str,
    Meta(
        pattern="^sha256:[0-9a-f]{64}$",
        examples=["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    ),
]
Bucket = Annotated[str, Meta(min_length=1, max_length=255)]
Key = Annotated[str, Meta(min_length=1, max_length=1024)]


class UploadSource(Struct, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="upload"):
    """An archive that was sent with `PUT /uploads/{checksum}`."""

    checksum: Checksum


class ObjectSource(Struct, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="s3"):
    """An archive that lies in a bucket the server may import from; it must have the checksum where one is given."""

    bucket: Bucket
    key: Key
    checksum: Checksum | None = None


class GitSource(Struct, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="git"):
    """The files of a commit."""

    repo_url: RepoUrl


Source = UploadSource | ObjectSource | GitSource


class NewFilesystem(Struct, kw_only=True, forbid_unknown_fields=True):
    """A filesystem to be; with a `source`, its first version is made at once.

    `archive_type`: what the archive must be; null takes any. `portable_names`: refuse names not every system can have.
    """

    name: Name
    description: Prompt = ""
    source: Source | None = None
    archive_type: ArchiveType | None = None
    portable_names: bool = False


class EditFilesystem(Struct, kw_only=True, forbid_unknown_fields=True):
    """What of a filesystem can change without a new version."""

    name: Name
    description: Prompt = ""


class NewFilesystemVersion(Struct, kw_only=True, forbid_unknown_fields=True):
    """A version to be, made in place of `parent_version_id` (null: it is the first)."""

    source: Source
    parent_version_id: Id | None
    archive_type: ArchiveType | None = None
    portable_names: bool = False


class Filesystem(Resource, kw_only=True):
    """A tree of files. The archive's fields are those of the current version, null while there is none.

    `source` is where the next version comes from while one is on its way; `reason` says why one did not come.
    """

    name: str
    description: str
    phase: FilesystemPhase
    reason: str | None
    source: Source | None
    current_version_id: Id | None
    current_version_number: int | None
    s3_archive_bucket: str | None
    s3_archive_key: str | None
    archive_checksum: str | None
    archive_type: str
    archive_size: int | None
    uncompressed_size: int | None
    uncompressed_size_mb: int | None
    entry_count: int | None


class FilesystemVersion(Resource, kw_only=True):
    """One state of a filesystem, for ever. `given_checksum` is that of the archive it was made from. Sizes in bytes."""

    filesystem_id: Id
    number: int
    parent_version_id: Id | None
    source: Literal["upload", "import", "session"]
    session_id: Id | None
    s3_archive_bucket: str
    s3_archive_key: str
    archive_checksum: str
    given_checksum: str | None
    archive_type: str
    archive_size: int
    uncompressed_size: int
    manifest_checksum: str
    entry_count: int


class Upload(Struct, kw_only=True):
    """An archive that was sent, and stays for a day for the version to be made from it. Size in bytes."""

    kind: str
    href: str
    checksum: str
    size: int


class FilesystemEntry(Struct, kw_only=True):
    """One entry. `mtime` in seconds since 1970; `target` is where a symlink leads."""

    path: str
    name: str
    type: EntryType
    size: int
    mode: int
    mtime: int
    sha256: str | None
    target: str | None


class FilesystemEntryList(Struct, kw_only=True):
    """A page of what lies in a directory, or below it; `next` goes on."""

    kind: str
    version_id: Id
    path: str
    items: list[FilesystemEntry]
    next: str | None = None


class FilesystemChange(Struct, kw_only=True):
    """What became of one path."""

    path: str
    change: Literal["added", "removed", "changed"]
    before: FilesystemEntry | None
    after: FilesystemEntry | None


class FilesystemDiff(Struct, kw_only=True):
    """A page of what differs between two versions, times left aside; `next` goes on."""

    kind: str
    from_version_id: Id
    to_version_id: Id
    items: list[FilesystemChange]
    next: str | None = None


VersionName = Annotated[
    str, Meta(min_length=1, max_length=64, description="A version's id or number; the current one when it is left out")
]
PathInside = Annotated[str, Meta(max_length=4_096, description="A path inside; empty is the root")]
After = Annotated[str, Meta(max_length=16_000, description="`next` of the page before")]
Most = Annotated[int, Meta(ge=1, le=1_000, description="At most this many")]


class EntriesQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which entries: those of a directory, or with `recursive` all below it; `search` keeps paths that hold a text."""

    path: PathInside = ""
    recursive: Annotated[bool, Meta(description="All that lies below, not only in the directory")] = False
    search: Annotated[str, Meta(max_length=500, description="In any case; looks at any depth")] = ""
    version: VersionName | None = None
    after: After | None = None
    size: Most = 100


class ContentQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which file."""

    path: PathInside
    version: VersionName | None = None


class VersionQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which version."""

    version: VersionName | None = None


class ArchiveQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which version, and in which form."""

    version: VersionName | None = None
    format: Annotated[Literal["tar.gz", "zip"], Meta(description="As it is stored, or made into a zip")] = "tar.gz"


class DiffQuery(Struct, kw_only=True, forbid_unknown_fields=True, rename={"older": "from", "newer": "to"}):
    """Which two versions; `to` is the current one when it is left out."""

    older: Annotated[str, Meta(min_length=1, max_length=64, description="A version's id or number")]
    newer: VersionName | None = None
    after: After | None = None
    size: Most = 100
