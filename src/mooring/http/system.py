"""Routes that are about the server itself: health, errors."""

from mooring.base.errors import Missing
from mooring.http.call import Call
from mooring.http.errors import CODES, kind_of
from mooring.http.listing import whole
from mooring.http.route import Answer, Route
from mooring.wire.base import ErrorKind, ErrorKindList, WholeQuery


async def _errors(call: Call) -> Answer:
    return Answer(body=whole(call, ErrorKindList, [kind_of(code) for code in CODES.values()]))


async def _error(call: Call) -> Answer:
    found = next((code for code in CODES.values() if str(code.number) == call.path["id"]), None)
    if found is None:
        raise Missing(f"there is no kind of error numbered {call.path['id'][:20]!r}")
    return Answer(body=kind_of(found))


ROUTES: list[Route] = [
    Route(
        method="GET", path="/errors", operation="listErrors", tag="errors", says="Every kind of refusal",
        handle=_errors, answer=ErrorKindList, query=WholeQuery,
    ),
    Route(
        method="GET", path="/errors/{id}", operation="readError", tag="errors", says="One kind of refusal",
        handle=_error, answer=ErrorKind, refuses=(404,),
    ),
]  # fmt: skip
