"""The archives that are taken without what would be dangerous in them, each with what comes of it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from archives.make import Zipped, base256, directory, file, gz, hard_link, pax, record, symlink, tar, unicode_path


@dataclass(frozen=True, slots=True, kw_only=True)
class Neutral:
    """`entries` are all the paths that come of `data`, and what the manifest must say of each (None: nothing)."""

    data: bytes
    entries: Mapping[str, Mapping[str, object]]

    def differences(self, manifest: Mapping[str, Mapping[str, object]]) -> list[str]:
        """What the manifest does not say as it must."""
        if manifest.keys() != self.entries.keys():
            return [f"the paths are {sorted(manifest)}"]
        return [
            f"{path}: {key} is {manifest[path].get(key)!r}"
            for path, said in self.entries.items()
            for key, value in said.items()
            if (manifest[path].get(key) or None) != (value or None)  # What is 0 is left out of it.
        ]


def _runs(part: bytes) -> Neutral:
    return Neutral(data=gz(tar(part)), entries={"a": {"mode": 0o755, "uid": None, "gid": None}})


def _dated(found: int, part: bytes) -> Neutral:
    return Neutral(data=gz(tar(part)), entries={"a": {"mtime": found}})


def _named(*names: str) -> Neutral:
    above = {str(parent) for name in names for parent in PurePosixPath(name).parents} - {"."}
    return Neutral(
        data=gz(tar(*(file(name) for name in names))),
        entries={path: {"type": "directory"} for path in above} | {name: {"type": "file"} for name in names},
    )


_CAPABILITY = record("SCHILY.xattr.security.capability", b"\x01\x00\x00\x02")
_LAST = 253402300799

RIGHTS = {
    "setuid": _runs(file("a", mode=0o4755)),
    "setgid": _runs(file("a", mode=0o2755)),
    "sticky": _runs(file("a", mode=0o1755)),
    "a capability": _runs(pax(_CAPABILITY) + file("a", mode=0o755)),
    "an ACL": _runs(pax(record("SCHILY.acl.access", "user::rwx")) + file("a", mode=0o755)),
    "an attribute": _runs(pax(record("LIBARCHIVE.xattr.user.x", "eA==")) + file("a", mode=0o755)),
    "a huge uid": _runs(file("a", mode=0o755, uid=base256(2**31 - 2, 8))),
    "a pax uid": _runs(pax(record("uid", "4294967295"), record("uname", "root")) + file("a", mode=0o755)),
    "a root without rights": Neutral(
        data=gz(tar(directory("./", mode=0), directory("./d/", mode=0), file("./d/a"))),
        entries={"d": {"mode": 0o755}, "d/a": {"mode": 0o644}},
    ),
}

TIMES = {
    "before 1970": _dated(0, file("a", mtime=base256(-(2**40), 12))),
    "after 9999": _dated(_LAST, file("a", mtime=base256(2**62, 12))),
    "soon after 1970": _dated(1, file("a", mtime=1)),
    "a pax time before 1970": _dated(0, pax(record("mtime", "-1.5")) + file("a")),
    "a pax time after 9999": _dated(_LAST, pax(record("mtime", "99999999999999")) + file("a")),
    "a pax time of nanoseconds": _dated(1_700_000_000, pax(record("mtime", "1700000000.123456789")) + file("a")),
}

# A month of a zip has four bits, a day and an hour five, a minute six: 2000-00-00, -13-01, and all of it too large.
_DATES = {
    f"a zip of {said}": Neutral(
        data=Zipped().add(b"a", date=20 << 9 | date, time=time).done(), entries={"a": {"mtime": mtime}}
    )
    for said, date, time, mtime in (
        ("no month and no day", 0, 0, 946684800),
        ("a thirteenth month", 13 << 5 | 1, 0, 975628800),
        ("a fifteenth month", 15 << 5 | 31, 0xFFFF, 978336242),
    )
}

_WRITTEN = {
    f"a zip that says {name} as {raw!r}, and once more": Neutral(
        data=Zipped()
        .add(raw, flags=0, central_extra=unicode_path(raw, name), local_extra=unicode_path(raw, name))
        .done(),
        entries={name: {"type": "file"}},
    )
    for raw, name in (
        (b"caf\x82", "caf\u00e9"),  # what DOS had
        (b"caf\xe9", "caf\u00e9"),  # what Windows had
        (b"\x95\x5c", "\u8868"),  # in Japan
        ("caf\u00e9".encode(), "caf\u00e9"),
        (b"a#U6587#L01f680", "a\u6587\U0001f680"),  # Info-ZIP
        (b"a%U6587%UD83D%UDE80", "a\u6587\U0001f680"),  # Apache Commons Compress
        (b"\x81_?", "\u00fc_\u6587"),
    )
}

_SAME = {"type": "file", "size": 4, "mode": 0o755, "sha256": hashlib.sha256(b"same").hexdigest(), "target": None}

LINKED = {
    "a hard link is a copy": Neutral(
        data=gz(tar(file("a", b"same", mode=0o755), hard_link("b", "a"))), entries={"a": _SAME, "b": _SAME}
    ),
    "a link to what is not there": Neutral(
        data=gz(tar(symlink("a", "nowhere"))), entries={"a": {"type": "symlink", "target": "nowhere"}}
    ),
    "links in a circle": Neutral(
        data=gz(tar(symlink("a", "b"), symlink("b", "a"))), entries={"a": {"target": "b"}, "b": {"target": "a"}}
    ),
}

# Other systems cannot have these names or cannot keep them apart: they stay, unless portable names are asked for.
UNPORTABLE = {
    name: _named(*name.split(" beside "))
    for name in (
        "CON", "a/nul.txt", "LPT1", "trailing.", "space ", "what?", "ab:c", "readme beside README",
        "README beside readme", "A/x beside a/x", "Stra\u00dfe beside STRASSE",
    )
}  # fmt: skip

NEUTRALISED = RIGHTS | TIMES | _DATES | _WRITTEN | LINKED | UNPORTABLE
