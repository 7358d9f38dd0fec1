"""Sessions: start, follow, end, and take what they left."""

from collections.abc import Callable
from typing import Any

import msgspec

from mooring.client.asking import Patience, ask, error_of, told, writing
from mooring.client.collections import Collection
from mooring.client.errors import Unavailable
from mooring.client.flow import Answer, Ask, D, Flow, Give, Listing, Lost, Operation, Read, Stream, Wait
from mooring.client.sse import Parser
from mooring.wire.sessions import Artifact, ArtifactList, Session, SessionEvent, SessionEventList

ENDED = frozenset({"completed", "failed", "cancelled"})
"""The phases that nothing follows."""
_EVENT_STREAM = "text/event-stream"
_PAGE = 500
# A server that is started again is back long before: an hour of it being away is worth a person's look.
_RECONNECTS = 720
_NOT_NOW = frozenset({408, 429, 502, 503, 504})
# A line that leaves events out is made again; a server that does it every time has lost them.
_MOST_GAPS = 3


class _Phase(msgspec.Struct):
    phase: str


class Sessions(Collection[D, Session]):
    """Executions of workflows."""

    @Operation
    def start(self, identifier: str, *, reason: str | None = None) -> Flow[Session]:
        """Start it. Raises Clash (started already), Unfit (what it lacks)."""
        return self._act(identifier, "start", reason)

    @Operation
    def cancel(self, identifier: str, *, reason: str | None = None) -> Flow[Session]:
        """It is no longer wanted; one that is over stays as it ended."""
        return self._act(identifier, "cancel", reason)

    def _act(self, identifier: str, verb: str, reason: str | None) -> Flow[Session]:
        return told(self.shape, writing("POST", self.at(identifier, verb), reason=reason))

    @Operation
    def plan(self, identifier: str) -> Flow[dict[str, Any]]:
        """Exactly what it does. Raises Missing before it is made."""
        return told(dict[str, Any], Ask(method="GET", path=self.at(identifier, "plan")))

    @Operation
    def artifacts(self, identifier: str) -> Flow[list[Artifact]]:
        """What it left, by name."""
        found = yield from told(ArtifactList, Ask(method="GET", path=self.at(identifier, "artifacts")))
        return found.items

    @Listing
    def artifact(self, identifier: str, name: str) -> Stream[bytes]:
        """The bytes of one, piece by piece. Raises Missing; Unavailable when the line breaks in between."""
        question = Ask(
            method="GET",
            path=self.at(identifier, "artifacts", name),
            headers={"Accept": "application/octet-stream, */*"},
            streamed=True,
        )
        answer = yield from ask(question)
        expected, got = answer.headers.get("content-length"), 0
        try:
            while piece := (yield Read()):
                got += len(piece)
                yield Give(piece)
        except Lost as lost:
            raise Unavailable(f"{name}: the line broke after {got} bytes: {lost.reason}", hint="ask again") from lost
        if expected is not None and "content-encoding" not in answer.headers and str(got) != expected:
            raise Unavailable(f"{name}: {got} bytes came of {expected}", hint="ask again")

    @Listing
    def events(
        self,
        identifier: str,
        *,
        after: int = 0,
        follow: bool = True,
        interrupted: Callable[[str | None], None] | None = None,
    ) -> Stream[SessionEvent]:
        """What happened after number `after`, then what happens, until the session is over; each event once, in order.

        A line that breaks is made again with the last number; `interrupted` hears why, and None when it stands again.
        Without `follow`, ends with what there is now. Raises Missing, Unavailable (away for an hour, a number missing).
        """
        path, reader = self.at(identifier, "events"), _Reader(number=after, tell=interrupted)
        if not follow:
            yield from reader.written(path)
            return
        patience = Patience(tries=_RECONNECTS)
        while not reader.over:
            before = reader.number
            try:
                yield from reader.streamed(path)
            except Lost as lost:
                reader.lost(lost.reason)
            else:
                # The stream ended in peace. Where nothing came, perhaps there is nothing to come.
                if reader.number == before and (yield from self._over(identifier)):
                    yield from reader.written(path)
                    return
            if reader.number > before:
                patience = Patience(tries=_RECONNECTS)
            pause = patience.next()
            if reader.over or pause is None:
                break
            yield Wait(seconds=pause)
        if not reader.over:
            raise Unavailable(
                f"the server has been away too long: {reader.reason}", hint="is it running? `moor status`"
            )

    def _over(self, identifier: str) -> Flow[bool]:
        session = yield from told(_Phase, Ask(method="GET", path=self.at(identifier)))
        return session.phase in ENDED


class _Reader:
    """Reads a transcript from a number on, over as many lines as it takes."""

    def __init__(self, *, number: int, tell: Callable[[str | None], None] | None) -> None:
        self.number = number
        self.over = False
        self.reason = "no answer"
        self._tell = tell
        self._broken = False
        self._gaps = 0

    def lost(self, reason: str) -> None:
        self.reason = reason
        if not self._broken and self._tell:
            self._tell(reason)
        self._broken = True

    def streamed(self, path: str) -> Stream[SessionEvent]:
        """What one line brings. Raises Lost."""
        headers = {"Accept": _EVENT_STREAM, "Last-Event-ID": str(self.number)}
        question = Ask(method="GET", path=path, query=self._after(), headers=headers, streamed=True)
        answer: Answer = yield question
        if answer.status in _NOT_NOW:
            raise Lost(f"the server answers {answer.status}", sent=True)
        if not answer.good:
            raise error_of(answer, question)
        parser = Parser()
        while not self.over and (piece := (yield Read())):
            self._stands()
            for event in parser.feed(piece):
                yield from self._take(_event(event.data))

    def written(self, path: str) -> Stream[SessionEvent]:
        """What there is now, page by page."""
        more = True
        while more:
            question = Ask(method="GET", path=path, query=(*self._after(), ("limit", str(_PAGE))))
            page = yield from told(SessionEventList, question)
            for event in page.items:
                yield from self._take(event)
            more = page.next is not None

    def _after(self) -> tuple[tuple[str, str], ...]:
        return (("after", str(self.number)),)

    def _stands(self) -> None:
        if self._broken and self._tell:
            self._tell(None)
        self._broken = False

    def _take(self, event: SessionEvent) -> Stream[SessionEvent]:
        if event.number <= self.number:
            return
        if event.number > self.number + 1:
            self._gaps += 1
            if self._gaps > _MOST_GAPS:
                raise Unavailable(f"event {self.number + 1} is missing from the transcript; {event.number} came")
            raise Lost(f"event {self.number + 1} did not come", sent=True)
        self.number, self._gaps = event.number, 0
        self.over = event.type == "session.phase" and event.data.get("phase") in ENDED
        yield Give(event)


def _event(data: str) -> SessionEvent:
    try:
        return msgspec.json.decode(data, type=SessionEvent)
    except msgspec.MsgspecError as error:
        raise Unavailable(
            f"an event of the server is not understood: {error}", hint="the client and the server may differ in version"
        ) from error
