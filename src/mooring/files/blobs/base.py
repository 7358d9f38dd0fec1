"""What a blob store is: bytes under keys made from what lies there. A key is written once and never changes."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Protocol

from mooring.base.errors import Unfit

_KEY = re.compile(r"[a-z]+(?:/[A-Za-z0-9][A-Za-z0-9._-]*)+", re.ASCII)
_LONGEST_KEY = 900
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """What is known of bytes without reading them. Units: bytes."""

    key: str
    size: int
    written_at: datetime


class BlobStore(Protocol):
    """Where bytes lie. Every method may be called again after a failure, and raises Unavailable with what to do about
    it when the store does not answer, refuses us or has no room."""

    @property
    def bucket(self) -> str:
        """The name of the place: a bucket's, or `local` for the directory."""
        ...

    async def check(self) -> None:
        """Return when the store answers us."""
        ...

    async def put_file(self, key: str, file: IO[bytes]) -> bool:
        """Keep the bytes of `file`, from its begin to its end; whole or not at all, and lasting on return.

        False when the key was there already; nothing is written then. Raises Clash (it holds another number of bytes).
        """
        ...

    def read(self, key: str) -> AsyncIterator[bytes]:
        """The bytes under `key`, in chunks of a few MiB. Raises Missing."""
        ...

    async def read_range(self, key: str, start: int, end: int) -> bytes:
        """The bytes from `start` up to `end`, which both lie within. Raises Missing, Unfit (they do not)."""
        ...

    async def head(self, key: str) -> Blob | None:
        """What lies under `key`, or None."""
        ...

    async def delete(self, key: str) -> None:
        """Nothing lies under `key` afterwards."""
        ...

    def list(self, prefix: str) -> AsyncIterator[Blob]:
        """Everything whose key begins with `prefix` (whole parts of a path), in no order."""
        ...


def checked(key: str) -> str:
    """The key. Raises ValueError when it is none: keys are made by us, never taken from outside."""
    if _KEY.fullmatch(key) is None or len(key) > _LONGEST_KEY:
        raise ValueError(f"not a key: {key!r}")
    return key


def fetchable(key: str, *, field: str = "key") -> str:
    """The key of what others put into a bucket, where it can be asked for. Raises Unfit, naming the field.

    obstore refuses the others, or asks for another object: it takes the slashes off both ends. Source: object_store's
    Path.
    """
    parts = key.split("/")
    found: list[tuple[bool, str]] = [
        (_CONTROL.search(key) is not None, "with a control character"),
        (key.startswith("/"), "that begins with a slash"),
        (key.endswith("/"), "that ends with a slash"),
        ("" in parts, "with nothing between two slashes"),
        (not {".", ".."}.isdisjoint(parts), "with `.` or `..` between its slashes"),
    ]
    for holds, says in found:
        if holds:
            raise Unfit(f"{field}: {key!r} cannot be fetched, as no key {says} can; copy it to another", field=field)
    return key
