"""What everything on the wire has in common."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

_PG_BIGINT = 2**63 - 1

Id = Annotated[str, Meta(max_length=64, examples=["wf_0ujtsYcgvSTl8PAuAdqWYSMnLOv"])]
Name = Annotated[
    str, Meta(min_length=1, max_length=220, description="Trimmed; 1 to 200 characters, no control characters")
]
Line = Annotated[str, Meta(max_length=2_000)]
Prompt = Annotated[str, Meta(max_length=200_000)]
RepoUrl = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=2_000,
        description="URL[#ref[:path]]; https, ssh, and file where the server allows it",
        examples=["https://example.org/team/repo.git#main:skills/review"],
    ),
]
Moment = Annotated[datetime, Meta(tz=True)]
Seconds = Annotated[float, Meta(gt=0, le=31_536_000, description="Seconds")]
Bytes = Annotated[int, Meta(ge=1, le=_PG_BIGINT, description="Bytes")]
Count = Annotated[int, Meta(ge=1, le=2**31 - 1)]


class Resource(Struct, kw_only=True):
    """What every kind has. `version` rises by one with each change and is the ETag."""

    id: Id
    kind: str
    href: str
    created_at: Moment
    updated_at: Moment
    version: int
    created_by_user_id: Id | None


class Error(Struct, kw_only=True):
    """A refusal. `code` says which (GET /errors), `reason` what to do, `operation_id` where it stands in the log."""

    id: str
    kind: str
    href: str
    code: str
    reason: str
    operation_id: str
    details: dict[str, Any] | None = None


class ErrorKind(Struct, kw_only=True):
    """One kind of refusal."""

    id: str
    kind: str
    href: str
    code: str
    status: int
    reason: str


class ErrorKindList(Struct, kw_only=True):
    """Every kind of refusal."""

    kind: str
    page: int
    size: int
    total: int
    items: list[ErrorKind]
    next: str | None = None


class ListQuery(Struct, kw_only=True, forbid_unknown_fields=True, rename={"order_by": "orderBy"}):
    """Which page of a list."""

    page: Annotated[int, Meta(ge=1, le=1_000_000, description="From 1")] = 1
    size: Annotated[
        int, Meta(ge=0, le=2**31 - 1, description="At most this many items; over 1000 is served as 1000; 0 only counts")
    ] = 100
    order_by: Annotated[
        str, Meta(max_length=500, description="`field asc, field desc`; newest first when it is left out")
    ] = ""
    search: Annotated[
        str,
        Meta(
            max_length=4_096,
            description="A condition, such as `name like 'b%' and not (version > 3 or prompt is null)`",
            examples=["created_at > '2026-01-01T00:00:00Z'"],
        ),
    ] = ""
    fields: Annotated[str, Meta(max_length=1_000, description="Only these fields of each item: `name,version`")] = ""
    after: (
        Annotated[str, Meta(max_length=4_000, description="`next` of the page before; empty: from the beginning")]
        | None
    ) = None


class WholeQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which page of a list that is answered whole unless a size is asked for."""

    page: Annotated[int, Meta(ge=1, le=1_000_000, description="From 1")] = 1
    size: (
        Annotated[int, Meta(ge=0, le=2**31 - 1, description="At most this many items; all of them when it is left out")]
        | None
    ) = None


class WatchQuery(ListQuery, kw_only=True, forbid_unknown_fields=True):
    """Which page of a list, or with `watch` every change from now on, or from behind the number `after`."""

    watch: Annotated[
        bool, Meta(description="Every change as it happens, as Server-Sent Events; `after` is a number then")
    ] = False


class NoQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    """No query parameters."""
