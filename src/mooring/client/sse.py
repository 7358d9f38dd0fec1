"""Server-sent events, read as they come. Source: HTML Living Standard, 9.2.6, without `retry`."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass

from mooring.client.errors import Unavailable

LARGEST_EVENT = 32 << 20
"""Characters an event may have. The largest that a server of ours sends has less than half of them: a row up to three
times (before, after, as it is now), with two texts of 200,000 characters, each of them six where it must be escaped, or
with a map of 64 KiB, in which `1e308` is written out when it comes back from PostgreSQL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerEvent:
    """One event. `id` is the last that was given, as the standard has it."""

    id: str
    type: str
    data: str


class Parser:
    """Takes the stream in pieces of any size. Raises Unavailable when it is no such stream, or an event too large."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._rest = ""
        self._after_return = False
        self._begun = False
        self._id = ""
        self._type = ""
        self._data: list[str] = []
        self._size = 0

    @property
    def last_id(self) -> str:
        """The last id that was given, also by a block that is no event."""
        return self._id

    def feed(self, piece: bytes) -> Iterator[ServerEvent]:
        """The events that this piece completes. What an ended stream leaves unfinished is no event."""
        try:
            text = self._decoder.decode(piece)
        except UnicodeDecodeError as error:
            raise Unavailable(f"the server's stream is not UTF-8: {error.reason}") from error
        for line in self._lines(text):
            event = self._line(line)
            if event is not None:
                yield event

    def _lines(self, text: str) -> Iterator[str]:
        """Whole lines, ended by LF, CR or CRLF, also where a piece ends between CR and LF."""
        if not text:
            return
        if not self._begun:
            self._begun = True
            text = text.removeprefix("\ufeff")
        if self._after_return:
            text = text.removeprefix("\n")
        self._after_return = text.endswith("\r")
        *whole, self._rest = (self._rest + text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._bound(len(self._rest))
        yield from whole

    def _line(self, line: str) -> ServerEvent | None:
        if not line:
            return self._complete()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
            self._size += len(value) + 1
            self._bound(self._size)
        elif name == "event":
            self._type = value
        elif name == "id" and "\0" not in value:
            self._id = value
        # Other fields, and comments (an empty name), say nothing to us.
        return None

    def _complete(self) -> ServerEvent | None:
        event = (
            ServerEvent(id=self._id, type=self._type or "message", data="\n".join(self._data)) if self._data else None
        )
        self._type, self._data, self._size = "", [], 0
        return event

    def _bound(self, size: int) -> None:
        if size > LARGEST_EVENT:
            raise Unavailable(f"the server's stream holds an event of more than {LARGEST_EVENT:,} characters")
