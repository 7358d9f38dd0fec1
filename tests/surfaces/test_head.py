"""HEAD: everything GET answers but the body, over a real socket."""

import re
from collections.abc import AsyncGenerator

import httpx
import pytest

from mooring.app import App
from mooring.http.server import ROUTES
from surfaces.people import BASE, Asker
from surfaces.samples import SAMPLES
from surfaces.served import serving

OPEN = ("/healthz", "/readyz", "/docs", f"{BASE}/openapi")

pytestmark = pytest.mark.slow


@pytest.fixture
async def client(app: App, admin: Asker) -> AsyncGenerator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {admin.token}"}
    async with serving(app) as served, httpx.AsyncClient(base_url=served.url, headers=headers, timeout=30) as client:
        yield client


def told(answer: httpx.Response) -> tuple[int, dict[str, str]]:
    """Status and headers, but for what is of the one request, and how a body is cut into pieces."""
    own = ("x-operation-id", "date", "transfer-encoding")
    return answer.status_code, {name: value for name, value in answer.headers.items() if name not in own}


async def test_head_is_answered_as_get_is_without_the_body_on_every_path(
    admin: Asker, client: httpx.AsyncClient
) -> None:
    ids = {sample.path: (await sample.made(admin))["id"] for sample in SAMPLES.values()}
    statuses: dict[str, int] = {}
    for route in ROUTES:
        if route.method == "GET":
            owner = f"/{route.path.split('/')[1]}"
            path = BASE + re.sub(r"{[^}]+}", ids.get(owner, "x"), route.path)
            read, headed = await client.get(path), await client.head(path)
            assert (told(headed), headed.content) == (told(read), b""), path
            statuses[path] = headed.status_code
    for path in OPEN:
        headed = await client.head(path)
        assert (told(headed), headed.content) == (told(await client.get(path)), b""), path
    good = [path for path, status in statuses.items() if status == 200]
    assert len(good) >= 2 * len(SAMPLES)
    assert f"{BASE}/record/export" in good


@pytest.mark.parametrize("path", ["/agents?watch=true", "/resource_events?watch=true"])
async def test_the_head_of_a_stream_ends_at_once(client: httpx.AsyncClient, path: str) -> None:
    headed = await client.head(BASE + path)
    assert (headed.status_code, headed.content) == (200, b"")
    assert headed.headers["Content-Type"].startswith("text/event-stream")


async def test_what_get_does_not_take_head_does_not_take(client: httpx.AsyncClient) -> None:
    answer = await client.head(f"{BASE}/sessions/x/start")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST, OPTIONS")


@pytest.mark.parametrize("path", [*OPEN, "/healthz/"])
async def test_what_is_open_to_all_names_the_methods_it_takes(client: httpx.AsyncClient, path: str) -> None:
    refused, asked = await client.post(path), await client.options(path)
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert (asked.status_code, set(asked.headers["Allow"].split(", "))) == (204, {"GET", "HEAD", "OPTIONS"})
