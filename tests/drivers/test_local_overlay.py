"""A workspace laid over a filesystem that many runs share: each sees its own changes, the filesystem none."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mooring.base.errors import Missing, Unfit
from mooring.compute.drivers.base import State
from mooring.compute.drivers.local.driver import LocalDriver
from mooring.compute.drivers.local.launch import prepare
from mooring.compute.drivers.local.place import TAKEN_OVER, Place

pytestmark = pytest.mark.slow


@pytest.fixture
def lower(data: Path, run_user: Any, request: pytest.FixtureRequest) -> Path:
    """A small filesystem as the cache holds it: the run user's, not writable."""
    place = data / f"lower-{request.node.name}"
    (place / "directory").mkdir(parents=True)
    (place / "file").write_text("from below\n")
    (place / "directory" / "deep").write_text("deep\n")
    (place / "old").write_text("old\n")
    for path in (place, *place.rglob("*")):
        os.chown(path, run_user.uid, run_user.gid)
    return place


CHANGES = """
import json, shutil
os.chdir("/workspace")
seen = sorted(os.listdir("."))
open("file", "a").write("and above\\n")
os.remove("old")
open("new", "w").write("new\\n")
os.rename("new", "newer")
try:
    os.rename("directory", "renamed")
    renamed = "renamed"
except OSError as error:
    import errno
    renamed = errno.errorcode[error.errno]
shutil.move("directory", "moved")
print(json.dumps([seen, renamed, sorted(os.listdir(".")), open("file").read(), open("moved/deep").read()]))
"""


async def test_changes_go_to_the_runs_own_layer(desk: Any, lower: Path) -> None:
    driver, spec = desk.driver("/usr/bin/python3", "-I", "-c", f"import os\n{CHANGES}"), desk.spec(lower=lower)
    seen, renamed, after, file, deep = json.loads(await desk.said(driver, spec))
    assert seen == ["directory", "file", "old"]
    # A directory of the lower layer cannot be renamed at once (docs/engine-local.md); `mv` copies.
    assert renamed == "EXDEV"
    assert (after, file, deep) == (["file", "moved", "newer"], "from below\nand above\n", "deep\n")
    assert sorted(os.listdir(lower)) == ["directory", "file", "old"]  # noqa: PTH208 - a list, at once
    assert (lower / "file").read_text() == "from below\n"
    upper = driver.place(spec.run).workspace
    assert (upper / "file").read_text() == "from below\nand above\n"
    assert (upper / "old").is_char_device()


async def test_two_runs_on_one_filesystem_do_not_see_each_other(
    desk: Any, lower: Path, left: Callable[[Place], list[str]]
) -> None:
    driver = desk.python(
        "tell(sorted(os.listdir('/workspace')))\nopen('/workspace/mine', 'w').close()\ntime.sleep(600)"
    )
    specs = [desk.spec(lower=lower) for _ in range(2)]
    for spec in specs:
        await driver.ensure(spec)
        assert await desk.heard() == "['directory', 'file', 'old']"
    for spec in specs:
        await driver.stop(spec.run, timedelta(0))
        await driver.remove(spec.run)
        assert left(driver.place(spec.run)) == []
    assert not (lower / "mine").exists()


async def test_a_filesystem_that_is_not_there_says_so(desk: Any, data: Path) -> None:
    with pytest.raises(Exception, match="could not be set up"):
        await desk.shell("exit 0").ensure(desk.spec(lower=data / "nothing"))


async def test_where_no_overlay_can_be_laid_a_filesystem_is_refused_and_doctor_says_so(desk: Any, lower: Path) -> None:
    engine = replace(desk.engine, no_overlay="mount: overlay: not supported as upperdir")
    with pytest.raises(Unfit, match="data directory on ext4"):
        await LocalDriver(engine.settings, engine).ensure(desk.spec(lower=lower))
    assert any(line.startswith("filesystems: ") for line in engine.capabilities().missing)
    assert desk.engine.no_overlay == ""
    assert list(desk.engine.settings.root.glob(".overlay-*")) == []


DELETES = """
import shutil
os.chdir("/workspace")
os.remove("old")
shutil.rmtree("directory")
os.mkdir("directory")
open("directory/new", "w").close()
open("file", "a").write("and above\\n")
"""
LISTS = "os.chdir('/workspace'); print(sorted(os.listdir('.')), os.listdir('directory'), open('file').read())"


async def test_what_was_deleted_stays_deleted_in_the_run_that_goes_on(desk: Any, lower: Path) -> None:
    ended, spec, driver = desk.spec(lower=lower), desk.spec(lower=lower), desk.python(LISTS)
    await desk.over(desk.python(DELETES), ended)
    await driver.resume(spec, ended.run)
    await driver.ended(spec.run)
    said = driver.place(spec.run).log.read_text()
    assert said == "['directory', 'file'] ['new'] from below\nand above\n\n"


@pytest.mark.parametrize("moved", range(4))
async def test_a_maker_killed_while_it_moves_leaves_all_of_it_for_the_next(desk: Any, lower: Path, moved: int) -> None:
    ended, spec, driver = desk.spec(lower=lower), desk.spec(lower=lower), desk.python(LISTS)
    await desk.over(desk.python(DELETES), ended)
    theirs, ours = driver.place(ended.run), driver.place(spec.run)
    with pytest.raises(Missing):
        prepare(desk.engine, ours, spec, Place(path=theirs.path / "nowhere"))
    for name in TAKEN_OVER[:moved]:
        (theirs.path / name).rename(ours.path / name)
    assert (await desk.seen(driver, spec.run)).state is State.PENDING
    await driver.resume(spec, ended.run)
    await driver.ended(spec.run)
    assert driver.place(spec.run).log.read_text() == "['directory', 'file'] ['new'] from below\nand above\n\n"
