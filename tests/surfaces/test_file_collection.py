"""Bytes are removed while others store the very same: whatever a living version names stays, the rest goes."""

import asyncio
import random
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import pytest

from archives import make
from mooring.access.actor import SYSTEM
from mooring.app import App
from mooring.base.db import Database, Tx
from mooring.base.errors import Unavailable
from mooring.files import filesystems
from mooring.settings import Settings
from surfaces.files import Work, checksum, imported, importing, made, upload, uploaded
from surfaces.people import Asker

pytestmark = pytest.mark.slow

CONTENTS = [make.gz(make.tar(make.file("name", b"%d" % number * 100))) for number in range(2)]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a process that keeps nothing for later."""
    return Settings(data=tmp_path / "data", blob_grace=0.0)


async def ready(app: App, asker: Asker, name: str, data: bytes) -> str:
    """A new filesystem of these bytes, sent as often as they are removed before they are asked for. Its path."""
    while True:
        sent = await asker.send("PUT", f"/uploads/{checksum(data)}", data, "application/octet-stream")
        assert sent.status_code in (201, 503), sent.text
        answer = await asker.ask("POST", "/filesystems", {"name": name, "source": uploaded(checksum(data))})
        if answer.status_code == 201:
            break
        assert answer.status_code == 422, answer.text
        assert "PUT it to /uploads" in answer.json()["reason"]
    href = str(answer.json()["href"])
    async with asyncio.timeout(60):
        with app.database.hints.waiting("filesystems") as hint:
            while (found := (await asker.get(href)).json())["phase"] != "ready":
                assert found["reason"] is None or "being removed" in found["reason"], found["reason"]
                await hint.wait()
                hint.clear()
    return href


async def comes_and_goes(app: App, asker: Asker, number: int, times: int, kept: dict[str, bytes]) -> None:
    """Somebody who makes filesystems and deletes most of them at once."""
    chance = random.Random(number)  # noqa: S311 - what is deleted
    for time in range(times):
        data = chance.choice(CONTENTS)
        href = await ready(app, asker, f"{number}-{time}", data)
        assert (await asker.get(f"{href}/content?path=name")).status_code == 200
        if chance.random() < 0.8:
            assert (await asker.ask("DELETE", href)).status_code == 204
        else:
            kept[href] = b"%d" % CONTENTS.index(data) * 100


async def swept(work: Work, over: asyncio.Event) -> None:
    while not over.is_set():
        await work.sweep()


async def delete(tx: Tx, filesystem: Mapping[str, Any]) -> None:
    before = await filesystems.FILESYSTEMS.read(tx, SYSTEM, filesystem["id"], lock=True)
    await filesystems.delete(tx, SYSTEM, before, grace=0.0)


async def someone_waits(database: Database) -> bool:
    """Whether a transaction waits for another."""
    async with database.reading() as tx:
        return bool(await tx.value(int, "SELECT count(*) FROM pg_locks WHERE NOT granted"))


async def test_the_same_bytes_that_two_let_go_at_once_are_removed(app: App, admin: Asker) -> None:
    work = Work(app=app)
    one, other = [await made(admin, work, CONTENTS[0], name) for name in ("one", "other")]

    async def delete_other() -> None:
        async with app.database.transaction() as tx:
            await delete(tx, other)

    async with asyncio.TaskGroup() as tasks, app.database.transaction() as tx:
        await delete(tx, one)
        second = tasks.create_task(delete_other())
        while not second.done() and not await someone_waits(app.database):
            continue
    while await work.sweep():
        continue
    assert [blob.key async for blob in app.blobs.list("")] == []


async def test_an_upload_whose_bytes_were_removed_while_it_came_is_to_be_sent_again(app: App, admin: Asker) -> None:
    # It found the bytes of an older upload in their place; the version that was made of that one then let them go.
    filesystem = await made(admin, Work(app=app), CONTENTS[0])
    key = filesystems.upload_key(filesystem["created_by_user_id"], checksum(CONTENTS[0]))
    assert await Work(app=app).sweep() == 1
    async with app.database.transaction() as tx:
        with pytest.raises(Unavailable, match="send it again"):
            await filesystems.uploaded(tx, key, len(CONTENTS[0]))
    assert (await admin.get(f"/uploads/{checksum(CONTENTS[0])}")).status_code == 404


async def test_bytes_that_came_too_late_do_not_stay_for_ever(app: App, admin: Asker) -> None:
    data, work = CONTENTS[0], Work(app=app)
    key: list[str] = []

    async def slowly() -> AsyncGenerator[bytes]:
        yield data[:10]
        # Somebody sends the same faster, and what is made of it lets its upload go.
        filesystem = await made(admin, work, data)
        key.append(filesystems.upload_key(filesystem["created_by_user_id"], checksum(data)))
        assert await work.sweep() == 1
        yield data[10:]

    with pytest.raises(Unavailable, match="send it again"):
        await app.depot.receive(filesystems.upload_key(admin.id, checksum(data)), checksum(data), slowly())
    assert key == [filesystems.upload_key(admin.id, checksum(data))]
    assert [blob.key async for blob in app.blobs.list("uploads")] == key
    assert await work.sweep() == 1
    assert [blob.key async for blob in app.blobs.list("uploads")] == []


async def test_an_upload_that_is_let_go_while_a_removal_looks_at_it_is_removed_at_once(app: App, admin: Asker) -> None:
    work = Work(app=app)
    await admin.made("/filesystems", {"name": "files", "source": uploaded(await upload(admin, CONTENTS[0]))})
    key = filesystems.upload_key(admin.id, checksum(CONTENTS[0]))
    async with app.database.transaction() as tx:
        await tx.run("UPDATE filesystem_blobs SET due = now() WHERE key = $1", key)
    looked = await work.loops.sweep(key)
    await work.imports()
    assert looked.write is not None
    async with app.database.transaction() as tx:
        await looked.write(tx)
    assert [blob.key async for blob in app.blobs.list("uploads")] == [key]
    assert await work.sweep() == 1
    assert [blob.key async for blob in app.blobs.list("uploads")] == []


async def test_a_removal_that_looks_too_late_does_not_shorten_the_life_of_an_upload(app: App, admin: Asker) -> None:
    await upload(admin, CONTENTS[0])
    key = filesystems.upload_key(admin.id, checksum(CONTENTS[0]))
    due = "SELECT extract(epoch FROM due)::float8 FROM filesystem_blobs WHERE key = $1"
    async with app.database.reading() as tx:
        before = await tx.value(float, due, key)
    looked = await Work(app=app).loops.sweep(key)
    assert looked.write is not None
    async with app.database.transaction() as tx:
        await looked.write(tx)
    async with app.database.reading() as tx:
        assert await tx.value(float, due, key) == before


@pytest.mark.parametrize("times", [5, pytest.param(60, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
async def test_what_is_stored_while_the_same_is_removed_is_there(app: App, admin: Asker, times: int) -> None:
    work, over = Work(app=app), asyncio.Event()
    kept: dict[str, bytes] = {}
    async with importing(app), asyncio.TaskGroup() as sweepers:
        sweepers.create_task(swept(work, over))
        async with asyncio.TaskGroup() as people:
            for number in range(3):
                people.create_task(comes_and_goes(app, admin, number, times, kept))
        await imported(app)
        over.set()
    assert kept
    for href, content in kept.items():
        assert (await admin.get(f"{href}/content?path=name")).content == content
        assert (await admin.ask("DELETE", href)).status_code == 204
    while await work.sweep():
        continue
    assert [blob.key async for blob in app.blobs.list("")] == []
