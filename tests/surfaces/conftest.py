"""The API over ASGI on a real database, and its administrator."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mooring.app import App
from mooring.base.db import Database
from mooring.http.server import application
from mooring.identity import users
from mooring.settings import Settings
from mooring.wiring import data_directory, open_app
from surfaces.people import Asker


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """With a data directory of its own."""
    return Settings(data=tmp_path / "data", allow_file_repositories=True)


@pytest.fixture
async def app(database: Database, settings: Settings) -> AsyncGenerator[App]:
    """A process that serves."""
    with data_directory(settings):
        async with open_app(settings, database, works=False) as app:
            yield app


@pytest.fixture
def both(app: App, workos: Any) -> App:
    """The process with WorkOS beside its own vault."""
    vaults: Any = app.vaults.vaults
    vaults["workos"] = workos
    return app


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
    return Asker(http=http, database=app.database, id=first[0].id, token=first[1])
