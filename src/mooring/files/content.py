"""What lies inside a version: one file by range, the archive, the manifest. A contact: no transaction is held.

Every byte is checked before it is given: by the block's digest in the table, whose own checksum the version holds, or
by the checksum of the whole, whose last piece is held back until it is known to be right.
"""

import asyncio
import contextlib
import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass, field

from mooring.base.errors import Missing, Unfit
from mooring.files.archive.blocks import BLOCK, BlockTable, Part
from mooring.files.blobs.base import BlobStore
from mooring.files.entities import FilesystemVersion, Row
from mooring.files.errors import Damaged

# How much of an archive is fetched at once.
WINDOW = 16 * BLOCK
_TABLES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Reads versions. The newest block tables are held in memory."""

    blobs: BlobStore
    _tables: OrderedDict[str, BlockTable] = field(default_factory=OrderedDict[str, BlockTable])
    _damaged: set[str] = field(default_factory=set[str])

    def first_damage(self, version: FilesystemVersion) -> bool:
        """Whether this is the first time that the version is said to be damaged."""
        known = version.id in self._damaged
        self._damaged.add(version.id)
        return not known

    async def recheck(self, version: FilesystemVersion) -> None:
        """Return when no damage is known, or what was damaged was put right. Raises Damaged, Unavailable.

        So damage that lies far behind, which broke off an answer, is told before the next one begins.
        """
        if version.id in self._damaged:
            for pieces in (self.archive(version), self.manifest(version)):
                async for _ in pieces:
                    pass
            await self.table(version)
            self._damaged.discard(version.id)

    async def file(self, version: FilesystemVersion, row: Row, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes of a file from `start` up to `end`. Raises Unfit (no file, outside), Damaged, Unavailable."""
        if row.type != "file" or row.tar_offset is None:
            leads = f"; it leads to {row.target}" if row.target else ""
            raise Unfit(f"{row.path} is a {row.type}, not a file{leads}", path=row.path)
        if not 0 <= start <= end <= row.size:
            raise Unfit(f"{row.path} has {row.size} bytes; nothing lies from {start} to {end}", size=row.size)
        return self._pieces(version, row.tar_offset + start, row.tar_offset + end)

    async def table(self, version: FilesystemVersion) -> BlockTable:
        """The block table of a version's archive. Raises Damaged, Unavailable."""
        known = self._tables.get(version.blocks_checksum)
        if known is None:
            with _stored(version.blocks_key):
                data = b"".join([chunk async for chunk in self.blobs.read(version.blocks_key)])
            known = BlockTable.checked(data, version.blocks_checksum.removeprefix("sha256:"))
            self._tables[version.blocks_checksum] = known
            if len(self._tables) > _TABLES:
                self._tables.popitem(last=False)
        else:
            self._tables.move_to_end(version.blocks_checksum)
        return known

    async def _pieces(self, version: FilesystemVersion, start: int, end: int) -> AsyncIterator[bytes]:
        table = await self.table(version)
        while start < end:
            # Windows end where blocks do, so that none is fetched twice.
            stop = min(end, (start // BLOCK) * BLOCK + WINDOW)
            part = table.part(start, stop)
            content = await self._opened(version, table, part)
            yield content[start - part.content_start : stop - part.content_start]
            start = stop

    async def _opened(self, version: FilesystemVersion, table: BlockTable, part: Part) -> bytes:
        with _stored(version.s3_archive_key):
            data = await self.blobs.read_range(version.s3_archive_key, part.start, part.end)
        return await asyncio.to_thread(table.opened, part, data)

    async def tar(self, version: FilesystemVersion) -> AsyncIterator[bytes]:
        """The whole tar inside the archive, in windows."""
        table = await self.table(version)
        async for piece in self._pieces(version, 0, table.tar_size):
            yield piece

    def archive(self, version: FilesystemVersion) -> AsyncIterator[bytes]:
        """The archive as it is stored."""
        return whole(self.blobs, version.s3_archive_key, version.archive_checksum)

    def manifest(self, version: FilesystemVersion) -> AsyncIterator[bytes]:
        """The manifest as it is stored: JSON lines, compressed by gzip."""
        return whole(self.blobs, version.manifest_key, version.manifest_checksum)


async def whole(blobs: BlobStore, key: str, checksum: str) -> AsyncIterator[bytes]:
    """What lies under a key that a version names; the last piece once all are right. Raises Damaged, Unavailable."""
    digest, held = hashlib.sha256(), b""
    with _stored(key):
        async for chunk in blobs.read(key):
            if held:
                yield held
            await asyncio.to_thread(digest.update, chunk)
            held = chunk
    if f"sha256:{digest.hexdigest()}" != checksum:
        raise Damaged.under(key)
    if held:
        yield held


@contextlib.contextmanager
def _stored(key: str) -> Generator[None]:
    """What is read in the block was stored there once: that it is gone, or too short, is damage."""
    try:
        yield
    except (Missing, Unfit) as error:
        raise Damaged.under(key, error.reason) from error
