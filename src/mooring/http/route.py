"""A route, described: what it answers to, what it takes and gives. Served by server.py, told by openapi.py."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from mooring.wire.base import NoQuery

if TYPE_CHECKING:
    from mooring.http.call import Call

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
EVENTS = "text/event-stream"
BYTES = "application/octet-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a route gives back: a body to encode, or bytes in chunks. `once`: it is shown this one time."""

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    stream: AsyncIterator[bytes] | None = None
    media: str = JSON
    once: bool = False


Handle = Callable[["Call"], Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method of one path under /api/mooring/v1; `refuses` adds to the statuses every route may answer."""

    method: Method
    path: str
    operation: str
    says: str
    handle: Handle
    tag: str
    body: Any = None
    answer: Any = None
    status: int = 200
    query: type[Struct] = NoQuery
    refuses: tuple[int, ...] = ()
    # When it may answer 204 instead, where it may.
    empty: str | None = None
    # Answers without a token.
    public: bool = False
    # What the answer is, besides JSON errors.
    media: str = JSON
    # Takes the body as it comes (keys.streamed), of any media type and without the usual bound.
    streams: bool = False
    # Headers it heeds, beside those all do.
    headers: tuple[str, ...] = ()
