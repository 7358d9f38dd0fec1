"""The archive's outer form, and the table that finds its parts again.

The archive is one gzip member. Its content is cut into blocks of 256 KiB, each deflated without knowing the others and
ended by a full flush, so that any of them can be fetched and read alone. Source: RFC 1951, 1952.
"""

import hashlib
import os
import struct
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO

from mooring.files.archive import codec
from mooring.files.errors import Damaged

BLOCK = 256 << 10
# No name, no time, no extra flags, no system: the same content is the same archive.
GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_LAST_BLOCK = b"\x03\x00"
GZIP_TAIL = len(_LAST_BLOCK) + 8
_WORKERS = 2
_IN_FLIGHT = 6

# The table's own form: magic, block size, tar size, archive size, count; then for each block where it begins in the
# archive and the first half of the SHA-256 of its compressed bytes.
_MAGIC = b"mooring blocks 1"
_HEAD = struct.Struct(">16sQQQQ")
_ROW = struct.Struct(">Q16s")
_DIGEST = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Bytes of the archive to fetch (`start` up to `end`), the blocks in them, and where their content begins."""

    start: int
    end: int
    blocks: range
    content_start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockTable:
    """Where each block is. `starts` and `digests` are of one length."""

    tar_size: int
    archive_size: int
    starts: Sequence[int]
    digests: Sequence[bytes]

    def encoded(self) -> bytes:
        """The table as bytes."""
        head = _HEAD.pack(_MAGIC, BLOCK, self.tar_size, self.archive_size, len(self.starts))
        return head + b"".join(_ROW.pack(*row) for row in zip(self.starts, self.digests, strict=True))

    @classmethod
    def checked(cls, data: bytes, sha256: str) -> "BlockTable":
        """The table from its bytes, which have this SHA-256. Raises Damaged."""
        if hashlib.sha256(data).hexdigest() != sha256:
            raise Damaged("the block table is not what was stored; restore it from a copy")
        return cls.decoded(data)

    @classmethod
    def decoded(cls, data: bytes) -> "BlockTable":
        """The table from its bytes. Raises Damaged."""
        try:
            magic, block, tar_size, archive_size, count = _HEAD.unpack_from(data)
            rows = list(_ROW.iter_unpack(data[_HEAD.size :]))
        except struct.error as error:
            raise Damaged("the block table cannot be read") from error
        if magic != _MAGIC or block != BLOCK or count != len(rows) or count != -(-tar_size // BLOCK):
            raise Damaged("the block table cannot be read")
        return cls(
            tar_size=tar_size,
            archive_size=archive_size,
            starts=[start for start, _ in rows],
            digests=[digest for _, digest in rows],
        )

    def part(self, start: int, end: int) -> Part:
        """What to fetch for the tar's bytes from `start` up to `end`, which must not be equal."""
        if not 0 <= start < end <= self.tar_size:
            raise Damaged(f"the archive's tar has {self.tar_size} bytes; nothing lies from {start} to {end}")
        first, last = start // BLOCK, (end - 1) // BLOCK
        return Part(
            start=self.starts[first],
            end=self._end(last),
            blocks=range(first, last + 1),
            content_start=first * BLOCK,
        )

    def opened(self, part: Part, data: bytes) -> bytes:
        """The content of a fetched part, each block checked before it is opened. Raises Damaged."""
        found: list[bytes] = []
        for number in part.blocks:
            block = data[self.starts[number] - part.start : self._end(number) - part.start]
            if hashlib.sha256(block).digest()[:_DIGEST] != self.digests[number]:
                raise Damaged(f"block {number} of the archive is not what was stored; restore it from a copy")
            found.append(codec.decompressor(codec.RAW).decompress(block))
        return b"".join(found)

    def _end(self, number: int) -> int:
        following = number + 1
        return self.starts[following] if following < len(self.starts) else self.archive_size - GZIP_TAIL


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """An archive that was written."""

    sha256: str
    table: BlockTable


_Done = tuple[bytes, int, int, bytes]


class BlockWriter:
    """Writes an archive from its content; two threads deflate and hash, at most six blocks wait."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._pool = ThreadPoolExecutor(_WORKERS)
        self._waiting: deque[Future[_Done]] = deque()
        self._block = bytearray(BLOCK)
        self._filled = 0
        self._digest = hashlib.sha256()
        self._crc = 0
        self._size = 0
        self._starts: list[int] = []
        self._digests: list[bytes] = []
        self.tell = 0
        self._write(GZIP_HEAD)

    def write(self, data: bytes) -> None:
        """Append content."""
        at = 0
        while at < len(data):
            count = min(BLOCK - self._filled, len(data) - at)
            self._block[self._filled : self._filled + count] = data[at : at + count]
            at += count
            self._take(count)

    def pull(self, descriptor: int, offset: int, count: int, see: Callable[[memoryview], None] | None = None) -> None:
        """Append `count` bytes of a file from `offset` on; `see` is shown them. Raises Damaged when it has fewer."""
        while count:
            wanted = min(BLOCK - self._filled, count)
            with memoryview(self._block) as view:
                got = os.preadv(descriptor, [view[self._filled : self._filled + wanted]], offset)
                if see is not None:
                    see(view[self._filled : self._filled + got])
            if not got:
                raise Damaged("a file became shorter while it was read")
            offset += got
            count -= got
            self._take(got)

    def close(self) -> Written:
        """Finish the archive."""
        self._submit()
        while self._waiting:
            self._collect()
        self._pool.shutdown()
        self._write(_LAST_BLOCK + struct.pack("<II", self._crc, self.tell & 0xFFFFFFFF))
        self._out.flush()
        table = BlockTable(tar_size=self.tell, archive_size=self._size, starts=self._starts, digests=self._digests)
        return Written(sha256=self._digest.hexdigest(), table=table)

    def _take(self, count: int) -> None:
        self._filled += count
        self.tell += count
        if self._filled == BLOCK:
            self._submit()

    def _submit(self) -> None:
        if not self._filled:
            return
        with memoryview(self._block) as view:
            block = self._block if self._filled == BLOCK else bytearray(view[: self._filled])
        self._waiting.append(self._pool.submit(_deflated, block))
        self._block, self._filled = bytearray(BLOCK), 0
        if len(self._waiting) > _IN_FLIGHT:
            self._collect()

    def _collect(self) -> None:
        data, crc, length, digest = self._waiting.popleft().result()
        self._starts.append(self._size)
        self._digests.append(digest)
        self._crc = codec.crc32_combine(self._crc, crc, length)
        self._write(data)

    def _write(self, data: bytes) -> None:
        self._out.write(data)
        self._digest.update(data)
        self._size += len(data)


def _deflated(block: bytearray) -> _Done:
    data = codec.deflated_alone(block)
    return data, codec.crc32(block), len(block), hashlib.sha256(data).digest()[:_DIGEST]
