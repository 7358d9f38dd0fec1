"""The API over ASGI on a real database, and its administrator."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest
from mooring.files.keep import in_directory

from mooring.app import App
from mooring.base.clock import SystemClock
from mooring.base.db import Database
from mooring.base.git import GitLimits, Mirrors
from mooring.base.unprivileged import process_user
from mooring.http.server import application
from mooring.identity import users
from mooring.settings import Settings
from surfaces.people import Asker


@pytest.fixture
def app(database: Database, tmp_path: Path) -> App:
    return App(
        settings=Settings(data=tmp_path),
        database=database,
        clock=SystemClock(),
        blobs=in_directory(tmp_path / "blobs"),
        link_key=bytes(32),
        place="here",
        drivers={},
        mirrors=Mirrors(
            directory=tmp_path / "git",
            user=process_user("mooring-run"),
            limits=GitLimits(seconds=10, size=1 << 20, allow_file=True, hosts=frozenset()),
        ),
    )


@pytest.fixture
async def http(app: App) -> AsyncGenerator[httpx.AsyncClient]:
    """The API, asked by nobody in particular."""
    asgi: Any = application(app)
    transport = httpx.ASGITransport(app=asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://mooring") as client:
        yield client


@pytest.fixture
async def admin(app: App, http: httpx.AsyncClient) -> Asker:
    async with app.database.transaction() as tx:
        first = await users.first_admin(tx)
    assert first is not None
    return Asker(http=http, id=first[0].id, token=first[1])
