"""Whether a directory still is what its manifest says: every entry, nothing else."""

import hashlib
import os
import stat
from collections.abc import Iterable

from mooring.files.archive.manifest import DIRECTORY, FILE, Entry
from mooring.files.archive.unpack import Directories

_READ = 1 << 20
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def difference(root: int, entries: Iterable[Entry]) -> str | None:
    """What is not as it should be below the open directory `root`, or None. `entries` in the order of names."""
    places, count = Directories(root), 0
    try:
        for entry in entries:
            count += 1
            try:
                parent, name = places.of(entry.path)
                wrong = _wrong(parent, name, entry)
            except OSError as error:
                wrong = error.strerror
            if wrong is not None:
                return f"{entry.path}: {wrong}"
    finally:
        places.close()
    there = _count(root)
    return None if there == count else f"{there} entries where {count} belong"


def _wrong(parent: int, name: str, entry: Entry) -> str | None:
    found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if entry.type == DIRECTORY:
        return None if stat.S_ISDIR(found.st_mode) else "is no directory any more"
    if entry.type == FILE:
        if not stat.S_ISREG(found.st_mode) or found.st_size != entry.size:
            return "has another size"
        if stat.S_IMODE(found.st_mode) != entry.mode:
            return "has other rights"
        return None if _sha256(parent, name) == entry.sha256 else "has another content"
    if not stat.S_ISLNK(found.st_mode) or os.readlink(name, dir_fd=parent) != entry.target:
        return "leads somewhere else"
    return None


def _sha256(parent: int, name: str) -> str:
    digest = hashlib.sha256()
    with os.fdopen(os.open(name, _OPEN_FILE, dir_fd=parent), "rb", buffering=0) as file:
        while piece := file.read(_READ):
            digest.update(piece)
    return digest.hexdigest()


def _count(root: int) -> int:
    """How many entries lie below an open directory."""
    return sum(len(directories) + len(others) for _, directories, others, _ in os.fwalk(".", dir_fd=root))
