"""The whole API asynchronously."""

from types import TracebackType
from typing import Self

from mooring.client.carry_async import AsyncCarrier
from mooring.client.flow import Async
from mooring.client.mooring import Api
from mooring.client.profile import server_url


class AsyncMooring(Api[Async]):
    """Mooring asynchronously: calls are awaited, lists and events are read with `async for`."""

    def __init__(self, server: str, token: str) -> None:
        self.server = server_url(server)
        super().__init__(AsyncCarrier(self.server, token))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self.carrier.close()
