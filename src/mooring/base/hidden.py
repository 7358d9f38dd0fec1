"""Bytes that must not be shown: a secret's value, a key, a password of ours.

Whatever a log, an error, a debugger's list of variables or an encoder makes of one is `HIDDEN`, or refused.
"""

import hmac
from collections.abc import Callable
from typing import NoReturn, final

HIDDEN = "<hidden>"


@final
class Hidden:
    """Bytes that only `reveal` gives out: not repr, str, format, pickle, nor any encoder."""

    __slots__ = ("_reveal",)
    _reveal: Callable[[], bytes]

    def __init__(self, value: bytes) -> None:
        # In a closure, so that what walks over slots and attributes finds a function and no bytes.
        kept = bytes(value)
        object.__setattr__(self, "_reveal", lambda: kept)

    def reveal(self) -> bytes:
        """The bytes. For the one place that needs them."""
        return self._reveal()

    def text(self) -> str:
        """The bytes as UTF-8. Raises ValueError, which shows nothing, when they are not."""
        try:
            return self._reveal().decode()
        except UnicodeDecodeError:
            # Python's own error carries the bytes.
            raise ValueError("the hidden value is not UTF-8 text") from None

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return len(self._reveal())

    def __repr__(self) -> str:
        return HIDDEN

    def __str__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        return HIDDEN

    def __structlog__(self) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hidden) and hmac.compare_digest(self._reveal(), other.reveal())

    __hash__ = None  # type: ignore[assignment] - a key of a dictionary would be kept, and compared in the open

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{name} cannot be set: a hidden value does not change")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a hidden value is not pickled or copied; pass it on as it is")
