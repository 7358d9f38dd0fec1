"""Where a run lies on disk. One directory per run, named by the run id's bytes in hex.

<root>/<hex>/            the control plane's; the run user may only walk through
  run.json               which run, which spec (hash), which cgroups, when
  started                who began to start it; made once
  stopping               its end was asked for
  spool marker report log    open in the run as descriptors, never by path
  shim/                  the run user's: claim, status.json (bubblewrap's words), exit.json
  workspace/ home/ outputs/  what the run wrote; with a lower directory, workspace/ is the overlay's upper
  work/ merged/          the overlay's own
<root>/.removed-<hex>/   the same of a run that is no more, until its files are erased
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from mooring.base.errors import Unfit
from mooring.compute.drivers.base import RunId

_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
_HEX = re.compile(r"(?:[0-9a-f]{2}){1,100}")
_REMOVED = ".removed-"

# Made for every run and given to the run user.
GIVEN = ("shim", "workspace", "home", "outputs", "work", "merged")
# Of these, what a run that goes on with another's work takes over from it.
TAKEN_OVER = ("workspace", "home", "outputs")
# Files the run gets as descriptors, in the order of their numbers from 4 on.
DESCRIBED = ("spool", "marker", "report")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The directory of one run."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def removed(self) -> Path:
        return self.path.with_name(f"{_REMOVED}{self.name}")

    @property
    def shim(self) -> Path:
        return self.path / "shim"

    @property
    def workspace(self) -> Path:
        return self.path / "workspace"

    @property
    def home(self) -> Path:
        return self.path / "home"

    @property
    def outputs(self) -> Path:
        return self.path / "outputs"

    @property
    def log(self) -> Path:
        return self.path / "log"


def place_of(root: Path, run: RunId) -> Place:
    """The place of a run, there or not. An id that is no plain word is refused before it becomes a path."""
    if not _ID.fullmatch(run):
        raise Unfit(f"run id {run!r} must be 1 to 100 letters, digits, _ or -", run=run)
    return Place(path=root / run.encode().hex())


def places(root: Path) -> list[Place]:
    """Every run's place, sorted by name; whatever is named otherwise is not a run."""
    try:
        names = sorted(entry.name for entry in root.iterdir())
    except FileNotFoundError:
        return []
    return [Place(path=root / name) for name in names if _HEX.fullmatch(name)]


def removed(root: Path) -> list[Place]:
    """Every run that is no more and whose files are not all erased, where they lie."""
    return [Place(path=path) for path in sorted(root.glob(f"{_REMOVED}*"))]


def read_bounded(path: Path, limit: int) -> bytes | None:
    """The first `limit` bytes of a regular file, or None when there is none. A link is not followed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read(limit)


def read_tail(path: Path, limit: int) -> str:
    """The last `limit` bytes of a file as text; empty when there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return ""
    with os.fdopen(descriptor, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - limit))
        return file.read(limit).decode(errors="replace")


def write_once(path: Path, content: bytes, *, lasting: bool = False) -> bool:
    """Put a file in its place, whole or not at all; False when there was one already. `lasting`: on disk on return."""
    draft = path.with_name(f".{path.name}.{token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    try:
        os.link(draft, path, follow_symlinks=False)
        if lasting:
            for made in (path, path.parent, path.parent.parent):
                _sync(made)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
