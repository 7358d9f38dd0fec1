"""What a field may hold. Each takes what was sent and returns what is kept, or raises Unfit with the fix. Pure."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

import msgspec

from mooring.base.errors import Unfit
from mooring.base.ids import is_id

LONGEST_NAME = 200
LONGEST_LINE = 2_000
LONGEST_TEXT = 200_000
MOST_VARIABLES = 500
MOST_HOSTS = 100
MOST_MAP_BYTES = 64 << 10
"""Of a map as JSON: every event of a row holds the row up to three times, and each watcher is sent all of it."""
SECRETS_DIRECTORY = "/run/secrets/"

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?", re.ASCII)
_USERNAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._@+-]{0,198}[A-Za-z0-9])?", re.ASCII)
_HOST = re.compile(r"(?:\*\.)?[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::[0-9]{1,5})?", re.ASCII)
# What decides which program runs, or belongs to the runner.
_RESERVED = frozenset({"PATH", "HOME", "IFS", "ENV", "BASH_ENV", "SHELLOPTS"})
_RESERVED_STARTS = ("LD_", "MOORING_")
# What shells, interpreters and git run or load. An instance may set them to what it will; whoever gives a secret new
# values, in a group of their own perhaps, must not run programs in other people's runs by it.
_RUN = frozenset({
    "PS4", "PROMPT_COMMAND", "SHELL", "EDITOR", "VISUAL", "PAGER", "MANPAGER", "LESSOPEN", "LESSCLOSE", "BROWSER",
    "SSH_ASKPASS", "GCONV_PATH", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE", "PYTHONBREAKPOINT",
    "PYTHONWARNINGS", "PYTHONPLATLIBDIR", "NODE_OPTIONS", "NODE_PATH", "PERL5OPT", "PERL5LIB", "PERL5DB", "PERLLIB",
    "RUBYOPT", "RUBYLIB", "CLASSPATH", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "GIT_DIR",
    "GIT_EXEC_PATH", "GIT_TEMPLATE_DIR", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_PROXY_COMMAND", "GIT_ASKPASS",
    "GIT_EXTERNAL_DIFF", "GIT_EDITOR", "GIT_SEQUENCE_EDITOR", "GIT_PAGER",
})  # fmt: skip
_RUN_STARTS = ("GIT_CONFIG",)
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*", re.ASCII)
_NUL_SAYS = "{} holds a NUL character; leave it out"


class Parser(Protocol):
    """One of these functions."""

    def __call__(self, value: object, /, *, field: str) -> object: ...


def name(value: object, /, *, field: str) -> str:
    """A name: trimmed, 1 to 200 characters, none of them a control character."""
    found = _text(value, field).strip()
    if not 1 <= len(found) <= LONGEST_NAME:
        raise Unfit(f"{field} has {len(found)} characters without the space around it; it needs 1 to 200", field=field)
    _no_controls(found, field)
    return found


def line(value: object, /, *, field: str) -> str:
    """One line of text, perhaps empty: no control characters, at most 2,000 characters."""
    found = _text(value, field)
    _bounded(found, LONGEST_LINE, field)
    _no_controls(found, field)
    return found


def text(value: object, /, *, field: str) -> str:
    """Text of any kind: prompts, scripts, descriptions. No NUL, at most 200,000 characters."""
    found = _text(value, field)
    _bounded(found, LONGEST_TEXT, field)
    if "\0" in found:
        raise Unfit(_NUL_SAYS.format(field), field=field)
    return found


def command(value: object, /, *, field: str) -> str:
    """A command line: one line that is not blank."""
    found = line(value, field=field).strip()
    if not found:
        raise Unfit(f"{field} is empty; leave the field out, or name a command", field=field)
    return found


def username(value: object, /, *, field: str) -> str:
    """A name to log in with: letters, digits and . _ @ + - inside, so that it can be typed and compared."""
    found = _text(value, field).strip()
    if not _USERNAME.fullmatch(found):
        says = f"{field}: {found[:80]!r} is not of A-Z, a-z, 0-9 with . _ @ + - inside (1 to 200 characters)"
        raise Unfit(says, field=field)
    return found


def slug(value: object, /, *, field: str) -> str:
    """A short word of a-z, 0-9, - and _."""
    found = _text(value, field)
    if not _SLUG.fullmatch(found):
        raise Unfit(f"{field}: {found[:80]!r} is not a word of a-z, 0-9, - and _ (1 to 63 characters)", field=field)
    return found


def variable(value: object, /, *, field: str) -> str:
    """The name of an environment variable, as POSIX has it; none that decides which program runs."""
    found = _text(value, field)
    if not _VARIABLE.fullmatch(found) or len(found) > LONGEST_NAME:
        raise Unfit(f"{field}: {found[:80]!r} is no variable name (A-Z, a-z, 0-9, _; no digit first)", field=field)
    if found in _RESERVED or found.startswith(_RESERVED_STARTS):
        raise Unfit(f"{field}: {found} is reserved; choose another variable", field=field)
    return found


def secret_variable(value: object, /, *, field: str) -> str:
    """The name of a variable that may hold a secret; none whose value a program would run or load."""
    found = variable(value, field=field)
    if found in _RUN or found.startswith(_RUN_STARTS):
        says = f"{field}: {found} is reserved: programs run or load what it holds; choose another variable"
        raise Unfit(says, field=field)
    return found


def secret_file(value: object, /, *, field: str) -> str:
    """A path under /run/secrets, of plain names: letters, digits and . _ - inside."""
    found = _text(value, field)
    inside = found.removeprefix(SECRETS_DIRECTORY)
    parts = inside.split("/")
    if inside == found or len(found) > LONGEST_NAME or not all(_FILE.fullmatch(part) for part in parts):
        says = f"{field}: {found[:80]!r} is not {SECRETS_DIRECTORY}NAME, with names of A-Z, a-z, 0-9 and . _ - inside"
        raise Unfit(says, field=field)
    return found


def environment(value: object, /, *, field: str) -> dict[str, str]:
    """Variables and what they are set to, of at most 64 KiB as JSON."""
    given = cast("Mapping[object, object]", value)
    if len(given) > MOST_VARIABLES:
        raise Unfit(f"{field} has {len(given)} variables; at most {MOST_VARIABLES} are kept", field=field)
    found = {variable(key, field=field): text(set_to, field=f"{field}.{key}") for key, set_to in given.items()}
    _sized(found, field)
    return found


def mapping(value: object, /, *, field: str) -> dict[str, Any]:
    """Names and values of any kind, of at most 64 KiB as JSON."""
    found = cast("dict[str, Any]", value)
    _sized(found, field)
    return found


def hosts(value: object, /, *, field: str) -> tuple[str, ...]:
    """Host names, each perhaps with a port (`registry.example.org:443`) or a leading `*.`."""
    given = cast("Sequence[object]", value)
    if len(given) > MOST_HOSTS:
        raise Unfit(f"{field} names {len(given)} hosts; at most {MOST_HOSTS} are kept", field=field)
    found = tuple(_text(entry, field).lower() for entry in given)
    for entry in found:
        if not _HOST.fullmatch(entry):
            raise Unfit(f"{field}: {entry[:80]!r} is not a host name, perhaps with :port", field=field)
    return tuple(dict.fromkeys(found))


def credentials(value: object, /, *, field: str) -> dict[str, str]:
    """Hosts, each perhaps with a port, and the ids of the secrets that open them."""
    given = cast("Mapping[object, object]", value)
    if len(given) > MOST_HOSTS:
        raise Unfit(f"{field} names {len(given)} hosts; at most {MOST_HOSTS} are kept", field=field)
    found: dict[str, str] = {}
    for entry, identifier in given.items():
        host, secret_id = _text(entry, field).lower(), _text(identifier, field)
        if not _HOST.fullmatch(host) or host.startswith("*."):
            raise Unfit(f"{field}: {host[:80]!r} is not a host name, perhaps with :port", field=field)
        if not is_id(secret_id, "sec"):
            raise Unfit(f"{field}: {secret_id[:80]!r} is not the id of a secret", field=field)
        found[host] = secret_id
    return found


def email(value: object, /, *, field: str) -> str:
    """An address with one @ in it; whether it is anyone's is not looked at."""
    found = line(value, field=field).strip()
    before, mark, after = found.rpartition("@")
    if not (mark and before and after) or " " in found or len(found) > LONGEST_NAME:
        raise Unfit(f"{field}: {found[:80]!r} is no e-mail address", field=field)
    return found


def _text(value: object, field: str) -> str:
    if not isinstance(value, str):
        raise Unfit(f"{field} must be text", field=field)
    return value


def _bounded(found: str, longest: int, field: str) -> None:
    if len(found) > longest:
        raise Unfit(f"{field} has {len(found)} characters; at most {longest} are kept", field=field)


def _sized(found: Mapping[str, object], field: str) -> None:
    size = len(msgspec.json.encode(found))
    if size > MOST_MAP_BYTES:
        raise Unfit(f"{field} has {size} bytes as JSON; at most {MOST_MAP_BYTES} are kept", field=field)


def _no_controls(found: str, field: str) -> None:
    for character in found:
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
            raise Unfit(f"{field} holds the control character U+{ord(character):04X}; leave it out", field=field)
