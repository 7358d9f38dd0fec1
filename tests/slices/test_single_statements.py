"""What is written by one statement alone: there at once, told at once, and never the half of something."""

import pytest

from mooring.access.actor import SYSTEM
from mooring.base.db import Database
from mooring.base.errors import Clash
from mooring.catalog.catalog import AGENTS, SKILLS
from mooring.identity.groups import GROUPS

_COUNT = "SELECT count(*) FROM resource_events"


async def test_one_statement_is_a_transaction_and_is_told(database: Database) -> None:
    with database.hints.waiting("agents") as told:
        async with database.statement() as tx:
            made = await AGENTS.create(tx, SYSTEM, {"name": "builder", "runtime": "shell", "settings": {}})
        assert told.is_set()
    async with database.reading() as tx:
        assert await AGENTS.read(tx, SYSTEM, made.id) == made
        assert await tx.value(int, _COUNT) == 1


async def test_a_second_statement_is_refused(database: Database) -> None:
    async with database.statement() as tx:
        await SKILLS.create(tx, SYSTEM, {"name": "first"})
        with pytest.raises(RuntimeError, match="needs a transaction"):
            await SKILLS.create(tx, SYSTEM, {"name": "second"})
    async with database.reading() as tx:
        assert await tx.values(str, "SELECT name FROM skills") == ["first"]


async def _group(database: Database) -> None:
    async with database.statement() as tx:
        await GROUPS.create(tx, SYSTEM, {"name": "builders", "description": "", "git_credentials": {}})


async def test_a_statement_the_database_refuses_leaves_neither_row_nor_event(database: Database) -> None:
    await _group(database)
    with pytest.raises(Clash, match="name"):
        await _group(database)
    async with database.reading() as tx:
        assert await tx.value(int, _COUNT) == 1
