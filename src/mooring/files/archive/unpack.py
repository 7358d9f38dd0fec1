"""Write an archive of ours to disk: into a fresh directory that only we write, relative to directories that we made."""

import ctypes
import hashlib
import os
from collections.abc import Iterable

from mooring.files.archive import tar
from mooring.files.archive.flow import Flow, Form, flow_of
from mooring.files.archive.ingest import Progress
from mooring.files.archive.limits import Limits
from mooring.files.archive.manifest import FILE, Head, ManifestWriter
from mooring.files.archive.tree import Tree
from mooring.files.errors import Refused, Rule

OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_TELL_EVERY = 32 << 20


class Directories:
    """The open directories from the root to where the last name lay; names come in order, so few are opened twice."""

    def __init__(self, root: int) -> None:
        self._open: list[tuple[str, int]] = [("", root)]

    def of(self, path: str) -> tuple[int, str]:
        """The open directory that holds `path`, and its name there. No link is followed."""
        parent, _, name = path.rpartition("/")
        while not _within(parent, self._open[-1][0]):
            os.close(self._open.pop()[1])
        here, descriptor = self._open[-1]
        for part in parent[len(here) :].strip("/").split("/") if parent != here else ():
            here = f"{here}/{part}" if here else part
            descriptor = os.open(part, OPEN_DIRECTORY, dir_fd=descriptor)
            self._open.append((here, descriptor))
        return descriptor, name

    def close(self) -> None:
        """Close all but the root, which is not ours."""
        while len(self._open) > 1:
            os.close(self._open.pop()[1])


def _within(path: str, directory: str) -> bool:
    return not directory or path == directory or path.startswith(directory + "/")


def unpack(descriptor: int, root: int, manifest: ManifestWriter, limits: Limits, progress: Progress) -> str:
    """Write everything below the open directory `root`, lasting on return; the SHA-256 of the manifest of it.

    Raises Refused, and OSError as the disk does. What stands there then is for the caller to remove.
    """
    tree, places = Tree(limits), Directories(root)
    flow, told = flow_of(descriptor, Form.TAR_GZ, limits), 0
    later: list[tar.Member] = []
    for member in tar.members(flow, limits):
        match member.kind:
            case tar.Kind.FILE:
                _file(tree, places, member, flow)
            case tar.Kind.DIRECTORY:
                if path := tree.directory(member.name, member.mtime):
                    parent, name = places.of(path)
                    os.mkdir(name, 0o755, dir_fd=parent)
                later.append(member)
            case tar.Kind.SYMLINK:
                tree.symlink(member.name, member.target, member.mtime)
                later.append(member)
            case tar.Kind.HARD_LINK:
                raise Refused(Rule.HARD_LINK, "an archive of ours holds none", entry=member.name)
        if flow.tell - told > _TELL_EVERY:
            progress(told := flow.tell)
    # Links are made when nothing is written through them any more; times are set when nothing changes them any more.
    _finish(later, places)
    places.close()
    _sync_all(root)
    manifest.head(Head(entries=len(tree), uncompressed_size=tree.total))
    for entry, offset in tree.contents():
        manifest.add(entry.placed(offset) if entry.type == FILE else entry)
    return manifest.close()


def _file(tree: Tree, places: Directories, member: tar.Member, flow: Flow) -> None:
    number = tree.file(member.name, member.size, member.mtime, executable=member.executable)
    offset, digest = flow.tell, hashlib.sha256()
    parent, name = places.of(member.name)
    descriptor = os.open(name, _NEW_FILE, 0o755 if member.executable else 0o644, dir_fd=parent)
    try:
        for piece in flow.pieces(member.size):
            digest.update(piece)
            written = 0
            while written < len(piece):
                written += os.write(descriptor, piece[written:])
        os.utime(descriptor, (member.mtime, member.mtime))
    finally:
        os.close(descriptor)
    tree.placed(number, offset, digest.digest())


def _finish(later: Iterable[tar.Member], places: Directories) -> None:
    directories: list[tar.Member] = []
    for member in later:
        if member.kind is tar.Kind.SYMLINK:
            parent, name = places.of(member.name)
            os.symlink(member.target, name, dir_fd=parent)
            os.utime(name, (member.mtime, member.mtime), dir_fd=parent, follow_symlinks=False)
        else:
            directories.append(member)
    for member in reversed(directories):
        parent, name = places.of(member.name.removesuffix("/"))
        os.utime(name, (member.mtime, member.mtime), dir_fd=parent, follow_symlinks=False)


def _sync_all(descriptor: int) -> None:
    """Have the disk hold what was written to the file system of an open directory."""
    if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
        raise OSError(ctypes.get_errno(), "syncfs failed")
