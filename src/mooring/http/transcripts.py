"""Transcripts as they grow: each is read and written once for all of this process who listen to its session.

Who begins further back than the ring of a session, or falls behind it, is served from the database.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Generator

from mooring.base.db import Database
from mooring.base.errors import Missing, NotKnown, Unavailable
from mooring.base.ring import Ring
from mooring.http.call import Call
from mooring.http.keys import asker
from mooring.http.stream import BEAT, Event
from mooring.sessions import sessions, transcript
from mooring.sessions.entities import TERMINAL, Head, TranscriptEvent
from mooring.wire.sessions import SessionEvent

MOST_EVENTS = 1_000
MOST_BYTES = 1 << 20
# How often a listener's token, roles and sight of the session are looked at again.
ASK_AGAIN = 10.0
_BATCH = 500
# A hint of another process may be lost; looking again covers it.
_POLL = 1.0


def shown(event: TranscriptEvent) -> SessionEvent:
    """An event as it is sent."""
    return SessionEvent(number=event.number, at=event.at, type=event.type, data=event.data)


def _written(event: TranscriptEvent) -> bytes:
    return Event(number=event.number, name=event.type, data=shown(event)).written()


class Tail:
    """The newest events of one session as they are sent. One of those who wait reads for all."""

    def __init__(self, database: Database, session_id: str) -> None:
        self._database = database
        self._session_id = session_id
        self._head: Head | None = None
        self._begun = self._gone = self._reading = False
        self.ring: Ring[bytes] = Ring(most=MOST_EVENTS, most_bytes=MOST_BYTES)
        self.listeners = 0

    @property
    def sight(self) -> tuple[str | None, str | None] | None:
        """What else than the listener decides who sees the session; None as long as it was not read."""
        return None if self._head is None else (self._head.assigned_user_id, self._head.group_id)

    def over(self, number: int) -> bool:
        """Whether nothing comes behind the number any more: not from the session, or not from this process."""
        ended = self._head is not None and self._head.phase in TERMINAL and number >= self._head.number
        return ended or self._gone or self._database.hints.closed

    async def behind(self, number: int) -> list[bytes]:
        """The events behind a number that the ring begins after."""
        async with self._database.reading() as tx:
            found = await transcript.read(tx, self._session_id, after=number, limit=_BATCH)
        return [_written(event) for event in found]

    async def more(self, number: int, seconds: float) -> None:
        """Return when there may be something behind the number, when the session changed, or after so long."""
        if self._reading:
            await self.ring.wait(number, seconds)
            return
        self._reading = True
        try:
            await self._read(seconds)
        finally:
            self._reading = False
            # Somebody else reads on.
            self.ring.wake()

    async def _read(self, seconds: float) -> None:
        now = asyncio.get_running_loop().time
        ends = now() + seconds
        with self._database.hints.waiting(transcript.topic(self._session_id)) as hint:
            while not self._database.hints.closed:
                hint.clear()
                with contextlib.suppress(Unavailable):
                    if await self._look():
                        return
                if now() >= ends:
                    return
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(_POLL, max(0.0, ends - now()))):
                        await hint.wait()

    async def _look(self) -> bool:
        """Read what is new; whether anything is."""
        async with self._database.reading() as tx:
            head, found = await transcript.head(tx, self._session_id), list[TranscriptEvent]()
            if self._begun and head is not None and head.number > self.ring.last:
                found = await transcript.read(tx, self._session_id, after=self.ring.last, limit=_BATCH)
        if not self._begun and head is not None:
            self._begun, self.ring.last = True, head.number
        changed = head is None or head != self._head
        self._gone, self._head = head is None, head
        self.ring.add((text, len(text)) for text in map(_written, found))
        return changed or bool(found)


class Transcripts:
    """The sessions that somebody of this process listens to."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tails: dict[str, Tail] = {}

    @contextlib.contextmanager
    def listening(self, session_id: str) -> Generator[Tail]:
        """What all who listen to the session share; dropped when the last of them leaves."""
        tail = self._tails.setdefault(session_id, Tail(self._database, session_id))
        tail.listeners += 1
        try:
            yield tail
        finally:
            tail.listeners -= 1
            if not tail.listeners:
                del self._tails[session_id]


async def told(transcripts: Transcripts, call: Call, session_id: str, number: int) -> AsyncIterator[bytes | None]:
    """The events behind a number as they are sent, until the session is over or out of the asker's sight."""
    now = asyncio.get_running_loop().time
    heard = asked = now()
    with transcripts.listening(session_id) as tail:
        sight = tail.sight
        while True:
            if tail.sight != sight or now() - asked >= ASK_AGAIN:
                known, sight, asked = sight is not None, tail.sight, now()
                # The first look of all is as new as the look that opened the stream.
                if known and not await _still_seen(call, session_id):
                    return
            found = tail.ring.after(number, _BATCH)
            if found is None:
                found = await tail.behind(number)
            if found:
                number, heard = number + len(found), now()
                yield b"".join(found)
            elif tail.over(number):
                return
            elif now() - heard >= BEAT:
                heard = now()
                yield None
            else:
                await tail.more(number, max(0.0, min(heard + BEAT, asked + ASK_AGAIN) - now()))


async def _still_seen(call: Call, session_id: str) -> bool:
    """Whether the token still opens, and its user sees the session."""
    try:
        actor = (await asker(call.app, call.request)).actor
        async with call.app.database.reading() as tx:
            await sessions.SESSIONS.read(tx, actor, session_id)
    except (NotKnown, Missing):
        return False
    return True
