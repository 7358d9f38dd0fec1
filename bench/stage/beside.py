"""The reference application, served beside a Mooring: the same machine, the same PostgreSQL, a database of its own."""

import hashlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import uvloop
from stage.plane import Plane

TOKEN = "mrg_reference"
# As many connections as a Mooring process opens.
POOL = 12
_SERVED = ("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--no-server-header", "--log-level", "warning")
# asyncpg has no type information.
_asyncpg: Any = asyncpg


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The reference application as it runs."""

    url: str
    token: str
    pid: int


@contextmanager
def reference(plane: Plane) -> Generator[Reference]:
    """The application on the PostgreSQL of the plane."""
    uvloop.run(_make_database(plane))
    environment = {
        **os.environ,
        "REFERENCE_DATABASE": f"postgresql+asyncpg://mooring_owner@/reference?host={plane.postgres}",
        "REFERENCE_POOL": str(POOL),
        "REFERENCE_TOKEN": hashlib.sha256(TOKEN.encode()).hexdigest(),
    }
    here = Path(__file__).parents[1]
    subprocess.run([sys.executable, "-m", "reference.make"], cwd=here, env=environment, check=True)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        command = [sys.executable, "-m", "uvicorn", "reference.app:app", *_SERVED, "--fd", str(listening.fileno())]
        with subprocess.Popen(command, cwd=here, env=environment, pass_fds=[listening.fileno()]) as process:
            try:
                _wait(url)
                yield Reference(url=url, token=TOKEN, pid=process.pid)
            finally:
                process.terminate()


async def _make_database(plane: Plane) -> None:
    connection = await _asyncpg.connect(f"postgresql://postgres@/postgres?host={plane.postgres}")
    await connection.execute("CREATE DATABASE reference OWNER mooring_owner")
    await connection.close()


def _wait(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/agents", timeout=5)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the reference application did not start")
