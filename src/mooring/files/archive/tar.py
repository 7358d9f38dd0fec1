"""The tar format, both ways. Source: POSIX.1-2017 pax (ustar, pax), GNU tar's manual (L, K, base-256).

What is read is strict: one meaning or none. What is written is ustar, with a pax header only where ustar cannot say it.
"""

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from mooring.files.archive.flow import Flow
from mooring.files.archive.limits import Limits
from mooring.files.archive.names import decoded
from mooring.files.errors import Refused, Rule

RECORD = 512
END = bytes(2 * RECORD)
_ZERO = bytes(RECORD)
# name mode uid gid size mtime checksum type linkname magic uname gname devmajor devminor prefix
_HEADER = struct.Struct("100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12x")
_USTAR, _GNU, _V7 = b"ustar\x0000", b"ustar  \x00", bytes(8)
_MOST_OCTAL = 0o77777777777
_OCTAL = re.compile(rb" *([0-7]*)[ \0]*")
_RECORD = re.compile(rb"([1-9][0-9]{0,5}) ")
_SECONDS = re.compile(rb"(-?[0-9]{1,19})(?:\.[0-9]*)?")


class Kind(StrEnum):
    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    HARD_LINK = "hard link"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One entry as the tar says it. The `size` bytes of a file come next in the flow."""

    kind: Kind
    name: str
    target: str
    size: int
    executable: bool
    mtime: int


_KINDS: Mapping[bytes, Kind] = {
    b"0": Kind.FILE, b"\0": Kind.FILE, b"1": Kind.HARD_LINK, b"2": Kind.SYMLINK, b"5": Kind.DIRECTORY,
}  # fmt: skip
_SPECIAL: Mapping[bytes, str] = {b"3": "a character device", b"4": "a block device", b"6": "a fifo"}
_UNTAKEN: Mapping[bytes, tuple[Rule, str]] = {
    b"S": (Rule.SPARSE, "it is a sparse file; write the archive without --sparse"),
    b"V": (Rule.TYPE, "it is a volume's header"),
    b"M": (Rule.TYPE, "it is the rest of another volume's file"),
    b"D": (Rule.TYPE, "it is a directory's dump"),
}


@dataclass(slots=True)
class _Said:
    """What headers before an entry said of it."""

    pax: dict[str, bytes]
    name: bytes | None = None
    target: bytes | None = None


def members(flow: Flow, limits: Limits) -> Iterator[Member]:
    """Every entry, to the tar's end, which must be one. Whoever takes a file takes its content before the next entry.

    Raises Refused.
    """
    while True:
        said = _Said({})
        header = _header(flow)
        while header is not None and header[7] in _BEFORE:
            _BEFORE[header[7]](flow, header, said, limits)
            header = _header(flow)
            if header is None:
                raise Refused(Rule.TRUNCATED, "it ends after a header of an entry that does not come")
        if header is None:
            break
        member = _member(header, said)
        begun = flow.tell
        yield member
        if flow.tell != begun + member.size:
            raise AssertionError("the content of an entry was not taken")
        flow.take(-member.size % RECORD)
    if any(any(piece) for piece in flow.rest()):
        raise Refused(Rule.TRAILING, "there is something after the tar's end")


_Header = tuple[bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes]


def _header(flow: Flow) -> _Header | None:
    """The next header; None at the end, which is two records of zeros."""
    record = flow.take(RECORD)
    if record == _ZERO:
        if flow.take(RECORD) != _ZERO:
            raise Refused(Rule.HEADER, "a record of zeros stands alone")
        return None
    header: _Header = _HEADER.unpack(record)
    # The checksum counts itself as spaces.
    if _number(header[6], "checksum") != sum(record) - sum(header[6]) + 8 * 0x20:
        nested = record.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"))
        if nested:
            raise Refused(Rule.NESTED, "there is another archive inside, but no tar")
        raise Refused(Rule.HEADER, "the checksum of a header is wrong", entry=_shown(header[0]))
    if header[9] not in (_USTAR, _GNU, _V7):
        raise Refused(Rule.HEADER, "a header is of no known form of tar", entry=_shown(header[0]))
    return header


def _member(header: _Header, said: _Said) -> Member:
    kind_sign, size = header[7], _number(header[4], "size", _shown(header[0]))
    name = decoded(_name(header, said))
    if kind_sign in _SPECIAL:
        raise Refused(Rule.SPECIAL, f"it is {_SPECIAL[kind_sign]}", entry=name)
    if kind_sign not in _KINDS:
        rule, says = _UNTAKEN.get(kind_sign, (Rule.TYPE, f"its type {kind_sign!r} is not known"))
        raise Refused(rule, says, entry=name)
    kind = _KINDS[kind_sign]
    if kind is Kind.FILE and name.endswith("/") and header[9] == _V7:
        kind = Kind.DIRECTORY
    if "size" in said.pax:
        size = _pax_size(said.pax["size"], size, name)
    if kind is not Kind.FILE and size:
        raise Refused(Rule.NUMBER, f"a {kind.value} cannot have content", entry=name)
    if kind is Kind.FILE and name.endswith("/"):
        raise Refused(Rule.ODD_PART, "a file's name ends with a slash", entry=name)
    target = said.pax.get("linkpath") or said.target or _text(header[8])
    return Member(
        kind=kind,
        name=name,
        target=decoded(target) if kind in (Kind.SYMLINK, Kind.HARD_LINK) else "",
        size=size,
        executable=bool(_number(header[1], "mode", name) & 0o100),
        mtime=_mtime(header, said, name),
    )


def _name(header: _Header, said: _Said) -> bytes:
    if "path" in said.pax:
        return said.pax["path"]
    if said.name is not None:
        return said.name
    name, prefix = _text(header[0]), _text(header[14])
    return prefix + b"/" + name if prefix and header[9] == _USTAR else name


def _mtime(header: _Header, said: _Said, name: str) -> int:
    if "mtime" in said.pax:
        found = _SECONDS.fullmatch(said.pax["mtime"])
        if found is None:
            raise Refused(Rule.PAX, "its pax mtime is no number", entry=name)
        return int(found[1])
    return _number(header[5], "mtime", name, negative=True)


def _pax_size(raw: bytes, header_size: int, name: str) -> int:
    if not raw.isdigit() or len(raw) > 19:  # noqa: PLR2004 - the digits of 2**63
        raise Refused(Rule.NUMBER, "its pax size is no number", entry=name)
    size = int(raw)
    # Where the header can say it too it must say the same: readers differ in which one they believe.
    if size <= _MOST_OCTAL and size != header_size:
        raise Refused(Rule.PAX, f"its pax header says {size} bytes, its header {header_size}", entry=name)
    return size


def _number(raw: bytes, what: str, name: str | None = None, *, negative: bool = False) -> int:
    """A number in octal digits, or GNU's base-256."""
    if raw[0] & 0x80:
        value = int.from_bytes(raw, "big", signed=False)
        bits = 8 * len(raw)
        value = value - (1 << bits) if raw[0] & 0x40 else value & ((1 << (bits - 1)) - 1)
        if value < 0 and not negative:
            raise Refused(Rule.NUMBER, f"its {what} is negative", entry=name)
        return value
    found = _OCTAL.fullmatch(raw)
    if found is None:
        raise Refused(Rule.NUMBER, f"its {what} is no number", entry=name)
    return int(found[1] or b"0", 8)


def _text(raw: bytes) -> bytes:
    return raw.partition(b"\0")[0]


def _shown(raw: bytes) -> str:
    return _text(raw).decode(errors="replace")


# --- headers before a header ---


def _content(flow: Flow, header: _Header, most: int, what: str) -> bytes:
    size = _number(header[4], "size", what)
    if size > most:
        raise Refused(Rule.PAX, f"a {what} has {size} bytes, at most {most} are taken", entry=_shown(header[0]))
    data = flow.take(size)
    flow.take(-size % RECORD)
    return data


def _take_pax(flow: Flow, header: _Header, said: _Said, limits: Limits) -> None:
    if said.pax or said.name is not None or said.target is not None:
        raise Refused(Rule.PAX, "two headers speak of one entry", entry=_shown(header[0]))
    said.pax = _pax(_content(flow, header, limits.pax_bytes, "pax header"), limits)


def _take_global(flow: Flow, header: _Header, _: _Said, limits: Limits) -> None:
    found = _pax(_content(flow, header, limits.pax_bytes, "pax header"), limits)
    for key in ("path", "linkpath", "size"):
        if key in found:
            raise Refused(Rule.PAX, f"a header for all entries says a {key}")


def _take_long_name(flow: Flow, header: _Header, said: _Said, limits: Limits) -> None:
    if said.pax or said.name is not None:
        raise Refused(Rule.PAX, "two headers speak of one entry", entry=_shown(header[0]))
    said.name = _long(flow, header, limits)


def _take_long_target(flow: Flow, header: _Header, said: _Said, limits: Limits) -> None:
    if said.pax or said.target is not None:
        raise Refused(Rule.PAX, "two headers speak of one entry", entry=_shown(header[0]))
    said.target = _long(flow, header, limits)


def _long(flow: Flow, header: _Header, limits: Limits) -> bytes:
    # The text ends with a zero.
    text = _content(flow, header, limits.name + 1, "long name").removesuffix(b"\0")
    if b"\0" in text:
        raise Refused(Rule.PAX, "a long name holds NUL", entry=_shown(text))
    return text


_BEFORE = {b"x": _take_pax, b"g": _take_global, b"L": _take_long_name, b"K": _take_long_target}


def _pax(data: bytes, limits: Limits) -> dict[str, bytes]:
    """The records of a pax header, each `<length> <key>=<value>` and a line's end; without owners and attributes."""
    found: dict[str, bytes] = {}
    seen: set[bytes] = set()
    at = 0
    while at < len(data):
        length = _RECORD.match(data, at)
        end = at + int(length[1]) if length else 0
        if length is None or not length.end() < end <= len(data) or data[end - 1 : end] != b"\n":
            raise Refused(Rule.PAX, "a record of a pax header has a wrong length")
        key, mark, value = data[length.end() : end - 1].partition(b"=")
        if not mark or not key or key in seen:
            raise Refused(Rule.PAX, "a record of a pax header has no key, or one that was there before")
        seen.add(key)
        if len(seen) > limits.pax_records:
            raise Refused(Rule.PAX, f"a pax header has more than {limits.pax_records} records")
        _keep(key, value, found)
        at = end
    return found


def _keep(key: bytes, value: bytes, found: dict[str, bytes]) -> None:
    if key.startswith(b"GNU.sparse."):
        raise Refused(Rule.SPARSE, "it is a sparse file; write the archive without --sparse")
    if key == b"hdrcharset" and value != b"ISO-IR 10646 2000 UTF-8":
        raise Refused(Rule.ENCODING, "a pax header is not in UTF-8")
    if key in (b"path", b"linkpath", b"size", b"mtime"):
        if b"\0" in value or not value:
            raise Refused(Rule.PAX, f"the pax {key.decode()} is empty or holds NUL")
        found[key.decode()] = value


# --- writing ---

_SIGNS = {"file": b"0", "directory": b"5", "symlink": b"2"}
_NAME, _PREFIX = 100, 155


def header(path: str, kind: str, *, size: int = 0, mode: int, mtime: int, target: str = "") -> bytes:
    """The header of an entry; the content of a file comes behind it, filled up to a whole record."""
    name = (path + "/" if kind == "directory" else path).encode()
    link = target.encode()
    pax: list[bytes] = []
    prefix, short = _split(name)
    if not (path.isascii() and short is not None):
        pax.append(_record(b"path", name))
    if link and not (target.isascii() and len(link) <= _NAME):
        pax.append(_record(b"linkpath", link))
    if size > _MOST_OCTAL:
        pax.append(_record(b"size", b"%d" % size))
    if mtime > _MOST_OCTAL:
        pax.append(_record(b"mtime", b"%d" % mtime))
    before = b""
    if pax:
        data = b"".join(pax)
        before = _packed(b"PaxHeader", b"", b"x", len(data), 0o644, 0, b"") + data + bytes(-len(data) % RECORD)
    plain = short if short is not None else _ascii(name)[:_NAME]
    sizes, time = (0 if size > _MOST_OCTAL else size), min(mtime, _MOST_OCTAL)
    return before + _packed(plain, prefix, _SIGNS[kind], sizes, mode, time, _ascii(link)[:_NAME])


def _split(name: bytes) -> tuple[bytes, bytes | None]:
    """The name as ustar's prefix and name; no name when it does not fit."""
    if len(name) <= _NAME:
        return b"", name
    at = name.rfind(b"/", 0, min(_PREFIX, len(name) - 2) + 1)
    if at > 0 and len(name) - at - 1 <= _NAME:
        return name[:at], name[at + 1 :]
    return b"", None


def _ascii(text: bytes) -> bytes:
    return bytes(byte if byte < 0x80 else 0x3F for byte in text)  # noqa: PLR2004 - the end of ASCII


def _packed(name: bytes, prefix: bytes, sign: bytes, size: int, mode: int, mtime: int, link: bytes) -> bytes:
    octal = b"%07o\0" % mode, b"%011o\0" % size, b"%011o\0" % mtime
    raw = _HEADER.pack(
        name, octal[0], b"0000000\0", b"0000000\0", octal[1], octal[2], b" " * 8, sign, link, _USTAR,
        b"", b"", b"0000000\0", b"0000000\0", prefix,
    )  # fmt: skip
    return raw[:148] + b"%06o\0 " % sum(raw) + raw[156:]


def _record(key: bytes, value: bytes) -> bytes:
    """A record of a pax header; its length counts its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    if len(str(length)) > len(str(rest)):
        length += 1
    return b"%d %s=%s\n" % (length, key, value)
