"""The archives that must be refused, each with the rule it breaks."""

import struct
from dataclasses import dataclass

import zstandard

from archives.make import (
    END,
    Zipped,
    base256,
    directory,
    file,
    gz,
    hard_link,
    header,
    long,
    pax,
    record,
    symlink,
    tar,
    unicode_path,
)
from mooring.files.archive.limits import Limits
from mooring.files.errors import Rule

# Small enough for tests to reach.
SMALL = Limits(entries=50, total=64 << 20, file=32 << 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`data` breaks `rule`, at `entry` where that can be told."""

    data: bytes
    rule: Rule
    entry: str | None = None
    limits: Limits = SMALL


def _tar(rule: Rule, *parts: bytes, entry: str | None = None, end: bytes = END, limits: Limits = SMALL) -> Case:
    return Case(data=gz(tar(*parts, end=end)), rule=rule, entry=entry, limits=limits)


def _zip(rule: Rule, made: bytes, entry: str | None = None, limits: Limits = SMALL) -> Case:
    return Case(data=made, rule=rule, entry=entry, limits=limits)


_LONG = "d" * 247


def _gap(made: Zipped) -> bytes:
    made.body += b"gap"
    return made.done()


def _end64(made: Zipped, *, count: int | None = None, shift: int = 0) -> bytes:
    """With the larger end and its locator before the plain one."""
    at = len(made.body) + len(made.directory)
    number = made.count if count is None else count
    end = struct.pack(
        "<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, number, number, len(made.directory), len(made.body)
    )
    return made.done(after=end + struct.pack("<4sIQI", b"PK\x06\x07", 0, at + shift, 1))


def _in_parts(made: bytes) -> bytes:
    return made[:-18] + struct.pack("<H", 1) + made[-16:]


def _many(count: int) -> bytes:
    made = Zipped()
    for at in range(count):
        made.add(b"f%d" % at)
    return made.done()


PATHS = {
    "a name that goes up": _tar(Rule.TRAVERSAL, file("../x"), entry="../x"),
    "an absolute name": _tar(Rule.ABSOLUTE, file("/etc/passwd"), entry="/etc/passwd"),
    "a name of the root": _tar(Rule.ABSOLUTE, directory("/")),
    "a name that goes up and out": _tar(Rule.TRAVERSAL, file("a/../../x")),
    "a name that goes up and stays": _tar(Rule.TRAVERSAL, directory("a"), file("a/../b")),
    "a name that ends with dots": _tar(Rule.TRAVERSAL, directory("a/..")),
    "a name with an empty part": _tar(Rule.ODD_PART, file("a//b")),
    "a name with a dot as a part": _tar(Rule.ODD_PART, file("a/./b")),
    "an empty name": _tar(Rule.EMPTY_NAME, file("")),
    "a backslash": _tar(Rule.BACKSLASH, file("a\\..\\b")),
    "a drive letter": _tar(Rule.DRIVE, file("C:evil")),
    "a control character": _tar(Rule.CONTROL, file("a\x1b[2Jb")),
    "a newline in a name": _tar(Rule.CONTROL, file("a\nb")),
    "a name that is not UTF-8": _tar(Rule.ENCODING, file(b"caf\xe9")),
    "a surrogate in a name": _tar(Rule.ENCODING, file(b"a\xed\xa0\x80")),
    "a name of 100 kB": _tar(Rule.PAX, long(b"L", b"n" * 100_000), file("x")),
    "a name of 5,000 bytes": _tar(Rule.LONG_NAME, pax(record("path", "/".join(["n" * 200] * 25))), file("x")),
    "a part of 256 bytes": _tar(Rule.LONG_PART, pax(record("path", "n" * 256)), file("x")),
    "3,000 levels": _tar(Rule.DEEP, pax(record("path", "/".join("d" * 2000))), file("x")),
    "a duplicate": _tar(Rule.DUPLICATE, file("a"), file("a"), entry="a"),
    "a directory twice": _tar(Rule.DUPLICATE, directory("a"), directory("a")),
    "a file where a directory is": _tar(Rule.DUPLICATE, directory("a"), file("a")),
    "a file where a directory is implied": _tar(Rule.DUPLICATE, file("a/b"), file("a")),
    "a child of a file": _tar(Rule.NOT_A_DIRECTORY, file("a"), file("a/b"), entry="a/b"),
    "twins that differ in composition": _tar(Rule.TWIN, file("caf\u00e9"), file("cafe\u0301")),
    "directories that differ in composition": _tar(Rule.TWIN, file("caf\u00e9/a"), file("cafe\u0301/b")),
    "the Kelvin sign beside a K": _tar(Rule.TWIN, file("K"), file("\u212a")),
    "the Kelvin sign before a K": _tar(Rule.TWIN, file("\u212a"), file("K")),
}

LINKS = {
    "a link that is absolute": _tar(Rule.LINK_ABSOLUTE, symlink("a", "/etc")),
    "a link that leads out": _tar(Rule.LINK_OUTWARD, symlink("a", "../x")),
    "a link that leads out from below": _tar(Rule.LINK_OUTWARD, directory("d"), symlink("d/a", "../../x")),
    "a link that winds out": _tar(Rule.LINK_WINDING, directory("d"), symlink("a", "d/../../x")),
    "a link that winds and stays": _tar(Rule.LINK_WINDING, directory("d"), symlink("a", "d/../x")),
    "a link to nothing": _tar(Rule.LINK_EMPTY, symlink("a", "")),
    "a link with a control character": _tar(Rule.CONTROL, symlink("a", "b\x07")),
    "a write through an outward link": _tar(Rule.LINK_OUTWARD, symlink("a", "../x"), file("a/b")),
    "a write through an inward link": _tar(Rule.NOT_A_DIRECTORY, directory("d"), symlink("a", "d"), file("a/b")),
    "a directory over a link": _tar(Rule.DUPLICATE, directory("d"), symlink("a", "d"), directory("a")),
    "a file over a link": _tar(Rule.DUPLICATE, symlink("a", "b"), file("a")),
    "a hard link that leads out": _tar(Rule.TRAVERSAL, hard_link("a", "../x")),
    "a hard link that is absolute": _tar(Rule.ABSOLUTE, hard_link("a", "/etc/passwd")),
    "a hard link to a link": _tar(Rule.HARD_LINK, symlink("a", "b"), hard_link("c", "a")),
    "a hard link to nothing": _tar(Rule.HARD_LINK, hard_link("a", "b")),
    "a hard link to a later file": _tar(Rule.HARD_LINK, hard_link("a", "b"), file("b")),
    "a hard link to a directory": _tar(Rule.HARD_LINK, directory("d"), hard_link("a", "d")),
    "a hard link to itself": _tar(Rule.HARD_LINK, hard_link("a", "a")),
    "a hard link that has content": _tar(Rule.NUMBER, file("a"), header(b"b", b"1", link=b"a", size=512), bytes(512)),
}

# What was found in Python's tarfile, each as its report describes it.
REPORTED = {
    "CVE-2025-4517, a chain of links longer than a path may be": _tar(
        Rule.LINK_WINDING,
        directory(_LONG[:99]),
        symlink("a", _LONG[:99]),
        *(symlink(f"{_LONG[:90]}{at}", f"{_LONG[:90]}{at - 1}/../{_LONG[:50]}") for at in range(1, 4)),
        symlink("escape", f"{_LONG[:90]}3/../../../../etc"),
        file("escape/passwd"),
    ),
    "CVE-2025-4330, a link outward hidden behind another link": _tar(
        Rule.LINK_WINDING, directory("d"), symlink("d/up", ".."), symlink("out", "d/up/../../etc")
    ),
    "CVE-2025-4138, a link outward through a link at another depth": _tar(
        Rule.LINK_OUTWARD, directory("a"), directory("a/b"), symlink("a/b/c", "../../../x")
    ),
    "CVE-2024-12718, a change of what a link leads to": _tar(
        Rule.DUPLICATE, symlink("a", "b"), header(b"a", b"5", mode=0o777)
    ),
    "CVE-2026-19672, a name that leaves the destination and comes back": _tar(
        Rule.TRAVERSAL, file("../evil/../dest/sub/file"), entry="../evil/../dest/sub/file"
    ),
    "CVE-2026-11940, a hard link to a link that lies deeper": _tar(
        Rule.HARD_LINK, directory("a"), directory("a/b"), symlink("a/b/s", "../../x"), hard_link("l", "a/b/s")
    ),
    "cpython 149486, links with empty names": _tar(
        Rule.EMPTY_NAME, symlink("", "a"), symlink("", "/etc"), file("passwd")
    ),
    "cpython 151558, a hard link whose target is a link and comes later": _tar(
        Rule.HARD_LINK, hard_link("l", "a/b/s"), directory("a"), directory("a/b"), symlink("a/b/s", "../../x")
    ),
    "CVE-2026-82049 (cpython 157190), a hard link to a link outward": _tar(
        Rule.LINK_ABSOLUTE, symlink("s", "/etc/passwd"), hard_link("l", "s")
    ),
}

KINDS = {
    "a character device": _tar(Rule.SPECIAL, header(b"null", b"3"), entry="null"),
    "a block device": _tar(Rule.SPECIAL, header(b"sda", b"4")),
    "a fifo": _tar(Rule.SPECIAL, header(b"pipe", b"6")),
    "a type nobody knows": _tar(Rule.TYPE, header(b"a", b"Z")),
    "a contiguous file": _tar(Rule.TYPE, file("a", kind=b"7")),
    "a volume's header": _tar(Rule.TYPE, header(b"Volume 1", b"V")),
    "a rest of another volume": _tar(Rule.TYPE, file("a", kind=b"M")),
    "a sparse file of 8 TiB, GNU": _tar(Rule.SPARSE, header(b"a", b"S", magic=b"ustar  \0")),
    "a sparse file of 8 TiB, pax": _tar(
        Rule.SPARSE, pax(record("GNU.sparse.major", "1"), record("GNU.sparse.realsize", str(8 << 40))), file("a")
    ),
    "a directory with content": _tar(Rule.NUMBER, header(b"d", b"5", size=512), bytes(512)),
    "a file whose name ends with a slash": _tar(Rule.ODD_PART, file("a/")),
}

NUMBERS = {
    "a negative size": _tar(Rule.NUMBER, header(b"a", size=base256(-1, 12))),
    "a size of 8 EiB": _tar(Rule.FILE_SIZE, header(b"a", size=base256(8 << 60, 12))),
    "a size that is no number": _tar(Rule.NUMBER, header(b"a", size=b"12x\0\0\0\0\0\0\0\0\0")),
    "a size with a sign": _tar(Rule.NUMBER, header(b"a", size=b"-1\0\0\0\0\0\0\0\0\0\0")),
    "a pax size that is negative": _tar(Rule.NUMBER, pax(record("size", "-1")), file("a")),
    "a pax size that is not the header's": _tar(Rule.PAX, pax(record("size", "512")), file("a", bytes(1024))),
    "a file past the limit": _tar(Rule.FILE_SIZE, header(b"a", size=33 << 20)),
    "files past the limit together": _tar(
        Rule.TOTAL, *(file(f"f{at}", bytes(16 << 20)) for at in range(5)), limits=Limits(total=64 << 20, ratio=10_000)
    ),
    "hard links past the limit together": _tar(
        Rule.TOTAL,
        file("a", bytes(30 << 20)),
        hard_link("b", "a"),
        hard_link("c", "a"),
        limits=Limits(total=64 << 20, ratio=10_000),
    ),
    "too many entries": _tar(Rule.ENTRIES, *(file(f"f{at}") for at in range(51))),
    "too many implied directories": _tar(Rule.ENTRIES, *(file(f"d{at}/f") for at in range(26))),
}

PAX = {
    "a pax header of 64 MiB": _tar(
        Rule.PAX, header(b"PaxHeader", b"x", size=64 << 20), bytes(64 << 20), file("a"), limits=Limits(ratio=10_000)
    ),
    "a pax header with 65 records": _tar(Rule.PAX, pax(*(record(f"k{at}", "v") for at in range(65))), file("a")),
    "a record of length zero": _tar(Rule.PAX, pax(b"0 path=x\n"), file("a")),
    "a record that is longer than the header": _tar(Rule.PAX, pax(b"99 path=x\n"), file("a")),
    "a record that is shorter than it says": _tar(Rule.PAX, pax(b"8 path=x\n"), file("a")),
    "a record without a key": _tar(Rule.PAX, pax(record("", "x")), file("a")),
    "a record that comes twice": _tar(Rule.PAX, pax(record("path", "a"), record("path", "b")), file("a")),
    "NUL in a pax path": _tar(Rule.PAX, pax(record("path", b"a\0b")), file("a")),
    "an empty pax path": _tar(Rule.PAX, pax(record("path", "")), file("a")),
    "a pax path that goes up": _tar(Rule.TRAVERSAL, pax(record("path", "../x")), file("a")),
    "a pax target that leads out": _tar(Rule.LINK_ABSOLUTE, pax(record("linkpath", "/etc")), symlink("a", "b")),
    "a pax header in another charset": _tar(Rule.ENCODING, pax(record("hdrcharset", "BINARY")), file("a")),
    "a pax header for a pax header": _tar(Rule.PAX, pax(record("path", "a")), pax(record("path", "b")), file("c")),
    "a pax header and a long name": _tar(Rule.PAX, pax(record("path", "a")), long(b"L", b"b"), file("c")),
    "a path for all entries": _tar(Rule.PAX, pax(record("path", "x"), kind=b"g"), file("a")),
    "a pax header for nothing": _tar(Rule.TRUNCATED, pax(record("path", "a"))),
    "NUL in a long name": _tar(Rule.PAX, long(b"L", b"a\0b"), file("c")),
}

_GOOD = tar(file("a"), file("b"))


def _flagged(flags: int) -> bytes:
    """As gzip with these flags, and nothing of what they promise."""
    made = bytearray(gz(_GOOD))
    made[3] = flags
    return bytes(made)


_ZST = zstandard.ZstdCompressor().compress(_GOOD)

ENVELOPES = {
    "nothing at all": Case(data=b"", rule=Rule.FORMAT),
    "a text": Case(data=b"#!/bin/sh\necho hello\n" * 100, rule=Rule.FORMAT),
    **{
        f"a text with a {digit} where a tar has its checksum": Case(
            data=(b"#" * 148 + b"00007%d\0 " % digit).ljust(600, b"#"), rule=Rule.FORMAT
        )
        for digit in (7, 8, 9)
    },
    "a tar cut in a file": _tar(Rule.TRUNCATED, file("a", bytes(2000))[:1200], end=b""),
    "a tar without an end": _tar(Rule.TRUNCATED, file("a"), end=b""),
    "a tar with half an end": _tar(Rule.TRUNCATED, file("a"), end=bytes(512)),
    "a record of zeros in the middle": _tar(Rule.HEADER, file("a"), bytes(512), file("b")),
    "entries after the end": _tar(Rule.TRAILING, file("a"), END, file("b")),
    "a wrong header checksum": _tar(Rule.HEADER, file("a", checksum=b"000000\0 ")),
    "a header of no known form": _tar(Rule.HEADER, file("a", magic=b"fooled!!")),
    "a gzip bomb": Case(data=gz(tar(file("a", bytes(30 << 20)))), rule=Rule.RATIO),
    "a zstd bomb": Case(
        data=zstandard.ZstdCompressor(level=19).compress(tar(file("a", bytes(30 << 20)))), rule=Rule.RATIO
    ),
    "gzip in gzip": Case(data=gz(gz(_GOOD).ljust(1024, b"\0")), rule=Rule.NESTED),
    "a zip in gzip": Case(data=gz(Zipped().add(b"a", bytes(2000)).done()), rule=Rule.NESTED),
    "bytes after gzip": Case(data=gz(_GOOD) + b"more", rule=Rule.TRAILING),
    "zeros after gzip": Case(data=gz(_GOOD) + bytes(512), rule=Rule.TRAILING),
    "a wrong CRC": Case(data=gz(_GOOD)[:-8] + b"\0\0\0\0" + gz(_GOOD)[-4:], rule=Rule.CHECKSUM),
    "a wrong length": Case(data=gz(_GOOD)[:-4] + b"\1\0\0\0", rule=Rule.CHECKSUM),
    **{
        f"gzip with the reserved flag {flag:#x}": Case(data=_flagged(flag), rule=Rule.HEADER)
        for flag in (0x20, 0x40, 0x80)
    },
    "a second member with a reserved flag": Case(data=gz(b"") + _flagged(0x80), rule=Rule.HEADER),
    "gzip cut in its trailer": Case(data=gz(_GOOD)[:-3], rule=Rule.TRUNCATED),
    "gzip cut in its data": Case(data=gz(_GOOD)[:60], rule=Rule.TRUNCATED),
    "a second member that is cut": Case(data=gz(_GOOD) + gz(b"")[:7], rule=Rule.TRUNCATED),
    "a second member with entries after the end": Case(data=gz(_GOOD) + gz(tar(file("c"))), rule=Rule.TRAILING),
    "bytes after zstd": Case(data=_ZST + b"more", rule=Rule.CHECKSUM),
    "zstd cut": Case(data=_ZST[:-4], rule=Rule.TRUNCATED),
    "zstd with a wrong checksum": Case(
        data=(checked := zstandard.ZstdCompressor(write_checksum=True).compress(_GOOD))[:-1] + bytes([checked[-1] ^ 1]),
        rule=Rule.CHECKSUM,
    ),
    "a window of 2 GiB": Case(data=b"\x28\xb5\x2f\xfd\x00\xa8" + _ZST[6:], rule=Rule.CHECKSUM),
    "zeros instead of a tar": Case(data=gz(bytes(512)), rule=Rule.TRUNCATED),
}

_EVIL = Zipped().add(b"evil").done()
_OTHER_NAME = unicode_path(b"good", "evil")
_ZIP64 = struct.pack("<HHQ", 1, 8, 7)

ZIPS = {
    "a zip name that goes up": _zip(Rule.TRAVERSAL, Zipped().add(b"../x").done(), "../x"),
    "an absolute zip name": _zip(Rule.ABSOLUTE, Zipped().add(b"/etc/passwd").done()),
    "a zip name that goes up and stays": _zip(Rule.TRAVERSAL, Zipped().add(b"a/../b").done()),
    "CVE-2026-19672 in a zip": _zip(Rule.TRAVERSAL, Zipped().add(b"../evil/../dest/sub/file").done()),
    "a backslash in a zip name": _zip(Rule.BACKSLASH, Zipped().add(b"..\\x").done()),
    "a drive letter in a zip name": _zip(Rule.DRIVE, Zipped().add(b"C:/x").done()),
    "NUL in a zip name": _zip(Rule.CONTROL, Zipped().add(b"a\0b").done()),
    "a zip name that is not UTF-8": _zip(Rule.ENCODING, Zipped().add(b"\xff", flags=0).done()),
    "an empty zip name": _zip(Rule.EMPTY_NAME, Zipped().add(b"").done()),
    "a duplicate in a zip": _zip(Rule.DUPLICATE, Zipped().add(b"a").add(b"a").done()),
    "a child of a file in a zip": _zip(Rule.NOT_A_DIRECTORY, Zipped().add(b"a").add(b"a/b").done()),
    "twins in a zip": _zip(Rule.TWIN, Zipped().add("caf\u00e9".encode()).add("cafe\u0301".encode()).done()),
    "a zip link that is absolute": _zip(Rule.LINK_ABSOLUTE, Zipped().add(b"a", b"/etc", mode=0o120777).done()),
    "a zip link that leads out": _zip(Rule.LINK_OUTWARD, Zipped().add(b"a", b"../x", mode=0o120777).done()),
    "a write through a zip link": _zip(
        Rule.NOT_A_DIRECTORY, Zipped().add(b"d/", b"", mode=0o40755).add(b"a", b"d", mode=0o120777).add(b"a/b").done()
    ),
    "a zip link as long as a file": _zip(Rule.LONG_NAME, Zipped().add(b"a", b"x" * 5000, mode=0o120777).done()),
    "a device in a zip": _zip(Rule.SPECIAL, Zipped().add(b"a", b"", mode=0o20644).done()),
    "a fifo in a zip": _zip(Rule.SPECIAL, Zipped().add(b"a", b"", mode=0o10644).done()),
    "an encrypted entry": _zip(Rule.ENCRYPTED, Zipped().add(b"a", flags=0x801).done()),
    "a strongly encrypted entry": _zip(Rule.ENCRYPTED, Zipped().add(b"a", flags=0x841).done()),
    "a method nobody knows": _zip(Rule.METHOD, Zipped().add(b"a", method=99).done()),
    "a header that names another entry": _zip(Rule.ZIP_MISMATCH, Zipped().add(b"good", local_name=b"evil").done()),
    "a header of another size": _zip(Rule.ZIP_MISMATCH, Zipped().add(b"a", local_size=3).done()),
    "a directory of another size": _zip(Rule.ZIP_MISMATCH, Zipped().add(b"a", size=3).done()),
    "data larger than the directory says": _zip(
        Rule.ZIP_MISMATCH, Zipped().add(b"a", bytes(1000), method=8, size=10).done()
    ),
    "a wrong CRC in a zip": _zip(Rule.CHECKSUM, Zipped().add(b"a", crc=1).done()),
    "entries that overlap": _zip(Rule.ZIP_LAYOUT, Zipped().add(b"a").add(b"b", offset=0).done()),
    "entries out of order": _zip(Rule.ZIP_LAYOUT, Zipped().add(b"a", offset=38).add(b"b", offset=0).done()),
    "bytes before the zip": _zip(Rule.FORMAT, Zipped().add(b"a").done(before=b"#!/bin/sh\n")),
    "a zip before the zip": _zip(Rule.ZIP_LAYOUT, Zipped().add(b"a", offset=len(_EVIL)).done(before=_EVIL)),
    "bytes between entries and directory": _zip(Rule.ZIP_LAYOUT, _gap(Zipped().add(b"a"))),
    "bytes before the end": _zip(Rule.ZIP_LAYOUT, Zipped().add(b"a").done(after=b"gap")),
    "bytes after the zip": _zip(Rule.ZIP_LAYOUT, Zipped().add(b"a").done() + b"more"),
    "two ends": _zip(Rule.ZIP_LAYOUT, Zipped().add(b"a").done() + Zipped().done()),
    "an end inside the comment": _zip(
        Rule.ZIP_LAYOUT, Zipped().add(b"a").done(comment=b"x" * 10 + Zipped().done() + b"y")
    ),
    "fewer entries than there are": _zip(Rule.ZIP_LAYOUT, Zipped().add(b"a").add(b"b").done(count=1)),
    "more entries than there are": _zip(Rule.ZIP_LAYOUT, Zipped().add(b"a").done(count=2)),
    "a zip without an end": _zip(Rule.TRUNCATED, Zipped().add(b"a").done()[:-30]),
    "a descriptor that lies": _zip(
        Rule.ZIP_MISMATCH,
        Zipped().add(b"a", flags=0x808, descriptor=struct.pack("<4s3I", b"PK\x07\x08", 1, 2, 3)).done(),
    ),
    "a zip64 size where none is needed": _zip(Rule.ZIP_MISMATCH, Zipped().add(b"a", central_extra=_ZIP64).done()),
    "a zip64 size that is missing": _zip(Rule.ZIP_MISMATCH, Zipped().add(b"a", size=0xFFFFFFFF).done()),
    "a zip64 end that says something else": _zip(Rule.ZIP_MISMATCH, _end64(Zipped().add(b"a"), count=5)),
    "a zip64 locator that leads elsewhere": _zip(Rule.ZIP_LAYOUT, _end64(Zipped().add(b"a"), shift=4)),
    "extra fields that cannot be read": _zip(Rule.HEADER, Zipped().add(b"a", central_extra=b"\1\0\xff\xff").done()),
    "a zip bomb": _zip(Rule.RATIO, Zipped().add(b"a", bytes(30 << 20), method=8).done()),
    "a zip in two parts": _zip(Rule.ZIP_LAYOUT, _in_parts(Zipped().add(b"a").done())),
    "a zip directory with content": _zip(Rule.NUMBER, Zipped().add(b"d/", b"x", mode=0o40755).done()),
    "a name of a directory, a mode of a file": _zip(Rule.ZIP_MISMATCH, Zipped().add(b"d/", b"").done()),
    "a directory by its DOS attribute alone": _zip(
        Rule.ZIP_MISMATCH, Zipped().add(b"d", b"", mode=0, made_by=20, dos=0x10).done(), "d"
    ),
    "a Unicode path that is another": _zip(
        Rule.ZIP_MISMATCH, Zipped().add(b"good", central_extra=_OTHER_NAME, local_extra=_OTHER_NAME).done(), "good"
    ),
    "a Unicode path that is another, without the sign of UTF-8": _zip(
        Rule.ZIP_MISMATCH, Zipped().add(b"good", flags=0, central_extra=_OTHER_NAME).done(), "good"
    ),
    "a Unicode path that is another in the entry's own header": _zip(
        Rule.ZIP_MISMATCH, Zipped().add(b"good", local_extra=_OTHER_NAME).done(), "good"
    ),
    "a Unicode path that no code page has so": _zip(
        Rule.ZIP_MISMATCH, Zipped().add(b"\x81", flags=0, central_extra=unicode_path(b"\x81", "\u6587")).done()
    ),
    "a Unicode path beside a name in UTF-8": _zip(
        Rule.ZIP_MISMATCH,
        Zipped().add("\u00fc".encode(), central_extra=unicode_path("\u00fc".encode(), "\u251c\u255d")).done(),
    ),
    "a Unicode path that is not UTF-8": _zip(
        Rule.ENCODING, Zipped().add(b"a", flags=0, central_extra=unicode_path(b"a", "ab")[:-1] + b"\xff").done()
    ),
    "a Unicode path that goes up": _zip(
        Rule.TRAVERSAL, Zipped().add(b"../\x81", flags=0, central_extra=unicode_path(b"../\x81", "../\u00fc")).done()
    ),
    "a stale Unicode path beside a name that is not UTF-8": _zip(
        Rule.ENCODING, Zipped().add(b"\x81", flags=0, central_extra=unicode_path(b"\x82", "\u00fc")).done()
    ),
    "too many entries in a zip": _zip(Rule.ENTRIES, _many(51)),
}

REFUSED = PATHS | LINKS | REPORTED | KINDS | NUMBERS | PAX | ENVELOPES | ZIPS
# What can be sent: an upload of nothing is refused before anybody looks at it.
SENT = {name: case for name, case in REFUSED.items() if case.data}
# The first of these for each rule.
OF_EVERY_RULE = {name: SENT[name] for name in {case.rule: name for name, case in reversed(SENT.items())}.values()}
