"""Sessions: start, follow, end, and take what they left."""

from typing import Any

import msgspec

from mooring.client.asking import ask, told, writing
from mooring.client.collections import Collection
from mooring.client.errors import Unavailable
from mooring.client.flow import Ask, D, Flow, Give, Listing, Lost, Operation, Read, Stream
from mooring.client.following import Following, Tell
from mooring.wire.sessions import Artifact, ArtifactList, Session, SessionEvent, SessionEventList

ENDED = frozenset({"completed", "failed", "cancelled"})
"""The phases that nothing follows."""
_PAGE = 500


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

    @Operation
    def pause(self, identifier: str, *, reason: str | None = None) -> Flow[Session]:
        """It is to lie still, with everything it did so far. Raises Clash (nothing of it runs)."""
        return self._act(identifier, "pause", reason)

    @Operation
    def resume(self, identifier: str, *, reason: str | None = None) -> Flow[Session]:
        """It goes on where it was paused. Raises Clash (it is not paused), Denied, Unfit (a grant is gone)."""
        return self._act(identifier, "resume", reason)

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
        interrupted: Tell | None = None,
    ) -> Stream[SessionEvent]:
        """What happened after number `after`, then what happens, until the session is over; each event once, in order.

        A line that breaks is made again with the last number; `interrupted` hears why, and None when it stands again.
        Without `follow`, ends with what there is now. Raises Missing, Unavailable (away for an hour, a number missing).
        """
        path = self.at(identifier, "events")
        following = Following(SessionEvent, number=after, tell=interrupted, last=_ends)
        if not follow:
            yield from _written(path, following)
            return
        while not following.over:
            before = following.number
            yield from following.line(path)
            # A stream that ended and brought nothing: perhaps there is nothing to come.
            if following.number == before and not following.broken and (yield from self._over(identifier)):
                yield from _written(path, following)
                return

    def _over(self, identifier: str) -> Flow[bool]:
        session = yield from told(_Phase, Ask(method="GET", path=self.at(identifier)))
        return session.phase in ENDED


def _ends(event: SessionEvent) -> bool:
    return event.type == "session.phase" and event.data.get("phase") in ENDED


def _written(path: str, following: Following[SessionEvent]) -> Stream[SessionEvent]:
    """What there is now, page by page."""
    more = True
    while more:
        query = (("after", str(following.number)), ("limit", str(_PAGE)))
        page = yield from told(SessionEventList, Ask(method="GET", path=path, query=query))
        for event in page.items:
            yield from following.take(event.number, event)
        more = page.next is not None
