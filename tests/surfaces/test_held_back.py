"""Requests whose body is held back: who is let in no more when it comes has asked for nothing."""

import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from mooring.app import App
from mooring.http.server import application
from surfaces.people import BASE, Asker, join


@dataclass
class SetClock:
    """A clock that is set by hand."""

    at: datetime

    def now(self) -> datetime:
        return self.at


Meanwhile = Callable[[], Awaitable[object]]
Send = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
async def author(admin: Asker) -> Asker:
    return await join(admin, "author")


@pytest.fixture
async def send(app: App, author: Asker) -> AsyncGenerator[Send]:
    """Ask as the author, the body held back while something is done, which takes so many seconds."""
    clock = SetClock(datetime.now(UTC))
    asgi: Any = application(replace(app, clock=clock))

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=asgi), base_url="http://mooring") as client:

        async def held_back(
            method: str, path: str, body: bytes, meanwhile: Meanwhile, *, seconds: float = 2.0, **headers: str
        ) -> httpx.Response:
            async def content() -> AsyncGenerator[bytes]:
                yield body[:1]
                await meanwhile()
                clock.at += timedelta(seconds=seconds)
                yield body[1:]

            named = {name.replace("_", "-"): value for name, value in headers.items()}
            named["Authorization"] = f"Bearer {author.token}"
            return await client.request(method, BASE + path, content=content(), headers=named)

        yield held_back


async def test_who_was_disabled_while_the_body_was_held_back_has_asked_for_nothing(
    admin: Asker, author: Asker, send: Send
) -> None:
    skill = await author.made("/skills", {"name": "a"})
    archive = b"not yet looked at"
    digest = f"sha256:{hashlib.sha256(archive).hexdigest()}"

    async def disable() -> None:
        assert (await admin.ask("POST", f"/users/{author.id}/disable")).status_code == 200

    for method, path, body, headers in (
        ("POST", "/skills", b'{"name": "b"}', {}),
        ("POST", "/skills", b'{"name": "b"}', {"Idempotency_Key": "k"}),
        ("PATCH", f"/skills/{skill['id']}", b'{"name": "b"}', {}),
        ("PUT", f"/skills/{skill['id']}", b'{"name": "b"}', {}),
        ("POST", "/secrets", b'{"name": "b", "value": "c"}', {}),
        ("POST", "/tokens", b'{"name": "b"}', {}),
        ("PUT", f"/uploads/{digest}", archive, {}),
    ):
        answer = await send(method, path, body, disable, **headers)
        assert (answer.status_code, "disabled" in answer.json()["reason"]) == (401, True), path
        await admin.ask("POST", f"/users/{author.id}/enable")
    assert (await admin.get("/skills")).json()["items"][0]["name"] == "a"
    assert [(await admin.get(path)).json()["total"] for path in ("/skills", "/secrets")] == [1, 0]
    assert (await author.get(f"/uploads/{digest}")).status_code == 404


async def test_who_got_another_role_meanwhile_has_that_one(admin: Asker, author: Asker, send: Send) -> None:
    async def watch_only() -> None:
        assert (await admin.ask("PATCH", f"/users/{author.id}", {"role": "auditor"})).status_code == 200

    assert (await send("POST", "/skills", b'{"name": "b"}', watch_only)).status_code == 403


async def test_a_slow_body_of_who_is_let_in_still_is_taken(author: Asker, send: Send) -> None:
    async def nothing() -> None:
        """Nothing."""

    for number, seconds in enumerate((0.5, 3.0)):
        body = b'{"name": "%d"}' % number
        assert (await send("POST", "/skills", body, nothing, seconds=seconds)).status_code == 201
    archive = b"some bytes"
    digest = f"sha256:{hashlib.sha256(archive).hexdigest()}"
    assert (await send("PUT", f"/uploads/{digest}", archive, nothing)).status_code == 201
    assert (await author.get(f"/uploads/{digest}")).status_code == 200
