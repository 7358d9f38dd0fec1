"""Sessions, their tasks and transcripts, and the phases they may go through. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NewType

SessionId = NewType("SessionId", str)


class SessionPhase(StrEnum):
    CREATED = "created"
    PENDING = "pending"
    PREPARING = "preparing"
    RUNNING = "running"
    WAITING = "waiting"
    PAUSING = "pausing"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


_S = SessionPhase
NEXT: Mapping[SessionPhase, frozenset[SessionPhase]] = {
    _S.CREATED: frozenset({_S.PENDING, _S.CANCELLED}),
    _S.PENDING: frozenset({_S.PREPARING, _S.FAILED, _S.CANCELLED}),
    _S.PREPARING: frozenset({_S.RUNNING, _S.FAILED, _S.CANCELLED}),
    _S.RUNNING: frozenset({_S.WAITING, _S.PAUSING, _S.COMPLETED, _S.FAILED, _S.CANCELLED}),
    _S.WAITING: frozenset({_S.RUNNING, _S.PAUSING, _S.COMPLETED, _S.FAILED, _S.CANCELLED}),
    _S.PAUSING: frozenset({_S.PAUSED, _S.COMPLETED, _S.FAILED, _S.CANCELLED}),
    _S.PAUSED: frozenset({_S.PREPARING, _S.CANCELLED}),
    _S.COMPLETED: frozenset(),
    _S.FAILED: frozenset(),
    _S.CANCELLED: frozenset(),
}
"""Phase → the phases that may follow. What nothing follows is terminal."""

TERMINAL = frozenset(phase for phase, following in NEXT.items() if not following)
EDITABLE = frozenset({SessionPhase.CREATED})


class SessionWanted(StrEnum):
    RUN = "run"
    PAUSE = "pause"
    CANCEL = "cancel"


class PermissionPolicy(StrEnum):
    ASK = "ask"
    ALLOW = "allow"
    DENY = "deny"


class TaskPhase(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    CHECKING = "checking"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"


_T = TaskPhase
TASK_NEXT: Mapping[TaskPhase, frozenset[TaskPhase]] = {
    _T.PENDING: frozenset({_T.RUNNING, _T.SKIPPED}),
    _T.RUNNING: frozenset({_T.CHECKING, _T.SUCCEEDED, _T.FAILED, _T.SKIPPED, _T.PENDING}),
    _T.CHECKING: frozenset({_T.RUNNING, _T.SUCCEEDED, _T.FAILED, _T.PENDING}),
    _T.SUCCEEDED: frozenset(),
    _T.FAILED: frozenset(),
    _T.SKIPPED: frozenset(),
}
"""The same for a task in a session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """An execution of a workflow. Times in UTC; timeouts in seconds."""

    id: SessionId
    created_at: datetime
    updated_at: datetime
    version: int
    created_by_user_id: str | None
    name: str
    repo_url: str | None
    prompt: str | None
    assigned_user_id: str | None
    workflow_id: str | None
    compute_instance_id: str | None
    phase: SessionPhase
    wanted: SessionWanted
    reason: str | None
    plan_hash: str | None
    timeout: float | None
    idle_timeout: float | None
    interactive: bool
    permission_policy: PermissionPolicy
    capture: bool
    retried_from: str | None
    forked_from: str | None
    result: dict[str, Any] | None
    output_filesystem_version_id: str | None
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTask:
    """One task of a session, by its place in the order (from 0)."""

    number: int
    name: str
    phase: TaskPhase
    attempts: int
    exit_code: int | None
    reason: str | None
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """One pause of a session: when its run was told, had ended with everything kept, and another went on with that."""

    run_id: str
    asked_at: datetime
    paused_at: datetime | None
    resumed_at: datetime | None


def time_paused(pauses: Sequence[Pause]) -> timedelta:
    """How long the session lay still, as far as it went on since."""
    over = [(one.paused_at, one.resumed_at) for one in pauses]
    return sum((end - begin for begin, end in over if begin and end), timedelta())


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One event as a runner sends it: `seq` is the runner's own count, `at` seconds since the epoch."""

    seq: int
    at: float
    type: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptEvent:
    """One event of a transcript: `number` counts from 1 without a gap."""

    number: int
    at: datetime
    type: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where a transcript has come to, and what of its session decides whether it goes on and who sees it."""

    number: int
    phase: SessionPhase
    assigned_user_id: str | None
    group_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A file a session left. `blob_key` is where its bytes lie, unless they are kept back: `withheld` says why."""

    id: str
    created_at: datetime
    updated_at: datetime
    version: int
    created_by_user_id: str | None
    session_id: str
    name: str
    size: int
    sha256: str | None
    blob_key: str | None
    withheld: str | None


WORDS = frozenset(
    {
        "session.phase", "task.started", "task.finished", "check.output", "message", "thought", "tool", "plan",
        "permission.asked", "permission.answered", "user.message", "usage", "log", "artifact", "error",
    }
)  # fmt: skip
"""The transcript's vocabulary (docs/link.md)."""
