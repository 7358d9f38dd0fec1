"""The database goes away and comes back: everything that asks it hears "not now", and goes on afterwards."""

import asyncio
import os
import signal
import tempfile
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from shutil import rmtree

import pytest

from mooring.audit import sequence
from mooring.base.db import Database, connect
from mooring.base.errors import Unavailable
from mooring.base.hints import Hints
from mooring.base.postgres import EmbeddedPostgres
from mooring.base.unprivileged import process_user

pytestmark = pytest.mark.slow


@pytest.fixture
def server() -> Generator[EmbeddedPostgres]:
    """A PostgreSQL of the test's own, to be killed."""
    place = Path(tempfile.mkdtemp(prefix="mooring-pg-", dir="/tmp"))
    place.chmod(0o755)
    made = EmbeddedPostgres(directory=place / "pg", user=process_user("mooring-db"), throw_away=True)
    yield made
    made.stop()
    rmtree(place)


def kill(server: EmbeddedPostgres) -> None:
    """As `pg_ctl stop -m immediate` does; return when it is gone."""
    master = int((server.cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])
    os.kill(master, signal.SIGQUIT)
    while server.running():
        os.sched_yield()


async def test_who_listens_and_who_tells_hears_not_now_and_can_begin_again(server: EmbeddedPostgres) -> None:
    await server.start()
    listener = await connect(server.url("mooring_owner"), hints=Hints())
    teller = await connect(server.url("mooring_owner"), hints=Hints())
    async with listener.listening() as stands:
        assert stands()
        await asyncio.to_thread(kill, server)
        async with asyncio.timeout(20):
            while stands():
                await asyncio.to_thread(os.sched_yield)
    teller.hints.touch(["agents"])
    with pytest.raises(Unavailable):
        await teller.send_hints()
    with pytest.raises(Unavailable):
        async with listener.listening():
            pass
    await server.start()
    with listener.hints.waiting("skills") as told:
        async with listener.listening() as stands, asyncio.timeout(20):
            assert stands()
            teller.hints.touch(["skills"])
            await teller.send_hints()
            await told.wait()
    await listener.close()
    await teller.close()


async def test_a_process_that_stands_still_in_a_transaction_keeps_the_others_only_for_a_while(
    postgres: EmbeddedPostgres, database: Database
) -> None:
    halted = await connect(postgres.url(), hints=Hints(), most=1, patience=timedelta(milliseconds=200))

    async def stand_still() -> None:
        async with halted.transaction() as mine:
            await sequence.number(mine)
            # It holds the lock of those who number events, and says nothing more.
            async with asyncio.timeout(20), database.transaction() as tx:
                await sequence.number(tx)
            await mine.run("SELECT 1")

    with pytest.raises(Unavailable):
        await stand_still()
    await halted.close()
