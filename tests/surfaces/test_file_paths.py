"""Paths of a version: searched by an index that misses none, and as long as they may be."""

import random
import string
from urllib.parse import quote

import pytest

from archives import make
from mooring.app import App
from mooring.base.migrate import shipped
from mooring.files.paths import LINES
from mooring.files.store import paths as stored_paths
from surfaces.files import Work, made, pushed
from surfaces.people import Asker
from surfaces.test_files_by_rest import TREE, listed


@pytest.fixture
def work(app: App) -> Work:
    return Work(app=app)


@pytest.mark.slow
@pytest.mark.parametrize("most", [8 << 20, 1], ids=["pages at once", "page by page"])
async def test_a_search_finds_what_a_look_at_every_path_finds(
    admin: Asker, work: Work, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr("mooring.files.browse._MOST_BYTES", most)
    kinds = ("Ding", "\u00c4pfel")
    names = [f"D{at // 700}/{kinds[at % 2]} {at}.txt" for at in range(2500)]
    filesystem = await made(admin, work, make.gz(make.tar(*(make.file(name) for name in names))))
    paths = sorted({*names, "D0", "D1", "D2", "D3"})
    for text in ("\u00e4PFEL 1", "g 77", "d1/d", "/", "1", "0.", "nothing", "d", "DING 1999.TXT", "d2/\u00e4pfel 1998"):
        for top in ("", "D1"):
            held = [path for path in paths if text.casefold() in path.casefold()]
            wanted = [path for path in held if path.startswith(f"{top}/" if top else "")]
            found, after = list[str](), ""
            while after is not None:
                query = f"search={quote(text)}&path={top}&size=300{after}"
                page = (await admin.get(f"{filesystem['href']}/entries?{query}")).json()
                found += [entry["path"] for entry in page["items"]]
                after = None if page["next"] is None else f"&after={page['next']}"
            assert (text, top, found) == (text, top, wanted)


@pytest.mark.slow
async def test_pages_are_loaded_by_what_they_take(admin: Asker, work: Work, app: App) -> None:
    names = [f"{at:04}" for at in range(3 * LINES)]
    version = (await made(admin, work, make.gz(make.tar(*map(make.file, names)))))["current_version_id"]
    page = 5 * LINES - 1
    async with app.database.reading() as tx:
        for most, count in ((1, 1), (page, 1), (page + 1, 2), (2 * page + 1, 3), (1 << 30, 3)):
            found = await stored_paths.lines(tx, version, [0, 1, 2], most=most)
            assert "\n".join(found).split("\n") == names[: count * LINES]
        assert len(await stored_paths.lines(tx, version, [1, 2], most=1)) == 1


@pytest.mark.slow
async def test_versions_from_before_there_were_pages_are_searched_too(admin: Asker, work: Work, app: App) -> None:
    filesystem = await made(admin, work, TREE)
    filled = next(one.sql for one in shipped() if one.name.endswith("filesystem_paths"))
    async with app.database.transaction() as tx:
        before = await tx.values(str, "SELECT lines FROM filesystem_paths")
        await tx.script("DELETE FROM filesystem_paths; DELETE FROM filesystem_grams")
        await tx.script(filled[filled.index("INSERT") :])
        assert await tx.values(str, "SELECT lines FROM filesystem_paths") == before
    assert await listed(admin, filesystem, "search=MAIN.py") == ["src/main.py"]
    assert await listed(admin, filesystem, "search=c/d") == ["src/deep", "src/deep/er", "src/deep/er/data.bin"]


@pytest.mark.slow
async def test_a_path_may_be_as_long_as_the_limit(admin: Asker, work: Work) -> None:
    chance = random.Random(4)  # noqa: S311 - makes names that do not shrink
    parts = ["".join(chance.choices(string.ascii_letters + string.digits, k=250)) for _ in range(16)]
    long = "/".join(parts)
    entry = make.pax(make.record("path", long)) + make.file("x", b"deep")
    filesystem = await made(admin, work, make.gz(make.tar(entry, make.file("a"))))
    assert (filesystem["phase"], filesystem["reason"], filesystem["entry_count"]) == ("ready", None, 17)
    middle = "/".join(parts[:12])
    assert await listed(admin, filesystem, f"path={middle}") == [f"{middle}/{parts[12]}"]
    below = ["/".join(parts[:count]) for count in (13, 14, 15, 16)]
    assert sorted(await listed(admin, filesystem, f"path={middle}&recursive=true")) == below
    assert await listed(admin, filesystem, f"search={parts[15][40:90]}") == [long]
    paged, after = list[str](), ""
    while after is not None:
        page = (await admin.get(f"{filesystem['href']}/entries?recursive=true&size=5{after}")).json()
        paged += [entry["path"] for entry in page["items"]]
        after = None if page["next"] is None else f"&after={page['next']}"
    assert sorted(paged) == sorted(["a", *("/".join(parts[: count + 1]) for count in range(16))])
    assert (await admin.get(f"{filesystem['href']}/content?path={long}")).content == b"deep"
    await pushed(admin, work, filesystem, make.gz(make.tar(make.file("a"))))
    diff = (await admin.get(f"{filesystem['href']}/diff?from=1&to=2&size=1000")).json()["items"]
    assert ([one["path"] for one in diff if one["path"] == long], len(diff)) == ([long], 16)
