"""Listening to a transcript: every event once, in order, for as long as one sees the session."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from mooring.app import App
from mooring.http import transcripts
from mooring.sessions import transcript
from surfaces.people import Asker, join
from surfaces.served import Heard, Served, serving, watching

pytestmark = pytest.mark.slow


@pytest.fixture
async def served(app: App) -> AsyncGenerator[Served]:
    async with serving(app) as server:
        yield server


async def say(app: App, session_id: str, count: int, *, text: str = "a line") -> None:
    for _ in range(count):
        async with app.database.transaction() as tx:
            await transcript.say(tx, session_id, "log", {"stream": "stdout", "text": text})


def listening(asker: Asker, served: Served, session_id: str, last: int = 0):  # noqa: ANN201 - as of `watching`
    return watching(asker, served.url, f"/sessions/{session_id}/events", last=last)


async def rest(stream: AsyncGenerator[Heard]) -> list[int]:
    """The numbers up to the end of the stream."""
    async with asyncio.timeout(30):
        return [event.number async for event in stream]


async def test_all_who_listen_hear_every_event_once_from_where_they_begin(
    app: App, admin: Asker, served: Served
) -> None:
    made = await admin.made("/sessions", {"name": "s"})
    await say(app, made["id"], 9)
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:

        async def heard(last: int) -> list[int]:
            async with listening(admin, served, made["id"], last) as stream:
                return await rest(stream)

        heard_by = {last: [tasks.create_task(heard(last)) for _ in range(3)] for last in (0, 5, 10, 12)}
        await say(app, made["id"], 20)
        await admin.ask("POST", f"/sessions/{made['id']}/cancel")
    for last, listeners in heard_by.items():
        assert [listener.result() for listener in listeners] == [list(range(last + 1, 32))] * 3


async def test_those_who_stay_hear_on_when_the_one_who_came_first_leaves(
    app: App, admin: Asker, served: Served
) -> None:
    made = await admin.made("/sessions", {"name": "s"})
    async with listening(admin, served, made["id"]) as first:
        assert (await anext(first)).number == 1
        async with listening(admin, served, made["id"]) as second:
            assert (await anext(second)).number == 1
            await first.aclose()
            await say(app, made["id"], 1)
            assert (await anext(second)).number == 2


async def test_one_who_falls_behind_what_is_held_in_memory_loses_nothing(
    app: App, admin: Asker, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcripts, "MOST_EVENTS", 2)
    made = await admin.made("/sessions", {"name": "s"})
    async with listening(admin, served, made["id"]) as slow:
        # More than lies in the buffers of a connection that nobody reads from.
        await say(app, made["id"], 120, text="x" * 190_000)
        await admin.ask("POST", f"/sessions/{made['id']}/cancel")
        assert await rest(slow) == list(range(1, 123))


async def test_the_stream_of_a_session_that_is_assigned_to_another_ends(admin: Asker, served: Served) -> None:
    helper = await join(admin, "helper")
    made = await admin.made("/sessions", {"name": "s", "assigned_user_id": helper.id})
    async with listening(helper, served, made["id"]) as stream:
        assert (await anext(stream)).number == 1
        await admin.ask("PATCH", made["href"], {"assigned_user_id": None})
        assert await rest(stream) == []


async def test_the_stream_of_a_session_that_is_deleted_ends(admin: Asker, served: Served) -> None:
    made = await admin.made("/sessions", {"name": "s"})
    async with listening(admin, served, made["id"]) as stream:
        assert (await anext(stream)).number == 1
        await admin.ask("DELETE", made["href"])
        assert await rest(stream) == []


async def test_a_listener_whose_token_was_revoked_is_told_nothing_more(
    app: App, admin: Asker, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcripts, "ASK_AGAIN", 0.0)
    session = await admin.made("/sessions", {"name": "s"})
    token = await admin.made("/tokens", {"name": "short"})
    async with listening(replace(admin, token=token["token"]), served, session["id"]) as stream:
        assert (await anext(stream)).number == 1
        await admin.ask("POST", f"{token['href']}/revoke")
        await say(app, session["id"], 1)
        assert await rest(stream) == []
