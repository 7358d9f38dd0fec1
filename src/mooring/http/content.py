"""Routes that send bytes of a filesystem: a file or a range of it, the archive, the manifest."""

import re
from collections.abc import AsyncIterator

from mooring.files import browse, filesystems
from mooring.files.archive import codec
from mooring.files.entities import FilesystemVersion
from mooring.files.errors import Damaged
from mooring.files.zips import zipped
from mooring.http.call import Call
from mooring.http.errors import OutOfRange
from mooring.http.route import BYTES, Answer, Route
from mooring.http.stream import begun
from mooring.wire import files as wire

_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.ASCII | re.IGNORECASE)
_LINES = "application/x-ndjson"
_MOST_LINES = 1 << 20
# What someone put into a filesystem is never shown as a page of ours.
_ATTACHED = {"Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff"}


async def _file(call: Call) -> Answer:
    asked = call.asked(wire.ContentQuery)
    async with call.app.database.reading() as tx:
        version = await filesystems.version(tx, call.actor, call.path["id"], asked.version)
        row = await browse.entry(tx, version.id, asked.path.strip("/"))
    mark = f'"{row.sha256}"'
    if row.sha256 is not None and call.has_already(mark):
        return Answer(status=304, headers={"ETag": mark})
    headers = {**_ATTACHED, "Accept-Ranges": "bytes", "ETag": mark}
    span = _span(call.header("Range"), row.size) if call.header("If-Range") in (None, mark) else None
    start, end = span or (0, row.size)
    stream = await call.app.contents.file(version, row, start, end)
    headers["Content-Length"] = str(end - start)
    if span is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{row.size}"
    pieces = await begun(_watched(call, version, stream))
    return Answer(status=206 if span else 200, stream=pieces, media=BYTES, headers=headers)


def _span(text: str | None, size: int) -> tuple[int, int] | None:
    """The range that is asked for; None is all of it, also for a header we do not understand (RFC 9110, 14.2).

    Raises OutOfRange.
    """
    found = _RANGE.fullmatch((text or "").strip())
    if found is None or found[1] == found[2] == "":
        return None
    if not found[1]:
        start, end = max(0, size - int(found[2])), size
    else:
        start, end = int(found[1]), min(size, int(found[2]) + 1 if found[2] else size)
        if found[2] and int(found[2]) < start:
            return None
    if start >= end:
        raise OutOfRange(f"the file has {size} bytes; nothing lies in {text}", size=size)
    return start, end


async def _manifest(call: Call) -> Answer:
    version = await _sound(call, call.asked(wire.VersionQuery).version)
    headers = {"ETag": f'"{version.manifest_checksum}"', "Vary": "Accept-Encoding"}
    if call.has_already(headers["ETag"]):
        return Answer(status=304, headers=headers)
    stream = call.app.contents.manifest(version)
    if "gzip" in (call.header("Accept-Encoding") or ""):
        headers["Content-Encoding"] = "gzip"
    else:
        stream = _gunzipped(stream, version.manifest_key)
    return Answer(stream=await begun(_watched(call, version, stream)), media=_LINES, headers=headers)


async def _gunzipped(stream: AsyncIterator[bytes], key: str) -> AsyncIterator[bytes]:
    gunzip = codec.decompressor(codec.GZIP)
    async for chunk in stream:
        data = chunk
        while True:
            try:
                lines: bytes = gunzip.decompress(data, _MOST_LINES)
            except codec.failure() as error:
                raise Damaged.under(key) from error
            if lines:
                yield lines
            data = gunzip.unconsumed_tail
            if not data and len(lines) < _MOST_LINES:
                break


async def _archive(call: Call) -> Answer:
    asked = call.asked(wire.ArchiveQuery)
    version = await _sound(call, asked.version)
    if asked.format == "zip":
        stream = await begun(_watched(call, version, zipped(call.app.contents, version)))
        return Answer(stream=stream, media="application/zip", headers=_ATTACHED)
    mark = f'"{version.archive_checksum}"'
    if call.has_already(mark):
        return Answer(status=304, headers={"ETag": mark})
    headers = {**_ATTACHED, "Content-Length": str(version.archive_size), "ETag": mark}
    stream = await begun(_watched(call, version, call.app.contents.archive(version)))
    return Answer(stream=stream, media="application/gzip", headers=headers)


async def _watched(call: Call, version: FilesystemVersion, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The stream; damage that is found in it is recorded, once for a version."""
    try:
        async for piece in stream:
            yield piece
    except Damaged as error:
        if call.app.contents.first_damage(version):
            async with call.app.database.transaction() as tx:
                await filesystems.damaged(tx, version, error.reason)
        raise


async def _sound(call: Call, named: str | None) -> FilesystemVersion:
    """The version, of which no damage is known. Raises Missing, Damaged."""
    async with call.app.database.reading() as tx:
        version = await filesystems.version(tx, call.actor, call.path["id"], named)
    await call.app.contents.recheck(version)
    return version


_ONE = "/filesystems/{id}"
ROUTES: list[Route] = [
    Route(
        method="GET", path=f"{_ONE}/content", operation="readFilesystemContent", tag="filesystems",
        says="The bytes of one file, or of a Range of it", handle=_file, query=wire.ContentQuery, media=BYTES,
        refuses=(404, 416, 422), headers=("Range", "If-Range", "If-None-Match"),
    ),
    Route(
        method="GET", path=f"{_ONE}/manifest", operation="readFilesystemManifest", tag="filesystems",
        says="Everything that lies in a version, a JSON object a line", handle=_manifest, query=wire.VersionQuery,
        media=_LINES, refuses=(404,), headers=("If-None-Match",),
    ),
    Route(
        method="GET", path=f"{_ONE}/archive", operation="readFilesystemArchive", tag="filesystems",
        says="A version as a tar.gz, as it is stored, or as a zip", handle=_archive, query=wire.ArchiveQuery,
        media="application/gzip", refuses=(404,), headers=("If-None-Match",),
    ),
]  # fmt: skip
