"""Sessions, runs and transcripts, as they are sent."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from mooring.wire.base import Id, Moment, Name, Prompt, RepoUrl, Resource, Seconds, WatchQuery

SessionPhase = Literal[
    "created", "pending", "preparing", "running", "waiting", "pausing", "paused", "completed", "failed", "cancelled"
]
RunPhase = Literal["pending", "starting", "running", "stopping", "succeeded", "failed", "stopped", "lost"]
TaskPhase = Literal["pending", "running", "checking", "succeeded", "failed", "skipped"]
PermissionPolicy = Literal["ask", "allow", "deny"]


class NewSession(Struct, kw_only=True, forbid_unknown_fields=True):
    """A session to be. It stays editable until it is started; `start` does that at once. Timeouts in seconds."""

    name: Name | None = None
    repo_url: RepoUrl | None = None
    prompt: Prompt | None = None
    assigned_user_id: Id | None = None
    workflow_id: Id | None = None
    compute_instance_id: Id | None = None
    timeout: Seconds | None = None
    idle_timeout: Seconds | None = None
    interactive: bool = False
    permission_policy: PermissionPolicy = "allow"
    # Keep what it changes in its instance's filesystem as a version of that.
    capture: bool = False
    start: bool = False


class EditSession(Struct, kw_only=True, forbid_unknown_fields=True):
    """What can change of a session; once it was started, its name and assignee alone."""

    name: Name
    repo_url: RepoUrl | None = None
    prompt: Prompt | None = None
    assigned_user_id: Id | None = None
    workflow_id: Id | None = None
    compute_instance_id: Id | None = None
    timeout: Seconds | None = None
    idle_timeout: Seconds | None = None
    interactive: bool = False
    permission_policy: PermissionPolicy = "allow"
    capture: bool = False


class SessionTask(Struct, kw_only=True):
    """One task of a session, by its place in the order (from 0)."""

    number: int
    name: str
    phase: TaskPhase
    attempts: int
    exit_code: int | None
    reason: str | None
    started_at: Moment | None
    ended_at: Moment | None


class Session(Resource, kw_only=True):
    """An execution of a workflow."""

    name: Name
    repo_url: RepoUrl | None
    prompt: Prompt | None
    assigned_user_id: Id | None
    workflow_id: Id | None
    compute_instance_id: Id | None
    phase: SessionPhase
    wanted: Literal["run", "pause", "cancel"]
    reason: str | None
    plan_hash: str | None
    timeout: Seconds | None
    idle_timeout: Seconds | None
    interactive: bool
    permission_policy: PermissionPolicy
    capture: bool
    retried_from: Id | None
    forked_from: Id | None
    result: dict[str, Any] | None
    output_filesystem_version_id: Id | None
    started_at: Moment | None
    ended_at: Moment | None
    tasks: list[SessionTask]


class Run(Resource, kw_only=True):
    """One life of an instance."""

    compute_instance_id: Id | None
    session_id: Id | None
    engine: str
    phase: RunPhase
    wanted: Literal["running", "stopped"]
    reason: str | None
    exit_code: int | None
    started_at: Moment | None
    ended_at: Moment | None


class RunQuery(WatchQuery, kw_only=True, forbid_unknown_fields=True):
    """Which runs; those of one session where it is named."""

    session_id: Annotated[Id, Meta(description="Only those of this session")] | None = None


class SessionPlan(Struct, kw_only=True):
    """The plan of a session: immutable, and its SHA-256 over the canonical form (JSON with sorted keys)."""

    kind: str
    hash: str
    plan: dict[str, Any]


class SessionEvent(Struct, kw_only=True):
    """One event of a transcript. `number` counts from 1 without a gap; `type` and `data`: see docs/link.md."""

    number: Annotated[int, Meta(ge=1)]
    at: Moment
    type: str
    data: dict[str, Any]


class SessionEventList(Struct, kw_only=True):
    """A page of a transcript. `next` is the number to ask after, null at the end of what there is."""

    kind: str
    items: list[SessionEvent]
    next: int | None


class Artifact(Struct, kw_only=True):
    """A file a session left. `withheld` says why its bytes are kept back, if they are: then it has no checksum."""

    id: Id
    name: str
    size: int
    sha256: str | None
    created_at: Moment
    href: str
    withheld: str | None


class ArtifactList(Struct, kw_only=True):
    """Every artifact of a session, by name."""

    kind: str
    page: int
    size: int
    total: int
    items: list[Artifact]
    next: str | None = None
