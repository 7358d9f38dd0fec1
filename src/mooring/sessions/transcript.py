"""The verbs of transcripts: what a runner says is kept once, in its order, under the session's own dense numbers."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from mooring.base.db import Tx
from mooring.base.errors import Missing, Unfit
from mooring.sessions import artifacts
from mooring.sessions.entities import WORDS, Head, Said, TranscriptEvent
from mooring.sessions.store import transcript as store


def topic(session_id: str) -> str:
    """The hint that is given when the transcript of a session grew."""
    return f"transcript:{session_id}"


_OF_TASKS = frozenset({"task.started", "check.output", "task.finished"})


def alone(said: Sequence[Said]) -> bool:
    """Whether `append` keeps these events by a single statement: none of them says more than what happened."""
    return not any(_has_effect(event) for event in said)


def _has_effect(event: Said) -> bool:
    return event.type in _OF_TASKS or (event.type == "artifact" and "withheld" in event.data)


async def append(tx: Tx, session_id: str, run_id: str, said: Sequence[Said]) -> int:
    """Keep a runner's events; those kept already are passed over. The last seq that is kept now.

    Raises Unfit when one is missing in between (the runner sends from there again) or a word is unknown.
    """
    for place, event in enumerate(said):
        _check(event, expected=said[0].seq + place)
    kept = await store.append(tx, session_id, run_id, said)
    if kept is None:
        raise Missing(f"there is no session {session_id}", id=session_id)
    if said and said[0].seq > kept.before + 1:
        raise _gap(said[0], expected=kept.before + 1)
    for event in said:
        if event.seq > kept.before and _has_effect(event):
            await _follow(tx, session_id, event)
    if kept.last > kept.before:
        tx.hint(topic(session_id))
    return kept.last


async def say(tx: Tx, session_id: str, word: str, data: Mapping[str, object]) -> None:
    """Add an event of the control plane's own."""
    if not await store.say(tx, session_id, word, data):
        raise Missing(f"there is no session {session_id}", id=session_id)
    tx.hint(topic(session_id))


async def read(tx: Tx, session_id: str, *, after: int, limit: int) -> list[TranscriptEvent]:
    """The events of a session after number `after`, oldest first. Shape: ≤ `limit`, numbers strictly rising."""
    return await store.after(tx, session_id, after, limit)


async def head(tx: Tx, session_id: str) -> Head | None:
    """Where a transcript has come to; None when the session is deleted."""
    return await store.head(tx, session_id)


def _check(event: Said, *, expected: int) -> None:
    if event.seq != expected:
        raise _gap(event, expected=expected)
    if event.type not in WORDS:
        raise Unfit(f"events: {event.type!r} is not a word of the transcript", seq=event.seq)
    if not 0 <= event.at < 1e11:  # noqa: PLR2004 - the year 5138: what datetime can hold
        raise Unfit("events: at is not a time in seconds since the epoch", seq=event.seq)


def _gap(event: Said, *, expected: int) -> Unfit:
    return Unfit(f"events: seq {expected} is missing before {event.seq}; send from there", expected=expected)


async def _follow(tx: Tx, session_id: str, event: Said) -> None:
    """Bring the rows to what the event says of them."""
    if event.type in _OF_TASKS:
        await _follow_task(tx, session_id, event)
    else:
        await artifacts.hold_back(tx, session_id, event.data)


async def _follow_task(tx: Tx, session_id: str, event: Said) -> None:
    """Bring the task's state to what the event says of it."""
    data, at = event.data, datetime.fromtimestamp(event.at, UTC)
    number, attempt = data.get("task"), data.get("attempt", 1)
    if not isinstance(number, int):
        return
    if event.type == "task.started" and isinstance(attempt, int):
        await store.start_task(tx, session_id, number, attempt, at)
    elif event.type == "check.output":
        await store.check_task(tx, session_id, number)
    elif event.type == "task.finished":
        await store.end_task(tx, session_id, _end(number, data, at))


def _end(number: int, data: Mapping[str, object], at: datetime) -> store.TaskEnd:
    outcome, code, reason = data.get("outcome"), data.get("exit_code"), data.get("reason")
    return store.TaskEnd(
        number=number,
        phase=outcome if outcome in ("succeeded", "failed", "skipped") else "failed",
        exit_code=code if isinstance(code, int) else None,
        reason=reason if isinstance(reason, str) else None,
        at=at,
    )
