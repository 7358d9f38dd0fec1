"""A version as a zip, made while it is read. A contact."""

import asyncio
from collections.abc import AsyncIterator

from mooring.files.archive.manifest import DIRECTORY, FILE, Entry, Lines
from mooring.files.archive.zip_out import ZipWriter
from mooring.files.content import Contents
from mooring.files.entities import FilesystemVersion
from mooring.files.errors import Damaged

# Files up to this size are held whole, so that their header can say what they are; larger ones are described after.
_WHOLE = 4 << 20
_DIRECTORY_MODE, _LINK_MODE, _FILE_MODE = 0o040000, 0o120000, 0o100000


async def zipped(contents: Contents, version: FilesystemVersion) -> AsyncIterator[bytes]:
    """The bytes of a zip of everything in the version. Raises Damaged, Missing, Unavailable."""
    writer, tar, lines = ZipWriter(), _Tar(contents.tar(version)), Lines()
    async for chunk in contents.manifest(version):
        found = lines.entries(chunk)
        while (some := await asyncio.to_thread(next, found, None)) is not None:
            for entry in some:
                async for piece in _entry(writer, tar, entry):
                    yield piece
    yield await asyncio.to_thread(writer.close)


async def _entry(writer: ZipWriter, tar: "_Tar", entry: Entry) -> AsyncIterator[bytes]:
    if entry.type == DIRECTORY:
        yield writer.whole(entry.path + "/", _DIRECTORY_MODE | entry.mode, entry.mtime, b"")
    elif entry.type != FILE:
        yield writer.whole(entry.path, _LINK_MODE | entry.mode, entry.mtime, (entry.target or "").encode())
    elif entry.size <= _WHOLE:
        content = b"".join([piece async for piece in tar.take(entry.offset or 0, entry.size)])
        yield await asyncio.to_thread(writer.whole, entry.path, _FILE_MODE | entry.mode, entry.mtime, content)
    else:
        yield writer.begin(entry.path, _FILE_MODE | entry.mode, entry.mtime, entry.size)
        async for piece in tar.take(entry.offset or 0, entry.size):
            yield await asyncio.to_thread(writer.more, piece)
        yield writer.finish()


class _Tar:
    """A tar that is read once, from its begin to its end."""

    def __init__(self, windows: AsyncIterator[bytes]) -> None:
        self._windows = windows
        self._window = b""
        self._start = 0

    async def take(self, offset: int, size: int) -> AsyncIterator[bytes]:
        """The bytes from `offset` on; what lies before is not asked for again."""
        while size:
            while offset >= self._start + len(self._window):
                self._start += len(self._window)
                self._window = await anext(self._windows, b"")
                if not self._window:
                    raise Damaged("the archive is shorter than its manifest says")
            piece = self._window[offset - self._start : offset - self._start + size]
            offset += len(piece)
            size -= len(piece)
            yield piece
