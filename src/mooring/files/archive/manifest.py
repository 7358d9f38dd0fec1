"""The manifest: what is in an archive, one JSON object a line, in the order of the archive; compressed by gzip.

The first line is the `Head`, every other one an `Entry`.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import IO

import msgspec

from mooring.files.archive import codec
from mooring.files.errors import Damaged

FILE, DIRECTORY, SYMLINK = "file", "directory", "symlink"
_PIECE = 256 << 10
# A path and a target of 4,096 bytes each, every one of them escaped.
_LONGEST_LINE = 64 << 10


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
    """Reads a manifest piece by piece, a little of it in memory at a time."""

    def __init__(self) -> None:
        self._gunzip = codec.decompressor(codec.GZIP)
        self._rest = b""
        self._head: Head | None = None
        self._decode = msgspec.json.Decoder(Entry).decode

    def entries(self, chunk: bytes) -> Iterator[list[Entry]]:
        """The entries that are whole with this chunk, some at a time. Raises Damaged."""
        try:
            for text in self._text(chunk):
                *lines, self._rest = (self._rest + text).split(b"\n")
                if self._head is None and lines:
                    self._head = msgspec.json.decode(lines.pop(0), type=Head)
                if len(self._rest) > _LONGEST_LINE:
                    raise Damaged("the manifest has a line that is no entry")
                yield [self._decode(line) for line in lines]
        except (msgspec.DecodeError, *codec.failure()) as error:
            raise Damaged(f"the manifest cannot be read: {error}") from error

    def _text(self, chunk: bytes) -> Iterator[bytes]:
        """What the chunk unfolds to, in pieces."""
        data, more = chunk, True
        while data or more:
            text: bytes = self._gunzip.decompress(data, _PIECE)
            data, more = self._gunzip.unconsumed_tail, len(text) == _PIECE
            yield text


def read(chunks: Iterable[bytes]) -> Iterator[Entry]:
    """The entries of a manifest, from its compressed bytes. Raises Damaged."""
    lines = Lines()
    for chunk in chunks:
        for some in lines.entries(chunk):
            yield from some
