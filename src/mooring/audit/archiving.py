"""Old events leave the database for the object store: whole sealed batches, looked at before they go.

An archive holds the leaves of one or several seals, as they were sealed; so what was moved can be verified and exported
like what is still here. A batch that is not what was sealed is not moved: it stays as evidence.
"""

import gzip
import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import msgspec

from mooring.audit import sealing
from mooring.audit.seal import Leaf, Seal, SealKey, compare
from mooring.base.clock import Clock
from mooring.base.db import Database, Tx
from mooring.base.errors import Clash, Unavailable

MOST = 10_000
_SEALS = 200


class Shelf(Protocol):
    """Where archives lie. May be told the same one again. Raises Unavailable."""

    async def put(self, first: int, last: int, packed: bytes) -> None:
        """Keep the events with these numbers."""
        ...

    async def take(self, first: int, last: int) -> bytes | None:
        """What was kept under these numbers."""
        ...


class NotAsPut(Unavailable):
    """The archive is not there, or not the one that was put there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """The numbers that were moved, and the SHA-256 of what holds them."""

    first: int
    last: int
    sha256: bytes


def pack(events: Sequence[Leaf]) -> bytes:
    """Events as an archive holds them: gzip of JSON lines, the same bytes for the same events."""
    return gzip.compress(b"".join(msgspec.json.encode(event) + b"\n" for event in events), mtime=0)


def unpack(packed: bytes) -> list[Leaf]:
    """The events of an archive. Raises ValueError when it holds none."""
    try:
        return [msgspec.json.decode(line, type=Leaf) for line in gzip.decompress(packed).splitlines()]
    except (OSError, EOFError, zlib.error) as error:
        # What gzip says of what is none, ends early, or was packed wrongly.
        raise ValueError(str(error)) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Archiver:
    """Moves what is older than `keeps`."""

    database: Database
    key: SealKey
    shelf: Shelf
    clock: Clock
    keeps: timedelta

    async def step(self) -> bool:
        """Move the oldest batch, if it is old enough. Whether there may be more to move. Raises Clash (altered)."""
        before = int((self.clock.now() - self.keeps).timestamp() * 1_000_000)
        batch, events = await self._oldest(before)
        if not batch:
            return False
        packed = pack(events)
        first, last = batch[0].first, batch[-1].last
        await self.shelf.put(first, last, packed)
        async with self.database.transaction() as tx:
            await tx.run(_INSERT, first, last, hashlib.sha256(packed).digest())
            await tx.run("SELECT forget_events($1)", last)
        return True

    async def _oldest(self, before: int) -> tuple[list[Seal], list[Leaf]]:
        batch: list[Seal] = []
        held: list[Leaf] = []
        async with self.database.reading() as tx:
            last = await archived_to(tx)
            for seal in await tx.rows(Seal, _SEALED, last, _SEALS):
                if seal.last - last > MOST:
                    break
                events = await sealing.between(tx, seal.first, seal.last)
                if compare(seal, events) or seal.says or seal.key != self.key.public:
                    raise Clash(f"the events {seal.first} to {seal.last} are not what was sealed; they are not moved")
                if any(event.at is None or event.at >= before for event in events):
                    break
                batch.append(seal)
                held += events
        return batch, held


async def archived_to(tx: Tx) -> int:
    """The last number that was moved, 0 before the first."""
    return await tx.value(int, "SELECT coalesce(max(last), 0) FROM event_archives") or 0


async def holding(tx: Tx, number: int) -> Archive | None:
    """The archive that holds a number, None while the database does."""
    return await tx.row(
        Archive, "SELECT first, last, sha256 FROM event_archives WHERE $1 BETWEEN first AND last", number
    )


async def opened(shelf: Shelf, archive: Archive) -> list[Leaf]:
    """The events of an archive. Raises NotAsPut, Unavailable (it cannot be looked at now)."""
    packed = await shelf.take(archive.first, archive.last)
    if packed is None or hashlib.sha256(packed).digest() != archive.sha256:
        raise NotAsPut(f"the archive of the events {archive.first} to {archive.last} is missing, or was altered")
    try:
        return unpack(packed)
    except (ValueError, RecursionError) as error:
        raise NotAsPut(f"the archive of the events {archive.first} to {archive.last} holds none: {error}") from error


_SEALED = """
SELECT first, last, previous, leaves, root, key, signature, sealed_at FROM event_seals
WHERE last > $1 ORDER BY last LIMIT $2
"""
_INSERT = "INSERT INTO event_archives (first, last, sha256) VALUES ($1, $2, $3)"
