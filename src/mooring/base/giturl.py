"""Where a repository is: `URL[#ref[:path]]`, the form Docker and Compose give git contexts. Pure."""

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from mooring.base.errors import Unfit

LONGEST = 2_000

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029\ud800-\udfff\\]")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]", re.ASCII)
_SCP = re.compile(
    r"(?P<user>[A-Za-z0-9_.][A-Za-z0-9_.-]*)@(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*):(?P<path>[^/:-][^:]*)", re.ASCII
)
# What git check-ref-format refuses, and a leading dash, which a command would take for an option.
_BAD_REF = re.compile(r"^[-/.]|\.\.|@\{|[~^:?*\[]|//|/\.|\.lock(/|$)|[./]$|^@$")


@dataclass(frozen=True, slots=True, kw_only=True)
class GitSource:
    """A repository, the branch, tag or commit wanted (None: its default branch), a path in it ("" is its root)."""

    url: str
    ref: str | None = None
    path: str = ""

    def __str__(self) -> str:
        if self.ref is None and not self.path:
            return self.url
        return f"{self.url}#{self.ref or ''}" + (f":{self.path}" if self.path else "")


def parse(text: str, *, field: str = "repo_url", allow_file: bool = False) -> GitSource:
    """The parts of `URL[#ref[:path]]`; https and ssh, file where allowed. Raises Unfit, naming field and fix."""
    if len(text) > LONGEST:
        raise Unfit(f"{field} has {len(text)} characters; at most {LONGEST} are kept", field=field)
    found = _FORBIDDEN.search(text)
    if found:
        raise Unfit(f"{field} holds U+{ord(found[0]):04X}; write it percent-encoded or leave it out", field=field)
    address, _, fragment = text.partition("#")
    ref, _, path = fragment.partition(":")
    _check_address(address, field, allow_file=allow_file)
    if ref and _BAD_REF.search(ref):
        raise Unfit(f"{field}: {ref!r} cannot be a branch, tag or commit", field=field)
    return GitSource(url=address, ref=ref or None, path=_path(path, field))


def _path(path: str, field: str) -> str:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts or ".git" in (part.lower() for part in parts):
        raise Unfit(f"{field}: the path {path!r} must stay inside the repository and outside .git", field=field)
    return "/".join(parts)


def _check_address(address: str, field: str, *, allow_file: bool) -> None:
    if _SCP.fullmatch(address):
        return
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise Unfit(f"{field}: {address!r} is no URL ({error})", field=field) from error
    if parts.scheme == "file":
        _check_file(parts, field, allow_file=allow_file)
    else:
        _check_remote(address, parts, host or "", field)


def _check_file(parts: SplitResult, field: str, *, allow_file: bool) -> None:
    if not allow_file:
        raise Unfit(f"{field}: file URLs are refused here (MOORING_ALLOW_FILE_REPOSITORIES allows them)", field=field)
    if parts.netloc or not parts.path.startswith("/") or parts.query:
        raise Unfit(f"{field}: a file URL is file:///absolute/path", field=field)


def _check_remote(address: str, parts: SplitResult, host: str, field: str) -> None:
    if parts.scheme not in ("https", "ssh"):
        raise Unfit(f"{field} must start with https:// or ssh://, not {address[:40]!r}", field=field)
    bare = parts.netloc.rpartition("@")[2]
    named = bare.partition("]")[0] + "]" if bare.startswith("[") else bare.partition(":")[0]
    if not host or not _HOST.fullmatch(named):
        raise Unfit(f"{field}: {address!r} names no host", field=field)
    if parts.password is not None or (parts.scheme == "https" and parts.username is not None):
        raise Unfit(f"{field} holds a user or password; keep credentials in the group's git_credentials", field=field)
    if parts.username is not None and parts.username.startswith("-"):
        raise Unfit(f"{field}: a user cannot start with a dash", field=field)
    if parts.path in ("", "/"):
        raise Unfit(f"{field}: {address!r} names a host but no repository on it", field=field)
    if parts.query:
        raise Unfit(f"{field}: a repository's URL has no query", field=field)
