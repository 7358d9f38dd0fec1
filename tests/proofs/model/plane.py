"""The application on a real database, asked one request after the other, and its tables as its superuser sees them."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString

import httpx

from conftest import _empty  # pyright: ignore[reportPrivateUsage]
from mooring.app import App
from mooring.base.db import Database, connect
from mooring.base.hints import Hints
from mooring.base.postgres import EmbeddedPostgres
from mooring.http.server import application
from mooring.identity import users
from mooring.settings import Settings
from mooring.wiring import data_directory, open_app
from proofs.model.kinds import Json
from proofs.world import version_of
from surfaces.people import BASE

# What living rows refer to: table, column, and the table of what must be there.
_REFERENCES: tuple[tuple[LiteralString, LiteralString, LiteralString], ...] = (
    ("workflows", "agent_id", "agents"),
    ("workflow_skills", "workflow_id", "workflows"),
    ("workflow_skills", "skill_id", "skills"),
    ("workflow_tasks", "workflow_id", "workflows"),
    ("workflow_tasks", "task_id", "tasks"),
    ("compute_instances", "group_id", "groups"),
    ("compute_instances", "filesystem_id", "filesystems"),
    ("compute_instances", "filesystem_version_id", "filesystem_versions"),
    ("filesystem_versions", "filesystem_id", "filesystems"),
    ("instance_secret_mappings", "compute_instance_id", "compute_instances"),
    ("instance_secret_mappings", "secret_id", "secrets"),
    ("tokens", "user_id", "users"),
)
_PAIRS: tuple[tuple[LiteralString, LiteralString, LiteralString], ...] = (
    ("group_filesystems", "group_id", "groups"),
    ("group_filesystems", "filesystem_id", "filesystems"),
    ("group_secrets", "group_id", "groups"),
    ("group_secrets", "secret_id", "secrets"),
)
_OF_PAIRS: LiteralString = " UNION ALL ".join(
    f"SELECT '{table} ' || o.id FROM {table} t JOIN {other} o ON o.id = t.{column} WHERE o.deleted_at IS NOT NULL"
    for table, column, other in _PAIRS
)
_OF_ROWS: LiteralString = " UNION ALL ".join(
    f"""
    SELECT '{table} ' || t.id FROM {table} t JOIN {other} o ON o.id = t.{column}
    WHERE t.deleted_at IS NULL AND o.deleted_at IS NOT NULL
    """
    for table, column, other in _REFERENCES
)
# Sessions: what has ended is history; what was started holds its plan, and its instance still.
_DANGLING: LiteralString = f"""
{_OF_ROWS} UNION ALL {_OF_PAIRS} UNION ALL
SELECT 'group_members ' || m.user_id FROM group_members m
JOIN groups g ON g.id = m.group_id JOIN users u ON u.id = m.user_id
WHERE g.deleted_at IS NULL AND u.deleted_at IS NOT NULL
UNION ALL
SELECT 'git_credentials ' || g.id FROM groups g, jsonb_each_text(g.git_credentials) n
LEFT JOIN secrets s ON s.id = n.value AND s.deleted_at IS NULL WHERE g.deleted_at IS NULL AND s.id IS NULL
UNION ALL
SELECT 'sessions ' || s.id FROM sessions s
LEFT JOIN compute_instances c ON c.id = s.compute_instance_id LEFT JOIN users u ON u.id = s.assigned_user_id
LEFT JOIN workflows w ON w.id = s.workflow_id
WHERE s.deleted_at IS NULL AND s.ended_at IS NULL AND (
    c.deleted_at IS NOT NULL OR u.deleted_at IS NOT NULL OR (s.phase = 'created' AND w.deleted_at IS NOT NULL)
)
"""
_EVENTS = """
SELECT actor_id, resource_type, resource_id, action, details, reason, id, seq FROM resource_events
WHERE seq > $1 ORDER BY seq
"""


@dataclass(frozen=True, kw_only=True)
class Event:
    actor_id: str | None
    resource_type: str
    resource_id: str
    action: str
    details: Json
    reason: str | None
    id: str
    seq: int

    @property
    def shown(self) -> Json:
        names = ("actor_id", "resource_type", "resource_id", "action", "details")
        return {name: getattr(self, name) for name in names}


@dataclass(kw_only=True)
class Plane:
    """`met` counts what was answered: kind or act, and status."""

    runner: asyncio.Runner
    postgres: EmbeddedPostgres
    superuser: Database
    app: App
    http: httpx.AsyncClient
    met: Counter[tuple[str, int]] = field(default_factory=Counter[tuple[str, int]])

    def begin(self) -> tuple[Json, Json, str]:
        """Nothing is there but the first administrator: the user, its token, and the token's text."""
        return self.runner.run(self._begin())

    async def _begin(self) -> tuple[Json, Json, str]:
        await _empty(self.postgres)
        async with self.app.database.transaction() as tx:
            first = await users.first_admin(tx)
        assert first is not None
        user = (await self._ask(first[1], "GET", f"/users/{first[0].id}")).json()
        [token] = (await self._ask(first[1], "GET", "/tokens")).json()["items"]
        return user, token, first[1]

    def ask(self, token: str, method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
        return self.runner.run(self._ask(token, method, path, body, **headers))

    async def _ask(self, token: str, method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
        given: dict[str, Any] = {} if body is None else {"json": body}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named["Authorization"] = f"Bearer {token}"
        return await self.http.request(method, BASE + path, headers=named, **given)

    def events(self, after: int = 0) -> list[Event]:
        """The record behind an event."""
        return self.runner.run(self._events(after))

    async def _events(self, after: int) -> list[Event]:
        async with self.superuser.reading() as tx:
            return await tx.rows(Event, _EVENTS, after)

    def dangling(self) -> list[str]:
        """Living rows that refer to what was deleted."""
        return self.runner.run(self._dangling())

    async def _dangling(self) -> list[str]:
        async with self.superuser.reading() as tx:
            return await tx.values(str, _DANGLING)

    def version(self, filesystem_id: str, creator: str) -> str:
        """A first version of a filesystem, as the worker would have made it."""
        return self.runner.run(version_of(self.app, filesystem_id, creator))


@contextlib.contextmanager
def plane(postgres: EmbeddedPostgres, directory: Path) -> Generator[Plane]:
    """An application of its own for as long as the block runs; its database is empty again afterwards."""
    with asyncio.Runner() as runner:
        stack = contextlib.AsyncExitStack()
        try:
            yield runner.run(_open(stack, runner, postgres, directory))
        finally:
            runner.run(stack.aclose())
            runner.run(_empty(postgres))


async def _open(
    stack: contextlib.AsyncExitStack, runner: asyncio.Runner, postgres: EmbeddedPostgres, directory: Path
) -> Plane:
    database = await connect(postgres.url(), hints=Hints(), most=4)
    stack.push_async_callback(database.close)
    superuser = await connect(postgres.url("postgres", "mooring"), hints=Hints(), most=1)
    stack.push_async_callback(superuser.close)
    settings = Settings(data=directory / "data", allow_file_repositories=True, rate_per_token=0.0, rate_per_address=0.0)
    stack.enter_context(data_directory(settings))
    app = await stack.enter_async_context(open_app(settings, database, works=False))
    asgi: Any = application(app)
    transport = httpx.ASGITransport(app=asgi)
    http = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://mooring"))
    return Plane(runner=runner, postgres=postgres, superuser=superuser, app=app, http=http)
