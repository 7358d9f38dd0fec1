"""Whether a directory still is what its manifest says: every entry, nothing else."""

import hashlib
import os
import stat
from collections.abc import Iterable

from mooring.files.archive.manifest import DIRECTORY, FILE, Entry
from mooring.files.archive.unpack import OPEN_DIRECTORY, Directories

_READ = 1 << 20
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def difference(root: int, entries: Iterable[Entry]) -> str | None:
    """What is not as it should be below the open directory `root`, or None. `entries` in the order of names."""
    places, belong, there = Directories(root), 0, len(os.listdir(root))
    try:
        for entry in entries:
            belong += 1
            try:
                parent, name = places.of(entry.path)
                wrong = _wrong(parent, name, entry)
                if entry.type == DIRECTORY and wrong is None:
                    there += _count(parent, name)
            except OSError as error:
                wrong = error.strerror
            if wrong is not None:
                return f"{entry.path}: {wrong}"
    finally:
        places.close()
    return None if there == belong else f"{there} entries where {belong} belong"


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


def _count(parent: int, name: str) -> int:
    """How many entries a directory has. Only those that belong are entered, however deep others are nested."""
    inside = os.open(name, OPEN_DIRECTORY, dir_fd=parent)
    try:
        with os.scandir(inside) as found:
            return sum(1 for _ in found)
    finally:
        os.close(inside)
