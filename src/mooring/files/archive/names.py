"""Which names an archive may use. Pure."""

import re
import unicodedata

from mooring.files.archive.limits import Limits
from mooring.files.errors import Refused, Rule

# All that may be odd; which rule it breaks, if any, is found out only then.
_ODD = re.compile(r"[\x00-\x1f\x7f-\x9f\\\ud800-\udfff]|(?:^|/)\.{0,2}(?:/|$)|^[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_DRIVE = re.compile(r"[A-Za-z]:")
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789¹²³")}
)
_UNPORTABLE = frozenset('<>:"|?*')


def decoded(raw: bytes) -> str:
    """A name's bytes as text. Raises Refused."""
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise Refused(Rule.ENCODING, "its name is not UTF-8", entry=raw.decode(errors="replace")) from error


def cleaned(name: str, limits: Limits) -> str:
    """The path of an entry, relative to the root; "" is the root itself (written "." or "./"). Raises Refused."""
    if name in (".", "./"):
        return ""
    path = name.removeprefix("./").removesuffix("/")
    # Most names are seen to be plain without a look at every letter by a pattern.
    if not _plain(path) and _ODD.search(path):
        raise Refused(*_broken(name, path), entry=name)
    if not path.isascii() or len(path) > limits.part:
        _check_bytes(path, limits)
    if path.count("/") >= limits.depth:
        raise Refused(Rule.DEEP, f"it lies more than {limits.depth} directories deep", entry=name)
    return path


def _plain(path: str) -> bool:
    """Whether it is printable ASCII, and none of its parts is empty or begins with a dot."""
    return (
        path.isascii()
        and path.isprintable()
        and "/." not in path
        and "//" not in path
        and "\\" not in path
        and path[:1] not in ("", "/", ".")
        and path[1:2] != ":"
    )


def _check_bytes(path: str, limits: Limits) -> None:
    if len(path.encode()) > limits.name:
        raise Refused(Rule.LONG_NAME, f"its name has more than {limits.name} bytes", entry=path)
    if any(len(part.encode()) > limits.part for part in path.split("/")):
        raise Refused(Rule.LONG_PART, f"a part of its name has more than {limits.part} bytes", entry=path)


def _broken(name: str, path: str) -> tuple[Rule, str]:
    found: list[tuple[bool, Rule, str]] = [
        (not name, Rule.EMPTY_NAME, "it has no name"),
        (name.startswith("/"), Rule.ABSOLUTE, "its name begins at the root"),
        (".." in path.split("/"), Rule.TRAVERSAL, "its name goes up with `..`"),
        (_SURROGATE.search(path) is not None, Rule.ENCODING, "its name is not valid Unicode"),
        (_CONTROL.search(path) is not None, Rule.CONTROL, "its name holds a control character"),
        ("\\" in path, Rule.BACKSLASH, "its name holds a backslash"),
        (_DRIVE.match(path) is not None, Rule.DRIVE, "its name begins with a drive letter"),
        (True, Rule.ODD_PART, "a part of its name is empty or `.`"),
    ]
    return next((rule, says) for holds, rule, says in found if holds)


def check_target(path: str, target: str, limits: Limits) -> None:
    """Return when the symbolic link `path` may lead to `target`. Raises Refused.

    Every parent is a real directory, so a target that goes up first and then only down is exact: it stays inside, and
    if it meets another link, that one does too. `..` after a name could go up from wherever a link leads.
    """
    if not target:
        raise Refused(Rule.LINK_EMPTY, "the link leads nowhere", entry=path)
    if _CONTROL.search(target) or _SURROGATE.search(target) or "\\" in target:
        raise Refused(Rule.CONTROL, "the link's target holds a control character or a backslash", entry=path)
    if target.startswith("/") or _DRIVE.match(target):
        raise Refused(Rule.LINK_ABSOLUTE, "the link's target is absolute", entry=path)
    if len(target.encode()) > limits.name:
        raise Refused(Rule.LONG_NAME, f"the link's target has more than {limits.name} bytes", entry=path)
    parts = [part for part in target.split("/") if part not in ("", ".")]
    up = next((at for at, part in enumerate(parts) if part != ".."), len(parts))
    if ".." in parts[up:]:
        raise Refused(Rule.LINK_WINDING, "the link's target goes up again after a name", entry=path)
    if up > path.count("/"):
        raise Refused(Rule.LINK_OUTWARD, "the link's target lies outside", entry=path)


def normal(path: str) -> str:
    """The form under which two spellings of the same text are one."""
    return path if path.isascii() else unicodedata.normalize("NFC", path)


def unportable(name: str) -> str | None:
    """Why other systems cannot have a file of this name (the last part of a path), or None."""
    # Whatever its end: NUL.txt is the device too.
    if name.partition(".")[0].rstrip(" ").lower() in _DEVICES:
        return "its name is a device's on Windows"
    if name[-1:] in (".", " ") or not _UNPORTABLE.isdisjoint(name):
        return "its name cannot be had on Windows"
    return None
