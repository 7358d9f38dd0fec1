"""What an archive makes, entry by entry, before anything is written: the one place that decides what may be in it."""

from array import array
from collections.abc import Iterator

from mooring.files.archive import names
from mooring.files.archive.limits import Limits
from mooring.files.archive.manifest import DIRECTORY, FILE, SYMLINK, Entry
from mooring.files.errors import Refused, Rule

_DIRECTORY, _FILE, _EXECUTABLE, _SYMLINK = 0, 1, 2, 3
_IMPLIED = 4
_DIGEST = 32
_LATEST = 253402300799
_MOST_WARNINGS = 20
# Of a path in a warning; a warning may show two.
_SHOWN = 120
NOWHERE = -1


class Tree:
    """Every name once, each below a directory of ours. A million entries take about 250 MB.

    The methods raise Refused. A file's content is `placed` after it was read: where it lies, and its SHA-256.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._paths: dict[str, int] = {}
        self._kinds = bytearray()
        self._sizes = array("q")
        self._mtimes = array("q")
        self._offsets = array("q")
        self._digests = bytearray()
        self._targets: dict[int, str] = {}
        self._normal: dict[str, str] = {}
        self._folded: dict[str, str] = {}
        self.total = 0
        self.warnings: list[str] = []
        self.warned = 0

    def __len__(self) -> int:
        return len(self._paths)

    def directory(self, name: str, mtime: int) -> str:
        """A directory; once more is fine if it was only implied until now."""
        path = names.cleaned(name, self._limits)
        if not path:
            return path
        known = self._paths.get(path)
        if known is not None and self._kinds[known] == _IMPLIED:
            self._kinds[known] = _DIRECTORY
            self._mtimes[known] = _clamped(mtime)
        else:
            self._add(path, _DIRECTORY, mtime)
        return path

    def file(self, name: str, size: int, mtime: int, *, executable: bool) -> int:
        """A regular file; its number."""
        path = self._named(name)
        self._count(path, size)
        return self._add(path, _EXECUTABLE if executable else _FILE, mtime, size)

    def placed(self, number: int, offset: int, digest: bytes) -> None:
        """Where the content of a file lies, and its SHA-256."""
        self._offsets[number] = offset
        self._digests[number * _DIGEST : (number + 1) * _DIGEST] = digest

    def symlink(self, name: str, target: str, mtime: int) -> str:
        """A symbolic link that stays inside."""
        path = self._named(name)
        names.check_target(path, target, self._limits)
        self._targets[self._add(path, _SYMLINK, mtime)] = target
        return path

    def hard_link(self, name: str, target: str) -> None:
        """The content of an earlier file under another name: a copy of it, which counts like one."""
        path = self._named(name)
        source = self._paths.get(names.cleaned(target, self._limits))
        if source is None or self._kinds[source] not in (_FILE, _EXECUTABLE):
            raise Refused(Rule.HARD_LINK, "the hard link does not lead to an earlier regular file", entry=name)
        self._count(path, self._sizes[source])
        number = self._add(path, self._kinds[source], self._mtimes[source], self._sizes[source])
        self.placed(number, self._offsets[source], self._digest(source))

    def contents(self) -> Iterator[tuple[Entry, int]]:
        """Every entry in the order of names, parents first, and where its content lies (NOWHERE: it has none)."""
        for path in sorted(self._paths):
            number = self._paths[path]
            yield self._entry(path, number), self._offsets[number]

    def _entry(self, path: str, number: int) -> Entry:
        kind, mtime = self._kinds[number], self._mtimes[number]
        if kind == _SYMLINK:
            return Entry(path=path, type=SYMLINK, mode=0o777, mtime=mtime, target=self._targets[number])
        if kind in (_FILE, _EXECUTABLE):
            mode = 0o755 if kind == _EXECUTABLE else 0o644
            digest = self._digest(number).hex()
            return Entry(path=path, type=FILE, mode=mode, mtime=mtime, size=self._sizes[number], sha256=digest)
        return Entry(path=path, type=DIRECTORY, mode=0o755, mtime=mtime)

    def _digest(self, number: int) -> bytes:
        return bytes(self._digests[number * _DIGEST : (number + 1) * _DIGEST])

    def _named(self, name: str) -> str:
        path = names.cleaned(name, self._limits)
        if not path:
            raise Refused(Rule.EMPTY_NAME, "the root can only be a directory", entry=name)
        return path

    def _count(self, path: str, size: int) -> None:
        if size > self._limits.file:
            raise Refused(Rule.FILE_SIZE, f"it has {size} bytes, at most {self._limits.file} are taken", entry=path)
        self.total += size
        if self.total > self._limits.total:
            raise Refused(Rule.TOTAL, f"the files come to more than {self._limits.total} bytes", entry=path)

    def _add(self, path: str, kind: int, mtime: int, size: int = 0) -> int:
        if path in self._paths:
            raise Refused(Rule.DUPLICATE, "its name is there already", entry=path)
        parent, _, name = path.rpartition("/")
        if parent:
            self._need_directory(parent, path)
        if self._normal or not path.isascii():
            self._check_twin(path)
        self._check_portable(path, name)
        number = len(self._paths)
        if number >= self._limits.entries:
            raise Refused(Rule.ENTRIES, f"there are more than {self._limits.entries} entries", entry=path)
        self._paths[path] = number
        self._kinds.append(kind)
        self._sizes.append(size)
        self._mtimes.append(_clamped(mtime))
        self._offsets.append(NOWHERE)
        self._digests.extend(bytes(_DIGEST))
        return number

    def _need_directory(self, parent: str, path: str) -> None:
        known = self._paths.get(parent)
        if known is None:
            self._add(parent, _IMPLIED, 0)
        elif self._kinds[known] not in (_DIRECTORY, _IMPLIED):
            raise Refused(Rule.NOT_A_DIRECTORY, f"{parent} is no directory here", entry=path)

    def _check_twin(self, path: str) -> None:
        form = names.normal(path)
        other = self._normal.get(form, path)
        if not path.isascii():
            self._normal[form] = path
        if other != path or (form != path and form in self._paths):
            raise Refused(Rule.TWIN, "its name differs from another only in how its letters are composed", entry=path)

    def _check_portable(self, path: str, name: str) -> None:
        why = names.unportable(name)
        folded = path.lower() if path.isascii() else path.casefold()
        other = self._folded.get(folded)
        if folded != path:
            other = other or (folded if folded in self._paths else None)
            self._folded[folded] = path
        if other is not None and other != path:
            why = f"its name differs from {_shortened(other)} only in case"
        if why is None:
            return
        if self._limits.portable_names:
            raise Refused(Rule.PORTABLE, why, entry=path)
        self.warned += 1
        if len(self.warnings) < _MOST_WARNINGS:
            self.warnings.append(f"{_shortened(path)}: {why}")


def _shortened(path: str) -> str:
    """The begin and the end of a path that is long."""
    return path if len(path) <= _SHOWN else f"{path[: _SHOWN // 2]}…{path[-_SHOWN // 2 :]}"


def _clamped(mtime: int) -> int:
    """A time between 1970 and 9999, in seconds."""
    return max(0, min(mtime, _LATEST))
