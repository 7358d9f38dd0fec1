"""The archives that were found in the wild, sent by REST as anybody would."""

import pytest

from archives.hostile import REPORTED
from mooring.app import App
from surfaces.files import Work, made
from surfaces.people import Asker


@pytest.mark.slow
async def test_every_reported_archive_is_refused_and_leaves_nothing(admin: Asker, app: App) -> None:
    for number, (name, case) in enumerate(REPORTED.items()):
        filesystem = await made(admin, Work(app=app), case.data, name=f"reported {number}")
        assert (name, filesystem["phase"], filesystem["current_version_id"]) == (name, "failed", None)
        assert f"({case.rule.value})" in filesystem["reason"], name
        query = f"resource_id={filesystem['id']}&action=filesystem.refuse"
        [event] = (await admin.get(f"/resource_events?{query}")).json()["items"]
        assert event["details"]["rule"] == case.rule.value
    assert [blob async for blob in app.blobs.list("filesystems")] == []
    assert [path for path in app.depot.workshop.directory.iterdir() if path.name != "empty"] == []
