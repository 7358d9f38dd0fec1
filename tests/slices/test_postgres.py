"""The embedded PostgreSQL: starts after anything, lets in nobody else, says what is in the way."""

import asyncio
import os
import signal
import subprocess
import tempfile
from collections.abc import Generator
from pathlib import Path
from shutil import rmtree

import pytest

from mooring.base.db import Database, connect
from mooring.base.errors import Unavailable
from mooring.base.hints import Hints
from mooring.base.postgres import EmbeddedPostgres
from mooring.base.unprivileged import process_user

pytestmark = pytest.mark.slow
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root; run the tests as root")


@pytest.fixture
def directory() -> Generator[Path]:
    made = Path(tempfile.mkdtemp(prefix="mooring-pg-", dir="/tmp"))
    made.chmod(0o755)
    yield made
    rmtree(made)


@pytest.fixture
def server(directory: Path) -> Generator[EmbeddedPostgres]:
    made = EmbeddedPostgres(directory=directory / "pg", user=process_user("mooring-db"), throw_away=True)
    yield made
    made.stop()


async def opened(server: EmbeddedPostgres) -> Database:
    return await connect(server.url("mooring_owner"), hints=Hints(), most=1)


async def number(server: EmbeddedPostgres) -> int | None:
    database = await opened(server)
    async with database.transaction() as tx:
        found = await tx.value(int, "SELECT n FROM kept")
    await database.close()
    return found


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def master(server: EmbeddedPostgres) -> int:
    """The process id of the server."""
    return int((server.cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])


async def test_what_was_written_is_there_after_stop_and_start(server: EmbeddedPostgres) -> None:
    await server.start()
    database = await opened(server)
    async with database.transaction() as tx:
        await tx.script("CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)")
    await database.close()
    server.stop()
    assert not server.running()
    await server.start()
    assert await number(server) == 7


async def test_it_starts_after_it_was_killed(server: EmbeddedPostgres) -> None:
    await server.start()
    os.kill(master(server), signal.SIGKILL)
    while server.running():
        await asyncio.to_thread(os.sched_yield)
    await server.start()
    assert server.running()


async def test_a_pid_file_whose_number_belongs_to_another_program_is_in_nobodys_way(server: EmbeddedPostgres) -> None:
    await server.start()
    server.stop()
    pid_file = server.cluster / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{server.cluster}\n", encoding="utf-8")
    server.user.own(pid_file)
    assert not server.running()
    await server.start()
    assert server.running()


async def test_starting_what_runs_changes_nothing(server: EmbeddedPostgres) -> None:
    await server.start()
    before = master(server)
    await server.start()
    assert master(server) == before


async def test_a_cluster_that_was_left_half_made_is_made_anew(server: EmbeddedPostgres) -> None:
    half = server.directory / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18")
    await server.start()
    assert server.running()


@needs_root
async def test_nobody_else_is_let_in(server: EmbeddedPostgres) -> None:
    await server.start()
    knock = f"import socket; socket.socket(socket.AF_UNIX).connect('{server.sockets}/.s.PGSQL.5432')"
    stranger = [*process_user("mooring-run").prefix(), "/usr/bin/python3", "-c", knock]
    done = await asyncio.to_thread(subprocess.run, stranger, capture_output=True, text=True, check=False)
    assert "PermissionError" in done.stderr
    hba = (server.cluster / "pg_hba.conf").read_text(encoding="utf-8")
    assert hba.split() == ["local", "all", "all", "peer", "map=mooring"]


async def test_it_listens_on_no_network(server: EmbeddedPostgres) -> None:
    await server.start()
    database = await opened(server)
    async with database.transaction() as tx:
        assert not await tx.value(str, "SELECT nullif(current_setting('listen_addresses'), '')")
    await database.close()


@needs_root
async def test_it_does_not_run_as_root(server: EmbeddedPostgres) -> None:
    await server.start()
    owner = await asyncio.to_thread(Path(f"/proc/{master(server)}").stat)
    assert owner.st_uid == process_user("mooring-db").uid


async def test_a_path_too_long_for_a_socket_is_refused_with_the_fix(directory: Path) -> None:
    deep = directory / ("d" * 90)
    server = EmbeddedPostgres(directory=deep / "pg", user=process_user("mooring-db"), throw_away=True)
    with pytest.raises(Unavailable, match="choose a shorter one with --data"):
        await server.start()
    assert not deep.exists()


@needs_root
async def test_a_data_directory_behind_a_closed_one_is_refused_with_the_fix(directory: Path) -> None:
    closed = directory / "closed"
    closed.mkdir(mode=0o700)
    server = EmbeddedPostgres(directory=closed / "pg", user=process_user("mooring-db"), throw_away=True)
    with pytest.raises(Unavailable, match=f"chmod o\\+x {closed}"):
        await server.start()
    assert list(closed.iterdir()) == []


@needs_root
async def test_a_full_disk_is_named_and_freeing_it_is_enough(directory: Path) -> None:
    small = directory / "small"
    small.mkdir()
    mount("-t", "tmpfs", "-o", "size=16m,mode=0755", "none", str(small))
    try:
        server = EmbeddedPostgres(directory=small / "pg", user=process_user("mooring-db"), throw_away=True)
        with pytest.raises(Unavailable, match=r"[Nn]o space left|full"):
            await server.start()
        mount("-o", "remount,size=512m", str(small))
        await server.start()
        assert server.running()
        server.stop()
    finally:
        await asyncio.to_thread(subprocess.run, ["umount", str(small)], check=True)
