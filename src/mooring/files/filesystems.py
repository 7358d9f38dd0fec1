"""The verbs of filesystems. They write rows alone; archives are fetched, looked at and stored by the loop (loop.py)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString

import msgspec

from mooring.access.actor import SYSTEM, Actor, Family, Permission, PlatformRole, Subject
from mooring.audit import ledger
from mooring.audit.verbs import Verbs, require
from mooring.base import giturl, work
from mooring.base.db import Tx
from mooring.base.errors import Clash, Missing, Unavailable, Unfit
from mooring.base.ids import is_id, raw
from mooring.files.blobs.base import fetchable
from mooring.files.entities import (
    Coming,
    Filesystem,
    FilesystemPhase,
    FilesystemVersion,
    Repository,
    StoredObject,
    Upload,
)
from mooring.files.kinds import FILESYSTEM, FILESYSTEM_VERSION
from mooring.files.store import blobs, entries
from mooring.files.store import filesystems as store

FILESYSTEMS = Verbs(kind=FILESYSTEM)
VERSIONS = Verbs(kind=FILESYSTEM_VERSION)
LOOP: LiteralString = "filesystem-imports"

# An upload stays this long for the version that is to be made from it, and for one who sends it again.
UPLOAD_SECONDS = 24 * 3600.0
_SHA256 = "sha256:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An archive that lies in the store, and its manifest among the rows: all a version says of itself."""

    version_id: str
    bucket: str
    archive_key: str
    archive_checksum: str
    archive_size: int
    given_checksum: str | None
    uncompressed_size: int
    manifest_key: str
    manifest_checksum: str
    blocks_key: str
    blocks_checksum: str
    entry_count: int
    # Names that other systems cannot have: how many, and the first of them with what is wrong with each.
    warned: int
    warnings: Sequence[str]


def upload_key(user_id: str | None, checksum: str) -> str:
    """Where an upload lies: everyone sees their own alone. Raises Unfit (no checksum)."""
    digest = checksum.removeprefix(_SHA256)
    if len(digest) != 64 or digest.strip("0123456789abcdef"):  # noqa: PLR2004 - the digits of a SHA-256
        raise Unfit(f"checksum: {checksum[:80]!r} is no sha256:<64 lower-case hexadecimal digits>", field="checksum")
    owner = raw(user_id).hex() if user_id else "system"
    return f"uploads/{owner}/{digest}"


def may_send(actor: Actor) -> None:
    """Return when the actor may send archives. Raises Denied."""
    actor.require(Permission.CREATE, of=Subject(family=Family.FILESYSTEM, created_by=actor.user_id))


async def expect_upload(tx: Tx, key: str) -> None:
    """An upload is about to be stored. Raises Unavailable (an older one is just being removed)."""
    if not await blobs.note(tx, key, seconds=UPLOAD_SECONDS):
        raise Unavailable("an older upload of the same bytes is just being removed; try again")


async def uploaded(tx: Tx, key: str, size: int) -> None:
    """The upload is whole. Raises Unavailable (an older one of the same bytes was removed, and this one with it)."""
    if not await blobs.whole(tx, key, size, seconds=UPLOAD_SECONDS):
        raise Unavailable("the same bytes were removed while these came; send it again")


async def upload_size(tx: Tx, key: str) -> int | None:
    """The size of a whole upload; None where there is none."""
    return await blobs.size(tx, key)


async def create(tx: Tx, actor: Actor, values: Mapping[str, object], coming: Coming | None) -> Filesystem:
    """A new filesystem; with `coming`, its first version is on its way. Raises Denied, Clash, Unfit."""
    if coming is not None:
        await _check(tx, coming)
    made: dict[str, object] = {
        **values,
        "phase": FilesystemPhase.PENDING,
        "source": None if coming is None else msgspec.to_builtins(coming),
        "archive_type": "tar.gz",
    }
    return await FILESYSTEMS.create(tx, actor, made)


async def want(tx: Tx, actor: Actor, filesystem_id: str, coming: Coming) -> Filesystem:
    """The locked filesystem, a version of it on its way. Raises Missing, Denied, Unfit, Clash (it has moved on)."""
    before = await FILESYSTEMS.read(tx, actor, filesystem_id, lock=True)
    await require(tx, actor, Permission.CHANGE, FILESYSTEM, before)
    await _check(tx, coming)
    _check_parent(before, coming)
    if before.source is not None:
        raise _on_its_way(msgspec.convert(before.source, Coming), coming)
    changes = {"phase": FilesystemPhase.PENDING, "source": msgspec.to_builtins(coming), "reason": None}
    return await ledger.change(tx, actor, FILESYSTEM, before, changes, verb="want")


async def begin(tx: Tx, filesystem_id: str) -> None:
    """The import is under way."""
    before = await ledger.read(tx, SYSTEM, FILESYSTEM, filesystem_id, lock=True)
    if before.phase is FilesystemPhase.PENDING:
        await ledger.change(tx, SYSTEM, FILESYSTEM, before, {"phase": FilesystemPhase.IMPORTING}, verb="import")


async def finish(tx: Tx, filesystem_id: str, coming: Coming, stored: Stored) -> None:
    """The archive becomes the filesystem's current version, if that still is what is wanted.

    Raises Unavailable when the stored bytes were just removed: they are to be stored again.
    """
    before = await _still(tx, filesystem_id, coming)
    if before is None:
        return
    try:
        _check_parent(before, coming)
    except Clash as error:
        await _end(tx, before, error.reason, {})
        return
    if not await _name(tx, stored):
        raise Unavailable("what was stored was removed meanwhile; it will be stored again")
    actor = Actor(user_id=coming.user_id, role=PlatformRole.ADMIN)
    number = await store.last_number(tx, filesystem_id) + 1
    origin = _Origin(
        source="upload" if isinstance(coming.source, Upload) else "import", parent_version_id=coming.parent_version_id
    )
    made = await _version(tx, actor, before, origin, stored, number)
    changes = {"phase": FilesystemPhase.READY, "reason": None, "source": None, "current_version_id": made.id}
    await ledger.change(tx, actor, FILESYSTEM, before, changes, verb="ready")
    if isinstance(coming.source, Upload):
        await blobs.release(tx, [coming.source.key], seconds=0)


async def captured(
    tx: Tx, parent: FilesystemVersion, stored: Stored, *, user_id: str | None, session_id: str
) -> tuple[FilesystemVersion, bool]:
    """The version that a session made after `parent`; and whether it is the current one now.

    Where the filesystem moved on meanwhile, it is kept as a version beside the current one. Raises Missing,
    Unavailable.
    """
    before = await ledger.read(tx, SYSTEM, FILESYSTEM, parent.filesystem_id, lock=True)
    if not await _name(tx, stored):
        raise Unavailable("what was captured was removed from the store meanwhile")
    actor = Actor(user_id=user_id, role=PlatformRole.ADMIN)
    number = await store.last_number(tx, before.id) + 1
    origin = _Origin(source="session", parent_version_id=parent.id, session_id=session_id)
    made = await _version(tx, actor, before, origin, stored, number)
    current = before.current_version_id == parent.id and before.source is None
    if current:
        await ledger.change(tx, actor, FILESYSTEM, before, {"current_version_id": made.id}, verb="capture")
    return made, current


async def fail(
    tx: Tx, filesystem_id: str, coming: Coming, reason: str, facts: Mapping[str, object], *, verb: LiteralString
) -> None:
    """The version does not come; the current one, where there is one, stays."""
    before = await _still(tx, filesystem_id, coming)
    if before is not None:
        await _end(tx, before, reason, facts, verb=verb)


async def doubt(tx: Tx, coming: Coming) -> None:
    """What was kept of a source is not what it was: an upload is to be sent again."""
    if isinstance(coming.source, Upload):
        await blobs.doubt(tx, coming.source.key)


async def give_up(tx: Tx, filesystem_id: str, reason: str) -> None:
    """The version that is on its way does not come: making it broke in a way nobody foresaw."""
    try:
        before = await ledger.read(tx, SYSTEM, FILESYSTEM, filesystem_id, lock=True)
    except Missing:
        return
    if before.source is not None:
        await work.forget(tx, LOOP, filesystem_id)
        await _end(tx, before, f"the import was given up, {reason}; the log of `moor work` says more", {})


async def delay(tx: Tx, filesystem_id: str, coming: Coming, reason: str) -> None:
    """The version comes later: why."""
    before = await _still(tx, filesystem_id, coming)
    if before is not None:
        await ledger.change(tx, SYSTEM, FILESYSTEM, before, {"reason": reason}, verb="delay")


async def delete(tx: Tx, actor: Actor, before: Filesystem, *, grace: float) -> None:
    """The locked filesystem is there no more, nor its versions; their bytes are removed after `grace` seconds.

    Raises Denied, Clash with the list of what uses it.
    """
    await FILESYSTEMS.delete(tx, actor, before)
    await work.forget(tx, LOOP, before.id)
    await blobs.release(tx, await store.keys(tx, before.id), seconds=grace)
    await entries.release(tx, before.id, seconds=grace)


async def version(tx: Tx, actor: Actor, filesystem_id: str, named: str | None) -> FilesystemVersion:
    """A version of a filesystem the actor sees: by its id or its number; None is the current one. Raises Missing."""
    filesystem = await FILESYSTEMS.read(tx, actor, filesystem_id)
    if named is None:
        if filesystem.current_version_id is None:
            says = f"the filesystem {filesystem.name!r} is {filesystem.phase} and has no version yet"
            raise Missing(says + (f": {filesystem.reason}" if filesystem.reason else ""), id=filesystem_id)
        return await VERSIONS.read(tx, actor, filesystem.current_version_id)
    identifier = named if is_id(named, "fsv") else await _numbered(tx, filesystem_id, named)
    found = await VERSIONS.read(tx, actor, identifier)
    if found.filesystem_id != filesystem_id:
        raise Missing(f"{named} is no version of {filesystem.name!r}", id=named)
    return found


async def version_by_id(tx: Tx, version_id: str) -> FilesystemVersion:
    """A version, for a run that was allowed it. Raises Missing."""
    return await ledger.read(tx, SYSTEM, FILESYSTEM_VERSION, version_id)


async def damaged(tx: Tx, version: FilesystemVersion, difference: str) -> None:
    """Record that the stored bytes of a version are not what they were."""
    details = {"difference": difference, "archive_checksum": version.archive_checksum}
    await ledger.record(tx, SYSTEM, FILESYSTEM_VERSION, version.id, "damaged", details)


async def current(tx: Tx, filesystem_ids: list[str]) -> dict[str, FilesystemVersion]:
    """The current version of each filesystem that has one."""
    return {found.filesystem_id: found for found in await store.current(tx, filesystem_ids)}


# --- the steps ---


async def _numbered(tx: Tx, filesystem_id: str, named: str) -> str:
    digits = named.removeprefix("v")
    number = int(digits) if digits.isdecimal() and digits.isascii() and len(digits) < 10 else 0  # noqa: PLR2004
    found = await store.version_of(tx, filesystem_id, number)
    if found is None:
        raise Missing(f"there is no version {named[:80]!r} of this filesystem", id=named[:80])
    return found


async def _check(tx: Tx, coming: Coming) -> None:
    """Return when the source can be meant. Raises Unfit, naming the field."""
    match coming.source:
        case Upload(checksum=checksum, key=key):
            if not await blobs.hold(tx, key):
                says = f"source: nothing was sent with the checksum {checksum}; PUT it to /uploads/{checksum} first"
                raise Unfit(says, field="source.checksum")
        case StoredObject(key=key, checksum=checksum):
            fetchable(key, field="source.key")
            if checksum is not None:
                upload_key(None, checksum)
        case Repository(repo_url=url):
            # Whether file: URLs may be used is asked where it is fetched.
            giturl.parse(url, field="source.repo_url", allow_file=True)


def _check_parent(filesystem: Filesystem, coming: Coming) -> None:
    if filesystem.current_version_id == coming.parent_version_id:
        return
    now, given = filesystem.current_version_id, coming.parent_version_id
    says = f"the current version is {_called(now)}, not {_called(given)}; pull it and decide anew"
    raise Clash(says, parent_version_id=given, current_version_id=now)


def _on_its_way(first: Coming, refused: Coming) -> Clash:
    """What is said to who asks for a version while another one is on its way: both, so that each is recognised."""
    says = (
        f"another version is on its way, {_told(first)}, wanted by {first.user_id or 'Mooring itself'}; refused is the "
        f"one {_told(refused)}: wait for the other, then pull it and decide anew"
    )
    return Clash(
        says,
        parent_version_id=refused.parent_version_id,
        refused=msgspec.to_builtins(refused),
        coming=msgspec.to_builtins(first),
    )


def _told(coming: Coming) -> str:
    match coming.source:
        case Upload(checksum=checksum):
            source = f"the upload {checksum}"
        case StoredObject(bucket=bucket, key=key):
            source = f"the object {key!r} of the bucket {bucket!r}"
        case Repository(repo_url=url):
            source = f"the repository {url}"
    return f"from {source}, made from {coming.parent_version_id or 'no version'}"


def _called(version_id: str | None) -> str:
    return version_id or "none yet"


async def _still(tx: Tx, filesystem_id: str, coming: Coming) -> Filesystem | None:
    """The locked filesystem, if this version is still the one that is to come."""
    try:
        before = await ledger.read(tx, SYSTEM, FILESYSTEM, filesystem_id, lock=True)
    except Missing:
        return None
    return before if before.source == msgspec.to_builtins(coming) else None


async def _end(
    tx: Tx, before: Filesystem, reason: str, facts: Mapping[str, object], *, verb: LiteralString = "fail"
) -> None:
    phase = FilesystemPhase.READY if before.current_version_id else FilesystemPhase.FAILED
    changes = {"phase": phase, "reason": reason, "source": None}
    await ledger.change(tx, SYSTEM, FILESYSTEM, before, changes, verb=verb, details=dict(facts) or None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Origin:
    """Where a version comes from."""

    source: str
    parent_version_id: str | None
    session_id: str | None = None


async def _name(tx: Tx, stored: Stored) -> bool:
    """A version is about to name what was stored. False when some of it is being removed."""
    keys = [stored.archive_key, stored.manifest_key, stored.blocks_key]
    return await blobs.name(tx, keys) and await entries.keep(tx, stored.version_id)


async def _version(
    tx: Tx, actor: Actor, filesystem: Filesystem, origin: _Origin, stored: Stored, number: int
) -> FilesystemVersion:
    values = {
        "filesystem_id": filesystem.id,
        "number": number,
        "parent_version_id": origin.parent_version_id,
        "source": origin.source,
        "session_id": origin.session_id,
        "s3_archive_bucket": stored.bucket,
        "s3_archive_key": stored.archive_key,
        "archive_checksum": stored.archive_checksum,
        "given_checksum": stored.given_checksum,
        "archive_type": "tar.gz",
        "archive_size": stored.archive_size,
        "uncompressed_size": stored.uncompressed_size,
        "manifest_key": stored.manifest_key,
        "manifest_checksum": stored.manifest_checksum,
        "blocks_key": stored.blocks_key,
        "blocks_checksum": stored.blocks_checksum,
        "entry_count": stored.entry_count,
    }
    details = {"warned": stored.warned, "warnings": stored.warnings} if stored.warned else None
    return await ledger.insert(tx, actor, FILESYSTEM_VERSION, values, details=details, identifier=stored.version_id)
