"""The manifest: what is in an archive, one JSON object a line, in the order of the archive; compressed by gzip.

The first line is the `Head`, every other one an `Entry`.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import IO

import msgspec

from mooring.files.archive import codec

FILE, DIRECTORY, SYMLINK = "file", "directory", "symlink"
_PIECE = 256 << 10


class Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What follows. Units: entries, bytes of all files."""

    manifest: int = 1
    entries: int
    uncompressed_size: int


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One entry. `mtime` in seconds since 1970; `offset`: where the content begins in the tar; `target` of a link."""

    path: str
    type: str
    mode: int
    mtime: int = 0
    size: int = 0
    sha256: str | None = None
    target: str | None = None
    offset: int | None = None

    def placed(self, offset: int) -> "Entry":
        """The same entry, its content beginning there."""
        return msgspec.structs.replace(self, offset=offset)

    def hashed(self, sha256: str | None) -> "Entry":
        """The same entry, its content having this checksum (None: it is not known yet)."""
        return msgspec.structs.replace(self, sha256=sha256)


class ManifestWriter:
    """Writes lines to a file. `close` gives the SHA-256 of what was written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._encode = msgspec.json.Encoder().encode
        self._gzip = codec.compressor(codec.GZIP)
        self._digest = hashlib.sha256()
        self._lines = bytearray()

    def head(self, head: Head) -> None:
        """The first line."""
        self._lines += self._encode(head) + b"\n"

    def add(self, entry: Entry) -> None:
        """One more line."""
        self._lines += self._encode(entry) + b"\n"
        if len(self._lines) >= _PIECE:
            self._write(self._gzip.compress(self._lines))
            self._lines = bytearray()

    def close(self) -> str:
        """Finish the file; its SHA-256 in hex."""
        self._write(self._gzip.compress(self._lines) + self._gzip.flush())
        self._file.flush()
        return self._digest.hexdigest()

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)


class Lines:
    """Reads a manifest piece by piece."""

    def __init__(self) -> None:
        self._gunzip = codec.decompressor(codec.GZIP)
        self._rest = b""
        self._head: Head | None = None
        self._decode = msgspec.json.Decoder(Entry).decode

    def entries(self, chunk: bytes) -> list[Entry]:
        """The entries that are whole with this chunk. Raises msgspec.DecodeError."""
        *lines, self._rest = (self._rest + self._gunzip.decompress(chunk)).split(b"\n")
        if self._head is None and lines:
            self._head = msgspec.json.decode(lines.pop(0), type=Head)
        return [self._decode(line) for line in lines]


def read(chunks: Iterable[bytes]) -> Iterator[Entry]:
    """The entries of a manifest, from its compressed bytes. Raises msgspec.DecodeError."""
    lines = Lines()
    for chunk in chunks:
        yield from lines.entries(chunk)
