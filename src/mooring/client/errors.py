"""What can go wrong between a client and its server, by kind.

MooringError
├─ NotKnown      who you are is not known: no token, or not a good one
├─ Denied        you may not
├─ Missing       it is not there (or not for you)
├─ Clash         it stands against what is there
│  └─ Stale      it was changed meanwhile
├─ Unfit         it cannot be meant, or cannot be done as asked
└─ Unavailable   not now: out of reach, overloaded, or broken
"""

from collections.abc import Mapping, Sequence


class MooringError(Exception):
    """A failure a person can act on. `hint` says how, `code` and `operation_id` find it in the server's log."""

    def __init__(
        self,
        reason: str,
        *,
        hint: str | None = None,
        status: int | None = None,
        code: str | None = None,
        operation_id: str | None = None,
        details: object = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint
        self.status = status
        self.code = code
        self.operation_id = operation_id
        self.details = details


class NotKnown(MooringError):
    pass


class Denied(MooringError):
    pass


class Missing(MooringError):
    pass


class Clash(MooringError):
    pass


class Stale(Clash):
    pass


class Unfit(MooringError):
    pass


class Ambiguous(Unfit):
    """A name that several answer to."""

    def __init__(self, reason: str, *, ids: Sequence[str], hint: str | None = None) -> None:
        super().__init__(reason, hint=hint, details={"ids": list(ids)})
        self.ids = tuple(ids)


class Unavailable(MooringError):
    pass


BY_STATUS: Mapping[int, type[MooringError]] = {
    401: NotKnown, 403: Denied, 404: Missing, 409: Clash, 412: Stale, 408: Unavailable, 429: Unavailable,
}  # fmt: skip


def kind_of(status: int) -> type[MooringError]:
    """The kind of error an answer's status stands for."""
    return BY_STATUS.get(status) or (Unfit if status < 500 else Unavailable)  # noqa: PLR2004 - where the server's begin
