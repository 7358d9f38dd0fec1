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
from mooring.http.protocol import HEAD_BYTES
from surfaces.people import BASE, Asker
from surfaces.served import Served, serving

CONFIG = Path(__file__).with_name("schemathesis.toml")

pytestmark = pytest.mark.slow


@pytest.fixture
async def served(app: App) -> AsyncGenerator[Served]:
    unlimited = replace(app, settings=replace(app.settings, rate_per_token=0.0, rate_per_address=0.0))
    async with serving(unlimited) as server:
        yield server


async def told(served: Served, sent: bytes) -> tuple[bytes, bytes]:
    """Head and body of all that is answered until the connection ends."""
    host, port = served.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    async with asyncio.timeout(10):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return head, body


@pytest.mark.parametrize(
    "sent",
    [
        b"hello\r\n\r\n",
        b"GET " + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x00\xff\r\n\r\n",
        *(
            b"GET /healthz HTTP/1.1\r\nHost: %b\r\n\r\n" % host
            for host in (b"x:abc", b"x:99999999", b"x:-1", b"@:x", b"x:\xb2", b"a b", b"[::1", b"x/y")
        ),
    ],
)
async def test_what_is_no_http_is_refused_in_the_same_form(served: Served, sent: bytes) -> None:
    head, body = await told(served, sent)
    error = json.loads(body)
    assert (head.split()[1], error["kind"], error["code"]) == (b"400", "Error", "mooring-17")
    assert f"x-operation-id: {error['operation_id']}".encode() in head


HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
CHUNKED = b"POST /nope HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        HEAD + b"A: " + b"x" * HEAD_BYTES + b"\r\n\r\n",
        HEAD + b"A: x\r\n" * (HEAD_BYTES // 2) + b"\r\n",
        b"GET /" + b"x" * HEAD_BYTES + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        # What never ends is not waited for.
        HEAD + b"A: " + b"x" * 2 * HEAD_BYTES,
        HEAD + b"x" * 2 * HEAD_BYTES,
    ],
    ids=["one header", "many headers", "the address", "a value without an end", "a name without an end"],
)
async def test_a_head_that_is_too_large_is_refused_before_anyone_knows_who_sends_it(
    served: Served, sent: bytes
) -> None:
    head, body = await told(served, sent)
    error = json.loads(body)
    assert (head.split()[1], error["kind"], error["code"]) == (b"431", "Error", "mooring-37")
    assert f"x-operation-id: {error['operation_id']}".encode() in head


@pytest.mark.parametrize("host", [b"x", b"x:80", b"[::1]:7070", b"192.0.2.1", b"a-b.example.org:", b""])
async def test_any_host_that_is_one_is_taken(served: Served, host: bytes) -> None:
    head, _ = await told(served, b"GET /healthz HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n\r\n" % host)
    assert head.split()[1] == b"200"


async def test_trailers_without_an_end_are_not_waited_for(served: Served) -> None:
    head, _ = await told(served, CHUNKED + b"A: " + b"x" * 4 * HEAD_BYTES)
    assert head.split()[1:2] in ([b"404"], [b"431"], [])


async def test_a_head_of_any_usual_size_and_a_large_body_are_read(served: Served) -> None:
    large = b"POST /nope HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000
    last = HEAD + b"Connection: close\r\nA: " + b"x" * (HEAD_BYTES // 2) + b"\r\n\r\n"
    head, body = await told(served, large + last)
    assert (head.split()[1], b"HTTP/1.1 200 OK" in body) == (b"404", True)


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
