"""Files of a place others write to: nothing is followed, nothing is opened that could answer back."""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PIECE = 262144
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: opening a fifo must not wait for its writer.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
DEEPEST = 64
# Names of one directory that are looked at: they are held and sorted.
_MOST_NAMES = 100_000


class Scratch:
    """A directory of the runner's own, made before any child exists. Files are opened through its descriptor, so that
    a directory put in its place later gets nothing of ours."""

    def __init__(self, parent: str) -> None:
        self.path = f"{parent}/mooring-{os.urandom(8).hex()}"
        os.mkdir(self.path, 0o700)
        self._directory = os.open(self.path, _DIRECTORY)
        self._count = 0

    def file(self, content: bytes = b"", suffix: str = "") -> tuple[str, int]:
        """A new file with `content`: its path and a descriptor to read and write it."""
        self._count += 1
        name = f"{self._count}{suffix}"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(name, flags, 0o600, dir_fd=self._directory)
        write_all(descriptor, content)
        return f"{self.path}/{name}", descriptor

    def open(self, name: str) -> int:
        """A file a child of ours has written here."""
        return open_regular(self._directory, name)

    def leave(self) -> None:
        """Take the directory away; one that somebody filled or replaced goes with the instance."""
        try:
            os.rmdir(self.path)
        except OSError:
            return

    def close(self, path: str, descriptor: int) -> None:
        os.close(descriptor)
        self.forget(path)

    def forget(self, path: str) -> None:
        try:
            os.unlink(os.path.basename(path), dir_fd=self._directory)
        except FileNotFoundError:
            return


def write_all(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


def open_regular(directory: int, name: str) -> int:
    """Raises OSError, also for what is no regular file."""
    descriptor = os.open(name, _FILE, dir_fd=directory)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{name} is no regular file")
    return descriptor


def beneath(root: str, path: str) -> int:
    """The regular file at `path` (relative) below `root`, no link followed on the way. Raises OSError."""
    *parents, name = path.split("/")
    directory = os.open(root, _DIRECTORY)
    try:
        for parent in parents:
            inner = os.open(parent, _DIRECTORY, dir_fd=directory)
            os.close(directory)
            directory = inner
        return open_regular(directory, name)
    finally:
        os.close(directory)


def pieces(descriptor: int) -> Iterator[bytes]:
    """The content from the beginning."""
    at = 0
    while piece := os.pread(descriptor, _PIECE, at):
        at += len(piece)
        yield piece


def records(content: Iterable[bytes], end: bytes = b"\0") -> Iterator[bytes]:
    """What stands between the `end`s."""
    rest = b""
    for piece in content:
        *whole, rest = (rest + piece).split(end)
        yield from whole
    if rest:
        yield rest


def walk(root: str) -> Iterator[tuple[str, int | str]]:
    """Every entry below `root`, by name: its relative path with an open descriptor (the taker closes it) where it is a
    regular file, else with what stands against taking it."""
    try:
        directory = os.open(root, _DIRECTORY)
    except OSError as error:
        yield "", f"cannot be opened ({error.strerror})"
        return
    try:
        yield from _walk(directory, "", 0)
    finally:
        os.close(directory)


def _walk(directory: int, prefix: str, depth: int) -> Iterator[tuple[str, int | str]]:
    names, more = _names(directory)
    if more:
        yield prefix, f"holds more than {_MOST_NAMES} entries, and the others were not looked at"
    for name in names:
        path = prefix + name
        try:
            mode = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode) and depth < DEEPEST:
                inner = os.open(name, _DIRECTORY, dir_fd=directory)
                try:
                    yield from _walk(inner, path + "/", depth + 1)
                finally:
                    os.close(inner)
            elif stat.S_ISREG(mode):
                yield path, open_regular(directory, name)
            else:
                yield path, f"is {_what(mode)}"
        except OSError as error:
            yield path, f"cannot be read ({error.strerror or error})"


def _names(directory: int) -> tuple[list[str], bool]:
    """The first names of a directory, sorted, and whether there are more."""
    names: list[str] = []
    with os.scandir(directory) as entries:
        for entry in entries:
            if len(names) == _MOST_NAMES:
                return sorted(names), True
            names.append(entry.name)
    return sorted(names), False


def _what(mode: int) -> str:
    names = (
        (stat.S_ISLNK, "a symbolic link"),
        (stat.S_ISFIFO, "a fifo"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISDIR, f"deeper than {DEEPEST} directories"),
    )
    return next((name for is_one, name in names if is_one(mode)), "a device")
