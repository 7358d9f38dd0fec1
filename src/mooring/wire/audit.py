"""The record, as it is sent."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from mooring.wire.base import Id, Moment, WatchQuery


class ResourceEvent(Struct, kw_only=True):
    """Who did what to which resource, when and why; `details` holds before and after. Never changed, never removed."""

    id: Id
    kind: str
    href: str
    timestamp: Moment
    actor_id: Id | None
    resource_type: str
    resource_id: Id
    action: str
    details: dict[str, Any]
    reason: str | None
    # Its place in the order everyone reads; null for a moment after it was written.
    number: int | None


class Change(Struct, kw_only=True):
    """One change as it is watched. `object` is the resource as it is now: null when it is gone, or shown elsewhere."""

    number: int
    event: ResourceEvent
    object: Any


class EventQuery(WatchQuery, kw_only=True, forbid_unknown_fields=True, rename={"order_by": "orderBy"}):
    """Which events."""

    resource_id: Annotated[Id, Meta(description="Only those of this resource")] | None = None
    resource_type: (
        Annotated[str, Meta(max_length=100, description="Only those of this kind", examples=["workflow"])] | None
    ) = None
    action: (
        Annotated[str, Meta(max_length=100, description="Only those of this action", examples=["workflow.update"])]
        | None
    ) = None
    actor_id: Annotated[Id, Meta(description="Only what this user did")] | None = None


class ExportQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    """From where to export."""

    # There is a number behind it that the database can hold.
    after: Annotated[int, Meta(ge=0, le=2**63 - 2, description="The last number of an earlier export")] = 0


class RecordState(Struct, kw_only=True):
    """How far the record is sealed: up to which number, when, with which public key (Ed25519, hex).

    Events up to `archived_to` were moved to the object store.
    """

    kind: str
    archived_to: int
    sealed_to: int
    sealed_at: Moment | None
    root: str | None
    key: str


class RecordFinding(Struct, kw_only=True):
    """The first thing that is wrong."""

    number: int
    event_id: Id | None
    says: str


class RecordVerdict(Struct, kw_only=True):
    """What a verification came to. Events after `sealed_to` are not covered by a seal yet."""

    kind: str
    intact: bool
    sealed_to: int
    numbered_to: int
    finding: RecordFinding | None
