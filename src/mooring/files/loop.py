"""The loops of filesystems: make the versions that are to come; remove what no version names any more."""

from dataclasses import dataclass
from datetime import timedelta
from typing import LiteralString

import msgspec
import structlog

from mooring.access.actor import SYSTEM
from mooring.audit import ledger
from mooring.base.db import Database, Tx
from mooring.base.errors import Clash, Missing, MooringError, Unavailable, Unfit
from mooring.base.work import Applied, Loop, forget
from mooring.files import filesystems
from mooring.files.blobs.base import BlobStore
from mooring.files.depot import Depot
from mooring.files.entities import Coming, FilesystemPhase
from mooring.files.errors import Crashed, Damaged, Refused
from mooring.files.kinds import FILESYSTEM
from mooring.files.store import blobs, entries
from mooring.files.store import filesystems as store

log = structlog.stdlib.get_logger("mooring.files")

_LATER = timedelta(seconds=20)
_SWEEP_BLOBS: LiteralString = "filesystem-blobs"
_SWEEP_ROWS: LiteralString = "filesystem-rows"
_SLOW = timedelta(seconds=30)
_ROWS_AT_ONCE = 20_000
# One import uses two cores.
_IMPORTS_AT_ONCE = 2
_ASK_AGAIN_SECONDS = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Filesystems:
    """The work on filesystems."""

    database: Database
    depot: Depot
    blobs: BlobStore

    def loops(self) -> tuple[Loop, ...]:
        """The loops to give to the worker."""
        return (
            Loop(
                name=filesystems.LOOP,
                ready=store.IMPORTING,
                step=self.step,
                wakes=("filesystems",),
                at_once=_IMPORTS_AT_ONCE,
                give_up=filesystems.give_up,
            ),
            Loop(name=_SWEEP_BLOBS, ready=blobs.DUE, step=self.sweep, wakes=("filesystem_blobs",), poll=_SLOW),
            Loop(name=_SWEEP_ROWS, ready=entries.DUE, step=self.sweep_rows, wakes=("filesystem_blobs",), poll=_SLOW),
        )

    async def step(self, identifier: str) -> Applied:
        """One thing for one filesystem. An import may be repeated: blobs are kept once, rows belong to no version."""
        async with self.database.reading() as tx:
            filesystem = await ledger.read(tx, SYSTEM, FILESYSTEM, identifier)
        if filesystem.source is None:
            return Applied()
        if filesystem.phase is FilesystemPhase.PENDING:
            return Applied(write=lambda tx: filesystems.begin(tx, identifier))
        coming = msgspec.convert(filesystem.source, Coming)
        try:
            stored = await self.depot.store(coming)
        except Crashed:
            # It may end well the next time; where it never does, it is given up.
            raise
        except (Refused, Damaged, Missing, Unfit, Clash) as error:
            return _failed(identifier, coming, error)
        except Unavailable as error:
            log.warning("import delayed", filesystem=identifier, reason=error.reason)
            reason = error.reason
            return Applied(write=lambda tx: filesystems.delay(tx, identifier, coming, reason), again=_LATER)
        return Applied(write=lambda tx: filesystems.finish(tx, identifier, coming, stored))

    async def sweep(self, key: str) -> Applied:
        """Remove one blob that no version names."""
        async with self.database.transaction() as tx:
            taken = await blobs.take(tx, key)
            if not taken:
                # Here, not later: who lets it go in between says that it is due.
                await blobs.keep(tx, key, seconds=_ASK_AGAIN_SECONDS)
        if taken:
            await self.blobs.delete(key)

        async def write(tx: Tx) -> None:
            if taken:
                await blobs.removed(tx, key)
            await forget(tx, _SWEEP_BLOBS, key)

        return Applied(write=write)

    async def sweep_rows(self, version_id: str) -> Applied:
        """Remove some rows of a manifest whose version never came, or is gone."""
        async with self.database.transaction() as tx:
            removed = await entries.remove_some(tx, version_id, _ROWS_AT_ONCE)
        if removed:
            return Applied()
        return Applied(write=lambda tx: forget(tx, _SWEEP_ROWS, version_id))


def _failed(identifier: str, coming: Coming, error: MooringError) -> Applied:
    reason, facts = error.reason, dict(error.facts)
    verb: LiteralString = "refuse" if isinstance(error, Refused) else "fail"

    async def write(tx: Tx) -> None:
        await filesystems.fail(tx, identifier, coming, reason, facts, verb=verb)
        if isinstance(error, Damaged):
            await filesystems.doubt(tx, coming)

    return Applied(write=write)
