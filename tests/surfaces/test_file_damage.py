"""Bytes in the store that are not what was stored: never given out, told once, and nothing else is hurt."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archives import make
from mooring.app import App
from mooring.files.blobs import objects
from surfaces.files import Work, events, made, pushed, upload, uploaded
from surfaces.people import Asker

DEEP = "src/deep/er/data.bin"
BIG = os.urandom(700_000)
TREE = make.gz(make.tar(make.file("README", b"read me\n"), make.file(DEEP, BIG), make.file("z", b"z")))


@pytest.fixture
def work(app: App) -> Work:
    return Work(app=app)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)


ROTTEN: dict[str, Callable[[Path], object]] = {
    "a byte": flip,
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "empty": lambda path: path.write_bytes(b""),
    "gone": Path.unlink,
}


@pytest.mark.slow
@pytest.mark.parametrize("rot", ROTTEN.values(), ids=ROTTEN.keys())
async def test_an_upload_that_rotted_fails_the_import_and_is_taken_again(
    admin: Asker, work: Work, app: App, rot: Callable[[Path], object]
) -> None:
    named = await upload(admin, TREE)
    [path] = (path for path in (app.settings.data / "blobs" / "uploads").rglob("*") if path.is_file())
    rot(path)
    failed = await admin.made("/filesystems", {"name": "f", "source": uploaded(named)})
    await work.imports()
    failed = (await admin.get(failed["href"])).json()
    assert (failed["phase"], failed["source"], "send it again" in failed["reason"]) == ("failed", None, True)
    assert (await events(admin, failed))[2:] == ["filesystem.fail"]
    assert (await admin.get(f"/uploads/{named}")).status_code == 404
    assert (await pushed(admin, work, failed, TREE))["phase"] == "ready"


async def place_of(app: App, part: str) -> Path:
    """Where a part of the first version lies."""
    async with app.database.reading() as tx:
        [key] = await tx.values(str, f"SELECT {part} FROM filesystem_versions WHERE number = 1")  # type: ignore[arg-type]
    return app.settings.data / "blobs" / key


async def told_once(admin: Asker, filesystem: dict[str, Any]) -> None:
    """The first version is said to be damaged, once."""
    told = (await admin.get("/resource_events?action=filesystem_version.damaged")).json()["items"]
    versions = (await admin.get(f"{filesystem['href']}/versions")).json()["items"]
    assert [event["resource_id"] for event in told] == [versions[-1]["id"]]


ASKED = {
    "s3_archive_key": ["archive?version=1", "archive?version=1&format=zip", f"content?path={DEEP}&version=1"],
    "blocks_key": ["content?path=README&version=1", "archive?version=1&format=zip"],
    "manifest_key": ["manifest?version=1", "archive?version=1&format=zip"],
}


@pytest.mark.slow
@pytest.mark.parametrize("rot", ROTTEN.values(), ids=ROTTEN.keys())
@pytest.mark.parametrize("part", ASKED)
async def test_what_rotted_is_never_given_out_and_other_versions_are_unaffected(
    admin: Asker, work: Work, app: App, part: str, rot: Callable[[Path], object]
) -> None:
    first = await made(admin, work, TREE)
    second = await pushed(admin, work, first, make.gz(make.tar(make.file("README", b"second"))))
    rot(await place_of(app, part))
    for asked in ASKED[part]:
        answer = await admin.get(f"{second['href']}/{asked}")
        assert (answer.status_code, "not what was stored" in answer.json()["reason"]) == (503, True)
    assert (await admin.get(f"{second['href']}/content?path=README")).content == b"second"
    # Its entries are in the database.
    assert (await admin.get(f"{second['href']}/entries?version=1")).status_code == 200
    await told_once(admin, second)


@pytest.mark.slow
async def test_a_long_manifest_that_rotted_is_told_while_it_is_unpacked(
    admin: Asker, work: Work, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one in several pieces, what comes first is sent before the whole is known to be wrong."""
    monkeypatch.setattr(objects, "CHUNK", 1 << 12)
    files = [make.file(f"{number}", b"%d" % number) for number in range(4000)]
    filesystem = await made(admin, work, make.gz(make.tar(*files)))
    path = await place_of(app, "manifest_key")
    assert path.stat().st_size > 100_000
    with path.open("r+b") as file:
        file.write(b"\x1f\x8b\x08\x00" + bytes(6) + b"\xff" * 100)
    answer = await admin.get(f"{filesystem['href']}/manifest", **{"Accept-Encoding": "identity"})
    assert (answer.status_code, "not what was stored" in answer.json()["reason"]) == (503, True)
    await told_once(admin, filesystem)


@pytest.mark.slow
@pytest.mark.parametrize("rot", ROTTEN.values(), ids=ROTTEN.keys())
@pytest.mark.parametrize("part", ASKED)
async def test_the_same_content_again_puts_right_what_rotted(
    admin: Asker, work: Work, app: App, part: str, rot: Callable[[Path], object]
) -> None:
    first = await made(admin, work, TREE)
    rot(await place_of(app, part))
    again = await made(admin, work, TREE, name="again")
    for filesystem in (first, again):
        assert (await admin.get(f"{filesystem['href']}/archive?format=zip")).status_code == 200
        assert (await admin.get(f"{filesystem['href']}/content?path={DEEP}")).content == BIG
