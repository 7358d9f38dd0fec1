"""What a run changed in its workspace, laid over the version it began with: the tree of a new version.

A run's changes are the upper layer of an overlay: files and directories as they are now, a whiteout (a character device
0:0) where something is gone, a mark on a directory that hides what was below. Source: Linux, overlayfs.rst.
"""

import contextlib
import os
import stat
from collections.abc import Collection, Generator, Iterable, Iterator
from dataclasses import dataclass, field

from mooring.files.archive.finder import Finder
from mooring.files.archive.limits import Limits
from mooring.files.archive.manifest import DIRECTORY, FILE, SYMLINK, Entry
from mooring.files.archive.tree import Tree
from mooring.files.archive.unpack import OPEN_DIRECTORY, Directories
from mooring.files.errors import Damaged, Refused, Rule

_OPAQUE, _WHITEOUT = "user.overlay.opaque", "user.overlay.whiteout"
_ENTERED = stat.S_IRUSR | stat.S_IXUSR
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


@dataclass(slots=True)
class Changes:
    """What the upper layer says: entries as they are now; paths that are gone; directories that hide what was below."""

    entries: dict[str, Entry] = field(default_factory=dict[str, Entry])
    gone: set[str] = field(default_factory=set[str])
    hiding: set[str] = field(default_factory=set[str])


def changes(upper: int, left_out: Collection[str], finder: Finder, limits: Limits) -> Changes:
    """What lies in the open directory `upper`, without the names in its root that are `left_out`.

    Raises Refused for what no version holds: devices, fifos, sockets, what lies too deep; and names that `finder`
    refuses, untold.
    """
    walk = _Walk(finder, limits)
    walk.inside(upper, "", frozenset(left_out))
    return walk.found


class _Walk:
    def __init__(self, finder: Finder, limits: Limits) -> None:
        self.found = Changes()
        self._finder = finder
        self._depth = limits.depth

    def inside(self, directory: int, prefix: str, left_out: frozenset[str] = frozenset()) -> None:
        """Note what lies in an open directory, whose path and a slash are the prefix of all in it."""
        if prefix.count("/") > self._depth:
            # A run may nest deeper than any walk can follow.
            raise Refused(Rule.DEEP, f"it lies more than {self._depth} directories deep", entry=prefix[:-1])
        for name in sorted(os.listdir(directory)):
            path = prefix + name
            if path in left_out:
                continue
            self._finder.name(path)
            self._note(directory, path, os.stat(name, dir_fd=directory, follow_symlinks=False))

    def _note(self, directory: int, path: str, told: os.stat_result) -> None:
        name, kind = path.rpartition("/")[2], stat.S_IFMT(told.st_mode)
        if kind == stat.S_IFDIR:
            self._enter(directory, path, told)
        elif kind == stat.S_IFLNK:
            self._finder.name(target := os.readlink(name, dir_fd=directory))
            self._put(Entry(path=path, type=SYMLINK, mode=0o777, mtime=_seconds(told), target=target))
        elif kind == stat.S_IFREG and not _is_whiteout(directory, name, told):
            mode = 0o755 if told.st_mode & 0o100 else 0o644
            self._put(Entry(path=path, type=FILE, mode=mode, mtime=_seconds(told), size=told.st_size))
        elif kind == stat.S_IFREG or (kind == stat.S_IFCHR and told.st_rdev == 0):
            self.found.gone.add(path)
        else:
            raise Refused(Rule.SPECIAL, "it is a device, a fifo or a socket", entry=path)

    def _put(self, entry: Entry) -> None:
        self.found.entries[entry.path] = entry
        # It may stand where a directory stood.
        self.found.hiding.add(entry.path)

    def _enter(self, directory: int, path: str, told: os.stat_result) -> None:
        name = path.rpartition("/")[2]
        self.found.entries[path] = Entry(path=path, type=DIRECTORY, mode=0o755, mtime=_seconds(told))
        if told.st_mode & _ENTERED != _ENTERED:
            # What a run closed is its own, and ours to open: nothing runs there any more.
            os.chmod(name, 0o700, dir_fd=directory)
        inside = os.open(name, OPEN_DIRECTORY, dir_fd=directory)
        try:
            if _marked(inside, _OPAQUE):
                self.found.hiding.add(path)
            self.inside(inside, path + "/")
        finally:
            os.close(inside)


def _is_whiteout(directory: int, name: str, told: os.stat_result) -> bool:
    if told.st_size:
        return False
    with _opened(directory, name) as descriptor:
        return _marked(descriptor, _WHITEOUT)


def _marked(descriptor: int, mark: str) -> bool:
    try:
        value = os.getxattr(descriptor, mark)
    except OSError:
        return False
    return mark == _WHITEOUT or value == b"y"


def _seconds(told: os.stat_result) -> int:
    return int(told.st_mtime)


def laid_over(base: Iterable[Entry], found: Changes, limits: Limits) -> Tree:
    """The tree of both together, held to what an import is held to. Raises Refused."""
    tree = Tree(limits)
    kept = {entry.path: entry for entry in base if not _hidden(entry.path, found)}
    for path in sorted(kept.keys() | found.entries.keys()):
        entry = found.entries.get(path) or kept[path]
        if entry.type == DIRECTORY:
            tree.directory(path, entry.mtime)
        elif entry.type == SYMLINK:
            tree.symlink(path, entry.target or "", entry.mtime)
        else:
            number = tree.file(path, entry.size, entry.mtime, executable=entry.mode == 0o755)  # noqa: PLR2004 - a mode
            tree.placed(number, 0, bytes.fromhex(entry.sha256) if entry.sha256 else bytes(32))
    return tree


def _hidden(path: str, found: Changes) -> bool:
    """Whether the upper layer has something in its place, or nothing at all."""
    if path in found.gone or (path in found.entries and path in found.hiding):
        return True
    parent = path.rpartition("/")[0]
    while parent:
        if parent in found.gone or parent in found.hiding:
            return True
        parent = parent.rpartition("/")[0]
    return False


class Layers:
    """Opens the files of a tree, in the order of their names: of the upper layer where they changed, else the lower."""

    def __init__(self, lower: int, upper: int, found: Changes) -> None:
        self._found = found
        self._upper = Directories(upper)
        self._lower = Directories(lower)

    def contents(self, tree: Tree) -> Iterator[tuple[Entry, int, int]]:
        """Each entry, with the open file its content is read from. What changed has no checksum yet."""
        for entry, _ in tree.contents():
            if entry.type != FILE:
                yield entry, -1, 0
                continue
            changed = entry.path in self._found.entries
            directory, name = (self._upper if changed else self._lower).of(entry.path)
            with _opened(directory, name) as descriptor:
                told = os.fstat(descriptor)
                if not stat.S_ISREG(told.st_mode) or told.st_size != entry.size:
                    raise Damaged(f"{entry.path} changed while it was captured")
                yield (entry.hashed(None) if changed else entry), descriptor, 0


@contextlib.contextmanager
def _opened(directory: int, name: str) -> Generator[int]:
    """A regular file, open; one that its owner closed to itself is opened all the same."""
    try:
        descriptor = os.open(name, _OPEN_FILE, dir_fd=directory)
    except PermissionError:
        os.chmod(name, 0o600, dir_fd=directory)
        descriptor = os.open(name, _OPEN_FILE, dir_fd=directory)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
