"""A directory as an archive: what lies in it, and a tar.gz of that."""

import hashlib
import os
import stat
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import msgspec

from mooring.cli.ignoring import FILE, Pattern, ignored, patterns
from mooring.client.errors import Unfit

_READ = 1 << 20
_SPECIAL = "is neither a file, a directory nor a symbolic link"
# Ours is packed anew by the server: quick matters, small does not.
_LEVEL = 1
# Bytes of a gzip member. What would shrink by more than `_THIN` is packed less tightly: the server takes what unfolds
# without end for a bomb.
_MEMBER, _THIN = 1 << 20, 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One entry of a directory. `target` of a link."""

    path: str
    where: Path
    kind: str
    size: int
    executable: bool
    mtime: int
    target: str | None = None


class Same(msgspec.Struct, frozen=True, kw_only=True):
    """What two versions of an entry must agree in to be the same; times are left aside."""

    type: str
    mode: int
    size: int = 0
    sha256: str | None = None
    target: str | None = None


def look(root: Path, more: Sequence[str] = ()) -> list[Found]:
    """Everything to be packed below `root`, by name. Raises Unfit, naming what cannot be."""
    lines = list(more)
    try:
        lines = [*(root / FILE).read_text(encoding="utf-8").splitlines(), *lines]
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError) as error:
        raise Unfit(f"cannot read {root / FILE}: {error}") from error
    try:
        return sorted(_below(root, "", patterns(lines)), key=lambda found: found.path)
    except OSError as error:
        raise Unfit(f"cannot read {error.filename}: {error.strerror}") from error


def _below(directory: Path, prefix: str, left_out: Sequence[Pattern]) -> Iterator[Found]:
    with os.scandir(directory) as entries:
        for entry in entries:
            path = prefix + entry.name
            if ignored(path, left_out, directory=entry.is_dir(follow_symlinks=False)):
                continue
            found = _found(path, entry)
            yield found
            if found.kind == "directory":
                yield from _below(found.where, path + "/", left_out)


def _found(path: str, entry: os.DirEntry[str]) -> Found:
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise Unfit(
            f"the name {os.fsencode(path)!r} is not UTF-8", hint=f"rename it, or leave it out in {FILE}"
        ) from error
    told = entry.stat(follow_symlinks=False)
    kind = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink"}.get(stat.S_IFMT(told.st_mode))
    if kind is None:
        raise Unfit(f"{entry.path} {_SPECIAL}", hint=f"remove it, or leave it out in {FILE}")
    return Found(
        path=path,
        where=Path(entry.path),
        kind=kind,
        size=told.st_size if kind == "file" else 0,
        executable=kind == "file" and bool(told.st_mode & 0o100),
        mtime=max(0, int(told.st_mtime)),
        # A Path would make `a` of `./a` and of `a/`; the link is to stay as it is.
        target=os.readlink(entry.path) if kind == "symlink" else None,  # noqa: PTH115
    )


def same(found: Sequence[Found]) -> dict[str, Same]:
    """What the server would have of this, to compare."""
    return {one.path: _same(one) for one in found}


def _same(one: Found) -> Same:
    if one.kind == "symlink":
        return Same(type="symlink", mode=0o777, target=one.target)
    if one.kind == "directory":
        return Same(type="directory", mode=0o755)
    digest = hashlib.sha256()
    with one.where.open("rb") as file:
        while piece := file.read(_READ):
            digest.update(piece)
    return Same(type="file", mode=0o755 if one.executable else 0o644, size=one.size, sha256=digest.hexdigest())


class _Line(Same, frozen=True, kw_only=True):
    path: str


def there(manifest: Iterator[bytes]) -> Mapping[str, Same]:
    """What a version holds, from its manifest."""
    decode = msgspec.json.Decoder(_Line).decode
    held: dict[str, Same] = {}
    for number, line in enumerate(_lines(manifest)):
        if number:
            told = decode(line)
            held[told.path] = Same(
                type=told.type, mode=told.mode, size=told.size, sha256=told.sha256, target=told.target
            )
    return held


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines


def pack(found: Sequence[Found], out: IO[bytes], tell: Callable[[int], None]) -> None:
    """Write a tar.gz of it, the same bytes for the same tree. `tell` hears of bytes as they are packed.

    Raises Unfit when a file changed meanwhile.
    """
    members = _Members(out)
    # Written as a stream it needs a file's `write` alone.
    with tarfile.open(fileobj=cast("IO[bytes]", members), mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for one in found:
            info = tarfile.TarInfo(one.path)
            info.mtime, info.mode = one.mtime, 0o755 if one.kind != "file" or one.executable else 0o644
            if one.kind == "directory":
                info.type = tarfile.DIRTYPE
            elif one.kind == "symlink":
                info.type, info.linkname = tarfile.SYMTYPE, one.target or ""
            if one.kind != "file":
                tar.addfile(info)
                continue
            info.size = one.size
            try:
                with one.where.open("rb") as file:
                    tar.addfile(info, file)
            except OSError as error:
                raise Unfit(f"cannot pack {one.where}: {error.strerror or 'it changed while it was read'}") from error
            tell(one.size)
    members.finish()


class _Members:
    """A file that is written as members of gzip."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._held = bytearray()

    def write(self, data: bytes, /) -> int:
        """Take some more."""
        self._held += data
        while len(self._held) >= _MEMBER:
            self._out.write(_member(self._held[:_MEMBER]))
            del self._held[:_MEMBER]
        return len(data)

    def finish(self) -> None:
        """Write what is left."""
        self._out.write(_member(self._held))


def _member(data: bytearray) -> bytes:
    packed = _packed(data, zlib.Z_DEFAULT_STRATEGY)
    return packed if len(data) <= _THIN * len(packed) else _packed(data, zlib.Z_HUFFMAN_ONLY)


def _packed(data: bytearray, strategy: int) -> bytes:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS, strategy=strategy)
    return packer.compress(data) + packer.flush()


def checksum_of(file: IO[bytes]) -> tuple[str, int]:
    """`sha256:…` of an open file, and its size."""
    file.seek(0)
    digest = hashlib.sha256()
    while piece := file.read(_READ):
        digest.update(piece)
    return f"sha256:{digest.hexdigest()}", file.tell()
