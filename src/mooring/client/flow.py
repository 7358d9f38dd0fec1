"""What an operation does, without doing it: it asks, waits, reads and gives, and is told what came of it.

An operation is a generator of these steps. A carrier (carry.py) performs each, at once or asynchronously, and sends the
outcome back in; so every operation is written once.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Concatenate, Generic, Literal, ParamSpec, TypeVar, overload

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """A body of `size` bytes that is sent piece by piece; `pieces` begins it anew for every try."""

    size: int
    pieces: Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request. The outcome is an Answer; Lost is thrown in when there is none."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    content: bytes | None = None
    sending: Sending | None = None
    # Seconds the server may take to answer, where that is longer than usual.
    patient: float | None = None
    # Read piece by piece, with Read, when it is good.
    streamed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the server said. `headers` are in lower case; `content` is empty where it is streamed."""

    status: int
    headers: Mapping[str, str]
    content: bytes = b""

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's good ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """The next piece of what is streamed: bytes, empty at the end. Lost is thrown in when the line breaks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    seconds: float


@dataclass(frozen=True, slots=True)
class Give(Generic[R]):
    """Something for the caller, who may take no more: then the flow is closed here."""

    item: R


class Lost(Exception):
    """No answer, or not all of it. `sent` says whether the server may have heard the question."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent


Step = Ask | Read | Wait
Flow = Generator[Step, Any, R]
Stream = Generator[Step | Give[R], Any, None]


class Sync:
    """Marks what answers when it is done."""


class Async:
    """Marks what answers with an awaitable."""


D = TypeVar("D", bound=Sync | Async)


class Bound(Generic[D]):
    """Something whose operations a carrier performs."""

    def __init__(self, carrier: Any) -> None:  # noqa: ANN401 - which of the two, only `D` knows
        self.carrier = carrier


class Operation(Generic[P, R]):
    """A flow as a method: it returns R, or an awaitable of it, as the one it belongs to does."""

    def __init__(self, flow: Callable[Concatenate[Any, P], Flow[R]]) -> None:
        self.flow = flow
        self.__doc__ = flow.__doc__

    @overload
    def __get__(self, bound: Bound[Sync], owner: type) -> Callable[P, R]: ...
    @overload
    def __get__(self, bound: Bound[Async], owner: type) -> Callable[P, Awaitable[R]]: ...
    def __get__(self, bound: Bound[Any], owner: type) -> Callable[P, Any]:
        def call(*args: P.args, **kwargs: P.kwargs) -> Any:  # noqa: ANN401 - R, or an awaitable of it
            return bound.carrier.perform(self.flow(bound, *args, **kwargs))

        return call


class Listing(Generic[P, R]):
    """The same for a flow that gives: an iterator, or an asynchronous one."""

    def __init__(self, flow: Callable[Concatenate[Any, P], Stream[R]]) -> None:
        self.flow = flow
        self.__doc__ = flow.__doc__

    @overload
    def __get__(self, bound: Bound[Sync], owner: type) -> Callable[P, Generator[R]]: ...
    @overload
    def __get__(self, bound: Bound[Async], owner: type) -> Callable[P, AsyncGenerator[R]]: ...
    def __get__(self, bound: Bound[Any], owner: type) -> Callable[P, Any]:
        def call(*args: P.args, **kwargs: P.kwargs) -> Any:  # noqa: ANN401 - one of the two iterators
            return bound.carrier.stream(self.flow(bound, *args, **kwargs))

        return call
