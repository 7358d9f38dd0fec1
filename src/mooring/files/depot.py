"""Archives on their way into the store: received, fetched, looked at, stored. A contact: no transaction is held."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import IO, Protocol

import msgspec

from mooring.base import giturl
from mooring.base.db import Database
from mooring.base.errors import Clash, Missing, Unavailable, Unfit
from mooring.base.git import Mirrors
from mooring.base.ids import new_id
from mooring.files import filesystems
from mooring.files.archive import manifest
from mooring.files.archive.manifest import Entry
from mooring.files.blobs.base import BlobStore
from mooring.files.content import whole
from mooring.files.entities import Coming, FilesystemVersion, Repository, StoredObject, Upload
from mooring.files.errors import Damaged, Refused, Rule
from mooring.files.filesystems import Stored
from mooring.files.paths import LINES, Page, Pages
from mooring.files.store import blobs as noted
from mooring.files.store import entries, paths
from mooring.files.workshop import Layers, Made, Workshop

_READ = 1 << 20
_ROWS = 10_000
# Longer than any import may take: until then what it stored stays.
_STORING_SECONDS = 2 * 24 * 3600.0


class Bucket(Protocol):
    """A place that archives may be imported from."""

    def fetch(self, key: str) -> AsyncIterator[bytes]:
        """The bytes under any key. Raises Unfit (no such key), Missing, Unavailable."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Depot:
    """`buckets` are those that archives may be imported from. Units: bytes of one upload."""

    database: Database
    blobs: BlobStore
    workshop: Workshop
    mirrors: Mirrors
    buckets: Mapping[str, Bucket]
    upload_bytes: int

    async def receive(self, key: str, checksum: str, body: AsyncIterator[bytes]) -> int:
        """Keep an upload under its key; its size. Raises Unfit (other bytes, none, too many), Unavailable."""
        async with self.database.transaction() as tx:
            await filesystems.expect_upload(tx, key)
        with self.workshop.scratch() as file:
            found, size = await self._spool(body, file)
            if not size:
                raise Unfit("nothing was sent; send the bytes of the archive as the body")
            if found != checksum:
                raise Unfit(f"the bytes have the checksum {found}, not {checksum}; send them again", found=found)
            await self._put(key, checksum, file)
        try:
            async with self.database.transaction() as tx:
                await filesystems.uploaded(tx, key, size)
        except Unavailable:
            # What was stored all the same must not stay for ever.
            async with self.database.transaction() as tx:
                await noted.note(tx, key, seconds=0)
            raise
        return size

    async def _put(self, key: str, checksum: str, file: IO[bytes]) -> None:
        """Keep these bytes, also where what lies there rotted."""
        with contextlib.suppress(Clash):
            if await self.blobs.put_file(key, file) or await self._lies(key, checksum):
                return
        await self.blobs.delete(key)
        await self.blobs.put_file(key, file)

    async def _lies(self, key: str, checksum: str) -> bool:
        """Whether bytes with this checksum lie there."""
        try:
            async for _ in whole(self.blobs, key, checksum):
                pass
        except Damaged:
            return False
        return True

    async def store(self, coming: Coming) -> Stored:
        """Fetch what is to come, look at it, keep it. Raises Refused, Missing, Unfit, Damaged, Unavailable."""
        with self.workshop.scratch() as file:
            given = await self._fetch(coming, file)
            limits = msgspec.structs.replace(self.workshop.limits, portable_names=coming.portable_names)
            async with self.workshop.taken(file, limits=limits) as made:
                if coming.archive_type not in (None, made.taken.form):
                    says = f"it is a {made.taken.form}, not a {coming.archive_type} as was said"
                    raise Refused(Rule.FORMAT, says)
                return await self._keep(made, given)

    async def capture(self, parent: FilesystemVersion, layers: Layers) -> Stored | None:
        """Keep what a run left; None when that is what the version before it was.

        Raises Refused, Damaged, Missing, Unavailable.
        """
        async with self.workshop.captured(layers) as made:
            if f"sha256:{made.taken.packed.archive_sha256}" == parent.archive_checksum:
                return None
            return await self._keep(made, None)

    async def _fetch(self, coming: Coming, file: IO[bytes]) -> str | None:
        """The archive into an open file; its checksum where it is one of an archive that was given."""
        match coming.source:
            case Upload(checksum=checksum, key=key):
                try:
                    found, _ = await self._spool(self.blobs.read(key), file)
                except Missing as error:
                    raise Damaged("the upload is not there any more; send it again") from error
                if found != checksum:
                    raise Damaged(f"the upload is not what was sent ({found}, not {checksum}); send it again")
            case StoredObject(bucket=bucket, key=key, checksum=checksum):
                found, _ = await self._spool(self.bucket(bucket).fetch(key), file)
                if checksum not in (None, found):
                    raise Unfit(f"source: {bucket}/{key} has the checksum {found}, not {checksum}", found=found)
            case Repository(repo_url=url):
                source = giturl.parse(url, field="source.repo_url", allow_file=True)
                pinned = await self.mirrors.pin(source.url, source.ref)
                await self.mirrors.archive(pinned, source.path, file)
                return None
        return found

    def bucket(self, name: str) -> Bucket:
        """A bucket that archives may be imported from. Raises Unfit."""
        found = self.buckets.get(name)
        if found is None:
            there = ", ".join(sorted(self.buckets)) or "none"
            says = f"source.bucket: {name!r} is not among MOORING_S3_IMPORT_BUCKETS; there are: {there}"
            raise Unfit(says, field="source.bucket")
        return found

    async def _spool(self, body: AsyncIterator[bytes], file: IO[bytes]) -> tuple[str, int]:
        """The bytes into an open file; their checksum and size. Raises Unfit (too many), Unavailable (disk full)."""
        digest, size = hashlib.sha256(), 0
        async for chunk in body:
            size += len(chunk)
            if size > self.upload_bytes:
                raise Unfit(f"an archive may have {self.upload_bytes} bytes here; see MOORING_UPLOAD_BYTES")
            try:
                await asyncio.to_thread(_append, digest.update, file, chunk)
            except OSError as error:
                raise Unavailable(
                    f"cannot keep the archive: {error.strerror}; free some space and try again"
                ) from error
        await asyncio.to_thread(file.flush)
        return f"sha256:{digest.hexdigest()}", size

    async def _keep(self, made: Made, given: str | None) -> Stored:
        packed = made.taken.packed
        archive, archive_size = await _measured(made.archive, packed.archive_sha256)
        listed, _ = await _measured(made.manifest, packed.manifest_sha256)
        table, _ = await _measured(made.blocks, packed.blocks_sha256)
        keys = {
            f"filesystems/{archive}.tar.gz": (archive, made.archive),
            f"filesystems/{archive}.blocks": (table, made.blocks),
            f"filesystems/{listed}.manifest": (listed, made.manifest),
        }
        async with self.database.transaction() as tx:
            # In the order in which all who hold several of them take them.
            for key in sorted(keys):
                if not await noted.note(tx, key, seconds=_STORING_SECONDS):
                    raise Unavailable("the same bytes are just being removed from the store; they will be stored again")
        for key, (digest, file) in keys.items():
            await self._put(key, f"sha256:{digest}", file)
        version_id = new_id("fsv")
        await self._rows(version_id, made.manifest)
        archive_key, blocks_key, manifest_key = keys
        return Stored(
            version_id=version_id,
            bucket=self.blobs.bucket,
            archive_key=archive_key,
            archive_checksum=f"sha256:{archive}",
            archive_size=archive_size,
            given_checksum=given,
            uncompressed_size=packed.uncompressed_size,
            manifest_key=manifest_key,
            manifest_checksum=f"sha256:{listed}",
            blocks_key=blocks_key,
            blocks_checksum=f"sha256:{table}",
            entry_count=packed.entry_count,
            warned=made.taken.warned,
            warnings=made.taken.warnings,
        )

    async def _rows(self, version_id: str, file: IO[bytes]) -> None:
        """The manifest as rows of a version that is not there yet, some at a time."""
        async with self.database.transaction() as tx:
            await entries.expect(tx, version_id, seconds=_STORING_SECONDS)
        file.seek(0)
        found, pages = manifest.read(iter(lambda: file.read(_READ), b"")), Pages()
        while (some := await asyncio.to_thread(_some, version_id, found, pages))[0]:
            rows, lines = some
            async with self.database.transaction() as tx:
                await entries.append(tx, rows)
                await paths.append(tx, version_id, lines)
                if pages.full():
                    await paths.append_grams(tx, version_id, pages.taken())
        async with self.database.transaction() as tx:
            await paths.append_grams(tx, version_id, pages.taken())


def _append(update: Callable[[bytes], None], file: IO[bytes], chunk: bytes) -> None:
    update(chunk)
    file.write(chunk)


async def _measured(file: IO[bytes], said: str) -> tuple[str, int]:
    """The SHA-256 and size of a file, which the worker that wrote it told truly. Raises Damaged."""

    def measure() -> tuple[str, int]:
        file.seek(0)
        digest = hashlib.sha256()
        while piece := file.read(_READ):
            digest.update(piece)
        return digest.hexdigest(), file.tell()

    found, size = await asyncio.to_thread(measure)
    if found != said:
        raise Damaged("the worker on archives wrote other bytes than it said")
    return found, size


def _some(version_id: str, found: Iterator[Entry], pages: Pages) -> tuple[list[tuple[object, ...]], list[Page]]:
    """The next rows, in the order of the table's columns, and their paths in pages."""
    rows, lines = list[tuple[object, ...]](), list[str]()
    for entry in islice(found, _ROWS):
        lines.append(entry.path)
        parent, _, name = entry.path.rpartition("/")
        digest = bytes.fromhex(entry.sha256) if entry.sha256 else None
        rows.append(
            (
                version_id, parent, name, entry.type, entry.size, entry.mode, entry.mtime, digest, entry.target,
                entry.offset,
            )
        )  # fmt: skip
    return rows, [pages.of(lines[at : at + LINES]) for at in range(0, len(lines), LINES)]
