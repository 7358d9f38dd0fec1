"""Routes of filesystems: the kind, its versions, how they come to be, what lies in them."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from mooring.access.actor import Actor
from mooring.base.db import Tx
from mooring.base.errors import Missing, Unfit
from mooring.base.page import Order, cursor, opened
from mooring.files import browse, filesystems
from mooring.files.entities import Coming, Filesystem, FilesystemVersion, Repository, Row, StoredObject, Upload
from mooring.http.call import Call
from mooring.http.errors import BadRequest
from mooring.http.keys import streamed
from mooring.http.listing import envelope, href, list_type, page_of
from mooring.http.resource import Resource, action, routes
from mooring.http.route import Answer, Route
from mooring.wire import files as wire
from mooring.wire.base import ListQuery

_MIB = 1 << 20


async def _current(tx: Tx, _: Actor, rows: Sequence[Filesystem]) -> list[dict[str, object]]:
    found = await filesystems.current(tx, [row.id for row in rows])
    return [_archive(row, found.get(row.id)) for row in rows]


def _archive(row: Filesystem, version: FilesystemVersion | None) -> dict[str, object]:
    coming = None if row.source is None else msgspec.convert(row.source, Coming)
    told: dict[str, object] = {"source": None if coming is None else _source(coming)}
    for name in ("s3_archive_bucket", "s3_archive_key", "archive_checksum", "archive_size", "uncompressed_size"):
        told[name] = None if version is None else getattr(version, name)
    return told | {
        "entry_count": None if version is None else version.entry_count,
        "current_version_number": None if version is None else version.number,
        "uncompressed_size_mb": None if version is None else -(-version.uncompressed_size // _MIB),
    }


def _source(coming: Coming) -> wire.Source:
    match coming.source:
        case Upload(checksum=checksum):
            return wire.UploadSource(checksum=checksum)
        case StoredObject(bucket=bucket, key=key, checksum=checksum):
            return wire.ObjectSource(bucket=bucket, key=key, checksum=checksum)
        case Repository(repo_url=repo_url):
            return wire.GitSource(repo_url=repo_url)


def _coming(actor: Actor, values: Mapping[str, Any]) -> Coming | None:
    """What is to come, from the fields of a body. Raises Unfit."""
    if values["source"] is None:
        return None
    return Coming(
        source=_from(actor, values["source"]),
        parent_version_id=values.get("parent_version_id"),
        user_id=actor.user_id,
        archive_type=values["archive_type"],
        portable_names=values["portable_names"],
    )


def _from(actor: Actor, source: wire.Source) -> Upload | StoredObject | Repository:
    match source:
        case wire.UploadSource(checksum=checksum):
            return Upload(checksum=checksum, key=filesystems.upload_key(actor.user_id, checksum))
        case wire.ObjectSource(bucket=bucket, key=key, checksum=checksum):
            return StoredObject(bucket=bucket, key=key, checksum=checksum)
        case wire.GitSource(repo_url=repo_url):
            return Repository(repo_url=repo_url)


async def _create(tx: Tx, actor: Actor, values: Mapping[str, Any]) -> Filesystem:
    named = {"name": values["name"], "description": values["description"]}
    return await filesystems.create(tx, actor, named, _coming(actor, values))


FILESYSTEM = Resource(
    verbs=filesystems.FILESYSTEMS,
    reply=wire.Filesystem,
    new=wire.NewFilesystem,
    edit=wire.EditFilesystem,
    create=_create,
    more=_current,
)
VERSION = Resource(verbs=filesystems.VERSIONS, reply=wire.FilesystemVersion, changes=False, deletes=False)


async def _want(tx: Tx, call: Call) -> Filesystem:
    given = await call.decode(wire.NewFilesystemVersion)
    values = {name: getattr(given, name) for name in given.__struct_fields__}
    coming = _coming(call.actor, values)
    assert coming is not None
    if isinstance(coming.source, StoredObject):
        # Asked now rather than when it is fetched.
        call.app.depot.bucket(coming.source.bucket)
    return await filesystems.want(tx, call.actor, call.path["id"], coming)


async def _delete(call: Call) -> Answer:
    async with call.app.database.transaction() as tx:
        before = await filesystems.FILESYSTEMS.read(tx, call.actor, call.path["id"], lock=True)
        call.check_match(before.version)
        await filesystems.delete(tx, call.actor, before, grace=call.app.settings.blob_grace)
    return Answer(status=204)


async def _versions(call: Call) -> Answer:
    query = call.asked(ListQuery)
    wanted = page_of(call, query, FilesystemVersion, VERSION.kind.searchable)
    async with call.app.database.reading() as tx:
        filesystem = await filesystems.FILESYSTEMS.read(tx, call.actor, call.path["id"])
        page = await filesystems.VERSIONS.page(tx, call.actor, wanted, where={"filesystem_id": filesystem.id})
        shown = await VERSION.show(tx, call.actor, page.items)
    return Answer(body=envelope(wire.FilesystemVersion, shown, page, wanted, query.fields))


# --- what is sent ---


async def _put_upload(call: Call) -> Answer:
    checksum = call.path["checksum"]
    filesystems.may_send(call.actor)
    key = filesystems.upload_key(call.actor.user_id, checksum)
    size = await call.app.depot.receive(key, checksum, streamed(call))
    return _upload(checksum, size, status=201)


async def _read_upload(call: Call) -> Answer:
    checksum = call.path["checksum"]
    async with call.app.database.reading() as tx:
        size = await filesystems.upload_size(tx, filesystems.upload_key(call.actor.user_id, checksum))
    if size is None:
        raise Missing(f"nothing was sent with the checksum {checksum}", checksum=checksum)
    return _upload(checksum, size)


def _upload(checksum: str, size: int, *, status: int = 200) -> Answer:
    told = wire.Upload(kind="Upload", href=href("uploads", checksum), checksum=checksum, size=size)
    return Answer(status=status, body=told)


# --- what lies in a version ---


async def _entries(call: Call) -> Answer:
    asked = call.asked(wire.EntriesQuery)
    async with call.app.database.reading() as tx:
        version = await filesystems.version(tx, call.actor, call.path["id"], asked.version)
        # One more than asked for: whether there is a next page.
        found = await browse.entries(
            tx,
            version.id,
            _path(asked.path),
            after=_marked(call, asked.after),
            limit=asked.size + 1,
            recursive=asked.recursive,
            text=asked.search,
        )
    items = found[: asked.size]
    return Answer(
        body=wire.FilesystemEntryList(
            kind="FilesystemEntryList",
            version_id=version.id,
            path=_path(asked.path),
            items=[_entry(row) for row in items],
            next=_mark(call, items[-1]) if len(found) > asked.size else None,
        )
    )


async def _diff(call: Call) -> Answer:
    asked = call.asked(wire.DiffQuery)
    async with call.app.database.reading() as tx:
        old = await filesystems.version(tx, call.actor, call.path["id"], asked.older)
        new = await filesystems.version(tx, call.actor, call.path["id"], asked.newer)
        found = await browse.changes(tx, old.id, new.id, after=_marked(call, asked.after), limit=asked.size + 1)
    items = found[: asked.size]
    return Answer(
        body=wire.FilesystemDiff(
            kind="FilesystemDiff",
            from_version_id=old.id,
            to_version_id=new.id,
            items=[_change(change) for change in items],
            next=_mark(call, items[-1]) if len(found) > asked.size else None,
        )
    )


def _change(change: browse.Change) -> wire.FilesystemChange:
    before = None if change.before is None else _entry(change.before)
    after = None if change.after is None else _entry(change.after)
    word = "added" if before is None else "removed" if after is None else "changed"
    path = f"{change.parent}/{change.name}" if change.parent else change.name
    return wire.FilesystemChange(path=path, change=word, before=before, after=after)


def _entry(row: Row) -> wire.FilesystemEntry:
    return msgspec.convert(row, wire.FilesystemEntry, from_attributes=True)


def _path(text: str) -> str:
    return text.strip("/")


_BY_PATH = (Order(field="parent", descending=False), Order(field="name", descending=False))


def _mark(call: Call, last: Row | browse.Change) -> str:
    return cursor(call.app.cursor_key, _BY_PATH, [last.parent, last.name])


def _marked(call: Call, after: str | None) -> tuple[str, str]:
    """Where a page begins. Raises BadRequest."""
    try:
        parent, name = opened(call.app.cursor_key, after or "", _BY_PATH) or ("", "")
    except Unfit as error:
        raise BadRequest(error.reason, **error.facts) from error
    return parent, name


_ONE = "/filesystems/{id}"
ROUTES: list[Route] = [
    *(route for route in routes(FILESYSTEM) if route.method != "DELETE"),
    Route(
        method="DELETE", path=_ONE, operation="deleteFilesystem", tag="filesystems",
        says="Delete a filesystem; its bytes are removed after a while", handle=_delete, status=204,
        refuses=(404, 409, 412), headers=("If-Match", "Audit-Reason"),
    ),
    *routes(VERSION),
    Route(
        method="GET", path=f"{_ONE}/versions", operation="listVersionsOfFilesystem", tag="filesystems",
        says="The versions of a filesystem", handle=_versions, query=ListQuery,
        answer=list_type(wire.FilesystemVersion), refuses=(404,),
    ),
    Route(
        method="POST", path=f"{_ONE}/versions", operation="wantFilesystemVersion", tag="filesystems",
        says="Make a new version in place of the current one, which parent_version_id names; it is on its way then",
        handle=action(FILESYSTEM, "versions", says="", verb=_want).handle, body=wire.NewFilesystemVersion,
        answer=wire.Filesystem, refuses=(404, 409, 412, 422), headers=("If-Match", "Idempotency-Key", "Audit-Reason"),
    ),
    Route(
        method="PUT", path="/uploads/{checksum}", operation="putUpload", tag="filesystems",
        says="Send an archive, under the checksum it has; sending it again changes nothing", handle=_put_upload,
        answer=wire.Upload, status=201, refuses=(422,), streams=True,
    ),
    Route(
        method="GET", path="/uploads/{checksum}", operation="readUpload", tag="filesystems",
        says="Whether an archive with this checksum was sent", handle=_read_upload, answer=wire.Upload,
        refuses=(404, 422),
    ),
    Route(
        method="GET", path=f"{_ONE}/entries", operation="listFilesystemEntries", tag="filesystems",
        says="A page of what lies in a directory, or below it", handle=_entries, query=wire.EntriesQuery,
        answer=wire.FilesystemEntryList, refuses=(404, 422),
    ),
    Route(
        method="GET", path=f"{_ONE}/diff", operation="diffFilesystem", tag="filesystems",
        says="A page of what differs between two versions", handle=_diff, query=wire.DiffQuery,
        answer=wire.FilesystemDiff, refuses=(404,),
    ),
]  # fmt: skip
