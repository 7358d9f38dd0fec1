"""Bytes in the store that are not what was stored: never given out, told once, and nothing else is hurt."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archives import make
from mooring.app import App
from surfaces.files import Work, made, pushed, upload, uploaded
from surfaces.people import Asker

BIG = os.urandom(700_000)
TREE = make.gz(
    make.tar(make.file("README", b"read me\n"), make.file("src/deep/er/data.bin", BIG), make.file("z", b"z"))
)


@pytest.fixture
def work(app: App) -> Work:
    return Work(app=app)


async def events(admin: Asker, filesystem: dict[str, Any]) -> list[str]:
    found = (await admin.get(f"/resource_events?resource_id={filesystem['id']}")).json()["items"]
    return [event["action"] for event in reversed(found)]


ROTTEN: dict[str, Callable[[Path], object]] = {
    "a byte": lambda path: path.write_bytes(path.read_bytes()[:-1] + b"?"),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:1000]),
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


@pytest.mark.slow
@pytest.mark.parametrize("part", ["archive", "blocks", "manifest"])
async def test_a_flipped_byte_is_never_given_out_and_other_versions_are_unaffected(
    admin: Asker, work: Work, app: App, part: str
) -> None:
    first = await made(admin, work, TREE)
    second = await pushed(admin, work, first, make.gz(make.tar(make.file("README", b"second"))))
    key = {"archive": ".tar.gz", "blocks": ".blocks", "manifest": ".manifest"}[part]
    async with app.database.reading() as tx:
        names = await tx.values(
            str,
            "SELECT unnest(ARRAY[s3_archive_key, blocks_key, manifest_key]) FROM filesystem_versions WHERE number = 1",
        )
    path = app.settings.data / "blobs" / next(name for name in names if name.endswith(key))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)
    asked = {
        "archive": ["archive?version=1", "content?path=src/deep/er/data.bin&version=1"],
        "blocks": ["content?path=README&version=1"],
        "manifest": ["manifest?version=1"],
    }[part]
    for one in asked:
        answer = await admin.get(f"{second['href']}/{one}")
        assert (answer.status_code, "not what was stored" in answer.json()["reason"]) == (503, True)
    assert (await admin.get(f"{second['href']}/content?path=README")).content == b"second"
    told = (await admin.get("/resource_events?action=filesystem_version.damaged")).json()["items"]
    [damaged] = [one for one in (await admin.get(f"{second['href']}/versions")).json()["items"] if one["number"] == 1]
    assert [event["resource_id"] for event in told] == [damaged["id"]], "once, however often it is asked for"
