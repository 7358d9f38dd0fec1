"""What every test may ask for: a real PostgreSQL, a fresh database of it, rows made through the verbs."""

import asyncio
import os
import tempfile
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from shutil import rmtree

import pytest

from mooring.base.db import Database, connect
from mooring.base.hints import Hints
from mooring.base.migrate import migrate, shipped
from mooring.base.postgres import EmbeddedPostgres
from mooring.base.unprivileged import process_user

pytest_plugins = ["vaults.fixtures"]


@pytest.fixture(scope="session")
def postgres() -> Generator[EmbeddedPostgres]:
    """A server of this worker's own, without durability, its database migrated."""
    directory = Path(tempfile.mkdtemp(prefix="mooring-pg-", dir="/tmp"))
    directory.chmod(0o755)
    server = EmbeddedPostgres(directory=directory / "pg", user=process_user("mooring-db"), throw_away=True)
    try:
        asyncio.run(_start(server))
        yield server
    finally:
        server.stop()
        rmtree(directory)


async def _start(server: EmbeddedPostgres) -> None:
    await server.start()
    owner = await connect(server.url("mooring_owner"), hints=Hints(), most=2)
    await migrate(owner, migrations=shipped(), application="mooring")
    await owner.close()


@pytest.fixture
async def database(postgres: EmbeddedPostgres) -> AsyncGenerator[Database]:
    """The migrated database, empty."""
    database = await connect(postgres.url(), hints=Hints(), most=8)
    yield database
    await database.close()
    await _empty(postgres)


@pytest.fixture
async def owner(postgres: EmbeddedPostgres) -> AsyncGenerator[Database]:
    """The migrated database as the role that owns its tables."""
    database = await connect(postgres.url("mooring_owner"), hints=Hints(), most=2)
    yield database
    await database.close()


async def _empty(postgres: EmbeddedPostgres) -> None:
    """Remove every row. The record refuses that from anyone but the server's superuser with its triggers off."""
    owner = await connect(postgres.url("postgres", "mooring"), hints=Hints(), most=1)
    async with owner.transaction() as tx:
        tables = await tx.values(
            str,
            "SELECT quote_ident(tablename) FROM pg_tables "
            "WHERE schemaname = 'public' AND tablename <> 'schema_migrations'",
        )
        await tx.script("SET LOCAL session_replication_role = replica")
        # A test leaves few rows: removing them is ten times quicker than new files for every table.
        await tx.script(";".join(f"DELETE FROM {table}" for table in tables))
    await owner.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Elsewhere a part that cannot run is reported as not run, with the command that enables it. In CI it fails."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"not run, and in CI nothing may go untested: {item.nodeid}: {report.longrepr}"
    return report


# Each of these asks a whole API: many, and each a tenth of a second. The quick part leaves them out, but for two files
# that go through every kind and through sessions.
_WHOLE = {"surfaces", "proofs"}
_QUICK = {"test_every_kind.py", "test_sessions_by_rest.py"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _WHOLE & set(item.path.parts) and item.path.name not in _QUICK:
            item.add_marker(pytest.mark.slow)
