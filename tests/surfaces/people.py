"""People who ask the API."""

from dataclasses import dataclass
from typing import Any

import httpx

from mooring.base.db import Database

BASE = "/api/mooring/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Someone with a token."""

    http: httpx.AsyncClient
    database: Database
    id: str
    token: str

    async def ask(self, method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
        """The answer; a header is named with underscores for dashes."""
        named = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
        named[b"Authorization"] = f"Bearer {self.token}".encode()
        given: dict[str, Any] = {} if body is None else {"json": body}
        where = path if path.startswith("/api/") else BASE + path
        return await self.http.request(method, where, headers=named, **given)

    async def send(self, method: str, path: str, content: bytes, media: str) -> httpx.Response:
        """The answer to a body as it is."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": media}
        return await self.http.request(method, BASE + path, content=content, headers=headers)

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.ask("GET", path, **headers)

    async def made(self, path: str, body: object, **headers: str) -> dict[str, Any]:
        """What a POST made."""
        answer = await self.ask("POST", path, body, **headers)
        assert answer.status_code == 201, answer.text
        return answer.json()


async def join(admin: Asker, username: str, role: str = "member") -> Asker:
    """A new user with a token."""
    user = await admin.made("/users", {"username": username, "name": username, "role": role})
    token = await admin.made("/tokens", {"name": "test", "user_id": user["id"]})
    return Asker(http=admin.http, database=admin.database, id=user["id"], token=token["token"])
