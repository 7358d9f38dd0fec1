"""Which server, with which token: from what was said, the environment, or a private file."""

import contextlib
import fcntl
import json
import os
import re
import stat
import tomllib
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from mooring.client.errors import NotKnown, Unfit

LOCAL = "local"
"""The profile of the server that `moor up` starts on this machine."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PRINTABLE = re.compile(r"[!-~]{1,4096}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A server and the token for it. `name` is empty where it does not come from a file."""

    server: str
    token: str = field(repr=False)
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiles:
    """What a file holds. `current` is the one meant where none is named."""

    current: str = ""
    named: Mapping[str, Profile] = field(default_factory=dict[str, Profile])


def usual_path(environ: Mapping[str, str]) -> Path:
    """`$XDG_CONFIG_HOME/mooring/config.toml`, by default below `~/.config`."""
    base = environ.get("XDG_CONFIG_HOME", "")
    # XDG: a relative path is to be ignored.
    home = Path(base) if base.startswith("/") else Path.home() / ".config"
    return home / "mooring" / "config.toml"


def server_url(text: str) -> str:
    """The address in one form. Raises Unfit when it is none."""
    parts = urlsplit(text)
    good = (
        parts.scheme in ("http", "https") and parts.hostname and not (parts.query or parts.fragment or parts.username)
    )
    if not good or not _PRINTABLE.fullmatch(text):
        raise Unfit(f"{text!r} is not the address of a server", hint="write it like https://mooring.example.org")
    return text.rstrip("/")


def read(path: Path) -> Profiles:
    """What the file holds; nothing when it is not there. Raises Unfit (not to be trusted, not to be read)."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise Unfit(f"{path} can be read by others (mode {mode:04o})", hint=f"chmod 600 {path}")
            found = tomllib.load(file)
    except FileNotFoundError:
        return Profiles()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Unfit(f"{path} is not TOML: {error}", hint="correct it, or remove it and log in again") from error
    except OSError as error:
        raise Unfit(f"{path} cannot be read: {error.strerror}") from error
    return _profiles(path, found)


def _profiles(path: Path, found: Mapping[str, object]) -> Profiles:
    current, tables = found.get("current", ""), found.get("profiles", {})
    if not isinstance(current, str) or not isinstance(tables, dict) or found.keys() - {"current", "profiles"}:
        raise Unfit(f'{path}: expected `current = "NAME"` and [profiles.NAME] tables only')
    named = {name: _profile(path, name, table) for name, table in cast("dict[str, object]", tables).items()}
    return Profiles(current=current, named=named)


def _profile(path: Path, name: str, table: object) -> Profile:
    if isinstance(table, dict) and _NAME.fullmatch(name):
        fields = cast("dict[str, object]", table)
        server, token = fields.get("server"), fields.get("token")
        if len(fields) == 2 and isinstance(server, str) and isinstance(token, str) and _PRINTABLE.fullmatch(token):  # noqa: PLR2004 - these two
            return Profile(server=server_url(server), token=token, name=name)
    raise Unfit(f"{path}: [profiles.{name}] must hold server and token as text, and nothing else")


def write(server: str, token: str, path: Path | None = None, *, name: str = LOCAL, choose: bool = False) -> Path:
    """Keep the profile, and the others as they are. It becomes the current one with `choose`, or where none is.

    The file is replaced in one step and is its owner's alone (0600). Where it lies. Raises Unfit.
    """
    if not _NAME.fullmatch(name):
        raise Unfit(f"{name!r} cannot name a profile", hint="use letters, digits, - and _")
    if not _PRINTABLE.fullmatch(token):
        raise Unfit("that is not a token: it is empty or holds characters that no token has")
    path = (path or usual_path(os.environ)).resolve()
    added = Profile(server=server_url(server), token=token, name=name)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _locked(path.parent):
        known = read(path)
        current = name if choose or known.current not in known.named else known.current
        _replace(path, _text(Profiles(current=current, named={**known.named, name: added})))
    return path


def forget(name: str, path: Path) -> None:
    """The profile is there no more. Raises Unfit when it was not."""
    path = path.resolve()
    with _locked(path.parent):
        known = read(path)
        if name not in known.named:
            raise Unfit(f"there is no profile {name!r} in {path}", hint=_among(known))
        left = {other: profile for other, profile in known.named.items() if other != name}
        current = known.current if known.current in left else next(iter(left), "")
        _replace(path, _text(Profiles(current=current, named=left)))


def find(
    environ: Mapping[str, str],
    *,
    server: str | None = None,
    token: str | None = None,
    name: str | None = None,
    path: Path | None = None,
) -> Profile:
    """What was said goes before the environment, that before the file. A token goes to its own server alone.

    Raises NotKnown when there is no server or no token, Unfit when the file is not right.
    """
    if not name:
        # A profile that was said says both: the environment adds nothing to it.
        server = server or environ.get("MOORING_SERVER") or None
        token = token or environ.get("MOORING_TOKEN") or None
        name = environ.get("MOORING_PROFILE") or None
    if server and token:
        return Profile(server=server_url(server), token=token)
    path = path or usual_path(environ)
    known = read(path)
    if server:
        return _of_server(known, server_url(server))
    wanted = name or known.current
    found = known.named.get(wanted)
    if found is None and name:
        raise NotKnown(f"there is no profile {name!r} in {path}", hint=_among(known))
    if found is None:
        raise NotKnown("no server is known", hint="start one here with `moor up`, or `moor login URL`")
    return Profile(server=found.server, token=token or found.token, name=found.name)


def _of_server(known: Profiles, server: str) -> Profile:
    matching = [profile for profile in known.named.values() if profile.server == server]
    if not matching:
        raise NotKnown(f"there is no token for {server}", hint=f"`moor login {server}`, or set MOORING_TOKEN")
    return next((profile for profile in matching if profile.name == known.current), matching[0])


def _among(known: Profiles) -> str:
    return f"there are: {', '.join(sorted(known.named))}" if known.named else "there is none: `moor login URL`"


def _text(profiles: Profiles) -> str:
    """As TOML. What is quoted here is printable ASCII, for which JSON's strings are TOML's."""
    lines = [f"current = {json.dumps(profiles.current)}"]
    for name, profile in profiles.named.items():
        lines += [
            "",
            f"[profiles.{name}]",
            f"server = {json.dumps(profile.server)}",
            f"token = {json.dumps(profile.token)}",
        ]
    return "\n".join(lines) + "\n"


@contextlib.contextmanager
def _locked(directory: Path) -> Generator[None]:
    """Two writers at once would each drop what the other added."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)
