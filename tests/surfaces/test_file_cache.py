"""Versions as directories on this machine: extracted once, verified, held, evicted, adopted."""

import asyncio
import os
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from archives import make
from archives.trees import nest, read
from mooring.app import App
from mooring.base.errors import Unavailable
from mooring.files import filesystems
from mooring.files.cache import Cache, open_cache
from mooring.files.entities import FilesystemVersion
from mooring.files.errors import Damaged
from surfaces.files import Work, made, pushed
from surfaces.people import Asker

pytestmark = pytest.mark.slow

SMALL = make.gz(
    make.tar(make.file("a", b"A" * 5000), make.file("bin/run", b"#!/bin/sh\n", mode=0o755), make.symlink("l", "a"))
)
OTHER = make.gz(make.tar(make.file("other", b"O" * 5000)))


@pytest.fixture
def work(app: App) -> Work:
    return Work(app=app)


async def version(app: App, named: str | None) -> FilesystemVersion:
    assert named is not None
    async with app.database.reading() as tx:
        return await filesystems.version_by_id(tx, named)


async def one(admin: Asker, work: Work, data: bytes = SMALL, name: str = "files") -> FilesystemVersion:
    return await version(work.app, (await made(admin, work, data, name=name))["current_version_id"])


def again(app: App, *, most: int = 1 << 30) -> Cache:
    """The cache as the next process opens it."""
    return open_cache(app.cache.root, most, app.database, app.blobs, app.cache.workshop)


def whole(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if "tree" not in path.parts)


async def events(admin: Asker, found: FilesystemVersion) -> list[str]:
    items = (await admin.get(f"/resource_events?resource_id={found.id}")).json()["items"]
    return [event["action"] for event in items]


async def test_a_version_is_extracted_once_and_is_the_run_users(admin: Asker, work: Work, app: App) -> None:
    found = await one(admin, work)
    tree = await app.cache.hold(found, "run-1")
    assert {path: leaf.executable if leaf else None for path, leaf in read(tree).items()} == {
        "a": False, "bin": None, "bin/run": True, "l": False,
    }  # fmt: skip
    user = app.cache.workshop.user
    assert {path.lstat().st_uid for path in (tree, *tree.rglob("*"))} == {user.uid}
    before = (tree / "a").stat().st_ino
    assert await app.cache.hold(found, "run-2") == tree
    assert (tree / "a").stat().st_ino == before
    assert app.cache.holders() == ["run-1", "run-2"]


async def test_many_who_want_it_at_once_get_one_extraction(admin: Asker, work: Work, app: App) -> None:
    found = await one(admin, work)
    trees = await asyncio.gather(*(app.cache.hold(found, f"run-{at}") for at in range(8)))
    assert len(set(trees)) == 1
    assert whole(app.cache.root / "fresh") == []


async def test_two_filesystems_with_the_same_content_share_it(admin: Asker, work: Work, app: App) -> None:
    first, second = await one(admin, work, name="first"), await one(admin, work, name="second")
    assert await app.cache.hold(first, "a") == await app.cache.hold(second, "b")


async def test_what_was_wanted_longest_ago_goes_first_and_what_is_held_stays(
    admin: Asker, work: Work, app: App
) -> None:
    cache = again(app, most=20_000)
    old, held, new = [
        await one(admin, work, make.tar(make.file(name, name.encode() * 8000)), name) for name in ("o", "h", "n")
    ]
    await cache.hold(held, "run-1")
    old_tree = await cache.hold(old, "run-2")
    await cache.release("run-2")
    os.utime(old_tree.parent / "about.json", (1, 1))
    new_tree = await cache.hold(new, "run-3")
    await cache.release("run-3")
    assert not old_tree.exists()
    assert new_tree.exists()
    await cache.shrink(room=20_000)
    assert not new_tree.exists()
    assert (await cache.hold(held, "run-1")).exists()
    await cache.release("run-1")
    await cache.shrink(room=20_000)
    assert list((cache.root / "sha256").iterdir()) == []


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[random.Random(len(data)).randrange(len(data))] ^= 1  # noqa: S311 - chooses a place
    path.write_bytes(data)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "content": lambda tree: flip(tree / "a"),
    "mode": lambda tree: (tree / "bin/run").chmod(0o644),
    "missing": lambda tree: (tree / "a").unlink(),
    "more": lambda tree: (tree / "new").write_bytes(b""),
    "more below": lambda tree: (tree / "bin/new").write_bytes(b""),
    "a nest": lambda tree: nest(tree, 700),
    "link": lambda tree: ((tree / "l").unlink(), (tree / "l").symlink_to("bin")),
    "manifest": lambda tree: flip(tree.parent / "manifest"),
    "about": lambda tree: (tree.parent / "about.json").write_bytes(b"{"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
async def test_damage_is_found_at_adoption_refused_and_told(
    admin: Asker, work: Work, app: App, damage: Callable[[Path], object]
) -> None:
    found, other = await one(admin, work), await one(admin, work, OTHER, "other")
    tree, kept = await app.cache.hold(found, "run-1"), await app.cache.hold(other, "run-2")
    await app.cache.release("run-1")
    damage(tree)
    cache = again(app)
    with pytest.raises(Damaged, match="extracted anew"):
        await cache.hold(found, "run-3")
    assert "filesystem_version.damaged" in await events(admin, found)
    assert cache.holders() == ["run-2"]
    assert await cache.hold(other, "run-4") == kept
    healed = await cache.hold(found, "run-5")
    assert (healed / "a").read_bytes() == b"A" * 5000
    assert whole(cache.root / "gone") == []


async def test_damage_is_found_by_the_scrub_and_other_versions_are_unaffected(
    admin: Asker, work: Work, app: App
) -> None:
    found, other = await one(admin, work), await one(admin, work, OTHER, "other")
    tree, kept = await app.cache.hold(found, "run-1"), await app.cache.hold(other, "run-2")
    await app.cache.scrub()
    flip(tree / "a")
    await app.cache.scrub()
    assert not tree.exists(), "nobody new gets it"
    assert kept.exists()
    assert "filesystem_version.damaged" in await events(admin, found)
    assert "filesystem_version.damaged" not in await events(admin, other)
    # A run has it: its files stay until the next start.
    [gone] = (app.cache.root / "gone").iterdir()
    assert (gone / "tree" / "bin" / "run").exists()
    await again(app).tidy()
    assert not gone.exists()


async def test_what_cannot_be_compared_keeps_the_scrub_from_nothing_else(admin: Asker, work: Work, app: App) -> None:
    for data, name in ((SMALL, "files"), (OTHER, "other")):
        flip(next((await app.cache.hold(await one(admin, work, data, name), name)).glob("[ao]*")))
    hasty = replace(app.cache, workshop=replace(app.cache.workshop, seconds=0.0))
    with pytest.raises(Unavailable, match="of 2 archives could not be compared"):
        await hasty.scrub()
    await app.cache.scrub()
    assert len([*(app.cache.root / "gone").iterdir()]) == 2


async def test_what_a_killed_process_left_is_removed(app: App) -> None:
    (app.cache.root / "fresh" / "half" / "tree").mkdir(parents=True)
    (app.cache.root / "fresh" / "half" / "tree" / "a").write_bytes(b"half")
    await again(app).tidy()
    assert whole(app.cache.root / "fresh") == []


async def test_stored_damage_is_refused_and_leaves_nothing(admin: Asker, work: Work, app: App) -> None:
    found = await one(admin, work)
    for key in (found.s3_archive_key, found.manifest_key):
        path = app.settings.data / "blobs" / key
        data = path.read_bytes()
        flip(path)
        with pytest.raises(Damaged, match="not what was stored"):
            await app.cache.hold(found, "run-1")
        assert (whole(app.cache.root / "fresh"), app.cache.holders()) == ([], [])
        path.write_bytes(data)
    assert (await events(admin, found)).count("filesystem_version.damaged") == 2
    assert (await app.cache.hold(found, "run-1")).exists()


async def test_stored_bytes_that_are_gone_are_named(admin: Asker, work: Work, app: App) -> None:
    found = await one(admin, work)
    await app.blobs.delete(found.s3_archive_key)
    with pytest.raises(Damaged, match=found.s3_archive_key):
        await app.cache.hold(found, "run-1")
    told = (await admin.get("/resource_events?action=filesystem_version.damaged")).json()["items"]
    assert [event["resource_id"] for event in told] == [found.id]


async def test_a_full_disk_is_named_and_leaves_nothing(admin: Asker, work: Work, app: App, tmp_path: Path) -> None:
    found = await one(admin, work, make.tar(make.file("large", os.urandom(3 << 20))))
    root = tmp_path / "small"
    root.mkdir()
    mount = await asyncio.create_subprocess_exec("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", root)
    if await mount.wait():
        pytest.skip("only root can make a small disk")
    try:
        cache = open_cache(root, 1 << 30, app.database, app.blobs, app.cache.workshop)
        with pytest.raises(Unavailable, match="disk is full"):
            await cache.hold(found, "run-1")
        assert (whole(root / "fresh"), whole(root / "sha256"), cache.holders()) == ([], [], [])
    finally:
        await (await asyncio.create_subprocess_exec("umount", root)).wait()


async def test_a_new_version_is_another_directory(admin: Asker, work: Work, app: App) -> None:
    filesystem = await made(admin, work, SMALL)
    first = await app.cache.hold(await version(app, filesystem["current_version_id"]), "run-1")
    after = await pushed(admin, work, filesystem, OTHER)
    second = await app.cache.hold(await version(app, after["current_version_id"]), "run-2")
    assert (sorted(read(first)), sorted(read(second))) == (["a", "bin", "bin/run", "l"], ["other"])
