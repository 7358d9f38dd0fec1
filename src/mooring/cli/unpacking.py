"""An archive of a version as a directory. What a server sends is not trusted to stay inside it."""

import contextlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import IO

from mooring.client.errors import Unavailable, Unfit

_READ = 1 << 20
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def fresh(root: Path) -> Generator[Path]:
    """A hidden directory, whose content is `root`'s when the block ends well; else nothing is. Raises Unfit.

    A `root` that is there, empty, stays the very directory it is: it may be a volume, or where a shell stands.
    """
    try:
        there = root.is_dir()
        if os.path.lexists(root) and not (there and not any(root.iterdir())):
            raise Unfit(f"{root} is there already", hint="name another directory, or empty it")
        draft = _hidden(root, there=there)
    except OSError as error:
        raise Unfit(f"cannot write {root}: {error.strerror}") from error
    try:
        yield draft
        _settle(draft, root, there=there)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _hidden(root: Path, *, there: bool) -> Path:
    if not there:
        root.absolute().parent.mkdir(parents=True, exist_ok=True)
        return _new(root.absolute().parent)
    # Beside it, so that nobody sees a part of the content in it, nor what is left when this command is killed.
    with contextlib.suppress(OSError):
        draft = _new(root.resolve().parent)
        try:
            return draft.rename(root / draft.name).rename(draft)
        except OSError:
            draft.rmdir()
    # Its parent is not ours to write, or nothing moves from there into a volume.
    return _new(root)


def _new(place: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix=".pull.", dir=place))


def _settle(draft: Path, root: Path, *, there: bool) -> None:
    try:
        if there:
            _move(draft, root)
        else:
            draft.chmod(0o755)
            draft.rename(root)
    except OSError as error:
        raise Unfit(f"cannot write {root}: {error.strerror}") from error


def _move(draft: Path, root: Path) -> None:
    """Everything out of the draft into `root`, or nothing."""
    if any(path.name != draft.name for path in root.iterdir()):
        raise Unfit(f"{root} is no longer empty", hint="name another directory, or empty it")
    moved: list[Path] = []
    try:
        for path in list(draft.iterdir()):
            path.rename(root / path.name)
            moved.append(path)
        draft.rmdir()
    except BaseException:
        for path in moved:
            (root / path.name).rename(path)
        raise


class Pieces:
    """Pieces that come, as a file to read once."""

    def __init__(self, pieces: Iterator[bytes], tell: Callable[[int], None]) -> None:
        self._pieces = pieces
        self._tell = tell
        self._rest = b""

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; fewer only at the end."""
        found = [self._rest]
        held = len(self._rest)
        while held < size and (piece := next(self._pieces, b"")):
            self._tell(len(piece))
            found.append(piece)
            held += len(piece)
        data = b"".join(found)
        self._rest = data[size:]
        return data[:size]


def unpack(pieces: Pieces, root: Path) -> int:
    """Write everything below `root`, which is empty. How many entries it was. Raises Unavailable, Unfit."""
    count, later = 0, list[tarfile.TarInfo]()
    try:
        with tarfile.open(fileobj=_as_file(pieces), mode="r|gz") as tar:
            for member in tar:
                count += 1
                where = _inside(root, member.name)
                if member.isdir():
                    where.mkdir()
                    later.append(member)
                elif member.issym():
                    later.append(member)
                elif member.isreg():
                    _file(tar, member, where)
                else:
                    raise Unfit(f"the archive holds {member.name!r}, which is no file, directory or link")
        for member in later:
            _finish(root, member)
    except tarfile.TarError as error:
        raise Unavailable(f"the archive cannot be read: {error}", hint="run the command again") from error
    except OSError as error:
        raise Unfit(f"cannot write {error.filename or root}: {error.strerror}") from error
    return count


def _as_file(pieces: Pieces) -> IO[bytes]:
    # tarfile's stream mode reads, and does nothing else.
    return pieces  # pyright: ignore[reportReturnType]


def _inside(root: Path, name: str) -> Path:
    parts = name.removesuffix("/").split("/")
    if name.startswith("/") or any(part in ("", ".", "..") for part in parts):
        raise Unfit(f"the archive holds {name!r}, which lies outside")
    return root.joinpath(*parts)


def _file(tar: tarfile.TarFile, member: tarfile.TarInfo, where: Path) -> None:
    content = tar.extractfile(member)
    assert content is not None
    # Links are made last, so no parent is one.
    with os.fdopen(os.open(where, _NEW, 0o755 if member.mode & 0o100 else 0o644), "wb") as file:
        while piece := content.read(_READ):
            file.write(piece)
    os.utime(where, (member.mtime, member.mtime))


def _finish(root: Path, member: tarfile.TarInfo) -> None:
    where = _inside(root, member.name)
    if member.isdir():
        return
    up = [part for part in member.linkname.split("/") if part == ".."]
    if member.linkname.startswith("/") or len(up) > member.name.count("/"):
        raise Unfit(f"the archive's link {member.name!r} leads outside")
    where.symlink_to(member.linkname)
    os.utime(where, (member.mtime, member.mtime), follow_symlinks=False)
