"""Filesystems: send archives, make versions of them, look into them, take them out."""

from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Literal, TypeVar

import msgspec

from mooring.client.asking import BASE, Patience, ask, told, writing
from mooring.client.collections import PAGE, Collection
from mooring.client.errors import Missing, Unavailable
from mooring.client.flow import Ask, D, Flow, Give, Listing, Lost, Operation, Read, Sending, Stream, Wait
from mooring.wire.files import (
    Filesystem,
    FilesystemChange,
    FilesystemDiff,
    FilesystemEntry,
    FilesystemEntryList,
    FilesystemVersion,
    NewFilesystemVersion,
    Upload,
)

T = TypeVar("T")

# A server writes a large archive to its disk before it answers.
_KEEPING = 1800.0
_FIRST_LOOK, _LONGEST_LOOK = 0.05, 2.0


class _Versions(msgspec.Struct, kw_only=True):
    items: list[FilesystemVersion]
    next: str | None = None


class Filesystems(Collection[D, Filesystem]):
    """Filesystems. Where one is named, its id is meant; a version is named by its id or number, None is the current."""

    @Operation
    def sent(self, checksum: str) -> Flow[bool]:
        """Whether an archive with this checksum was sent by you already."""
        try:
            yield from ask(Ask(method="GET", path=f"{BASE}/uploads/{checksum}"))
        except Missing:
            return False
        return True

    @Operation
    def send(self, checksum: str, sending: Sending) -> Flow[Upload]:
        """Send an archive under the checksum it has. A line that breaks is made again, from the archive's begin."""
        question = Ask(
            method="PUT",
            path=f"{BASE}/uploads/{checksum}",
            headers={"Content-Type": "application/octet-stream"},
            sending=sending,
            patient=_KEEPING,
        )
        return told(Upload, question)

    @Operation
    def want(self, identifier: str, new: NewFilesystemVersion, *, reason: str | None = None) -> Flow[Filesystem]:
        """Have a version made. Raises Missing, Denied, Unfit, Clash (it has moved on)."""
        return told(Filesystem, writing("POST", self.at(identifier, "versions"), new, reason=reason))

    @Operation
    def settled(self, identifier: str, tell: Callable[[Filesystem], None] = lambda _: None) -> Flow[Filesystem]:
        """The filesystem, once no version is on its way. `tell` hears how it stands meanwhile."""
        pause = _FIRST_LOOK
        while True:
            found = yield from told(Filesystem, Ask(method="GET", path=self.at(identifier)))
            if found.source is None:
                return found
            tell(found)
            yield Wait(seconds=pause)
            pause = min(2 * pause, _LONGEST_LOOK)

    @Operation
    def version(self, identifier: str, number: int) -> Flow[FilesystemVersion]:
        """The version with this number. Raises Missing."""
        query = (("search", f"number = {number}"),)
        found = yield from told(_Versions, Ask(method="GET", path=self.at(identifier, "versions"), query=query))
        if not found.items:
            raise Missing(f"there is no version {number}")
        return found.items[0]

    @Listing
    def versions(self, identifier: str) -> Stream[FilesystemVersion]:
        """Every version, the newest first."""
        after: str | None = ""
        while after is not None:
            query = (("size", str(PAGE)), ("after", after))
            page = yield from told(_Versions, Ask(method="GET", path=self.at(identifier, "versions"), query=query))
            for found in page.items:
                yield Give(found)
            after = page.next

    @Listing
    def entries(
        self, identifier: str, path: str = "", *, recursive: bool = False, search: str = "", version: str | None = None
    ) -> Stream[FilesystemEntry]:
        """What lies in a directory, or with `recursive` or `search` at any depth below it. Raises Missing, Unfit."""
        after: str | None = None
        while True:
            query = _query(path=path, recursive=recursive, search=search, version=version, after=after, size=1000)
            question = Ask(method="GET", path=self.at(identifier, "entries"), query=query)
            page = yield from told(FilesystemEntryList, question)
            for found in page.items:
                yield Give(found)
            after = page.next
            if after is None:
                return

    @Listing
    def diff(self, identifier: str, older: str, newer: str | None = None) -> Stream[FilesystemChange]:
        """What differs between two versions, by directory and name."""
        after: str | None = None
        while True:
            query = (("from", older), *_query(to=newer, after=after, size=1000))
            page = yield from told(FilesystemDiff, Ask(method="GET", path=self.at(identifier, "diff"), query=query))
            for found in page.items:
                yield Give(found)
            after = page.next
            if after is None:
                return

    @Listing
    def read(self, identifier: str, path: str, *, version: str | None = None) -> Stream[bytes]:
        """The bytes of a file. A line that breaks is made again where it was. Raises Missing, Unfit, Unavailable."""
        return _bytes(self.at(identifier, "content"), _query(path=path, version=version), again=True)

    @Listing
    def manifest(self, identifier: str, *, version: str | None = None) -> Stream[bytes]:
        """Everything that lies in a version, as lines of JSON, piece by piece."""
        return _bytes(self.at(identifier, "manifest"), _query(version=version), again=False)

    @Listing
    def archive(
        self, identifier: str, *, form: Literal["tar.gz", "zip"] = "tar.gz", version: str | None = None
    ) -> Stream[bytes]:
        """A version as an archive, piece by piece."""
        return _bytes(self.at(identifier, "archive"), _query(version=version, format=form), again=False)


def _query(**said: object) -> tuple[tuple[str, str], ...]:
    """What is said of a query; what is None, empty or no is not."""
    return tuple(
        (name, "true" if value is True else str(value))
        for name, value in said.items()
        if value not in (None, "", False)
    )


def _bytes(path: str, query: tuple[tuple[str, str], ...], *, again: bool) -> Stream[bytes]:
    """The pieces of an answer. Raises Unavailable when the line breaks and it cannot be taken up again."""
    at, tries, total, mark = 0, 5, -1, ""
    while at != total:
        # What was read is of what had this mark: where that is something else now, all of it comes, from its begin.
        headers = {"Accept": "*/*", **({"Range": f"bytes={at}-", "If-Range": mark} if at else {})}
        question = Ask(method="GET", path=path, query=query, headers=headers, streamed=True)
        answer = yield from ask(question)
        if at and (answer.status != HTTPStatus.PARTIAL_CONTENT or answer.headers.get("etag") != mark):
            raise Unavailable("it changed while it was read, and the line broke", hint="run the command again")
        mark = answer.headers.get("etag", "")
        whole = answer.headers.get("content-length")
        left = int(whole) if whole is not None else None
        total = at + left if left is not None else -1
        try:
            while piece := (yield Read()):
                at += len(piece)
                left = None if left is None else left - len(piece)
                yield Give(piece)
        except Lost as lost:
            tries -= 1
            if again and tries and mark:
                continue
            # A server that broke off over what it found says so to who asks for the same again.
            yield from ask(replace(question, patient=_KEEPING), patience=Patience(tries=1))
            raise Unavailable(f"the line broke: {lost.reason}", hint="run the command again") from lost
        if left:
            raise Unavailable(f"the server ended {left} bytes early", hint="its log says why")
        return
