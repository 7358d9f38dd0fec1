"""Users without rights, for every child that touches what we do not trust.

Started as root, the control plane stays root and none of its children may be: PostgreSQL runs as `mooring-db`; git,
importers, shims and all below them run as `mooring-run`. Started as anyone else, that user is the only one there is.
"""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

# Where the named user does not exist, these numbers stand in: above the usual range of people, below subordinate ids.
_FALLBACK = {"mooring-db": 64110, "mooring-run": 64111}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessUser:
    """A user by number. `demotes` says whether a child must change to it first."""

    uid: int
    gid: int
    demotes: bool

    def prefix(self) -> tuple[str, ...]:
        """The words to put before a command so that it runs as this user, with no way back."""
        if not self.demotes:
            return ()
        uid, gid = str(self.uid), str(self.gid)
        return ("setpriv", "--reuid", uid, "--regid", gid, "--clear-groups", "--no-new-privs", "--")

    def own(self, path: Path) -> None:
        """Make `path` itself belong to this user; links are not followed."""
        if self.demotes:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def process_user(name: str) -> ProcessUser:
    """The user `name` when we are root (its fallback number where it was not made), else who we are."""
    if os.geteuid() != 0:
        return ProcessUser(uid=os.geteuid(), gid=os.getegid(), demotes=False)
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        number = _FALLBACK[name]
        return ProcessUser(uid=number, gid=number, demotes=True)
    return ProcessUser(uid=entry.pw_uid, gid=entry.pw_gid, demotes=True)
