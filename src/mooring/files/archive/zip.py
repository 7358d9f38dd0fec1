"""The zip format, both ways. Source: PKWARE APPNOTE 6.3.10, Info-ZIP's extra fields.

A zip says everything twice or three times; here all of it must agree, and the entries must lie one behind the other
from the first byte to the directory, with nothing before, between or behind them.
"""

import codecs
import os
import stat
import struct
from calendar import timegm
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from mooring.files.archive import codec
from mooring.files.archive.flow import Ratio
from mooring.files.archive.limits import Limits
from mooring.files.archive.names import decoded
from mooring.files.archive.tar import Kind
from mooring.files.errors import Refused, Rule

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR = struct.Struct("<4sIQI")
_LOCAL_SIGN, _CENTRAL_SIGN, _END_SIGN = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_END64_SIGN, _LOCATOR_SIGN, _DESCRIPTOR_SIGN = b"PK\x06\x06", b"PK\x06\x07", b"PK\x07\x08"
_MAX16, _MAX32 = 0xFFFF, 0xFFFFFFFF
_STORED, _DEFLATED = 0, 8
_ENCRYPTED = 0x0001 | 0x0040 | 0x2000
_DESCRIBED, _UTF8 = 0x0008, 0x0800
# Beside those, only how hard the compressor tried.
_KNOWN_FLAGS = _ENCRYPTED | _DESCRIBED | _UTF8 | 0x0006
# Unix and macOS: whose attributes hold a mode.
_UNIX = (3, 19)
_DOS_DIRECTORY = 0x10
_EXTRA_ZIP64, _EXTRA_TIME, _EXTRA_PATH = 0x0001, 0x5455, 0x7075
# Version and checksum stand before the name in the field of a path.
_PATH_AT = 5
# What names were written in before there was UTF-8 in a zip, by system and country.
_CODE_PAGES = (
    "ascii", "cp437", "cp850", "cp852", "cp866", "cp932", "cp936", "cp949", "cp950", "cp1250", "cp1251", "cp1252",
)  # fmt: skip
# For a letter that is not in the code page: Info-ZIP's, Apache Commons Compress's, everybody else's.
_LACKS: tuple[Callable[[str], str], ...] = (
    lambda letter: f"#U{ord(letter):04x}" if ord(letter) <= _MAX16 else f"#L{ord(letter):06x}",
    lambda letter: "".join(f"%U{unit.upper()}" for unit in codecs.utf_16_be_encode(letter)[0].hex(" ", 2).split()),
    lambda _: "?",
)
_PIECE = 1 << 20
_TARGET = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One entry, and where its data lie."""

    kind: Kind
    name: str
    size: int
    executable: bool
    mtime: int
    method: int
    crc: int
    start: int
    packed: int


class _Central(NamedTuple):
    """An entry of the directory."""

    name: bytes
    made_by: int
    flags: int
    method: int
    time: int
    date: int
    crc: int
    packed: int
    size: int
    attributes: int
    offset: int
    extra: Mapping[int, bytes]


def load() -> None:
    """Have the code pages at hand, for a process that will have no files to find them in."""
    for page in _CODE_PAGES:
        codecs.lookup(page)


def members(descriptor: int, limits: Limits) -> Iterator[Member]:
    """Every entry, in the order in which they lie in the file, which the directory's must be. Raises Refused."""
    start, end, count = _directory(descriptor, limits)
    directory, at = start, 0
    for _ in range(count):
        entry, directory = _central(descriptor, directory, end)
        if entry.offset != at:
            raise Refused(Rule.ZIP_LAYOUT, "entries overlap or leave a gap", entry=_shown(entry.name))
        data_start, at = _local(descriptor, entry, start)
        yield _member(entry, data_start)
    if at != start or directory != end:
        raise Refused(Rule.ZIP_LAYOUT, "there is something between the entries and the directory, or in the directory")


def content(descriptor: int, member: Member, ratio: Ratio) -> Iterator[bytes]:
    """The content of an entry, of the size and CRC the directory says. Raises Refused."""
    size = crc = 0
    ratio.add(member.packed, 0)
    for chunk in (_stored if member.method == _STORED else _inflated)(descriptor, member):
        size += len(chunk)
        ratio.add(0, len(chunk))
        if size > member.size:
            break
        crc = codec.crc32(chunk, crc)
        yield chunk
    if size != member.size or crc != member.crc:
        raise Refused(Rule.CHECKSUM, "its size or checksum is not what the directory says", entry=member.name)


def target(descriptor: int, member: Member, ratio: Ratio) -> str:
    """Where a symbolic link leads: that is its content."""
    if member.size > _TARGET:
        raise Refused(Rule.LONG_NAME, f"the link's target has more than {_TARGET} bytes", entry=member.name)
    return decoded(b"".join(content(descriptor, member, ratio)))


def _stored(descriptor: int, member: Member) -> Iterator[bytes]:
    at, end = member.start, member.start + member.packed
    while at < end:
        yield (data := _read(descriptor, at, min(_PIECE, end - at), member.name))
        at += len(data)


def _inflated(descriptor: int, member: Member) -> Iterator[bytes]:
    inflate = codec.decompressor(codec.RAW)
    at, end = member.start, member.start + member.packed
    data, more = b"", False
    while not inflate.eof:
        if not data and not more:
            if at == end:
                raise Refused(Rule.TRUNCATED, "its data end in the middle", entry=member.name)
            data = _read(descriptor, at, min(_PIECE, end - at), member.name)
            at += len(data)
        try:
            chunk: bytes = inflate.decompress(data, _PIECE)
        except codec.failure() as error:
            raise Refused(Rule.CHECKSUM, f"its data are damaged ({error})", entry=member.name) from error
        data, more = inflate.unconsumed_tail, len(chunk) == _PIECE
        yield chunk
    if inflate.unused_data or at != end:
        raise Refused(Rule.ZIP_MISMATCH, "its data end before the directory says", entry=member.name)


def _read(descriptor: int, at: int, count: int, name: str | None = None) -> bytes:
    data = os.pread(descriptor, count, at)
    if len(data) != count:
        raise Refused(Rule.TRUNCATED, "it ends in the middle", entry=name)
    return data


# --- the directory ---


def _directory(descriptor: int, limits: Limits) -> tuple[int, int, int]:
    """Where the directory begins and ends, and how many entries it has."""
    size = os.fstat(descriptor).st_size
    tail_start = max(0, size - _END.size - _MAX16)
    tail = os.pread(descriptor, size - tail_start, tail_start)
    at = tail.rfind(_END_SIGN)
    if at < 0 or at + _END.size > len(tail):
        raise Refused(Rule.TRUNCATED, "the zip has no end")
    _, disk, first_disk, here, count, length, start, comment = _END.unpack_from(tail, at)
    if at + _END.size + comment != len(tail):
        raise Refused(Rule.ZIP_LAYOUT, "there is something after the zip's end")
    end = tail_start + at
    if at >= _LOCATOR.size and tail[at - _LOCATOR.size : at - _LOCATOR.size + 4] == _LOCATOR_SIGN:
        end, (disk, first_disk, here, count, length, start) = _directory64(
            descriptor, end - _LOCATOR.size, (disk, first_disk, here, count, length, start)
        )
    if disk or first_disk or here != count:
        raise Refused(Rule.ZIP_LAYOUT, "it is one of several parts")
    if count > limits.entries:
        raise Refused(Rule.ENTRIES, f"there are more than {limits.entries} entries")
    if start + length != end:
        raise Refused(Rule.ZIP_LAYOUT, "the directory does not end where the zip's end begins")
    return start, end, count


_Counts = tuple[int, int, int, int, int, int]


def _directory64(descriptor: int, locator: int, small: _Counts) -> tuple[int, _Counts]:
    """Where the larger end begins, and what it says; the smaller one must say the same, or that it cannot."""
    _, disk, end, disks = _LOCATOR.unpack(_read(descriptor, locator, _LOCATOR.size))
    if disk or disks != 1 or end + _END64.size > locator:
        raise Refused(Rule.ZIP_LAYOUT, "the zip64 locator leads nowhere")
    sign, size, _, _, *large = _END64.unpack(_read(descriptor, end, _END64.size))
    if sign != _END64_SIGN or end + 12 + size != locator:
        raise Refused(Rule.ZIP_LAYOUT, "the zip64 end is not where its locator leads")
    for said, most, found in zip(small, (_MAX16,) * 4 + (_MAX32,) * 2, large, strict=True):
        if said not in (most, found):
            raise Refused(Rule.ZIP_MISMATCH, "the zip's two ends do not agree")
    disk, first_disk, here, count, length, start = large
    return end, (disk, first_disk, here, count, length, start)


def _central(descriptor: int, at: int, end: int) -> tuple[_Central, int]:
    """The entry of the directory that begins there, and where the next one does."""
    if at + _CENTRAL.size > end:
        raise Refused(Rule.ZIP_LAYOUT, "the directory holds fewer entries than the zip's end says")
    fixed = _CENTRAL.unpack(_read(descriptor, at, _CENTRAL.size))
    sign, made_by, _, flags, method, time, date, crc, packed, size, name, extra, comment = fixed[:13]
    disk, _, attributes, offset = fixed[13:]
    rest = _read(descriptor, at + _CENTRAL.size, name + extra + comment)
    raw = rest[:name]
    if sign != _CENTRAL_SIGN or disk not in (0, _MAX16):
        raise Refused(Rule.ZIP_LAYOUT, "the directory holds something else than entries", entry=_shown(raw))
    fields = _extra(rest[name : name + extra], raw)
    large = [size, packed, offset]
    missing = [at for at, value in enumerate(large) if value == _MAX32]
    given = fields.get(_EXTRA_ZIP64, b"")
    if len(given) != 8 * len(missing):
        raise Refused(Rule.ZIP_MISMATCH, "its zip64 field does not fit its sizes", entry=_shown(raw))
    for at_field, place in enumerate(missing):
        large[place] = int.from_bytes(given[8 * at_field : 8 * at_field + 8], "little")
    size, packed, offset = large
    made = _Central(raw, made_by, flags, method, time, date, crc, packed, size, attributes, offset, fields)
    _check(made)
    return made, at + _CENTRAL.size + len(rest)


def _check(entry: _Central) -> None:
    if entry.flags & _ENCRYPTED:
        raise Refused(Rule.ENCRYPTED, "it is encrypted", entry=_shown(entry.name))
    if entry.flags & ~_KNOWN_FLAGS or entry.method not in (_STORED, _DEFLATED):
        raise Refused(Rule.METHOD, f"its compression {entry.method} is not known here", entry=_shown(entry.name))
    if entry.method == _STORED and entry.packed != entry.size:
        raise Refused(Rule.ZIP_MISMATCH, "it is stored, but has two sizes", entry=_shown(entry.name))


def _extra(data: bytes, name: bytes) -> dict[int, bytes]:
    """The extra fields by their numbers. Up to three zeros at the end are what aligning tools leave."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(data):
        number, size = struct.unpack_from("<HH", data, at)
        if at + 4 + size > len(data) or number in found:
            raise Refused(Rule.HEADER, "its extra fields cannot be read", entry=_shown(name))
        found[number] = data[at + 4 : at + 4 + size]
        at += 4 + size
    if any(data[at:]):
        raise Refused(Rule.HEADER, "its extra fields cannot be read", entry=_shown(name))
    return found


# --- an entry's own header ---


def _local(descriptor: int, entry: _Central, directory: int) -> tuple[int, int]:
    """Where the entry's data begin, and where the next entry does."""
    shown = _shown(entry.name)
    fixed = _LOCAL.unpack(_read(descriptor, entry.offset, _LOCAL.size, shown))
    sign, _, flags, method, _, _, crc, packed, size, name, extra = fixed
    rest = _read(descriptor, entry.offset + _LOCAL.size, name + extra, shown)
    if sign != _LOCAL_SIGN or (flags, method, rest[:name]) != (entry.flags, entry.method, entry.name):
        raise Refused(Rule.ZIP_MISMATCH, "its own header says something else than the directory", entry=shown)
    own = _extra(rest[name:], entry.name)
    if _EXTRA_PATH in own and _name(entry, own) != _name(entry, entry.extra):
        raise Refused(Rule.ZIP_MISMATCH, "its own header says another name than the directory", entry=shown)
    large = own.get(_EXTRA_ZIP64)
    if large is not None:
        if len(large) != 16:  # noqa: PLR2004 - two numbers of 8 bytes
            raise Refused(Rule.ZIP_MISMATCH, "its zip64 field does not fit its sizes", entry=shown)
        size = int.from_bytes(large[:8], "little") if size == _MAX32 else size
        packed = int.from_bytes(large[8:], "little") if packed == _MAX32 else packed
    said = (crc, packed, size)
    told = (entry.crc, entry.packed, entry.size)
    described = bool(flags & _DESCRIBED)
    if said != told and not (described and all(a in (0, b) for a, b in zip(said, told, strict=True))):
        raise Refused(Rule.ZIP_MISMATCH, "its own header says something else than the directory", entry=shown)
    start = entry.offset + _LOCAL.size + len(rest)
    end = start + entry.packed
    if end > directory:
        raise Refused(Rule.ZIP_LAYOUT, "its data reach into the directory", entry=shown)
    return start, end + (_descriptor(descriptor, end, told, shown, large=large is not None) if described else 0)


def _descriptor(descriptor: int, at: int, told: tuple[int, int, int], shown: str, *, large: bool) -> int:
    """How long the entry's data descriptor is, which says it all once more."""
    form = struct.Struct("<I2Q" if large else "<3I")
    signed = os.pread(descriptor, 4, at) == _DESCRIPTOR_SIGN
    begin = at + 4 if signed else at
    if form.unpack(_read(descriptor, begin, form.size, shown)) != told:
        raise Refused(Rule.ZIP_MISMATCH, "its data descriptor says something else than the directory", entry=shown)
    return begin - at + form.size


def _member(entry: _Central, start: int) -> Member:
    name = _name(entry, entry.extra)
    mode = entry.attributes >> 16 if entry.made_by >> 8 in _UNIX else 0
    kind = _kind(name, stat.S_IFMT(mode), dos_directory=bool(entry.attributes & _DOS_DIRECTORY))
    if kind is Kind.DIRECTORY and entry.size:
        raise Refused(Rule.NUMBER, "a directory cannot have content", entry=name)
    return Member(
        kind=kind,
        name=name,
        size=entry.size,
        executable=bool(mode & 0o100),
        mtime=_mtime(entry),
        method=entry.method,
        crc=entry.crc,
        start=start,
        packed=entry.packed,
    )


def _name(entry: _Central, extra: Mapping[int, bytes]) -> str:
    """The name, which one of the extra fields says in UTF-8 where the header may not. Raises Refused."""
    field = extra.get(_EXTRA_PATH, b"")
    # Made for another name it was left behind by who renamed the entry, and says nothing. Source: APPNOTE, 4.6.9.
    if len(field) < _PATH_AT or field[:_PATH_AT] != b"\x01" + codec.crc32(entry.name).to_bytes(4, "little"):
        return decoded(entry.name)
    said = field[_PATH_AT:]
    name = decoded(said)
    if said != entry.name and (entry.flags & _UTF8 or not _stands_for(entry.name, name)):
        raise Refused(Rule.ZIP_MISMATCH, f"its Unicode path says another name, {name[:80]!r}", entry=_shown(entry.name))
    return name


def _stands_for(raw: bytes, name: str) -> bool:
    """Whether this is the name as a code page has it, what that lacks written in one of the ways of packers."""
    return any(_written(name, page, lacks) == raw for page in _CODE_PAGES for lacks in _LACKS)


def _written(name: str, page: str, lacks: Callable[[str], str]) -> bytes:
    return b"".join(letter.encode(page, "ignore") or lacks(letter).encode() for letter in name)


def _kind(name: str, form: int, *, dos_directory: bool) -> Kind:
    if form not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
        raise Refused(Rule.SPECIAL, "it is a device, a fifo or a socket", entry=name)
    slash = name.endswith("/")
    if slash != (form == stat.S_IFDIR) and form != 0:
        raise Refused(Rule.ZIP_MISMATCH, "its name and its mode do not agree on what it is", entry=name)
    # bsdtar makes a directory of it, unzip a file.
    if dos_directory and not slash and form == 0:
        raise Refused(Rule.ZIP_MISMATCH, "its name and its attributes do not agree on what it is", entry=name)
    if form == stat.S_IFLNK:
        return Kind.SYMLINK
    return Kind.DIRECTORY if slash else Kind.FILE


def _mtime(entry: _Central) -> int:
    """When it was changed: by the field that knows the zone, else by the clock of whoever packed it, taken as UTC."""
    stamp = entry.extra.get(_EXTRA_TIME, b"")
    if len(stamp) >= 5 and stamp[0] & 1:  # noqa: PLR2004 - flags and a number of 4 bytes
        return int.from_bytes(stamp[1:5], "little", signed=True)
    year, month, day = 1980 + (entry.date >> 9), (entry.date >> 5) & 15, entry.date & 31
    hour, minute, second = entry.time >> 11, (entry.time >> 5) & 63, (entry.time & 31) * 2
    # Four bits say more months than a year has; a day, an hour or a minute too many runs on into the next.
    return timegm((year, min(max(1, month), 12), max(1, day), hour, minute, second))


def _shown(name: bytes) -> str:
    return name.decode(errors="replace")
