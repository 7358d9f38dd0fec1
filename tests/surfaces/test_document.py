"""The served document, held against the server from outside: schemathesis, with all its checks."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from mooring.app import App
from surfaces.people import BASE, Asker
from surfaces.served import Served, serving

CONFIG = Path(__file__).with_name("schemathesis.toml")

pytestmark = pytest.mark.slow


@pytest.fixture
async def served(app: App) -> AsyncGenerator[Served]:
    unlimited = replace(app, settings=replace(app.settings, rate_per_token=0.0, rate_per_address=0.0))
    async with serving(unlimited) as server:
        yield server


@pytest.mark.parametrize(
    "sent",
    [
        b"hello\r\n\r\n",
        b"GET " + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x00\xff\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_refused_in_the_same_form(served: Served, sent: bytes) -> None:
    host, port = served.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    async with asyncio.timeout(10):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    error = json.loads(body)
    assert (head.split()[1], error["kind"], error["code"]) == (b"400", "Error", "mooring-17")
    assert f"x-operation-id: {error['operation_id']}".encode() in head


@pytest.mark.parametrize(
    ("phases", "examples", "least"),
    [
        ("examples,fuzzing,stateful", 1, 400),
        pytest.param(
            "examples,coverage,fuzzing,stateful", 40, 10_000, marks=[pytest.mark.long, pytest.mark.timeout(3600)]
        ),
    ],
)
async def test_no_request_made_from_the_document_is_answered_against_it(
    admin: Asker, served: Served, tmp_path: Path, phases: str, examples: int, least: int
) -> None:
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(CONFIG),
        "run", f"{served.url}{BASE}/openapi", "--url", f"{served.url}{BASE}",
        "--header", f"Authorization: Bearer {admin.token}",
        "--phases", phases, "--max-examples", str(examples), "--seed", "1", "--no-color", "--request-timeout", "30",
    ]  # fmt: skip
    tool = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=tmp_path
    )
    said = (await tool.communicate())[0].decode()
    assert tool.returncode == 0, said[-20_000:]
    count = re.search(r"(\d+) generated", said)
    assert count is not None, said
    assert int(count[1]) >= least
