"""A zip, written piece by piece. Source: PKWARE APPNOTE 6.3.10. Opens everywhere, and passes our own import."""

import struct
import time
from dataclasses import dataclass

from mooring.files.archive import codec
from mooring.files.archive.blocks import BLOCK

_UTF8, _DESCRIBED = 0x0800, 0x0008
_STORED, _DEFLATED = 0, 8
_VERSION, _VERSION64, _UNIX = 20, 45, 3 << 8
# From here on sizes are said in 64 bits; below 4 GiB by what deflate may add to data it cannot shrink.
LARGE = 0xF0000000
_MAX16, _MAX32 = 0xFFFF, 0xFFFFFFFF
_EARLIEST, _LATEST = 315532800, 4354819198
_LAST_BLOCK = b"\x03\x00"


@dataclass(slots=True)
class _Entry:
    name: bytes
    mode: int
    flags: int
    method: int
    when: tuple[int, int]
    offset: int
    crc: int = 0
    packed: int = 0
    size: int = 0
    large: bool = False


class ZipWriter:
    """Each method gives the bytes that come next."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._tell = 0

    def whole(self, name: str, mode: int, mtime: int, content: bytes) -> bytes:
        """An entry whose content is at hand. A directory's name ends with a slash, a link's content is its target."""
        packed = deflated(content)
        method = _DEFLATED if len(packed) < len(content) else _STORED
        data = packed if method == _DEFLATED else content
        made = _Entry(name.encode(), mode, _UTF8, method, _dos(mtime), self._tell)
        made.crc, made.packed, made.size = codec.crc32(content), len(data), len(content)
        self._entries.append(made)
        return self._told(_local(made) + data)

    def begin(self, name: str, mode: int, mtime: int, size: int) -> bytes:
        """An entry whose content comes with `more`, `size` bytes in all."""
        made = _Entry(name.encode(), mode, _UTF8 | _DESCRIBED, _DEFLATED, _dos(mtime), self._tell)
        made.large = size >= LARGE
        self._entries.append(made)
        return self._told(_local(made))

    def more(self, content: bytes) -> bytes:
        """More of the content of the entry that was begun."""
        made, data = self._entries[-1], deflated(content, last=False)
        made.crc = codec.crc32(content, made.crc)
        made.size += len(content)
        made.packed += len(data)
        return self._told(data)

    def finish(self) -> bytes:
        """The end of the entry that was begun."""
        made = self._entries[-1]
        made.packed += len(_LAST_BLOCK)
        form = "<4sI2Q" if made.large else "<4s3I"
        return self._told(_LAST_BLOCK + struct.pack(form, b"PK\x07\x08", made.crc, made.packed, made.size))

    def close(self) -> bytes:
        """The directory and the end."""
        start = self._tell
        directory = b"".join(_central(made) for made in self._entries)
        count, length = len(self._entries), len(directory)
        large = b""
        if count >= _MAX16 or start >= _MAX32 or length >= _MAX32:
            large = struct.pack(
                "<4sQ2H2I4Q", b"PK\x06\x06", 44, _UNIX | _VERSION64, _VERSION64, 0, 0, count, count, length, start
            ) + struct.pack("<4sIQI", b"PK\x06\x07", 0, start + length, 1)
        shown = min(count, _MAX16)
        end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, shown, shown, min(length, _MAX32), min(start, _MAX32), 0)
        return directory + large + end

    def _told(self, data: bytes) -> bytes:
        self._tell += len(data)
        return data


def deflated(content: bytes, *, last: bool = True) -> bytes:
    """Deflate data; unless it is the last, more may follow."""
    view = memoryview(content)
    blocks = [codec.deflated_alone(view[at : at + BLOCK]) for at in range(0, len(content), BLOCK)]
    return b"".join(blocks) + (_LAST_BLOCK if last else b"")


def _local(made: _Entry) -> bytes:
    extra = struct.pack("<HHQQ", 1, 16, 0, 0) if made.large else b""
    sizes = (_MAX32, _MAX32) if made.large else (made.packed, made.size)
    version = _VERSION64 if made.large else _VERSION
    return (
        struct.pack(
            "<4s5H3I2H", b"PK\x03\x04", version, made.flags, made.method, *made.when, made.crc, *sizes,
            len(made.name), len(extra),
        )
        + made.name
        + extra
    )  # fmt: skip


def _central(made: _Entry) -> bytes:
    values = (made.size, made.packed, made.offset)
    over = [value for value in values if value >= _MAX32]
    size, packed, offset = (min(value, _MAX32) for value in values)
    extra = struct.pack(f"<HH{len(over)}Q", 1, 8 * len(over), *over) if over else b""
    version = _VERSION64 if over else _VERSION
    attributes = made.mode << 16 | (0x10 if made.name.endswith(b"/") else 0)
    return (
        struct.pack(
            "<4s6H3I5H2I", b"PK\x01\x02", _UNIX | version, version, made.flags, made.method, *made.when, made.crc,
            packed, size, len(made.name), len(extra), 0, 0, 0, attributes, offset,
        )
        + made.name
        + extra
    )  # fmt: skip


def _dos(mtime: int) -> tuple[int, int]:
    """Time and date as a zip says them, in UTC; it knows the years 1980 to 2107."""
    when = time.gmtime(max(_EARLIEST, min(mtime, _LATEST)))
    clock = when.tm_hour << 11 | when.tm_min << 5 | when.tm_sec // 2
    return clock, (when.tm_year - 1980) << 9 | when.tm_mon << 5 | when.tm_mday
