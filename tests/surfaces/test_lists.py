"""Lists: pages by number, pages after a cursor, orders."""

import base64

import pytest

from surfaces.people import Asker, join


async def skills(admin: Asker, names: str) -> None:
    for name in names:
        await admin.made("/skills", {"name": name, "prompt": name if name in "ace" else None})


async def test_pages_by_number_count_and_cut(admin: Asker) -> None:
    await skills(admin, "abcde")
    page = (await admin.get("/skills?page=2&size=2&orderBy=name asc")).json()
    assert [item["name"] for item in page["items"]] == ["c", "d"]
    assert (page["page"], page["size"], page["total"]) == (2, 2, 5)
    assert (await admin.get("/skills?size=0")).json().items() >= {"size": 0, "total": 5, "items": []}.items()
    assert (await admin.get("/skills?size=100000")).json()["size"] == 5
    assert (await admin.get("/skills?page=9&size=2")).json().items() >= {"size": 0, "total": 5}.items()
    newest = (await admin.get("/skills")).json()["items"]
    assert [item["name"] for item in newest] == list("edcba")


@pytest.mark.parametrize(
    "order",
    ["", "name asc", "name desc", "prompt asc", "prompt desc", "prompt desc, name asc", "version asc,created_at desc"],
)
async def test_a_walk_by_cursor_meets_every_row_once_in_the_order_asked_for(admin: Asker, order: str) -> None:
    await skills(admin, "abcdefg")
    whole = [item["id"] for item in (await admin.get(f"/skills?orderBy={order}")).json()["items"]]
    walked: list[str] = []
    after = ""
    while after is not None:
        page = (await admin.get(f"/skills?size=2&orderBy={order}&after={after}")).json()
        assert page["total"] is None
        walked += [item["id"] for item in page["items"]]
        after = page["next"]
    assert walked == whole
    assert len(set(walked)) == 7


async def test_rows_made_during_a_walk_disturb_nothing(admin: Asker) -> None:
    await skills(admin, "abcd")
    first = (await admin.get("/skills?size=2")).json()
    await skills(admin, "xyz")
    second = (await admin.get(f"/skills?size=2&after={first['next']}")).json()
    assert [item["name"] for item in first["items"] + second["items"]] == list("dcba")


async def test_a_forged_cursor_is_400_and_never_reaches_the_database(admin: Asker) -> None:
    await skills(admin, "abc")
    good = (await admin.get("/skills?size=1")).json()["next"]
    other = (await admin.get("/skills?size=1&orderBy=name asc")).json()["next"]
    for name in "ab":
        await admin.made("/agents", {"name": name})
    of_agents = (await admin.get("/agents?size=1")).json()["next"]
    assert (await admin.get(f"/agents?size=1&after={of_agents}")).status_code == 200
    raw = base64.urlsafe_b64decode(good + "=" * (-len(good) % 4))
    altered = base64.urlsafe_b64encode(raw[:-3] + b'1"]').decode().rstrip("=")
    padded = good + "=" * (-len(good) % 4)
    whole = padded if padded != good else good + "===="
    for forged in (altered, other, of_agents, good[:-1], good + "A", whole, "x", "'--", "é"):
        answer = await admin.get(f"/skills?size=1&after={forged}")
        assert (answer.status_code, answer.json()["code"]) == (400, "mooring-21"), forged


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("page=0", "page"),
        ("page=x", "page"),
        ("size=-1", "size"),
        ("size=1.5", "size"),
        ("size=1.0", "size"),
        ("page=1e2", "page"),
        ("page=999999&size=1000", "page"),
        ("orderBy=colour", "orderBy"),
        ("orderBy=name;drop table skills", "orderBy"),
        ("orderBy=name sideways", "orderBy"),
        ("orderBy=name,name", "orderBy"),
        ("orderBy=deleted_at", "orderBy"),
        ("page=2&after=", "after"),
        ("pages=1", "pages"),
        ("page=1&page=2", "page"),
    ],
)
async def test_a_bad_parameter_is_400_naming_it(admin: Asker, query: str, named: str) -> None:
    answer = await admin.get(f"/skills?{query}")
    assert (answer.status_code, named in answer.json()["reason"]) == (400, True), answer.text


async def test_totals_count_what_the_asker_sees(admin: Asker) -> None:
    for name in "abc":
        await admin.made("/groups", {"name": name})
    author = await join(admin, "author")
    mine = await author.made("/groups", {"name": "mine"})
    listed = (await author.get("/groups")).json()
    assert ([item["id"] for item in listed["items"]], listed["total"]) == ([mine["id"]], 1)


@pytest.mark.parametrize("number", ["9" * 5_000, "0" * 5_000 + "1", "9223372036854775808", "x", "-1", "²"])
async def test_a_number_no_stream_gave_out_is_400_naming_the_header(admin: Asker, number: str) -> None:
    answer = await admin.get("/resource_events", Last_Event_ID=number)
    assert (answer.status_code, answer.json()["details"]) == (400, {"header": "Last-Event-ID"})
