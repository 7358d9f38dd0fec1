"""The application as it runs, without a limit on how often one may ask: proofs ask often."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from mooring.app import App
from mooring.base.db import Database
from mooring.settings import Settings
from mooring.wiring import data_directory, open_app
from surfaces.conftest import admin as admin
from surfaces.conftest import http as http


@pytest.fixture
async def app(database: Database, tmp_path: Path) -> AsyncGenerator[App]:
    """A process that serves, with a data directory of its own."""
    settings = Settings(data=tmp_path / "data", allow_file_repositories=True, rate_per_token=0.0, rate_per_address=0.0)
    with data_directory(settings):
        async with open_app(settings, database, works=False) as app:
            yield app
