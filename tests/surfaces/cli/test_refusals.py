"""Hostile archives, pushed by a person at a terminal: one of every rule; the whole list in the long run."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from archives.hostile import OF_EVERY_RULE, SENT, SMALL, Case
from archives.neutral import LINKED, NEUTRALISED, RIGHTS, UNPORTABLE, Neutral
from mooring.app import App
from surfaces.cli.conftest import Moor
from surfaces.files import importing, written

pytestmark = pytest.mark.slow
LIST = [OF_EVERY_RULE, pytest.param(SENT, marks=pytest.mark.long)]
TAKEN = [LINKED | {"setuid": RIGHTS["setuid"]}, pytest.param(NEUTRALISED, marks=pytest.mark.long)]


@pytest.mark.parametrize("cases", LIST, ids=["of every rule", "all"])
async def test_a_hostile_archive_is_refused_by_name_and_leaves_nothing(
    moor: Moor, app: App, tmp_path: Path, cases: Mapping[str, Case]
) -> None:
    for limits in dict.fromkeys(case.limits for case in cases.values()):
        async with importing(app, limits):
            for name, case in cases.items():
                if case.limits == limits:
                    await _refused(moor, app, tmp_path, name, case)


async def _refused(moor: Moor, app: App, place: Path, name: str, case: Case) -> None:
    evil = place / "evil"
    evil.write_bytes(case.data)
    before = written(place)
    refused = await moor("fs", "push", str(evil), name)
    assert (name, refused.status, refused.out) == (name, 2, "")
    assert f"is refused ({case.rule.value}): " in refused.err, (name, refused.err)
    assert f"'{case.entry}'" in refused.err or case.entry is None, (name, refused.err)
    assert written(place) - before <= {app.depot.workshop.directory / "empty"}, name
    assert [blob async for blob in app.blobs.list("filesystems")] == [], name
    log = await moor("fs", "log", name)
    assert f"({case.rule.value})" in log.err, (name, log.err)
    assert log.out == "no version yet: failed\n", name


@pytest.mark.parametrize("cases", TAKEN, ids=["some", "all"])
async def test_what_is_taken_without_its_danger_is_listed_without_it(
    moor: Moor, app: App, tmp_path: Path, cases: Mapping[str, Neutral]
) -> None:
    async with importing(app, SMALL):
        for number, (name, case) in enumerate(cases.items()):
            (tmp_path / "odd").write_bytes(case.data)
            pushed = await moor("fs", "push", str(tmp_path / "odd"), f"f{number}")
            assert (name, pushed.status, pushed.err) == (name, 0, "")
            listed = await moor("fs", "ls", f"f{number}", "-R", "-o", "json")
            assert (name, listed.status, listed.err) == (name, 0, "")
            found = {entry["path"]: entry for entry in json.loads(listed.out)}
            assert (name, case.differences(found)) == (name, [])


async def test_names_other_systems_cannot_have_are_refused_where_that_is_asked(
    moor: Moor, app: App, tmp_path: Path
) -> None:
    [(name, case), *_] = UNPORTABLE.items()
    (tmp_path / "odd").write_bytes(case.data)
    async with importing(app):
        refused = await moor("fs", "push", str(tmp_path / "odd"), "f", "--portable-names")
    assert (refused.status, f"'{name}' is refused (portable): " in refused.err) == (2, True)


async def test_an_archive_of_nothing_is_refused(moor: Moor, app: App, tmp_path: Path) -> None:
    (tmp_path / "nothing").touch()
    refused = await moor("fs", "push", str(tmp_path / "nothing"), "f")
    assert (refused.status, "nothing was sent" in refused.err) == (2, True)
    assert [blob async for blob in app.blobs.list("")] == []
