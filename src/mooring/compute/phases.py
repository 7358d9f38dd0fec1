"""A run: one life of an instance, and the phases it may go through. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from mooring.compute.drivers.base import RunId


class RunPhase(StrEnum):
    PENDING = "pending"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"
    LOST = "lost"


class RunWanted(StrEnum):
    RUNNING = "running"
    STOPPED = "stopped"


_P = RunPhase
NEXT: Mapping[RunPhase, frozenset[RunPhase]] = {
    _P.PENDING: frozenset({_P.STARTING, _P.STOPPED, _P.FAILED}),
    _P.STARTING: frozenset({_P.RUNNING, _P.STOPPING, _P.FAILED, _P.LOST}),
    _P.RUNNING: frozenset({_P.STOPPING, _P.SUCCEEDED, _P.FAILED, _P.LOST}),
    _P.STOPPING: frozenset({_P.STOPPED, _P.SUCCEEDED, _P.FAILED, _P.LOST}),
    _P.SUCCEEDED: frozenset(),
    _P.FAILED: frozenset(),
    _P.STOPPED: frozenset(),
    _P.LOST: frozenset(),
}
"""Phase → the phases that may follow. What nothing follows is terminal."""

TERMINAL = frozenset(phase for phase, following in NEXT.items() if not following)
SERVED = frozenset({RunPhase.STARTING, RunPhase.RUNNING, RunPhase.STOPPING})
"""The phases in which a run's link answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One life of an instance. `spec` is what the driver is asked to make (see loop.py)."""

    id: RunId
    created_at: datetime
    updated_at: datetime
    version: int
    created_by_user_id: str | None
    compute_instance_id: str | None
    session_id: str | None
    engine: str
    phase: RunPhase
    wanted: RunWanted
    reason: str | None
    exit_code: int | None
    started_at: datetime | None
    ended_at: datetime | None
    spec: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the runner said at its end. Source: docs/link.md, the exit report."""

    outcome: str
    reason: str | None = None
    exit_code: int | None = None
    last_message: str | None = None
    tasks: tuple[dict[str, Any], ...] = ()
    usage: dict[str, Any] | None = None
    durations: dict[str, float] | None = None
    commits: tuple[dict[str, Any], ...] = ()
    patch: dict[str, Any] | None = None
