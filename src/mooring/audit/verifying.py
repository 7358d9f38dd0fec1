"""The record is verified: who altered, removed or inserted an event is found out, and which event it was."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from mooring.audit import archiving, sealing
from mooring.audit.archiving import Archive, NotAsPut, Shelf
from mooring.audit.seal import BEGINNING, Finding, Leaf, Seal, SealKey, compare
from mooring.audit.sealing import Outside
from mooring.base.db import Database, Tx
from mooring.base.errors import Denied


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a verification came to: up to which number the record is sealed, and is as it was sealed; and numbered."""

    sealed_to: int
    numbered_to: int
    finding: Finding | None


async def verify(database: Database, key: SealKey, outside: Outside, shelf: Shelf) -> Verdict:
    """Look at every seal and every event, here and in the archives. Long for a long record; no transaction is held.

    Raises Unavailable: something could not be looked at, so there is no verdict.
    """
    events = _Events(database, shelf)
    before, finding = None, None
    # Asked first: what is sealed meanwhile must not look as if it had been removed.
    newest_outside, unmet = await outside.newest(), set(await outside.kept())
    while True:
        async with database.reading() as tx:
            seal = await sealing.following(tx, before.last if before else 0)
        finding = None if seal is None else await _look_at(before, seal, events, key, outside)
        if seal is None or finding is not None:
            break
        before = seal
        unmet.discard(seal.last)
    sealed_to = before.last if before else 0
    async with database.reading() as tx:
        numbered_to = await _numbered_to(tx)
    if finding is None or finding.event_id is None:
        # What was altered shows against the seals that are kept outside, also where the database's were removed.
        kept = await _kept(unmet, key, outside)
        finding = await _under(kept, numbered_to, events) or finding or _missed(sealed_to, newest_outside, kept)
    if finding is None:
        async with database.reading() as tx:
            finding = await _look_beyond(tx, sealed_to, numbered_to)
    return Verdict(sealed_to=sealed_to, numbered_to=numbered_to, finding=finding)


async def _look_at(
    before: Seal | None, seal: Seal, events: "_Events", key: SealKey, outside: Outside
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
    kept = await sealing.copy(seal, key, outside)
    if wrong is None and kept is not None and kept.root != seal.root:
        wrong = "it is not the one that is kept outside"
    # What was altered together with the seal shows against the copy.
    trusted = kept if kept is not None and kept.first == seal.first else seal
    finding = await events.compared(trusted) if wrong is None or trusted is kept else None
    if finding is None and wrong is not None:
        says = f"the seal over the numbers {first} to {seal.last}: {wrong}"
        return Finding(number=first, event_id=None, says=says)
    return finding


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stray:
    id: str
    number: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gap:
    """A number whose event is not there, or that does not follow the one `before` it."""

    before: int
    number: int
    event_id: str | None


class _Events:
    """The events a seal covers, from the database or from the archive they were moved to."""

    def __init__(self, database: Database, shelf: Shelf) -> None:
        self._database = database
        self._shelf = shelf
        # The one that was opened last: it holds many seals' worth.
        self._open: tuple[Archive, list[Leaf]] | None = None

    async def compared(self, seal: Seal) -> Finding | None:
        """The first event that is not the one that was sealed."""
        archive = await self._archive(seal)
        if archive is None:
            async with self._database.reading() as tx:
                finding = compare(seal, await sealing.between(tx, seal.first, seal.last))
            # They may have been moved just now.
            archive = None if finding is None else await self._archive(seal)
            if archive is None:
                return finding
        try:
            return compare(seal, await self._moved(archive))
        except NotAsPut as error:
            return Finding(number=seal.first, event_id=None, says=str(error))

    async def _archive(self, seal: Seal) -> Archive | None:
        async with self._database.reading() as tx:
            return await archiving.holding(tx, seal.first)

    async def _moved(self, archive: Archive) -> list[Leaf]:
        if self._open is None or self._open[0] != archive:
            self._open = archive, await archiving.opened(self._shelf, archive)
        return self._open[1]


async def _kept(unmet: Collection[int], key: SealKey, outside: Outside) -> list[Seal]:
    """The seals of our key that are kept outside, among those that were not met in the database, in order."""
    kept = [await outside.read(last) for last in sorted(unmet)]
    return [seal for seal in kept if seal is not None and seal.says is None and seal.key == key.public]


async def _under(kept: Sequence[Seal], numbered_to: int, events: _Events) -> Finding | None:
    """The first event that is not the one that was sealed, as far as these seals and the record both go."""
    for seal in kept:
        finding = await events.compared(seal) if seal.last <= numbered_to else None
        if finding is not None:
            return finding
    return None


def _missed(sealed_to: int, newest_outside: int, removed: Sequence[Seal]) -> Finding | None:
    """What is wrong when these seals, which are kept outside, are not in the database."""
    known = max([newest_outside, *(seal.last for seal in removed)])
    if removed and removed[0].last <= sealed_to:
        first, last = removed[0].first, removed[0].last
        says = f"the seal over the numbers {first} to {last} is kept outside; in the database others are in its place"
        return Finding(number=first, event_id=None, says=says)
    if known > sealed_to:
        says = f"seals up to number {known} were kept outside; those after {sealed_to} were removed"
        return Finding(number=sealed_to + 1, event_id=None, says=says)
    return None


async def _look_beyond(tx: Tx, sealed_to: int, numbered_to: int) -> Finding | None:
    """What no seal covers."""
    gap = await tx.row(_Gap, _GAP, sealed_to, numbered_to)
    if gap is not None:
        says = "the event was removed before it was sealed"
        if gap.number != gap.before + 1:
            missing = f"the numbers {gap.before + 1} to {gap.number - 1} are not there"
            says = f"{missing}: their events were removed before they were sealed, or this one was inserted by hand"
        return Finding(number=gap.number, event_id=gap.event_id, says=says)
    stray = await tx.row(_Stray, _STRAY)
    if stray is not None:
        why = "it never had a number" if stray.number is None else "the one of this number lies in an archive"
        says = f"the event was inserted by hand: {why}"
        return Finding(number=stray.number or numbered_to, event_id=stray.id, says=says)
    return None


def check_may_verify(everything: bool) -> None:  # noqa: FBT001 - one fact about the asker
    """Return when the asker sees the whole record. Raises Denied."""
    if not everything:
        raise Denied("administrators and auditors verify and export the record")


async def _numbered_to(tx: Tx) -> int:
    return await tx.value(int, "SELECT coalesce(max(number), 0) FROM event_numbers") or 0


_GAP = """
SELECT before, number, event_id FROM (
    SELECT lag(n.number, 1, $1::bigint) OVER (ORDER BY n.number) AS before, n.number, e.id AS event_id
    FROM event_numbers AS n LEFT JOIN resource_events AS e ON e.seq = n.seq WHERE n.number > $1 AND n.number <= $2
) AS unsealed
WHERE event_id IS NULL OR number <> before + 1 ORDER BY number LIMIT 1
"""
# What an archive holds left the database in the same transaction.
_STRAY = """
SELECT e.id, n.number FROM resource_events AS e LEFT JOIN event_numbers AS n ON n.seq = e.seq
WHERE (n.number IS NULL AND NOT EXISTS (SELECT 1 FROM event_outbox AS o WHERE o.seq = e.seq))
    OR EXISTS (SELECT 1 FROM event_archives AS a WHERE n.number BETWEEN a.first AND a.last)
ORDER BY e.seq LIMIT 1
"""
