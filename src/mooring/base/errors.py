"""The six kinds of errors. Slices derive their own from these; each surface maps a kind once.

MooringError
├─ NotKnown      who you are is not known
├─ Denied        you may not
├─ Missing       it is not there (or not for you)
├─ Clash         it stands against what is there
├─ Unfit         it cannot be meant, or cannot be done as asked
└─ Unavailable   not now
"""

from collections.abc import Mapping


class MooringError(Exception):
    """A failure a person can act on. `facts` are fields for a machine; they never hold a secret."""

    def __init__(self, reason: str, /, **facts: object) -> None:
        super().__init__(reason)
        self.reason = reason
        self.facts: Mapping[str, object] = facts


class NotKnown(MooringError):
    pass


class Denied(MooringError):
    pass


class Missing(MooringError):
    pass


class Clash(MooringError):
    pass


class Unfit(MooringError):
    pass


class Unavailable(MooringError):
    pass
