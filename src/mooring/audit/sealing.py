"""The record is sealed as it grows, and verified: who altered, removed or inserted an event is found out, and which.

Every seal is also kept outside the database; whoever owns the database alone cannot make the record say something else
without its showing. What came after the last seal is not covered yet (`Sealer` seals every few seconds).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mooring.audit.seal import BEGINNING, Leaf, Seal, SealKey
from mooring.base.clock import Clock
from mooring.base.db import Database, Tx
from mooring.base.errors import Clash, Denied

MOST = 1_000


class Outside(Protocol):
    """Where seals lie outside the database. May be told the same seal again. Raises Unavailable."""

    async def keep(self, seal: Seal) -> None:
        """Keep the seal, and that it is the newest."""
        ...

    async def newest(self) -> int:
        """The last number sealed, as far as is known here; 0 before the first."""
        ...

    async def read(self, last: int) -> Seal | None:
        """The seal that ends with this number, if it is kept here."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealer:
    """Seals what has been numbered."""

    database: Database
    key: SealKey
    outside: Outside
    clock: Clock

    async def step(self) -> bool:
        """Seal the next events, and see that the newest seal is kept outside. Whether there may be more to seal."""
        async with self.database.reading() as tx:
            newest = await _newest(tx)
            events = await leaves(tx, newest.last if newest else 0, MOST)
        if newest is not None and await self.outside.newest() < newest.last:
            await self._keep_outside(newest)
        if not events:
            return False
        seal = self.key.seal(newest, events, self.clock.now())
        try:
            async with self.database.transaction() as tx:
                await _insert(tx, seal)
        except Clash:
            # Another process was quicker.
            return True
        await self.outside.keep(seal)
        return len(events) == MOST

    async def _keep_outside(self, seal: Seal) -> None:
        # One that was altered meanwhile must not be believed by what is kept outside.
        if seal.says is None and seal.key == self.key.public:
            await self.outside.keep(seal)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The first thing that is wrong: at which number, with which event (where that is known), and what."""

    number: int
    event_id: str | None
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a verification came to: up to which number the record is sealed, and is as it was sealed; and numbered."""

    sealed_to: int
    numbered_to: int
    finding: Finding | None


async def verify(database: Database, key: SealKey, outside: Outside) -> Verdict:
    """Look at every seal and every event. Long for a long record; no transaction is held."""
    before: Seal | None = None
    # Asked first: what is sealed meanwhile must not look as if it had been removed.
    known_outside = await outside.newest()
    while True:
        async with database.reading() as tx:
            seal = await _next(tx, before.last if before else 0)
            if seal is None:
                break
            stored = await _between(tx, seal.first, seal.last)
        finding = await _look_at(before, seal, stored, key, outside)
        if finding is not None:
            return Verdict(sealed_to=before.last if before else 0, numbered_to=seal.last, finding=finding)
        before = seal
    sealed_to = before.last if before else 0
    async with database.reading() as tx:
        numbered_to = await _numbered_to(tx)
        finding = await _look_beyond(tx, sealed_to, numbered_to, known_outside)
    return Verdict(sealed_to=sealed_to, numbered_to=numbered_to, finding=finding)


async def _look_at(
    before: Seal | None, seal: Seal, stored: Sequence[Leaf], key: SealKey, outside: Outside
) -> Finding | None:
    """The first thing wrong with a seal, or with the events it covers."""
    first = (before.last if before else 0) + 1
    if seal.first != first:
        return Finding(number=first, event_id=None, says=f"the seal over number {first} was removed")
    wrong = seal.says
    if wrong is None and seal.key != key.public:
        wrong = "it was made with another key than this installation's"
    if wrong is None and seal.previous != (before.root if before else BEGINNING):
        wrong = "it does not follow the one before"
    trusted = seal if wrong is None else await _copy(seal, key, outside)
    if trusted is not None:
        finding = _compare(trusted, stored)
        if finding is not None:
            return finding
    if wrong is not None:
        return Finding(number=first, event_id=None, says=f"the seal over the numbers {first} to {seal.last}: {wrong}")
    return None


async def _copy(seal: Seal, key: SealKey, outside: Outside) -> Seal | None:
    """The seal as it is kept outside, to name the event that was altered together with the seal."""
    kept = await outside.read(seal.last)
    good = kept is not None and kept.says is None and kept.key == key.public and kept.first == seal.first
    return kept if good else None


def _compare(seal: Seal, stored: Sequence[Leaf]) -> Finding | None:
    there = {leaf.number: leaf for leaf in stored}
    for number in range(seal.first, seal.last + 1):
        leaf = there.get(number)
        if leaf is None or leaf.id is None:
            return Finding(number=number, event_id=None, says="the event was removed")
        if leaf.hash != seal.leaf(number):
            return Finding(number=number, event_id=leaf.id, says="the event is not the one that was sealed")
    return None


async def _look_beyond(tx: Tx, sealed_to: int, numbered_to: int, outside: int) -> Finding | None:
    """What no seal in the database covers."""
    if outside > sealed_to:
        says = f"seals up to number {outside} were kept outside; those after {sealed_to} were removed"
        return Finding(number=sealed_to + 1, event_id=None, says=says)
    gap = await tx.value(int, _GAP, sealed_to, numbered_to)
    if gap is not None:
        return Finding(number=gap, event_id=None, says="the event was removed before it was sealed")
    stray = await tx.value(str, _STRAY)
    if stray is not None:
        return Finding(number=numbered_to, event_id=stray, says="the event was inserted by hand: it never had a number")
    return None


async def leaves(tx: Tx, after: int, limit: int) -> list[Leaf]:
    """The events behind a number as seals take them, oldest first."""
    return await tx.rows(Leaf, _LEAVES, after, limit)


async def newest(tx: Tx) -> Seal | None:
    """The newest seal."""
    return await _newest(tx)


def check_may_verify(everything: bool) -> None:  # noqa: FBT001 - one fact about the asker
    """Return when the asker sees the whole record. Raises Denied."""
    if not everything:
        raise Denied("administrators and auditors verify and export the record")


async def _newest(tx: Tx) -> Seal | None:
    return await tx.row(Seal, _NEWEST)


async def _next(tx: Tx, after: int) -> Seal | None:
    return await tx.row(Seal, _NEXT, after)


async def _between(tx: Tx, first: int, last: int) -> list[Leaf]:
    return await tx.rows(Leaf, _BETWEEN, first, last)


async def _numbered_to(tx: Tx) -> int:
    return await tx.value(int, "SELECT coalesce(max(number), 0) FROM event_numbers") or 0


async def _insert(tx: Tx, seal: Seal) -> None:
    await tx.run(
        _INSERT, seal.first, seal.last, seal.previous, seal.leaves, seal.root, seal.key, seal.signature, seal.sealed_at
    )


_LEAVES = """
SELECT n.number, n.seq, e.id, (extract(epoch FROM e.timestamp) * 1000000)::bigint AS at, e.actor_id, e.resource_type,
    e.resource_id, e.action, e.details::text AS details, e.reason
FROM event_numbers AS n LEFT JOIN resource_events AS e ON e.seq = n.seq
WHERE n.number > $1 ORDER BY n.number LIMIT $2
"""
_BETWEEN = """
SELECT n.number, n.seq, e.id, (extract(epoch FROM e.timestamp) * 1000000)::bigint AS at, e.actor_id, e.resource_type,
    e.resource_id, e.action, e.details::text AS details, e.reason
FROM event_numbers AS n LEFT JOIN resource_events AS e ON e.seq = n.seq
WHERE n.number BETWEEN $1 AND $2 ORDER BY n.number
"""
_SEAL = "first, last, previous, leaves, root, key, signature, sealed_at"
_NEWEST = f"SELECT {_SEAL} FROM event_seals ORDER BY last DESC LIMIT 1"
_NEXT = f"SELECT {_SEAL} FROM event_seals WHERE last > $1 ORDER BY last LIMIT 1"
_INSERT = """
INSERT INTO event_seals (first, last, previous, leaves, root, key, signature, sealed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_GAP = """
SELECT wanted.number FROM generate_series($1::bigint + 1, $2::bigint) AS wanted (number)
LEFT JOIN event_numbers AS n ON n.number = wanted.number LEFT JOIN resource_events AS e ON e.seq = n.seq
WHERE e.id IS NULL ORDER BY 1 LIMIT 1
"""
_STRAY = """
SELECT e.id FROM resource_events AS e
WHERE NOT EXISTS (SELECT 1 FROM event_numbers AS n WHERE n.seq = e.seq)
    AND NOT EXISTS (SELECT 1 FROM event_outbox AS o WHERE o.seq = e.seq)
ORDER BY e.seq LIMIT 1
"""
