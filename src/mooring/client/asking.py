"""One question to the server and its answer: asked again where that is safe, refused in the words of the server."""

import random
import secrets
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import msgspec

from mooring.client.errors import MooringError, Unavailable, Unfit, kind_of
from mooring.client.flow import Answer, Ask, Flow, Lost, Wait

R = TypeVar("R")

BASE = "/api/mooring/v1"
_OUT_OF_REACH = "is it running? `moor status` here, `moor up` to start it"
# What says "not now" without having done anything; a gateway's 502 and 504 say nothing about that.
_REFUSED_FOR_NOW = frozenset({429, 503})
_BROKEN_GATEWAY = frozenset({502, 504})
_GONE = 404


@dataclass(slots=True)
class Patience:
    """How often to try again, and after how long: twice as long each time, and never all clients at once."""

    tries: int = 4
    pause: float = 0.2
    longest: float = 5.0

    def next(self) -> float | None:
        """Seconds to wait before the next try; None when it is enough."""
        if self.tries <= 1:
            return None
        self.tries -= 1
        pause, self.pause = self.pause, min(2 * self.pause, self.longest)
        return pause * random.uniform(0.5, 1.0)  # noqa: S311 - spreads tries, guards nothing


class _ErrorBody(msgspec.Struct, kw_only=True):
    reason: str
    code: str | None = None
    operation_id: str | None = None
    details: Any = None


def ask(question: Ask, *, patience: Patience | None = None) -> Flow[Answer]:
    """A good answer. Asks again after a lost line or a "not now", but only what may be done twice.

    Raises the kind of error the server answered with; Unavailable when there was no answer.
    """
    patience = patience or Patience()
    uncertain = False
    while True:
        try:
            answer: Answer = yield question
        except Lost as lost:
            uncertain = uncertain or lost.sent
            pause = patience.next() if _repeatable(question) or not lost.sent else None
            if pause is None:
                raise Unavailable(f"no answer from {lost.reason}", hint=_OUT_OF_REACH) from lost
        else:
            if answer.good:
                return answer
            # The answer to an earlier try was lost, but the try was not: what was to be gone is gone.
            if uncertain and question.method == "DELETE" and answer.status == _GONE:
                return replace(answer, status=204)
            pause = _pause_after(answer, question, patience)
            if pause is None:
                raise error_of(answer, question)
        yield Wait(seconds=pause)


def _repeatable(question: Ask) -> bool:
    """Whether doing it twice is like doing it once."""
    if question.method == "POST":
        return "Idempotency-Key" in question.headers
    # A condition that held the first time does not hold the second: that would look like somebody else's change.
    return question.method == "GET" or "If-Match" not in question.headers


def _pause_after(answer: Answer, question: Ask, patience: Patience) -> float | None:
    if answer.status in _REFUSED_FOR_NOW or (answer.status in _BROKEN_GATEWAY and _repeatable(question)):
        pause = patience.next()
        asked = answer.headers.get("retry-after", "")
        if pause is None or not asked.isascii() or not asked.isdecimal():
            return pause
        # Who is asked to wait for minutes should hear that, not wait.
        return max(pause, float(asked)) if float(asked) <= 2 * patience.longest else None
    return None


def error_of(answer: Answer, question: Ask) -> MooringError:
    """The error an answer stands for."""
    kind = kind_of(answer.status)
    try:
        body = msgspec.json.decode(answer.content, type=_ErrorBody)
    except msgspec.MsgspecError:
        # No server of ours: a proxy, or something else at that address.
        said = answer.content[:200].decode("utf-8", "replace").strip()
        reason = f"{question.method} {question.path} was answered with {answer.status} {said}".strip()
        return kind(reason, status=answer.status, hint="is this the address of a Mooring server?")
    return kind(
        body.reason,
        status=answer.status,
        code=body.code,
        operation_id=body.operation_id or answer.headers.get("x-operation-id"),
        details=body.details,
        hint=_HINTS.get(answer.status),
    )


_HINTS: Mapping[int, str] = {
    401: "`moor login URL` keeps a new token; `moor up` writes the one of its administrator",
    412: "somebody changed it meanwhile: look at it again, then repeat",
    429: "too many requests: wait a little",
}


def decoded(answer: Answer, shape: type[R]) -> R:
    """The answer's content. Raises Unavailable when it is not what was to be expected."""
    try:
        return msgspec.json.decode(answer.content, type=shape)
    except msgspec.MsgspecError as error:
        raise Unavailable(
            f"the server's answer is not understood: {error}", hint="the client and the server may differ in version"
        ) from error


def writing(
    method: Any,  # noqa: ANN401 - one of the writing methods; Ask says which
    path: str,
    body: object = None,
    *,
    reason: str | None = None,
    version: int | None = None,
) -> Ask:
    """A question that changes something, with why, and with the version it is meant for."""
    headers: dict[str, str] = {}
    content = None
    if body is not None:
        content = _encoded(body)
        headers["Content-Type"] = "application/merge-patch+json" if method == "PATCH" else "application/json"
    if method == "POST":
        headers["Idempotency-Key"] = secrets.token_hex(16)
    if version is not None:
        headers["If-Match"] = f'"{version}"'
    if reason is not None:
        headers["Audit-Reason"] = _header(reason)
    return Ask(method=method, path=path, headers=headers, content=content)


def _encoded(body: object) -> bytes:
    try:
        return msgspec.json.encode(body)
    except (TypeError, ValueError, RecursionError) as error:
        raise Unfit(f"this cannot be sent: {error}") from error


def _header(reason: str) -> str:
    """Text that a header can carry. Raises Unfit."""
    if not reason.isprintable() or not reason.strip():
        raise Unfit("the reason must be one line of text")
    return reason.strip()


def told(shape: type[R], question: Ask) -> Generator[Any, Any, R]:
    """Ask, and take the answer as this shape."""
    answer = yield from ask(question)
    return decoded(answer, shape)
