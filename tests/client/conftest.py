"""A scripted server, and the client in both its ways against it."""

import asyncio
from collections.abc import Callable, Generator
from typing import Any

import pytest

from client.scripted import Scripted, serving
from mooring.client import AsyncMooring, Mooring


@pytest.fixture
def server() -> Generator[Scripted]:
    with serving() as script:
        yield script


Did = Callable[[Callable[[Any], Any]], Any]


@pytest.fixture(params=["sync", "async"])
def did(request: pytest.FixtureRequest, server: Scripted) -> Did:
    """Performs an operation of the client the one way and the other; lists are taken whole."""

    def at_once(operation: Callable[[Any], Any]) -> Any:
        with Mooring(server.url, "mrg_token") as mooring:
            result = operation(mooring)
            return list(result) if hasattr(result, "__next__") else result

    def asynchronously(operation: Callable[[Any], Any]) -> Any:
        async def perform() -> Any:
            async with AsyncMooring(server.url, "mrg_token") as mooring:
                result = operation(mooring)
                return [item async for item in result] if hasattr(result, "__anext__") else await result

        return asyncio.run(perform())

    return at_once if request.param == "sync" else asynchronously
