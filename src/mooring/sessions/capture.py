"""What a session made of its filesystem, kept as a version. A contact: no transaction is open meanwhile."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from mooring.base.db import Database, Tx
from mooring.base.errors import MooringError, Unavailable, Unfit
from mooring.compute import runs
from mooring.compute.drivers.base import Changes, Driver
from mooring.compute.live import Delivery
from mooring.compute.phases import Run
from mooring.files import filesystems
from mooring.files.archive.jobs import Secret
from mooring.files.cache import Cache
from mooring.files.depot import Depot
from mooring.files.entities import FilesystemVersion
from mooring.files.errors import Crashed, Damaged
from mooring.files.filesystems import Stored
from mooring.files.workshop import Layers
from mooring.secrets.errors import VaultBroken, VaultRefuses
from mooring.sessions import transcript
from mooring.sessions.entities import Session
from mooring.sessions.plan import WORKSPACE, AskedFilesystem

log = structlog.stdlib.get_logger("mooring.sessions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """What came of it: bytes in the store, to become a version after `parent`; or why there is none."""

    parent: FilesystemVersion | None = None
    stored: Stored | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """Takes what runs left in their workspaces."""

    database: Database
    drivers: Mapping[str, Driver]
    cache: Cache
    depot: Depot
    delivery: Delivery

    async def take(self, run: Run, asked: AskedFilesystem, made: str | None, *, patient: bool) -> Captured:
        """What the run, whose processes are over, left of its filesystem. May be repeated.

        `made` is the version that the session made of it when it was paused. While `patient`, what may pass is raised:
        Unavailable, Crashed, OSError.
        """
        try:
            return await self._take(run, asked, made or asked.version_id)
        except (MooringError, OSError) as error:
            if patient and _passes(error):
                raise
            reason = error.reason if isinstance(error, MooringError) else str(error)
            log.warning("not captured", run=run.id, reason=reason)
            return Captured(reason=f"what the session changed in its filesystem was not kept: {reason}")

    async def _take(self, run: Run, asked: AskedFilesystem, parent_id: str) -> Captured:
        driver = self.drivers.get(run.engine)
        upper = driver.changed(run.id) if isinstance(driver, Changes) else None
        if upper is None:
            raise Unfit(f"the engine {run.engine} leaves nothing that could be captured")
        async with self.database.reading() as tx:
            base = await filesystems.version_by_id(tx, asked.version_id)
            parent = await filesystems.version_by_id(tx, parent_id)
            assignment = await runs.assignment(tx, run.id)
        given = await self.delivery.given(run)
        secrets = [Secret(name=one.name, value=one.value.reveal()) for one in given]
        async with self.cache.opened(base, run.id) as (lower, manifest):
            descriptor = os.open(upper, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                layers = Layers(
                    lower=lower, upper=descriptor, base=manifest, left_out=_checkouts(assignment), secrets=secrets
                )
                return Captured(parent=parent, stored=await self.depot.capture(parent, layers))
            finally:
                os.close(descriptor)


def _passes(error: MooringError | OSError) -> bool:
    """Whether it may well be otherwise the next time."""
    for_good = isinstance(error, (Damaged, VaultRefuses, VaultBroken))
    return isinstance(error, (Unavailable, Crashed, OSError)) and not for_good


async def keep(tx: Tx, session: Session, captured: Captured) -> str | None:
    """Make the version, and say so in the transcript; its id. Where there is none, the transcript says why."""
    if captured.reason is not None:
        await transcript.say(tx, session.id, "error", {"reason": captured.reason})
        return None
    if captured.stored is None or captured.parent is None:
        since = " since it was paused" if session.output_filesystem_version_id else ""
        await _say(tx, session, f"the session changed nothing in its filesystem{since}")
        return None
    made, current = await filesystems.captured(
        tx, captured.parent, captured.stored, user_id=session.created_by_user_id, session_id=session.id
    )
    if current:
        await _say(tx, session, f"what the session changed is version {made.number} of its filesystem ({made.id})")
    else:
        before, number = captured.parent.id, made.number
        says = f"the filesystem moved on from {before} while the session ran: version {number} ({made.id})"
        await transcript.say(
            tx, session.id, "error", {"reason": f"{says} holds what it changed, beside the current one"}
        )
    return made.id


async def _say(tx: Tx, session: Session, text: str) -> None:
    await transcript.say(tx, session.id, "log", {"stream": "runner", "text": f"{text}\n"})


def _checkouts(assignment: Mapping[str, Any]) -> Sequence[str]:
    """What the session itself put into the workspace: its repositories are in its patch and its bundle."""
    paths: list[str] = [repository["path"] for repository in assignment["repositories"]]
    return sorted({path.removeprefix(f"{WORKSPACE}/").partition("/")[0] for path in paths if path != WORKSPACE})
