"""Ids: `<prefix>_<KSUID>`, time-ordered and globally unique.

A KSUID is 20 bytes — 4 of seconds since 2014-05-13T16:53:20Z, 16 random — written as 27 base-62 digits
(source: the segmentio/ksuid format).
"""

import re
import secrets
import threading
import time
from collections.abc import Callable

EPOCH = 1_400_000_000
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
LARGEST = "aWgEPTl1tmebfsQzFP4bxwgy80V"

_FORM = re.compile(r"[0-9A-Za-z]{27}", re.ASCII)
_VALUE = {digit: value for value, digit in enumerate(DIGITS)}
_PAYLOADS = 1 << 128
_LAST_SECOND = (1 << 32) - 1


def is_ksuid(text: str) -> bool:
    """Whether `text` is one KSUID and nothing else. The largest is `LARGEST`; ASCII order is number order."""
    return _FORM.fullmatch(text) is not None and text <= LARGEST


def is_id(text: str, prefix: str) -> bool:
    """Whether `text` is an id of the kind `prefix`."""
    head, mark, tail = text.partition("_")
    return head == prefix and mark == "_" and is_ksuid(tail)


def raw(identifier: str) -> bytes:
    """The 20 bytes of an id, for places where case is lost. Raises ValueError when it is none."""
    ksuid = identifier.rpartition("_")[2]
    if not is_ksuid(ksuid):
        raise ValueError(f"not an id: {identifier!r}")
    number = 0
    for digit in ksuid:
        number = number * 62 + _VALUE[digit]
    return number.to_bytes(20, "big")


_PAIRS = [high + low for high in DIGITS for low in DIGITS]


def _text(number: int) -> str:
    # Two digits at a time: half the divisions of a large number.
    parts: list[str] = []
    for _ in range(13):
        number, pair = divmod(number, 62 * 62)
        parts.append(_PAIRS[pair])
    parts.append(DIGITS[number])
    return "".join(reversed(parts))


class Ids:
    """A source of ids that strictly rise within this process, also within one second and from several threads."""

    def __init__(self, seconds: Callable[[], float] = time.time) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._second = -1
        self._payload = 0

    def new(self, prefix: str) -> str:
        """A new id of the kind `prefix`."""
        with self._lock:
            second = int(self._seconds()) - EPOCH
            if second > self._second:
                self._second, self._payload = second, secrets.randbits(128)
            else:
                # The same second, or a clock that went back: go on from the last one.
                self._payload += 1
                if self._payload == _PAYLOADS:
                    self._second, self._payload = self._second + 1, 0
            if not 0 <= self._second <= _LAST_SECOND:
                raise OverflowError("the clock is outside the years 2014 to 2150; set it right")
            return f"{prefix}_{_text(self._second << 128 | self._payload)}"


_IDS = Ids()
new_id = _IDS.new
