"""Bytes of a filesystem under conditions: for who has them already, and parts of them."""

import pytest

from archives import make
from mooring.app import App
from surfaces.files import Work, made, pushed
from surfaces.people import Asker

TREE = make.gz(make.tar(make.file("a", b"0123456789"), make.directory("d")))


@pytest.fixture
def work(app: App) -> Work:
    return Work(app=app)


@pytest.mark.slow
@pytest.mark.parametrize("part", ["content?path=a", "manifest", "archive"])
async def test_who_has_it_already_is_told_so_until_it_is_another(admin: Asker, work: Work, part: str) -> None:
    filesystem = await made(admin, work, TREE)
    where = f"{filesystem['href']}/{part}"
    first = await admin.get(where)
    mark = first.headers["ETag"]
    for held in (mark, f"W/{mark}", f'"other", {mark}', "*"):
        told = await admin.get(where, If_None_Match=held)
        assert (told.status_code, told.content, told.headers["ETag"]) == (304, b"", mark)
        assert told.headers.get("Vary") == first.headers.get("Vary")
        assert (await admin.ask("HEAD", where, If_None_Match=held)).status_code == 304
    assert (await admin.get(where, If_None_Match='"other"')).content == first.content
    assert (await admin.get(where, If_None_Match="other")).status_code == 400
    await pushed(admin, work, filesystem, make.gz(make.tar(make.file("a", b"new"))))
    now = await admin.get(where, If_None_Match=mark)
    assert (now.status_code, now.headers["ETag"] != mark) == (200, True)
    assert (await admin.get(f"{where}{'&' if '?' in part else '?'}version=1", If_None_Match=mark)).status_code == 304


@pytest.mark.slow
async def test_who_has_all_of_it_is_sent_no_part_of_it(admin: Asker, work: Work) -> None:
    where = f"{(await made(admin, work, TREE))['href']}/content?path=a"
    mark = (await admin.get(where)).headers["ETag"]
    # RFC 9110, 13.2.2: what they have is asked for before the range is.
    for asked in ("bytes=2-4", "bytes=99-"):
        assert (await admin.get(where, Range=asked, If_None_Match=mark)).status_code == 304
    part = await admin.get(where, Range="bytes=2-4", If_None_Match='"other"')
    assert (part.status_code, part.content) == (206, b"234")


@pytest.mark.slow
async def test_what_has_no_bytes_of_its_own_nobody_has_already(admin: Asker, work: Work) -> None:
    filesystem = await made(admin, work, TREE)
    for held in ("*", '"None"'):
        assert (await admin.get(f"{filesystem['href']}/content?path=d", If_None_Match=held)).status_code == 422
        # A zip is made anew each time.
        assert (await admin.get(f"{filesystem['href']}/archive?format=zip", If_None_Match=held)).status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["bytes", "Bytes", "BYTES"])
async def test_the_unit_of_a_range_is_taken_in_any_case(admin: Asker, work: Work, unit: str) -> None:
    """RFC 9110, 14.1."""
    where = f"{(await made(admin, work, TREE))['href']}/content?path=a"
    part = await admin.get(where, Range=f"{unit}=0-4")
    assert (part.status_code, part.content) == (206, b"01234")
    assert part.headers["Content-Range"] == "bytes 0-4/10"
