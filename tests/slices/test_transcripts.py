"""A transcript takes what is said once and in order, whoever says it at the same time."""

import asyncio

import pytest

from mooring.access.actor import SYSTEM
from mooring.base.db import Database
from mooring.base.errors import Missing, Unfit
from mooring.base.ids import new_id
from mooring.sessions import artifacts, sessions, transcript
from mooring.sessions.entities import Said

_RUN = "INSERT INTO runs (id, session_id, engine, phase, spec) VALUES ($1, $2, 'local', $3, '{}')"
_NEW = {
    "name": "s", "repo_url": None, "prompt": None, "assigned_user_id": None, "workflow_id": None,
    "compute_instance_id": None, "timeout": None, "idle_timeout": None, "interactive": False,
    "permission_policy": "allow", "capture": False,
}  # fmt: skip


async def made(database: Database) -> tuple[str, str]:
    """A session and a run of it."""
    async with database.transaction() as tx:
        session = await sessions.create(tx, SYSTEM, _NEW)
        run = new_id("run")
        await tx.run(_RUN, run, session.id, "running")
    return session.id, run


def lines(first: int, last: int, word: str = "log") -> list[Said]:
    return [Said(seq=seq, at=1.5, type=word, data={"text": str(seq)}) for seq in range(first, last + 1)]


async def texts(database: Database, session: str) -> list[object]:
    """What a runner said, in order; the numbers must be dense."""
    async with database.reading() as tx:
        events = await transcript.read(tx, session, after=0, limit=1_000)
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    return [event.data["text"] for event in events if "text" in event.data]


async def test_lines_are_kept_by_one_statement_and_told(database: Database) -> None:
    session, run = await made(database)
    assert transcript.alone(lines(1, 3))
    with database.hints.waiting(transcript.topic(session)) as told:
        async with database.statement() as tx:
            assert await transcript.append(tx, session, run, lines(1, 3)) == 3
        assert told.is_set()
    assert await texts(database, session) == ["1", "2", "3"]


async def test_what_is_sent_again_is_passed_over_and_the_rest_kept(database: Database) -> None:
    session, run = await made(database)
    for first, last, kept in ((1, 4, 4), (1, 4, 4), (3, 6, 6), (2, 5, 6)):
        async with database.transaction() as tx:
            assert await transcript.append(tx, session, run, lines(first, last)) == kept
    assert await texts(database, session) == ["1", "2", "3", "4", "5", "6"]


@pytest.mark.parametrize(("said", "expected"), [(lines(4, 5), 3), ([*lines(3, 3), *lines(5, 6)], 4)])
async def test_where_one_is_missing_nothing_is_kept_and_the_missing_one_is_named(
    database: Database, said: list[Said], expected: int
) -> None:
    session, run = await made(database)
    async with database.transaction() as tx:
        await transcript.append(tx, session, run, lines(1, 2))
    async with database.transaction() as tx:
        with pytest.raises(Unfit) as refused:
            await transcript.append(tx, session, run, said)
    assert refused.value.facts["expected"] == expected
    assert await texts(database, session) == ["1", "2"]


async def test_a_new_run_counts_from_one_again(database: Database) -> None:
    session, run = await made(database)
    second = new_id("run")
    async with database.transaction() as tx:
        await transcript.append(tx, session, run, lines(1, 2))
        await tx.run("UPDATE runs SET phase = 'failed', ended_at = now() WHERE id = $1", run)
        await tx.run(_RUN, second, session, "running")
        assert await transcript.append(tx, session, second, lines(1, 1)) == 1
    assert await texts(database, session) == ["1", "2", "1"]


async def test_who_speaks_at_the_same_time_is_numbered_one_after_the_other(database: Database) -> None:
    session, run = await made(database)

    async def runner() -> None:
        for first in range(1, 60, 3):
            async with database.statement() as tx:
                await transcript.append(tx, session, run, lines(first, first + 2))

    async def plane() -> None:
        for _ in range(20):
            async with database.transaction() as tx:
                await transcript.say(tx, session, "log", {"from": "the plane"})

    await asyncio.gather(runner(), plane(), plane())
    assert await texts(database, session) == [str(number) for number in range(1, 61)]
    async with database.reading() as tx:
        assert len(await transcript.read(tx, session, after=0, limit=1_000)) == 1 + 60 + 40


async def test_nobody_speaks_in_a_session_that_is_none(database: Database) -> None:
    async with database.transaction() as tx:
        with pytest.raises(Missing):
            await transcript.append(tx, new_id("ses"), new_id("run"), lines(1, 1))
        with pytest.raises(Missing):
            await transcript.say(tx, new_id("ses"), "log", {})


def kept_back(seq: int, **data: object) -> list[Said]:
    return [Said(seq=seq, at=1.5, type="artifact", data=data)]


async def test_what_is_kept_back_is_listed_until_it_comes(database: Database) -> None:
    session, run = await made(database)
    told = kept_back(1, name="outputs/a", size=5, withheld="it holds the value of KEY")
    assert not transcript.alone(told)
    for _ in range(2):
        async with database.transaction() as tx:
            assert await transcript.append(tx, session, run, told) == 1
    async with database.transaction() as tx:
        (listed,) = await artifacts.of(tx, session)
        assert (listed.name, listed.size, listed.withheld) == ("outputs/a", 5, "it holds the value of KEY")
        assert (listed.sha256, listed.blob_key) == (None, None)
        # It takes nothing of what the others may come to.
        assert await artifacts.room(tx, session, "outputs/b", most=7) == 7
        await artifacts.keep(tx, session, "outputs/a", size=4, sha256="1" * 64)
    async with database.transaction() as tx:
        told = kept_back(2, name="outputs/a", size=9, withheld="sent again")
        await transcript.append(tx, session, run, told)
        (listed,) = await artifacts.of(tx, session)
        assert (listed.size, listed.sha256, listed.withheld) == (4, "1" * 64, None)
        assert await artifacts.room(tx, session, "outputs/b", most=7) == 3


@pytest.mark.parametrize(
    "data",
    [
        {"name": "../up", "size": 1, "withheld": "why"},
        {"name": "n" * 201, "size": 1, "withheld": "why"},
        {"name": ["n"], "size": 1, "withheld": "why"},
        {"name": "n", "size": "1", "withheld": "why"},
        {"name": "n", "size": 1, "withheld": {"is": "why"}},
        {"name": "n", "size": 1, "withheld": "\x1b[2J"},
    ],
)
async def test_what_cannot_be_listed_as_kept_back_is_told_alone(database: Database, data: dict[str, object]) -> None:
    session, run = await made(database)
    async with database.transaction() as tx:
        assert await transcript.append(tx, session, run, kept_back(1, **data)) == 1
        assert await artifacts.of(tx, session) == []
        assert (await transcript.read(tx, session, after=0, limit=9))[-1].data == data


async def test_any_size_and_any_length_of_a_reason_is_listed(database: Database) -> None:
    session, run = await made(database)
    async with database.transaction() as tx:
        for seq, size in enumerate((-1, 1 << 70), 1):
            told = kept_back(seq, name=f" {seq} ", size=size, withheld="why" * 1000)
            await transcript.append(tx, session, run, told)
        listed = await artifacts.of(tx, session)
    assert [(one.name, one.size) for one in listed] == [(" 1 ", 0), (" 2 ", (1 << 63) - 1)]
    assert {len(one.withheld or "") for one in listed} == {artifacts.LONGEST_REASON}
