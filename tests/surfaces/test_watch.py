"""Watching: every change once, in order, for those who see it."""

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from datetime import timedelta

import httpx
import pytest

from mooring.access.actor import SYSTEM
from mooring.app import App
from mooring.audit import archiving, ledger, sequence
from mooring.audit.archiving import Archiver
from mooring.audit.feed import Feed
from mooring.audit.sealing import Sealer
from mooring.base.db import Tx
from mooring.base.ring import Ring
from mooring.catalog.catalog import SKILLS
from mooring.catalog.kinds import SKILL
from mooring.http import watch
from surfaces.people import Asker, join
from surfaces.served import Heard, Served, numbers, serving, watching

pytestmark = pytest.mark.slow


@pytest.fixture
async def served(app: App) -> AsyncGenerator[Served]:
    async with serving(app) as server:
        yield server


async def take(stream: AsyncGenerator[Heard], count: int) -> list[Heard]:
    async with asyncio.timeout(20):
        return [await anext(stream) for _ in range(count)]


async def test_a_change_is_told_with_what_it_changed_and_how_that_is_now(admin: Asker, served: Served) -> None:
    async with watching(admin, served.url, "/skills?watch=true") as stream:
        made = await admin.made("/skills", {"name": "a"})
        await admin.made("/agents", {"name": "not watched"})
        await admin.ask("PATCH", made["href"], {"name": "b"}, Audit_Reason="better")
        await admin.ask("DELETE", made["href"])
        heard = await take(stream, 3)
    assert [change.name for change in heard] == ["create", "update", "delete"]
    assert heard[1].data["event"]["reason"] == "better"
    assert heard[1].data["event"]["details"] == {"before": {"name": "a"}, "after": {"name": "b"}}
    assert heard[2].data["object"] is None
    numbers = [change.number for change in heard]
    assert numbers == sorted(set(numbers)) == [change.data["number"] for change in heard]
    record = (await admin.get(f"/resource_events?resource_id={made['id']}&orderBy=number asc")).json()["items"]
    assert [change.data["event"] for change in heard] == record


async def test_parts_are_watched_through_the_events_of_their_owner(admin: Asker, served: Served) -> None:
    async with watching(admin, served.url, "/workflow_skills?watch=true") as stream:
        workflow = await admin.made("/workflows", {"name": "w"})
        skill = await admin.made("/skills", {"name": "s"})
        part = await admin.made("/workflow_skills", {"workflow_id": workflow["id"], "skill_id": skill["id"]})
        [heard] = await take(stream, 1)
    assert heard.data["event"]["resource_id"] == workflow["id"]
    assert heard.data["event"]["details"]["after"]["skills"][0]["id"] == part["id"]


async def test_one_is_told_of_what_one_sees_and_of_nothing_else(admin: Asker, served: Served) -> None:
    author = await join(admin, "author")
    async with (
        watching(author, served.url, "/groups?watch=true") as groups,
        watching(author, served.url, "/resource_events?watch=true") as everything,
    ):
        theirs = await admin.made("/groups", {"name": "theirs"})
        await admin.made("/compute_instances", {"name": "x", "group_id": theirs["id"]})
        mine = await author.made("/groups", {"name": "mine"})
        agent = await admin.made("/agents", {"name": "a"})
        assert [change.data["object"]["id"] for change in await take(groups, 1)] == [mine["id"]]
        # The making of the author may be numbered only now.
        seen = [(await take(everything, 1))[0].data["resource_id"]]
        while seen[-1] != agent["id"]:
            seen += [(await take(everything, 1))[0].data["resource_id"]]
        assert seen[-2:] == [mine["id"], agent["id"]]
        assert theirs["id"] not in seen


async def test_members_are_told_that_their_group_was_deleted_and_nobody_else(admin: Asker, served: Served) -> None:
    member, gone, stranger = [await join(admin, name) for name in ("member", "gone", "stranger")]
    group = await admin.made("/groups", {"name": "g"})
    for asker in (member, gone):
        await admin.ask("PUT", f"{group['href']}/members/{asker.id}", {"role": "viewer"})
    await admin.ask("DELETE", f"{group['href']}/members/{gone.id}")
    where = f"/resource_events?resource_id={group['id']}"
    async with (
        watching(member, served.url, "/groups?watch=true") as groups,
        watching(member, served.url, f"{where}&watch=true") as events,
    ):
        assert (await admin.ask("DELETE", group["href"])).status_code == 204
        while (heard := (await take(groups, 1))[0]).name != "delete":
            assert heard.data["event"]["resource_id"] == group["id"]
        assert heard.data["object"] is None
        while (await take(events, 1))[0].data["action"] != "group.delete":
            pass
    seen = [event["action"] for event in (await member.get(where)).json()["items"]]
    assert (seen[0], seen[-1]) == ("group.delete", "group.create")
    assert (await member.get(group["href"])).status_code == 404
    assert (await member.get("/groups")).json()["total"] == 0
    for asker in (gone, stranger):
        assert (await asker.get(where)).json()["total"] == 0
    # Nor does it keep anybody: the user can go.
    await admin.ask("POST", f"/users/{member.id}/disable")
    for token in (await admin.get(f"/tokens?search=user_id%20%3D%20'{member.id}'")).json()["items"]:
        await admin.ask("POST", f"{token['href']}/revoke")
    assert (await admin.ask("DELETE", f"/users/{member.id}")).status_code == 204


async def test_who_begins_behind_a_number_is_told_all_that_came_after_it(admin: Asker, served: Served) -> None:
    for name in "abcde":
        await admin.made("/skills", {"name": name})
    async with watching(admin, served.url, "/skills?watch=true&after=0") as stream:
        first = await take(stream, 5)
    assert [change.data["object"]["name"] for change in first] == list("abcde")
    async with watching(admin, served.url, "/skills?watch=true", last=first[2].number) as stream:
        assert [change.data["object"]["name"] for change in await take(stream, 2)] == list("de")


async def test_what_is_committed_late_is_numbered_late_and_not_lost(app: App, admin: Asker, served: Served) -> None:
    async with watching(admin, served.url, "/skills?watch=true") as stream:
        async with app.database.transaction() as late:
            slow = await SKILLS.create(late, SYSTEM, {"name": "slow"})
            quick = await admin.made("/skills", {"name": "quick"})
            [first] = await take(stream, 1)
        [second] = await take(stream, 1)
    assert [first.data["event"]["resource_id"], second.data["event"]["resource_id"]] == [quick["id"], slow.id]
    assert second.number == first.number + 1


async def test_a_watcher_that_falls_behind_is_reset_and_goes_on_from_its_number(admin: Asker, served: Served) -> None:
    served.feed.ring.most = 5
    big = "x" * 190_000
    async with watching(admin, served.url, "/skills?watch=true") as stream:
        for number in range(120):
            await admin.made("/skills", {"name": str(number), "prompt": big})
        async with asyncio.timeout(30):
            heard = [change async for change in stream]
    assert heard[-1].name == "reset"
    assert len(heard) < 100
    last = heard[-1].number
    assert last == heard[-2].number
    async with watching(admin, served.url, "/skills?watch=true", last=last) as stream:
        rest = await take(stream, 120 - (len(heard) - 1))
    names = [change.data["object"]["name"] for change in heard[:-1] + rest]
    assert names == [str(number) for number in range(120)]


async def test_a_watcher_whose_token_was_revoked_is_told_nothing_more(
    admin: Asker, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "ASK_AGAIN", 0.0)
    made = await admin.made("/tokens", {"name": "short"})
    async with watching(replace(admin, token=made["token"]), served.url, "/skills?watch=true") as stream:
        await admin.ask("POST", f"{made['href']}/revoke")
        await admin.made("/skills", {"name": "a"})
        async with asyncio.timeout(20):
            assert [change async for change in stream] == []


@pytest.mark.parametrize("query", ["watch=true&page=2", "watch=true&search=name='a'", "watch=true&after=x", "watch=x"])
async def test_what_does_not_go_with_watching_is_400(admin: Asker, served: Served, query: str) -> None:
    async with httpx.AsyncClient(base_url=served.url) as client:
        answer = await client.get(f"/api/mooring/v1/skills?{query}", headers={"Authorization": f"Bearer {admin.token}"})
    assert answer.status_code == 400


async def move_away(app: App) -> None:
    """Seal what is there, and move it to the archives."""
    await Sealer(database=app.database, key=app.seal_key, outside=app.seals, clock=app.clock).step()
    no_time = timedelta(0)
    await Archiver(database=app.database, key=app.seal_key, shelf=app.seals, clock=app.clock, keeps=no_time).step()


async def test_who_begins_before_what_was_moved_away_is_told_where_to_begin(
    app: App, admin: Asker, served: Served
) -> None:
    async with watching(admin, served.url, "/skills?watch=true") as stream:
        await admin.made("/skills", {"name": "a"})
        [change] = await take(stream, 1)
    await move_away(app)
    async with httpx.AsyncClient(base_url=served.url) as client:
        path = f"/api/mooring/v1/skills?watch=true&after={change.number - 1}"
        answer = await client.get(path, headers={"Authorization": f"Bearer {admin.token}"})
    assert (answer.status_code, answer.json()["details"]["archived_to"]) == (400, change.number)
    async with watching(admin, served.url, "/skills?watch=true", last=change.number) as stream:
        await admin.made("/skills", {"name": "b"})
        assert [told.number for told in await take(stream, 1)] == [change.number + 1]


async def test_who_reads_what_is_moved_away_meanwhile_is_sent_back_with_its_number(
    app: App, admin: Asker, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watching(admin, served.url, "/skills?watch=true") as stream:
        for name in "ab":
            await admin.made("/skills", {"name": name})
        first, _ = [change.number for change in await take(stream, 2)]
        served.feed.ring.most = 1
        await admin.made("/skills", {"name": "c"})
        [third] = [change.number for change in await take(stream, 1)]
    looked = archiving.archived_to

    async def moved_then(tx: Tx) -> int:
        """What was moved; more is moved right after, and there is a new event."""
        monkeypatch.undo()
        before = await looked(tx)
        await move_away(app)
        await admin.made("/skills", {"name": "d"})
        async with app.database.transaction() as numbering:
            await sequence.number(numbering)
        return before

    monkeypatch.setattr(archiving, "archived_to", moved_then)
    async with watching(admin, served.url, "/skills?watch=true", last=first) as stream, asyncio.timeout(20):
        heard = [change async for change in stream]
    assert [(change.name, change.number) for change in heard] == [("reset", first)]
    async with watching(admin, served.url, "/skills?watch=true", last=third) as stream:
        assert [change.number for change in await take(stream, 1)] == [third + 1]


async def test_a_feed_that_missed_events_lets_its_watchers_go_on_from_the_database(app: App, admin: Asker) -> None:
    async with app.database.transaction() as tx:
        await sequence.number(tx)
    feed = Feed(app.database)
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        tasks.create_task(feed.run())
        await feed.begun.wait()
        before = feed.ring.last
        # As if it had not been able to read for long.
        feed.ring.begin(before - 1)
        await move_away(app)
        await admin.made("/skills", {"name": "a"})
        async with app.database.transaction() as tx:
            await sequence.number(tx)
        await feed.ring.wait(before, 20)
        assert (feed.ring.last, feed.ring.after(before - 1, 9)) == (before + 1, None)
        feed.stop()


async def churn(app: App, count: int) -> None:
    """Make changes, several at a time, as busily as the database takes them."""

    async def some(name: str, number: int) -> None:
        async with app.database.transaction() as tx:
            row = await SKILLS.create(tx, SYSTEM, {"name": name})
        for step in range(number - 1):
            async with app.database.transaction() as tx:
                row = await ledger.read(tx, SYSTEM, SKILL, row.id, lock=True)
                await ledger.change(tx, SYSTEM, SKILL, row, {"prompt": str(step)})

    await asyncio.gather(*(some(str(number), count // 4) for number in range(4)))


@dataclass
class Here:
    """Where the server is now, while it is anywhere."""

    up: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    @contextlib.asynccontextmanager
    async def serving(self, app: App) -> AsyncGenerator[Served]:
        """A server as long as the block runs; then it ends as it does when it is told to, whoever listens."""
        async with serving(app) as server:
            self.url = server.url
            self.up.set()
            try:
                yield server
            finally:
                self.up.clear()


async def faithful(asker: Asker, here: Here, count: int, seed: int) -> list[int]:
    """The numbers a watcher meets that hangs up again and again, and comes back with the last it saw."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, no secret
    met: list[int] = []
    last = 0
    while len(met) < count:
        await here.up.wait()
        hangs_up = chance.randint(1, max(2, count // 3))
        # One that was reset, or lost its server, comes back just the same.
        with contextlib.suppress(OSError):
            async with numbers(asker, here.url, "/skills?watch=true&after=0", last=last or None) as stream:
                async for last in stream:
                    met.append(last)
                    hangs_up -= 1
                    if not hangs_up or len(met) == count:
                        break
    return met


@pytest.mark.parametrize(
    ("watchers", "changes"),
    [(8, 240), pytest.param(200, 20_000, marks=[pytest.mark.long, pytest.mark.timeout(2400)])],
)
async def test_many_watchers_that_come_and_go_like_the_server_miss_nothing_and_see_nothing_twice(
    app: App, admin: Asker, watchers: int, changes: int
) -> None:
    async with app.database.transaction() as tx:
        await sequence.number(tx)
        before = await sequence.last(tx)
    here = Here()
    async with asyncio.timeout(2300), asyncio.TaskGroup() as tasks:
        met = [tasks.create_task(faithful(admin, here, changes, seed)) for seed in range(watchers)]
        tasks.create_task(churn(app, changes))
        # It is restarted twice meanwhile.
        for share in (1, 2):
            async with here.serving(app) as server:
                while server.feed.ring.last < before + share * changes // 3:
                    await server.feed.ring.wait(server.feed.ring.last, 1.0)
        async with here.serving(app):
            await asyncio.wait(met)
    async with app.database.reading() as tx:
        made = await tx.values(
            int,
            "SELECT n.number FROM event_numbers n JOIN resource_events e USING (seq) "
            "WHERE e.resource_type = 'skill' ORDER BY 1",
        )
    assert made == list(range(before + 1, before + 1 + changes))
    assert all(numbers.result() == made for numbers in met)


async def test_a_watcher_goes_on_at_another_server_with_its_number(app: App, admin: Asker) -> None:
    async with serving(app) as first, watching(admin, first.url, "/skills?watch=true") as stream:
        await churn(app, 20)
        seen = [change.number for change in await take(stream, 12)]
    async with serving(app) as second, watching(admin, second.url, "/skills?watch=true", last=seen[-1]) as stream:
        await churn(app, 20)
        seen += [change.number for change in await take(stream, 28)]
    assert seen == list(range(seen[0], seen[0] + 40))


def test_a_ring_says_when_it_begins_after_what_is_asked_for() -> None:
    unread: Ring[str] = Ring(most=10, most_bytes=100)
    assert unread.after(0, 10) == []
    unread.last = 7
    assert unread.after(7, 10) == []
    assert unread.after(6, 10) is None


def test_a_ring_holds_no_more_than_it_may_and_says_what_went() -> None:
    ring: Ring[str] = Ring(most=3, most_bytes=100)
    assert ring.add((letter, 10) for letter in "abcd") == ["a"]
    assert (ring.after(0, 10), ring.after(1, 2)) == (None, ["b", "c"])
    # What is kept elsewhere goes with what it is kept for: 60 of "c" and 10 of each, then 40.
    ring.weigh(3, 60)
    assert ring.add([("e", 40)]) == ["b", "c"]
    assert (ring.first, ring.after(3, 10)) == (4, ["d", "e"])
    assert ring.add([("f", 50)]) == []


async def test_what_two_watchers_write_at_once_is_counted_once(app: App, admin: Asker) -> None:
    async with app.database.transaction() as tx:
        await sequence.number(tx)
    feed = Feed(app.database)
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        tasks.create_task(feed.run())
        await feed.begun.wait()
        number = feed.ring.last + 1
        await admin.made("/skills", {"name": "a"})
        async with app.database.transaction() as tx:
            await sequence.number(tx)
        await feed.ring.wait(number - 1, 20)
        alone = feed.ring.weight
        for text in (b"x" * 100, b"y" * 100):
            feed.keep(feed.written("skills"), {number: text})
        assert (feed.ring.weight, feed.written("skills")) == (alone + 100, {number: b"x" * 100})
        feed.stop()
