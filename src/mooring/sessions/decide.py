"""What to do next for a session: a pure decision over what is wanted, what is recorded and what its run came to."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from mooring.compute.phases import TERMINAL as RUN_TERMINAL
from mooring.compute.phases import Report, Run, RunPhase
from mooring.sessions.entities import TERMINAL, Session, SessionPhase, SessionWanted

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


def decide(session: Session, run: Run | None, report: Report | None, *, timeout: float, now: datetime) -> Do:
    """The one next thing for a session that is not over. `timeout` in seconds counts from its start."""
    cancelled = session.wanted is SessionWanted.CANCEL
    if session.phase in TERMINAL or session.phase is SessionPhase.CREATED:
        return Wait(longest=_LOOK)
    if run is None:
        return _before_run(session, cancelled=cancelled)
    if run.phase in RUN_TERMINAL:
        return _after_run(session, run, report, cancelled=cancelled)
    if cancelled:
        return StopRun() if run.wanted == "running" else Wait(longest=_LOOK)
    if session.phase is SessionPhase.PREPARING and run.phase is RunPhase.RUNNING:
        return Go(phase=SessionPhase.RUNNING)
    return _in_time(session, run, timeout=timeout, now=now)


def _before_run(session: Session, *, cancelled: bool) -> Do:
    if cancelled:
        return Go(phase=SessionPhase.CANCELLED)
    if session.phase is SessionPhase.PENDING:
        return Go(phase=SessionPhase.PREPARING)
    return Prepare()


def _in_time(session: Session, run: Run, *, timeout: float, now: datetime) -> Do:
    if session.started_at is None or run.wanted != "running":
        return Wait(longest=_LOOK)
    left = session.started_at + timedelta(seconds=timeout) + MARGIN - now
    if left <= timedelta(0):
        return StopRun(reason=f"it took longer than its timeout of {timeout:g} s and was ended")
    return Wait(longest=min(left, _LOOK))


def _after_run(session: Session, run: Run, report: Report | None, *, cancelled: bool) -> Do:
    outcome = report.outcome if report is not None and run.phase is not RunPhase.LOST else None
    if session.phase is SessionPhase.PREPARING and run.started_at is not None:
        # It ran and ended between two looks.
        return Go(phase=SessionPhase.RUNNING)
    if cancelled and run.phase is not RunPhase.SUCCEEDED:
        return Go(phase=SessionPhase.CANCELLED, reason=session.reason)
    if run.phase is RunPhase.SUCCEEDED and outcome == "succeeded":
        return Go(phase=SessionPhase.COMPLETED)
    said = session.reason or run.reason or (report.reason if report is not None else None)
    return Go(phase=SessionPhase.FAILED, reason=said or f"its run ended as {run.phase} and gave no reason")
