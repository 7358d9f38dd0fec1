"""What to do next for a run: a pure decision over what is wanted, what is recorded and what is really there."""

from dataclasses import dataclass

from mooring.compute.drivers.base import Ending, Observed, State
from mooring.compute.phases import TERMINAL, Report, RunPhase, RunWanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """Move to a phase; a terminal one carries why and with what exit status."""

    phase: RunPhase
    reason: str | None = None
    exit_code: int | None = None


class Ensure:
    """Have the driver make it (or find it made)."""


class Stop:
    """Have the driver end it."""


class Clear:
    """Have the driver leave nothing of it."""


class Wait:
    """Nothing to do until something changes."""


Do = Go | Ensure | Stop | Clear | Wait

_LOST = "the instance is gone: no process and no exit status were found"
_REPORTED = {
    "succeeded": RunPhase.SUCCEEDED,
    "failed": RunPhase.FAILED,
    "timeout": RunPhase.FAILED,
    "cancelled": RunPhase.STOPPED,
    "paused": RunPhase.STOPPED,
}
_ENDED = {
    Ending.OUT_OF_MEMORY: "it used more memory than its limit and was ended",
    Ending.TOO_MANY_PROCESSES: "it wanted more processes than its limit",
    Ending.TIMEOUT: "it took longer than its time limit and was ended",
    Ending.KILLED: "it was killed from outside",
}


def decide(phase: RunPhase, wanted: RunWanted, seen: Observed | None, report: Report | None) -> Do:
    """The one next thing for a run. `seen` is None where the driver knows nothing of it."""
    if phase in TERMINAL:
        return Clear()
    if phase is RunPhase.PENDING:
        return Go(phase=RunPhase.STOPPED if wanted is RunWanted.STOPPED else RunPhase.STARTING)
    if seen is None:
        return _absent(phase, wanted)
    if seen.state is State.LOST:
        return Go(phase=RunPhase.LOST, reason=seen.detail or _LOST)
    if seen.state is State.EXITED:
        return _exited(phase, seen, report)
    return _alive(phase, wanted, seen)


def _absent(phase: RunPhase, wanted: RunWanted) -> Do:
    if phase is RunPhase.STARTING and wanted is RunWanted.RUNNING:
        return Ensure()
    if phase is RunPhase.STARTING:
        # It must pass through `stopping`: only there is a run that never was, stopped.
        return Go(phase=RunPhase.STOPPING)
    if phase is RunPhase.STOPPING:
        return Go(phase=RunPhase.STOPPED)
    return Go(phase=RunPhase.LOST, reason=_LOST)


def _alive(phase: RunPhase, wanted: RunWanted, seen: Observed) -> Do:
    if phase is RunPhase.STOPPING:
        return Stop()
    if wanted is RunWanted.STOPPED:
        return Go(phase=RunPhase.STOPPING)
    if phase is RunPhase.STARTING and seen.state is State.RUNNING:
        return Go(phase=RunPhase.RUNNING)
    if phase is RunPhase.STARTING:
        # Half made: whoever was making it is gone, for a run has one step at a time.
        return Ensure()
    return Wait()


def _exited(phase: RunPhase, seen: Observed, report: Report | None) -> Do:
    if phase is RunPhase.STARTING:
        # It ran and ended between two looks.
        return Go(phase=RunPhase.RUNNING)
    if report is not None and seen.ending not in (Ending.OUT_OF_MEMORY, Ending.TIMEOUT):
        reached = _REPORTED.get(report.outcome, RunPhase.FAILED)
        if phase is RunPhase.RUNNING and reached is RunPhase.STOPPED:
            return Go(phase=RunPhase.STOPPING)
        # What the limits did is often why it failed, and only the engine knows.
        failed = reached is RunPhase.FAILED and report.reason and seen.detail
        told = f"{report.reason} ({seen.detail})" if failed else report.reason
        return Go(phase=reached, reason=told, exit_code=report.exit_code)
    if phase is RunPhase.STOPPING:
        return Go(phase=RunPhase.STOPPED, exit_code=seen.exit_code)
    return Go(phase=RunPhase.FAILED, reason=_why(seen), exit_code=seen.exit_code)


def _why(seen: Observed) -> str:
    known = _ENDED.get(seen.ending) if seen.ending is not None else None
    said = known or f"the runner ended with exit status {seen.exit_code} before it could report"
    return f"{said} ({seen.detail})" if seen.detail else said
