"""Filesystems, sent and imported as the loop would."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from mooring.app import App
from mooring.base.work import Worker
from mooring.files.archive.limits import Limits
from mooring.files.loop import Filesystems
from mooring.files.store import blobs, entries
from mooring.files.store import filesystems as store
from surfaces.people import Asker


def checksum(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


async def upload(asker: Asker, data: bytes) -> str:
    """Send an archive; its checksum."""
    answer = await asker.send("PUT", f"/uploads/{checksum(data)}", data, "application/octet-stream")
    assert answer.status_code == 201, answer.text
    return checksum(data)


def uploaded(named: str) -> dict[str, object]:
    return {"kind": "upload", "checksum": named}


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The loops of filesystems, turned by hand."""

    app: App

    @property
    def loops(self) -> Filesystems:
        return Filesystems(database=self.app.database, depot=self.app.depot, blobs=self.app.blobs)

    async def imports(self) -> None:
        """Do what is to be done until nothing is."""
        ready: list[str] = []
        for _ in range(10):
            async with self.app.database.reading() as tx:
                ready = await tx.values(str, store.IMPORTING)
            if not ready:
                return
            for identifier in ready:
                await self.step(identifier)
        raise AssertionError(f"still to be imported: {ready}")

    async def step(self, identifier: str) -> None:
        """One step of one filesystem."""
        applied = await self.loops.step(identifier)
        if applied.write is not None:
            async with self.app.database.transaction() as tx:
                await applied.write(tx)

    async def sweep(self) -> int:
        """Remove everything that is due; how many blobs it was."""
        async with self.app.database.reading() as tx:
            due, rows = await tx.values(str, blobs.DUE), await tx.values(str, entries.DUE)
        steps = [await self.loops.sweep(key) for key in due]
        for version in rows:
            steps += [await self.loops.sweep_rows(version), await self.loops.sweep_rows(version)]
        for applied in steps:
            if applied.write is not None:
                async with self.app.database.transaction() as tx:
                    await applied.write(tx)
        return len(due)


@contextlib.asynccontextmanager
async def importing(app: App, limits: Limits | None = None) -> AsyncGenerator[None]:
    """The loops of filesystems at work, for as long as the block runs."""
    workshop = replace(app.depot.workshop, limits=limits or app.depot.workshop.limits)
    found = Filesystems(database=app.database, depot=replace(app.depot, workshop=workshop), blobs=app.blobs)
    worker = Worker(app.database, found.loops(), place="here")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(worker.run())
        yield
        worker.stop()


async def imported(app: App) -> None:
    """Return when nothing is to be imported any more; somebody else imports."""
    async with asyncio.timeout(300):
        with app.database.hints.waiting("filesystems") as hint:
            while await _to_import(app):
                await hint.wait()
                hint.clear()


async def _to_import(app: App) -> list[str]:
    async with app.database.reading() as tx:
        return await tx.values(str, store.IMPORTING)


def written(root: Path) -> set[Path]:
    """Everything that lies below a directory but for what was uploaded."""
    return {path for path in root.rglob("*") if "uploads" not in path.parts}


async def made(asker: Asker, work: Work, data: bytes, name: str = "files", **fields: object) -> dict[str, Any]:
    """A filesystem whose first version was imported from an archive."""
    body = {"name": name, "source": uploaded(await upload(asker, data)), **fields}
    filesystem = await asker.made("/filesystems", body)
    assert filesystem["phase"] == "pending"
    await work.imports()
    return (await asker.get(filesystem["href"])).json()


async def pushed(asker: Asker, work: Work, filesystem: dict[str, Any], data: bytes) -> dict[str, Any]:
    """The filesystem with a new version."""
    answer = await want(asker, filesystem, uploaded(await upload(asker, data)))
    assert answer.status_code == 200, answer.text
    await work.imports()
    return (await asker.get(filesystem["href"])).json()


async def want(asker: Asker, filesystem: dict[str, Any], source: object, **fields: object) -> httpx.Response:
    """Ask for a new version in place of the one the filesystem had."""
    body = {"source": source, "parent_version_id": filesystem["current_version_id"], **fields}
    return await asker.ask("POST", f"{filesystem['href']}/versions", body)


async def events(admin: Asker, filesystem: dict[str, Any]) -> list[str]:
    """The actions of a filesystem's events, oldest first."""
    found = (await admin.get(f"/resource_events?resource_id={filesystem['id']}")).json()["items"]
    return [event["action"] for event in reversed(found)]
