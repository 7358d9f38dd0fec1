"""Take an archive: parse, decide, keep the contents in one file. Nothing of it is written under a name of its own."""

import hashlib
from collections.abc import Callable, Iterable
from typing import IO

from mooring.files.archive import tar
from mooring.files.archive import zip as zips
from mooring.files.archive.flow import Form, Ratio, flow_of, form_of
from mooring.files.archive.limits import Limits
from mooring.files.archive.tree import Tree

# Told now and then how many bytes of contents were taken.
Progress = Callable[[int], None]
_TELL_EVERY = 32 << 20


class Spool:
    """The file that contents are kept in, one behind the other."""

    def __init__(self, file: IO[bytes], progress: Progress) -> None:
        self._file = file
        self._progress = progress
        self._next = _TELL_EVERY
        self.tell = 0

    def keep(self, tree: Tree, number: int, pieces: Iterable[bytes | memoryview]) -> None:
        """Keep the content of a file of the tree."""
        offset, digest = self.tell, hashlib.sha256()
        for piece in pieces:
            digest.update(piece)
            self._file.write(piece)
            self.tell += len(piece)
        tree.placed(number, offset, digest.digest())
        if self.tell >= self._next:
            self._progress(self.tell)
            self._next = self.tell + _TELL_EVERY


def ingest(descriptor: int, spool: IO[bytes], limits: Limits, progress: Progress) -> tuple[Form, Tree]:
    """What the archive makes, its contents in `spool`. Raises Refused, naming the entry and the rule."""
    form, tree = form_of(descriptor), Tree(limits)
    keeper = Spool(spool, progress)
    if form is Form.ZIP:
        _zip(descriptor, tree, keeper, limits)
    else:
        _tar(descriptor, form, tree, keeper, limits)
    spool.flush()
    return form, tree


def _tar(descriptor: int, form: Form, tree: Tree, spool: Spool, limits: Limits) -> None:
    flow = flow_of(descriptor, form, limits)
    for member in tar.members(flow, limits):
        match member.kind:
            case tar.Kind.FILE:
                number = tree.file(member.name, member.size, member.mtime, executable=member.executable)
                spool.keep(tree, number, flow.pieces(member.size))
            case tar.Kind.DIRECTORY:
                tree.directory(member.name, member.mtime)
            case tar.Kind.SYMLINK:
                tree.symlink(member.name, member.target, member.mtime)
            case tar.Kind.HARD_LINK:
                tree.hard_link(member.name, member.target)


def _zip(descriptor: int, tree: Tree, spool: Spool, limits: Limits) -> None:
    ratio = Ratio(limits)
    for member in zips.members(descriptor, limits):
        match member.kind:
            case tar.Kind.DIRECTORY:
                tree.directory(member.name, member.mtime)
            case tar.Kind.SYMLINK:
                tree.symlink(member.name, zips.target(descriptor, member, ratio), member.mtime)
            case _:
                number = tree.file(member.name, member.size, member.mtime, executable=member.executable)
                spool.keep(tree, number, zips.content(descriptor, member, ratio))
