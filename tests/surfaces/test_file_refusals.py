"""The whole list of hostile archives, sent by REST as anybody would, and imported by the loop."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from archives.hands import repacked
from archives.hostile import SENT, SMALL, Case
from archives.neutral import NEUTRALISED, UNPORTABLE
from mooring.app import App
from mooring.files.archive.limits import Limits
from mooring.files.errors import Refused
from surfaces.files import imported, importing, upload, uploaded, written
from surfaces.people import Asker

# Small enough for the list to reach; a limit that a case asks for counts for that case.
ALL_LIMITS = list(dict.fromkeys(case.limits for case in SENT.values()))


async def sent(admin: Asker, archives: Mapping[str, bytes], **fields: object) -> dict[str, str]:
    """A filesystem of each archive, on its way; where they are."""
    return {
        name: (
            await admin.made("/filesystems", {"name": name, "source": uploaded(await upload(admin, data)), **fields})
        )["href"]
        for name, data in archives.items()
    }


async def asked(admin: Asker, where: dict[str, str]) -> dict[str, dict[str, Any]]:
    return {name: (await admin.get(href)).json() for name, href in where.items()}


async def nothing_came(app: App, before: set[Path], root: Path) -> None:
    """Return when no version, no row, no blob and no file came of what was sent."""
    # The root of the process that looks at archives; it stays empty.
    assert written(root) - before <= {app.depot.workshop.directory / "empty"}
    assert [blob async for blob in app.blobs.list("filesystems")] == []
    async with app.database.reading() as tx:
        for table in ("filesystem_versions", "filesystem_entries", "filesystem_manifests", "filesystem_paths"):
            assert await tx.value(int, f"SELECT count(*) FROM {table}") == 0


def refusal(case: Case) -> Refused:
    """How the importer refuses it."""
    with pytest.raises(Refused) as refused:
        repacked(case.data, case.limits)
    return refused.value


@pytest.mark.slow
@pytest.mark.parametrize("limits", ALL_LIMITS, ids=range(len(ALL_LIMITS)))
async def test_every_hostile_archive_is_refused_by_name_and_leaves_nothing(
    admin: Asker, app: App, tmp_path: Path, limits: Limits
) -> None:
    cases = {name: case for name, case in SENT.items() if case.limits == limits}
    before = written(tmp_path)
    where = await sent(admin, {name: case.data for name, case in cases.items()})
    async with importing(app, limits):
        await imported(app)
    await nothing_came(app, before, tmp_path)
    for name, found in (await asked(admin, where)).items():
        case, expected = cases[name], refusal(cases[name])
        assert (name, found["phase"], found["reason"]) == (name, "failed", expected.reason)
        assert f"({case.rule.value})" in found["reason"], name
        assert (found["current_version_id"], found["source"]) == (None, None), name
        events = (await admin.get(f"/resource_events?resource_id={found['id']}")).json()["items"]
        assert [one["action"].partition(".")[2] for one in events] == ["refuse", "import", "create"], name
        assert {key: events[0]["details"][key] for key in ("rule", "entry")} == expected.facts, name


@pytest.mark.slow
async def test_what_is_taken_without_its_danger_shows_the_form_without_it(admin: Asker, app: App) -> None:
    where = await sent(admin, {name: case.data for name, case in NEUTRALISED.items()})
    async with importing(app, SMALL):
        await imported(app)
    for name, found in (await asked(admin, where)).items():
        assert (name, found["phase"], found["reason"]) == (name, "ready", None)
        lines = (await admin.get(f"{found['href']}/manifest")).content.splitlines()[1:]
        manifest = {entry["path"]: entry for entry in map(json.loads, lines)}
        assert (name, NEUTRALISED[name].differences(manifest)) == (name, [])


@pytest.mark.slow
async def test_names_other_systems_cannot_have_are_refused_where_that_is_asked(
    admin: Asker, app: App, tmp_path: Path
) -> None:
    before = written(tmp_path)
    where = await sent(admin, {name: case.data for name, case in UNPORTABLE.items()}, portable_names=True)
    async with importing(app):
        await imported(app)
    await nothing_came(app, before, tmp_path)
    for name, found in (await asked(admin, where)).items():
        assert (name, found["phase"], "(portable)" in found["reason"]) == (name, "failed", True)


@pytest.mark.slow
async def test_names_other_systems_cannot_have_are_told_by_the_event_of_the_version(admin: Asker, app: App) -> None:
    where = await sent(admin, {name: UNPORTABLE[name].data for name in ("CON", "readme beside README")})
    async with importing(app):
        await imported(app)
    for name, found in (await asked(admin, where)).items():
        [event] = (await admin.get(f"/resource_events?resource_id={found['current_version_id']}")).json()["items"]
        [warning] = event["details"]["warnings"]
        assert (event["details"]["warned"], warning.split(":")[0]) == (1, name.split(" beside ")[-1])
