"""The record is sealed as it grows.

Every seal is also kept outside the database; whoever owns the database alone cannot make the record say something else
without its showing. What came after the last seal is not covered yet (`Sealer` seals every few seconds).
"""

from dataclasses import dataclass
from typing import Protocol

from mooring.audit.seal import Leaf, Seal, SealKey, without_gap
from mooring.base.clock import Clock
from mooring.base.db import Database, Tx
from mooring.base.errors import Clash

MOST = 1_000
_MISSING = (
    "the seal that ends with number {} is kept outside the database and is not in it: seals were removed, or the "
    "database was restored from an older backup; nothing is sealed until that is settled (docs/audit.md)"
)
_GAP = (
    "the numbers {} to {} are not there: their events were removed, or the event {} with the number {} was inserted by "
    "hand; nothing is sealed behind number {} until that is settled (docs/audit.md)"
)


class Outside(Protocol):
    """Where seals lie outside the database. May be told the same seal again. Raises Unavailable."""

    async def keep(self, seal: Seal) -> None:
        """Keep the seal, and that it is the newest."""
        ...

    async def newest(self) -> int:
        """The last number sealed, as far as is known here; 0 before the first."""
        ...

    async def kept(self) -> list[int]:
        """The last number of every seal that is kept, whoever kept it."""
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
        """Seal the next events, and see that the newest seal is kept outside. Whether there may be more to seal.

        Raises Clash when a seal that is kept outside is missing: what was altered since must not be sealed anew; and
        for numbers that are not there: a seal covers what follows the one before it.
        """
        # Asked first: what another process seals meanwhile is in the database before it is known outside.
        known = await self.outside.newest()
        async with self.database.reading() as tx:
            marked = await following(tx, known - 1)
            before = await newest(tx)
            events = await leaves(tx, before.last if before else 0, MOST)
        if known and (marked is None or marked.last != known):
            raise Clash(_MISSING.format(known))
        if before is not None and known < before.last:
            await self._keep_outside(before)
        if not events:
            return False
        sealed_to, ahead = before.last if before else 0, events[0]
        events = without_gap(sealed_to, events)
        if not events:
            raise Clash(_GAP.format(sealed_to + 1, ahead.number - 1, ahead.id, ahead.number, sealed_to))
        seal = self.key.seal(before, events, self.clock.now())
        kept = await copy(seal, self.key, self.outside)
        if kept is not None and kept.root != seal.root:
            async with self.database.reading() as tx:
                now = await newest(tx)
            if now != before:
                # Another process sealed while we looked.
                return True
            raise Clash(_MISSING.format(kept.last))
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


async def copy(seal: Seal, key: SealKey, outside: Outside) -> Seal | None:
    """The seal of our key that is kept outside under the number this one ends with; it need not be the same."""
    kept = await outside.read(seal.last)
    return kept if kept is not None and kept.says is None and kept.key == key.public else None


async def leaves(tx: Tx, after: int, limit: int) -> list[Leaf]:
    """The events behind a number as seals take them, oldest first."""
    return await tx.rows(Leaf, _LEAVES, after, limit)


async def newest(tx: Tx) -> Seal | None:
    """The newest seal."""
    return await tx.row(Seal, _NEWEST)


async def following(tx: Tx, after: int) -> Seal | None:
    """The first seal that ends behind a number."""
    return await tx.row(Seal, _NEXT, after)


async def between(tx: Tx, first: int, last: int) -> list[Leaf]:
    """The events of these numbers as seals take them; one that was removed has no id."""
    return await tx.rows(Leaf, _BETWEEN, first, last)


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
