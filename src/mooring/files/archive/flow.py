"""The bytes inside an archive, in order: what kind of file it is, and its content decompressed under limits."""

import os
import re
from collections.abc import Generator, Iterator
from enum import StrEnum

import zstandard

from mooring.files.archive import codec
from mooring.files.archive.limits import Limits
from mooring.files.errors import Refused, Rule

_HEADER = 512
_READ = 256 << 10
_WRITE = 1 << 20
# zstd hands out all that a piece of input unfolds to: at most a block of 128 KiB for every four bytes.
_ZSTD_READ = 1 << 10
_ZSTD_WINDOW = 128 << 20
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_GZIP_MAGIC = b"\x1f\x8b"
# RFC 1952, 2.3.1.2: with one of them there would be a field that nobody knows to skip. ISA-L looks at none of them.
_GZIP_FLAGS_AT, _GZIP_RESERVED = 3, 0xE0
_SKIPPABLE = range(0x50, 0x60)
_OCTAL = re.compile(rb"[0-7]+")


class Form(StrEnum):
    """What an archive is on the outside."""

    TAR_GZ = "tar.gz"
    TAR_ZST = "tar.zst"
    TAR = "tar"
    ZIP = "zip"


def form_of(descriptor: int) -> Form:
    """What the file is, by its first bytes. Raises Refused."""
    head = os.pread(descriptor, _HEADER, 0)
    if head.startswith(_GZIP_MAGIC):
        return Form.TAR_GZ
    if head.startswith(_ZSTD_MAGIC) or (head[1:4] == b"\x2a\x4d\x18" and head[0] in _SKIPPABLE):
        return Form.TAR_ZST
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return Form.ZIP
    if head[257:262] == b"ustar" or (len(head) == _HEADER and (not any(head) or _sums_up(head))):
        return Form.TAR
    raise Refused(Rule.FORMAT, "it is no tar.gz, tar.zst, tar or zip")


def _sums_up(head: bytes) -> bool:
    """Whether it is a header of a tar from before ustar: all it has for a sign is its checksum."""
    said = head[148:156].strip(b" \0")
    return _OCTAL.fullmatch(said) is not None and int(said, 8) == sum(head[:148]) + 8 * 0x20 + sum(head[156:])


class Flow:
    """Decompressed bytes to take from, in order. Raises Refused where they break a limit or are not there."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._chunk = memoryview(b"")
        self.tell = 0

    def take(self, count: int) -> bytes:
        """Exactly `count` bytes."""
        if len(self._chunk) >= count:
            found = bytes(self._chunk[:count])
            self._chunk = self._chunk[count:]
            self.tell += count
            return found
        return b"".join(bytes(piece) for piece in self.pieces(count))

    def pieces(self, count: int) -> Iterator[memoryview]:
        """Exactly `count` bytes, in pieces as they come."""
        while count:
            if not self._more():
                raise Refused(Rule.TRUNCATED, "it ends in the middle")
            piece = self._chunk[:count]
            self._chunk = self._chunk[len(piece) :]
            self.tell += len(piece)
            count -= len(piece)
            yield piece

    def rest(self) -> Iterator[memoryview]:
        """Everything that is left."""
        while self._more():
            piece, self._chunk = self._chunk, memoryview(b"")
            self.tell += len(piece)
            yield piece

    def _more(self) -> bool:
        while not len(self._chunk):
            found = next(self._chunks, None)
            if found is None:
                return False
            self._chunk = memoryview(found)
        return True


def flow_of(descriptor: int, form: Form, limits: Limits) -> Flow:
    """The tar inside a file, from its begin."""
    chunks = {Form.TAR_GZ: _gunzip, Form.TAR_ZST: _unzstd, Form.TAR: _plain}[form]
    return Flow(chunks(descriptor, limits))


def _plain(descriptor: int, _: Limits) -> Iterator[bytes]:
    at = 0
    while chunk := os.pread(descriptor, _WRITE, at):
        at += len(chunk)
        yield chunk


class Ratio:
    """Watches how much comes out for what went in."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.taken = 0
        self.given = 0

    def add(self, taken: int, given: int) -> None:
        """So much more went in and came out. Raises Refused."""
        self.taken += taken
        self.given += given
        if self.given > self._limits.ratio_from and self.given > self._limits.ratio * self.taken:
            raise Refused(Rule.RATIO, f"it unfolds to more than {self._limits.ratio} times its size")


class _Source:
    """A file read in order, what is read from it counted."""

    def __init__(self, descriptor: int, piece: int, ratio: Ratio) -> None:
        self._descriptor = descriptor
        self._piece = piece
        self._ratio = ratio
        self._at = 0

    def read(self) -> bytes:
        data = os.pread(self._descriptor, self._piece, self._at)
        self._at += len(data)
        self._ratio.add(len(data), 0)
        return data


def _gunzip(descriptor: int, limits: Limits) -> Iterator[bytes]:
    """Every member, one after the other, each with its CRC and length checked; nothing after the last."""
    ratio = Ratio(limits)
    source = _Source(descriptor, _READ, ratio)
    data = source.read()
    while data:
        if len(data) <= _GZIP_FLAGS_AT:
            data += source.read()
        if not data.startswith(_GZIP_MAGIC):
            raise Refused(Rule.TRAILING, "there are bytes after the gzip data")
        if len(data) > _GZIP_FLAGS_AT and data[_GZIP_FLAGS_AT] & _GZIP_RESERVED:
            raise Refused(Rule.HEADER, "its gzip header has flags that are reserved")
        data = yield from _member(source, data, ratio)


def _member(source: _Source, data: bytes, ratio: Ratio) -> Generator[bytes, None, bytes]:
    """The content of one gzip member; returns what follows it."""
    member = codec.decompressor(codec.GZIP)
    while True:
        try:
            chunk: bytes = member.decompress(data, _WRITE)
        except codec.failure() as error:
            raise Refused(Rule.CHECKSUM, f"the gzip data are damaged ({error})") from error
        if chunk:
            ratio.add(0, len(chunk))
            yield chunk
        if member.eof:
            return member.unused_data or source.read()
        data = member.unconsumed_tail
        if not data and len(chunk) < _WRITE:
            data = source.read()
            if not data:
                raise Refused(Rule.TRUNCATED, "the gzip data end in the middle")


def _unzstd(descriptor: int, limits: Limits) -> Iterator[bytes]:
    """Every frame, one after the other, its checksum verified where it has one; nothing after the last."""
    ratio = Ratio(limits)
    source = _Source(descriptor, _ZSTD_READ, ratio)
    data = source.read()
    while data:
        frame = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()
        while True:
            try:
                chunk = frame.decompress(data)
            except zstandard.ZstdError as error:
                raise Refused(Rule.CHECKSUM, f"the zstd data are damaged ({error})") from error
            if chunk:
                ratio.add(0, len(chunk))
                yield chunk
            if frame.eof:
                data = frame.unused_data or source.read()
                break
            data = source.read()
            if not data:
                raise Refused(Rule.TRUNCATED, "the zstd data end in the middle")
