"""Following a numbered stream over as many lines as it takes: each event once, in order, none left out."""

from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from mooring.client.asking import Patience, error_of
from mooring.client.errors import Unavailable
from mooring.client.flow import Answer, Ask, Give, Lost, Read, Stream, Wait
from mooring.client.sse import Parser, ServerEvent

E = TypeVar("E")
Tell = Callable[[str | None], None]

_EVENT_STREAM = "text/event-stream"
# A server that is started again is back long before: an hour of it being away is worth a person's look.
RECONNECTS = 720
_NOT_NOW = frozenset({408, 429, 502, 503, 504})
# A line that leaves events out is made again; a server that does it every time has lost them.
_MOST_GAPS = 3


class Following(Generic[E]):
    """A stream of `shape`s behind `number` (None: from now on).

    `last` says which event is the last of all; where there is one, numbers leave none out. `tell` hears why a line
    broke, and None when it stands again.
    """

    def __init__(
        self, shape: type[E], *, number: int | None, tell: Tell | None, last: Callable[[E], bool] | None = None
    ) -> None:
        self.number = number
        self.over = False
        self.broken = False
        self._shape = shape
        self._last = last
        self._tell = tell
        self._reason = "no answer"
        self._gaps = 0
        self._patience = Patience(tries=RECONNECTS)

    def line(self, path: str, query: tuple[tuple[str, str], ...] = ()) -> Stream[E]:
        """What one line brings, until it breaks or ends; then the pause before the next. Raises Unavailable."""
        before = self.number
        try:
            yield from self._read(path, query)
        except Lost as lost:
            self._lost(lost.reason)
        if self.number != before:
            self._patience = Patience(tries=RECONNECTS)
        pause = self._patience.next()
        if self.over:
            return
        if pause is None:
            raise Unavailable(f"the server has been away too long: {self._reason}", hint="is it running? `moor status`")
        yield Wait(seconds=pause)

    def take(self, number: int, event: E) -> Stream[E]:
        """Give it, unless it was given. Raises Lost where one before it was left out."""
        if self.number is not None and number <= self.number:
            return
        if self._last and self.number is not None and number > self.number + 1:
            self._gaps += 1
            if self._gaps > _MOST_GAPS:
                raise Unavailable(f"event {self.number + 1} is missing; {number} came")
            raise Lost(f"event {self.number + 1} did not come", sent=True)
        self.number, self._gaps = number, 0
        self.over = self._last is not None and self._last(event)
        yield Give(event)

    def _read(self, path: str, query: tuple[tuple[str, str], ...]) -> Stream[E]:
        headers = {"Accept": _EVENT_STREAM}
        if self.number is not None:
            headers["Last-Event-ID"] = str(self.number)
        question = Ask(method="GET", path=path, query=query, headers=headers, streamed=True)
        answer: Answer = yield question
        if answer.status in _NOT_NOW:
            raise Lost(f"the server answers {answer.status}", sent=True)
        if not answer.good:
            raise error_of(answer, question)
        parser = Parser()
        while not self.over and (piece := (yield Read())):
            self._stands()
            for event in parser.feed(piece):
                if event.type == "reset":
                    # Too slow: the server lets go, and waits for us to come back with this number.
                    self.number = max(self.number or 0, _number(event))
                else:
                    yield from self.take(_number(event), self._decoded(event))
            # Where a stream of changes begins is known before there is one.
            if self.number is None and parser.last_id.isascii() and parser.last_id.isdecimal():
                self.number = int(parser.last_id)

    def _decoded(self, event: ServerEvent) -> E:
        try:
            return msgspec.json.decode(event.data, type=self._shape)
        except msgspec.MsgspecError as error:
            raise Unavailable(
                f"an event of the server is not understood: {error}",
                hint="the client and the server may differ in version",
            ) from error

    def _lost(self, reason: str) -> None:
        self._reason = reason
        if not self.broken and self._tell:
            self._tell(reason)
        self.broken = True

    def _stands(self) -> None:
        if self.broken and self._tell:
            self._tell(None)
        self.broken = False


def _number(event: ServerEvent) -> int:
    if not (event.id.isascii() and event.id.isdecimal()) or len(event.id) > 19:  # noqa: PLR2004 - digits of a bigint
        raise Unavailable(f"an event of the server has no number but {event.id[:40]!r}")
    return int(event.id)
