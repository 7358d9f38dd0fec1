"""Archives made by hand, byte by byte, so that they can say what no tool would."""

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Sequence

RECORD = 512
END = bytes(1024)


def octal(value: int, width: int) -> bytes:
    return b"%0*o\0" % (width - 1, value)


def base256(value: int, width: int) -> bytes:
    """GNU's form of a number that octal digits cannot hold; negative ones too."""
    raw = value.to_bytes(width, "big", signed=True)
    return bytes([raw[0] | 0x80]) + raw[1:]


def header(
    name: bytes,
    kind: bytes = b"0",
    *,
    size: int | bytes = 0,
    mode: int = 0o644,
    mtime: int | bytes = 1_700_000_000,
    link: bytes = b"",
    prefix: bytes = b"",
    magic: bytes = b"ustar\x0000",
    uid: bytes = b"0000000\0",
    checksum: bytes | None = None,
) -> bytes:
    """One header; a number given as bytes goes in as it is."""
    sizes = size if isinstance(size, bytes) else octal(size, 12)
    times = mtime if isinstance(mtime, bytes) else octal(mtime, 12)
    raw = struct.pack(
        "100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12x",
        name, octal(mode, 8), uid, b"0000000\0", sizes, times, b" " * 8, kind, link, magic,
        b"root", b"root", b"", b"", prefix,
    )  # fmt: skip
    return raw[:148] + (checksum or b"%06o\0 " % sum(raw)) + raw[156:]


def filled(data: bytes) -> bytes:
    return data + bytes(-len(data) % RECORD)


def file(name: str | bytes, data: bytes = b"content", **given: object) -> bytes:
    raw = name.encode() if isinstance(name, str) else name
    return header(raw, **{"size": len(data), **given}) + filled(data)  # pyright: ignore[reportArgumentType]


def directory(name: str, mode: int = 0o755) -> bytes:
    return header(name.encode(), b"5", mode=mode)


def symlink(name: str, target: str) -> bytes:
    return header(name.encode(), b"2", link=target.encode())


def hard_link(name: str, target: str) -> bytes:
    return header(name.encode(), b"1", link=target.encode())


def record(key: str, value: str | bytes) -> bytes:
    """One record of a pax header, its length right."""
    raw = value.encode() if isinstance(value, str) else value
    body = b" " + key.encode() + b"=" + raw + b"\n"
    length = len(body)
    while len(str(length)) + len(body) != length:
        length = len(str(length)) + len(body)
    return str(length).encode() + body


def pax(*records: bytes, kind: bytes = b"x") -> bytes:
    data = b"".join(records)
    return header(b"PaxHeader", kind, size=len(data)) + filled(data)


def long(kind: bytes, text: bytes) -> bytes:
    """GNU's long name (L) or long target (K)."""
    return header(b"././@LongLink", kind, size=len(text) + 1, magic=b"ustar  \0") + filled(text + b"\0")


def tar(*parts: bytes, end: bytes = END) -> bytes:
    return b"".join(parts) + end


def gz(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


class Zipped:
    """A zip made by hand: local headers, data, directory, end — each of which may lie."""

    def __init__(self) -> None:
        self.body = b""
        self.directory = b""
        self.count = 0

    def add(
        self,
        name: bytes,
        data: bytes = b"content",
        *,
        method: int = 0,
        flags: int = 0x800,
        mode: int = 0o100644,
        local_name: bytes | None = None,
        local_size: int | None = None,
        size: int | None = None,
        crc: int | None = None,
        offset: int | None = None,
        central_extra: bytes = b"",
        local_extra: bytes = b"",
        descriptor: bytes = b"",
        made_by: int = 3 << 8 | 20,
        date: int = 0x5A21,
        time: int = 0,
        dos: int = 0,
    ) -> "Zipped":
        packed = data if method == 0 else _deflated(data)
        checksum = zlib.crc32(data) if crc is None else crc
        real = len(data) if size is None else size
        where = len(self.body) if offset is None else offset
        described = bool(flags & 8)
        own = (0, 0, 0) if described else (checksum, len(packed), len(data) if local_size is None else local_size)
        inner = name if local_name is None else local_name
        self.body += struct.pack(
            "<4s5H3I2H", b"PK\x03\x04", 20, flags, method, time, date, *own, len(inner), len(local_extra)
        )
        self.body += inner + local_extra + packed + descriptor
        self.directory += struct.pack(
            "<4s6H3I5H2I", b"PK\x01\x02", made_by, 20, flags, method, time, date, checksum, len(packed), real,
            len(name), len(central_extra), 0, 0, 0, mode << 16 | dos, where,
        )  # fmt: skip
        self.directory += name + central_extra
        self.count += 1
        return self

    def done(self, *, before: bytes = b"", after: bytes = b"", count: int | None = None, comment: bytes = b"") -> bytes:
        start = len(before) + len(self.body)
        number = self.count if count is None else count
        end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, number, number, len(self.directory), start, len(comment))
        return before + self.body + self.directory + after + end + comment


def unicode_path(header_name: bytes, name: str, *, crc: int | None = None, version: int = 1) -> bytes:
    """Info-ZIP's extra field that says a name in UTF-8, made for what the header has."""
    checksum = zlib.crc32(header_name) if crc is None else crc
    data = struct.pack("<BI", version, checksum) + name.encode()
    return struct.pack("<HH", 0x7075, len(data)) + data


def _deflated(data: bytes) -> bytes:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return deflate.compress(data) + deflate.flush()


def zipped(entries: Sequence[tuple[str, bytes]]) -> bytes:
    """What Python's own module makes of the entries."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in entries:
            out.writestr(name, data)
    return made.getvalue()
