"""Performs flows asynchronously; carry.py does it at once."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TypeVar

import httpcore

from mooring.client.exchange import LOSSES, answer_of, lost_of, options, pieces_async, request_of, step_of
from mooring.client.flow import Answer, Ask, Flow, Give, Read, Step, Stream, Wait

R = TypeVar("R")


class AsyncCarrier:
    """For any number of tasks of one event loop."""

    def __init__(self, server: str, token: str) -> None:
        self._server = server
        self._token = token
        self._pool = httpcore.AsyncConnectionPool(**options(server))

    async def close(self) -> None:
        await self._pool.aclose()

    async def perform(self, flow: Flow[R]) -> R:
        """The flow's result."""
        line = _Line(self._pool, self._server, self._token)
        outcome: object = None
        try:
            while True:
                try:
                    step = step_of(flow, outcome)
                except StopIteration as over:
                    result: R = over.value
                    return result
                outcome = await line.do(step)
        finally:
            await line.close()

    async def stream(self, flow: Stream[R]) -> AsyncGenerator[R]:
        """What the flow gives, until it ends or nobody asks any more."""
        line = _Line(self._pool, self._server, self._token)
        outcome: object = None
        try:
            while True:
                try:
                    step: Step | Give[R] = step_of(flow, outcome)
                except StopIteration:
                    return
                if isinstance(step, Give):
                    outcome = None
                    yield step.item
                else:
                    outcome = await line.do(step)
        finally:
            flow.close()
            await line.close()


class _Line:
    """The requests of one flow, and the one answer it may be reading."""

    def __init__(self, pool: httpcore.AsyncConnectionPool, server: str, token: str) -> None:
        self._pool = pool
        self._server = server
        self._token = token
        self._response: httpcore.Response | None = None
        self._pieces: AsyncIterator[bytes] | None = None

    async def do(self, step: Step) -> object:
        """What came of it; Lost when the line broke."""
        try:
            match step:
                case Ask():
                    return await self._ask(step)
                case Read():
                    return b"" if self._pieces is None else await anext(self._pieces, b"")
                case Wait(seconds=seconds):
                    return await asyncio.sleep(seconds)
        except LOSSES as error:
            return lost_of(error, self._server)

    async def _ask(self, ask: Ask) -> Answer:
        await self.close()
        request = request_of(ask, self._server, self._token, pieces_async)
        response = self._response = await self._pool.handle_async_request(request)
        answer = answer_of(response)
        if ask.streamed and answer.good:
            self._pieces = response.aiter_stream()
            return answer
        try:
            return answer_of(response, await response.aread())
        finally:
            await self.close()

    async def close(self) -> None:
        if self._response is not None:
            await self._response.aclose()
        self._response, self._pieces = None, None
