"""What to do next for a session: a pure decision over what is wanted, what is recorded and what its run came to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mooring.compute.phases import TERMINAL as RUN_TERMINAL
from mooring.compute.phases import Report, Run, RunPhase
from mooring.sessions.entities import (
    NEXT,
    TERMINAL,
    Pause,
    Session,
    SessionPhase,
    SessionWanted,
    time_paused,
)

# The runner keeps the time as well; this much later the control plane does, in case the runner does not live.
MARGIN = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """Move to a phase; a terminal one carries why."""

    phase: SessionPhase
    reason: str | None = None


class Prepare:
    """Fetch what the plan needs, write the plan, make the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRun:
    """Have the run ended; `reason` is kept for when it has."""

    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing to do before this long, unless something changes."""

    longest: timedelta


Do = Go | Prepare | StopRun | Wait
_LOOK = timedelta(seconds=5)
# Whoever is asked for moves these on.
_AT_REST = TERMINAL | {SessionPhase.CREATED, SessionPhase.PAUSED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """`timeout` in seconds counts from the session's start, without its pauses; a run that is told to pause has
    `patience`."""

    now: datetime
    timeout: float
    patience: timedelta
    pauses: Sequence[Pause] = ()


def decide(session: Session, run: Run | None, report: Report | None, times: Times) -> Do:
    """The one next thing for a session that is not over."""
    cancelled = session.wanted is SessionWanted.CANCEL
    if session.phase in _AT_REST:
        return Wait(longest=_LOOK)
    if run is None:
        return _before_run(session, cancelled=cancelled)
    if run.phase in RUN_TERMINAL:
        return _after_run(session, run, report, cancelled=cancelled)
    if cancelled:
        return StopRun() if run.wanted == "running" else Wait(longest=_LOOK)
    return _under_way(session, run, times)


def _before_run(session: Session, *, cancelled: bool) -> Do:
    if cancelled:
        return Go(phase=SessionPhase.CANCELLED)
    if session.phase is SessionPhase.PENDING:
        return Go(phase=SessionPhase.PREPARING)
    return Prepare()


def _under_way(session: Session, run: Run, times: Times) -> Do:
    if session.phase is SessionPhase.PREPARING and run.phase is RunPhase.RUNNING:
        return Go(phase=SessionPhase.RUNNING)
    if session.phase is SessionPhase.PAUSING:
        return _until_paused(run, times)
    if session.wanted is SessionWanted.PAUSE and SessionPhase.PAUSING in NEXT[session.phase]:
        return Go(phase=SessionPhase.PAUSING)
    return _in_time(session, run, times)


def _until_paused(run: Run, times: Times) -> Do:
    if run.wanted != "running":
        return Wait(longest=_LOOK)
    left = times.pauses[-1].asked_at + times.patience - times.now
    return Wait(longest=min(left, _LOOK)) if left > timedelta(0) else StopRun()


def _in_time(session: Session, run: Run, times: Times) -> Do:
    if session.started_at is None or run.wanted != "running":
        return Wait(longest=_LOOK)
    left = session.started_at + timedelta(seconds=times.timeout) + time_paused(times.pauses) + MARGIN - times.now
    if left <= timedelta(0):
        return StopRun(reason=f"it took longer than its timeout of {times.timeout:g} s and was ended")
    return Wait(longest=min(left, _LOOK))


def _after_run(session: Session, run: Run, report: Report | None, *, cancelled: bool) -> Do:
    outcome = report.outcome if report is not None and run.phase is not RunPhase.LOST else None
    if session.phase is SessionPhase.PREPARING and run.started_at is not None:
        # It ran and ended between two looks.
        return Go(phase=SessionPhase.RUNNING)
    if cancelled and run.phase is not RunPhase.SUCCEEDED:
        return Go(phase=SessionPhase.CANCELLED, reason=session.reason)
    if session.phase is SessionPhase.PAUSING and _lies_still(run, report):
        return Go(phase=SessionPhase.PAUSED)
    if run.phase is RunPhase.SUCCEEDED and outcome == "succeeded":
        return Go(phase=SessionPhase.COMPLETED)
    said = session.reason or run.reason or (report.reason if report is not None else None)
    return Go(phase=SessionPhase.FAILED, reason=said or f"its run ended as {run.phase} and gave no reason")


def _lies_still(run: Run, report: Report | None) -> bool:
    """Whether the run ended because it was to pause: by itself, or killed before it could say anything."""
    return run.phase is RunPhase.STOPPED and (report is None or report.outcome == "paused")
