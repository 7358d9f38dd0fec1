"""The schema: applied once, by one, whole; refused when it was altered."""

import asyncio
from dataclasses import replace

import pytest

from mooring.base.db import Database, connect
from mooring.base.errors import Clash
from mooring.base.hints import Hints
from mooring.base.migrate import current, migrate, shipped
from mooring.base.postgres import EmbeddedPostgres


async def test_a_migrated_database_is_current_and_has_nothing_left_to_apply(owner: Database) -> None:
    assert await migrate(owner, migrations=shipped(), application="mooring") == []
    async with owner.transaction() as tx:
        assert await current(tx, shipped())


async def test_a_file_edited_after_it_was_applied_is_refused_by_name(owner: Database) -> None:
    first, *rest = shipped()
    altered = (replace(first, sql=first.sql + "-- altered\n"), *rest)
    with pytest.raises(Clash, match=first.name):
        await migrate(owner, migrations=altered, application=None)


async def test_a_database_of_a_newer_mooring_is_refused(owner: Database) -> None:
    with pytest.raises(Clash, match="newer"):
        await migrate(owner, migrations=shipped()[:-1], application=None)


@pytest.mark.parametrize("statement", ["UPDATE resource_events SET reason = 'x'", "DELETE FROM resource_events"])
async def test_the_application_cannot_change_the_record(database: Database, statement: str) -> None:
    with pytest.raises(Exception, match="permission denied for table resource_events"):
        async with database.transaction() as tx:
            await tx.script(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE resource_events SET reason = 'x'",
        "DELETE FROM resource_events",
        "TRUNCATE resource_events CASCADE",
    ],
)
async def test_even_the_owner_is_refused_by_the_triggers(owner: Database, database: Database, statement: str) -> None:
    async with database.transaction() as tx:
        await tx.run(
            "INSERT INTO resource_events (id, resource_type, resource_id, action)"
            " VALUES ('rev_0ujtsYcgvSTl8PAuAdqWYSMnLOv', 'user', 'usr_0ujtsYcgvSTl8PAuAdqWYSMnLOv', 'user.create')"
        )
    with pytest.raises(Exception, match="append-only"):
        async with owner.transaction() as tx:
            await tx.script(statement)


async def test_two_who_migrate_at_once_apply_everything_once(postgres: EmbeddedPostgres) -> None:
    admin = await connect(postgres.url("postgres", "mooring"), hints=Hints(), most=1)
    async with admin.transaction() as tx:
        await tx.script("DROP SCHEMA IF EXISTS twice CASCADE; CREATE SCHEMA twice AUTHORIZATION mooring_owner")
    await admin.close()
    url = postgres.url("mooring_owner") + "&options=-csearch_path%3Dtwice"
    owners = [await connect(url, hints=Hints(), most=1) for _ in range(2)]
    applied = await asyncio.gather(*(migrate(owner, migrations=shipped(), application=None) for owner in owners))
    assert sorted(len(names) for names in applied) == [0, len(shipped())]
    for owner in owners:
        await owner.close()
