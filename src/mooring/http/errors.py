"""How a failure is answered: each kind of error has one status and one code, listed at /errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

import msgspec
from litestar.exceptions import HTTPException

from mooring.base.errors import Clash, Denied, Missing, MooringError, NotKnown, Unavailable, Unfit
from mooring.wire.base import Error, ErrorKind

BASE = "/api/mooring/v1"


class Malformed(MooringError):
    """The request cannot be read: its body, a parameter or a header."""


class BadRequest(MooringError):
    """A parameter asks for what there is not."""


class BadSearch(BadRequest):
    """A search that cannot be read; the position is among the facts."""


class NoSuchMethod(MooringError):
    """The path is there, the method is not; `allowed` are those it takes."""

    def __init__(self, allowed: Sequence[str]) -> None:
        super().__init__(f"this path takes {', '.join(allowed) or 'GET'} only")
        self.allowed = allowed or ("GET",)


class Stale(MooringError):
    """If-Match names another version."""


class TooLarge(MooringError):
    """The body is larger than is taken."""


class HeadTooLarge(MooringError):
    """What comes before the body is larger than is taken."""


class WrongMedia(MooringError):
    """The body is not of a media type that is taken."""


class TooMany(MooringError):
    """Too many requests; the next is taken after `retry_after` seconds."""

    def __init__(self, reason: str, *, retry_after: int) -> None:
        super().__init__(reason, retry_after=retry_after)


class OutOfRange(MooringError):
    """The range lies outside of what is there, `size` bytes long."""

    def __init__(self, reason: str, *, size: int) -> None:
        super().__init__(reason, size=size)
        self.size = size


class Broken(MooringError):
    """Our own fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One kind of failure, as it is answered. Numbers are for ever."""

    number: int
    status: int
    reason: str


CODES: Mapping[type[MooringError], Code] = {
    Denied: Code(number=4, status=403, reason="You may not do this; the reason says who may"),
    Clash: Code(number=6, status=409, reason="It stands against what is there: a name that is taken, a use, a phase"),
    Missing: Code(number=7, status=404, reason="It is not there, or not for you to see"),
    Unfit: Code(number=8, status=422, reason="It cannot be meant: a value no field may hold, a reference to nothing"),
    Broken: Code(number=9, status=500, reason="Mooring failed; the operation id finds it in the log"),
    NotKnown: Code(number=15, status=401, reason="Who you are is not known: no token, or one that is not good"),
    Malformed: Code(number=17, status=400, reason="The request cannot be read; the reason names the place"),
    BadRequest: Code(number=21, status=400, reason="A parameter asks for what there is not"),
    BadSearch: Code(number=23, status=400, reason="The search cannot be read; the reason names the position"),
    NoSuchMethod: Code(number=30, status=405, reason="The path is there, but not with this method"),
    Stale: Code(number=31, status=412, reason="It has changed since: read it again"),
    TooLarge: Code(number=32, status=413, reason="The body is larger than is taken"),
    WrongMedia: Code(number=33, status=415, reason="The body is not of a media type that is taken"),
    OutOfRange: Code(number=36, status=416, reason="The range lies outside of what is there"),
    TooMany: Code(number=34, status=429, reason="Too many requests; wait as long as Retry-After says"),
    HeadTooLarge: Code(number=37, status=431, reason="The address and the headers are larger than is taken"),
    Unavailable: Code(number=35, status=503, reason="Not now; try again"),
}
_BY_STATUS: Mapping[int, type[MooringError]] = {
    HTTPStatus.NOT_FOUND: Missing,
    HTTPStatus.METHOD_NOT_ALLOWED: NoSuchMethod,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: TooLarge,
}


def code_of(error: MooringError) -> Code:
    """The code of an error, by its kind or the kind it derives from."""
    return next(CODES[kind] for kind in type(error).__mro__ if kind in CODES)


def kind_of(code: Code) -> ErrorKind:
    """A code as /errors lists it."""
    number = str(code.number)
    return ErrorKind(
        id=number,
        kind="ErrorKind",
        href=f"{BASE}/errors/{number}",
        code=f"mooring-{number}",
        status=code.status,
        reason=code.reason,
    )


def of_framework(error: HTTPException, *, allowed: Sequence[str]) -> MooringError:
    """What the web framework refused, as one of ours; `allowed` are the methods of the path."""
    kind = _BY_STATUS.get(error.status_code)
    if kind is NoSuchMethod:
        return NoSuchMethod(allowed)
    if kind is Missing:
        return Missing(f"there is nothing at this path; everything is under {BASE}, described at {BASE}/openapi")
    if kind is TooLarge:
        return TooLarge("the body is larger than is taken")
    return Malformed("the request cannot be read")


def body_of(error: MooringError, operation_id: str) -> tuple[int, bytes]:
    """The status and the body of a refusal."""
    code = code_of(error)
    said = Error(
        id=str(code.number),
        kind="Error",
        href=f"{BASE}/errors/{code.number}",
        code=f"mooring-{code.number}",
        reason=error.reason,
        operation_id=operation_id,
        details=dict(error.facts) or None,
    )
    return code.status, msgspec.json.encode(said)
