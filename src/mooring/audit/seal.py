"""What a seal is: hashes of events, chained, signed. Pure.

A leaf is the SHA-256 of an event's canonical form, a JSON array of its columns. A root is the SHA-256 of the previous
root, the first and last number, and the leaves. The signature is Ed25519 (RFC 8032) over the root and the numbers.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

N = TypeVar("N", bound="Numbered")

HASH_BYTES = 32
BEGINNING = bytes(HASH_BYTES)
"""What stands before the first root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """An event with everything a seal covers; `details` is the text PostgreSQL gives its jsonb, `at` microseconds."""

    number: int
    seq: int
    id: str | None
    at: int | None
    actor_id: str | None
    resource_type: str | None
    resource_id: str | None
    action: str | None
    details: str | None
    reason: str | None

    @property
    def hash(self) -> bytes:
        """The SHA-256 of the canonical form."""
        columns = [getattr(self, name) for name in self.__dataclass_fields__]
        return hashlib.sha256(msgspec.json.encode(columns)).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """One seal: the events with the numbers `first` to `last`."""

    first: int
    last: int
    previous: bytes
    leaves: bytes
    root: bytes
    key: bytes
    signature: bytes
    sealed_at: datetime

    def leaf(self, number: int) -> bytes:
        """The hash the event of this number had."""
        at = (number - self.first) * HASH_BYTES
        return self.leaves[at : at + HASH_BYTES]

    @property
    def says(self) -> str | None:
        """What is wrong with the seal itself, None when it is whole. Whose key it is, is asked elsewhere."""
        if root_of(self.previous, self.first, self.last, self.leaves) != self.root:
            return "its root does not come from its leaves"
        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(self.signature, _signed(self))
        except InvalidSignature:
            return "its signature is not right"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The first thing that is wrong: at which number, with which event (where that is known), and what."""

    number: int
    event_id: str | None
    says: str


class Numbered(Protocol):
    """What has a number in the record."""

    @property
    def number(self) -> int: ...


def without_gap(after: int, rising: Sequence[N]) -> list[N]:
    """Those that follow a number, each by one, up to the first that is not there."""
    return [one for number, one in enumerate(rising, after + 1) if one.number == number]


def compare(seal: Seal, stored: Sequence[Leaf]) -> Finding | None:
    """The first event that is not the one the seal covers, None when all are."""
    there = {leaf.number: leaf for leaf in stored}
    for number in range(seal.first, seal.last + 1):
        leaf = there.get(number)
        if leaf is None or leaf.id is None:
            return Finding(number=number, event_id=None, says="the event was removed")
        if leaf.hash != seal.leaf(number):
            return Finding(number=number, event_id=leaf.id, says="the event is not the one that was sealed")
    return None


class SealKey:
    """What signs seals: the 32 bytes of an Ed25519 private key, which stay outside the database."""

    def __init__(self, secret: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(secret)
        self.public = self._private.public_key().public_bytes_raw()

    def seal(self, previous: Seal | None, events: Sequence[Leaf], now: datetime) -> Seal:
        """The seal over the events, which follow the previous one's without a gap."""
        first, last = events[0].number, events[-1].number
        before = previous.root if previous is not None else BEGINNING
        leaves = b"".join(event.hash for event in events)
        root = root_of(before, first, last, leaves)
        bare = Seal(
            first=first, last=last, previous=before, leaves=leaves, root=root, key=self.public, signature=b"",
            sealed_at=now,
        )  # fmt: skip
        return replace(bare, signature=self._private.sign(_signed(bare)))


def root_of(previous: bytes, first: int, last: int, leaves: bytes) -> bytes:
    """The root over the leaves."""
    return hashlib.sha256(previous + _numbers(first, last) + leaves).digest()


def _signed(seal: Seal) -> bytes:
    at = round(seal.sealed_at.timestamp() * 1_000_000)
    return b"mooring.seal.1" + seal.root + _numbers(seal.first, seal.last) + at.to_bytes(8, "big")


def _numbers(first: int, last: int) -> bytes:
    return first.to_bytes(8, "big") + last.to_bytes(8, "big")
