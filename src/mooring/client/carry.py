"""The two ways to perform a flow: at once, and asynchronously. Only this file knows httpx.

The waits between tries are a client's own: the house's clock and loops are the server's, which a client never loads.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from typing import Any, TypedDict, TypeVar
from urllib.parse import urlsplit

import httpx

from mooring import __version__
from mooring.client.errors import Unavailable
from mooring.client.flow import Answer, Ask, Flow, Give, Lost, Read, Step, Stream, Wait

R = TypeVar("R")

# A server that streams says something every 15 s (a comment line when there is nothing): silence is a broken line.
_SILENCE = 45.0
_TIMEOUT = httpx.Timeout(_SILENCE, connect=5.0)
_HERE = ("localhost", "127.0.0.1", "::1")


class Carrier:
    """Performs flows at once. For one thread at a time."""

    def __init__(self, server: str, token: str) -> None:
        self._server = server
        self._http = httpx.Client(**_options(server, token))

    def close(self) -> None:
        self._http.close()

    def perform(self, flow: Flow[R]) -> R:
        """The flow's result."""
        line = _Line(self._http, self._server)
        outcome: object = None
        try:
            while True:
                outcome = line.do(_next(flow, outcome))
        except StopIteration as over:
            result: R = over.value
            return result
        finally:
            line.close()

    def stream(self, flow: Stream[R]) -> Generator[R]:
        """What the flow gives, until it ends or nobody asks any more."""
        line = _Line(self._http, self._server)
        outcome: object = None
        try:
            while True:
                step: Step | Give[R] = _next(flow, outcome)
                if isinstance(step, Give):
                    outcome = None
                    yield step.item
                else:
                    outcome = line.do(step)
        except StopIteration:
            return
        finally:
            flow.close()
            line.close()


class _Line:
    """The requests of one flow, and the one answer it may be reading."""

    def __init__(self, http: httpx.Client, server: str) -> None:
        self._http = http
        self._server = server
        self._response: httpx.Response | None = None
        self._pieces: Iterator[bytes] = iter(())

    def do(self, step: Step) -> object:
        """What came of it; Lost when the line broke."""
        try:
            match step:
                case Ask():
                    return self._ask(step)
                case Read():
                    return next(self._pieces, b"")
                case Wait(seconds=seconds):
                    return time.sleep(seconds)
        except (httpx.TransportError, httpx.DecodingError) as error:
            return _lost(error, self._server)

    def _ask(self, ask: Ask) -> Answer:
        self.close()
        response = self._http.send(_request(self._http, ask), stream=True)
        if ask.streamed and response.is_success:
            self._response, self._pieces = response, response.iter_bytes()
            return _answer(response)
        try:
            return _answer(response, response.read())
        finally:
            response.close()

    def close(self) -> None:
        if self._response is not None:
            self._response.close()
        self._response, self._pieces = None, iter(())


class AsyncCarrier:
    """Performs flows asynchronously; any number at a time, in one event loop."""

    def __init__(self, server: str, token: str) -> None:
        self._server = server
        self._http = httpx.AsyncClient(**_options(server, token))

    async def close(self) -> None:
        await self._http.aclose()

    async def perform(self, flow: Flow[R]) -> R:
        """The flow's result."""
        line = _AsyncLine(self._http, self._server)
        outcome: object = None
        try:
            while True:
                try:
                    step = _next(flow, outcome)
                except StopIteration as over:
                    result: R = over.value
                    return result
                outcome = await line.do(step)
        finally:
            await line.close()

    async def stream(self, flow: Stream[R]) -> AsyncGenerator[R]:
        """What the flow gives, until it ends or nobody asks any more."""
        line = _AsyncLine(self._http, self._server)
        outcome: object = None
        try:
            while True:
                try:
                    step: Step | Give[R] = _next(flow, outcome)
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


class _AsyncLine:
    """The requests of one flow, and the one answer it may be reading."""

    def __init__(self, http: httpx.AsyncClient, server: str) -> None:
        self._http = http
        self._server = server
        self._response: httpx.Response | None = None
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
        except (httpx.TransportError, httpx.DecodingError) as error:
            return _lost(error, self._server)

    async def _ask(self, ask: Ask) -> Answer:
        await self.close()
        response = await self._http.send(_request(self._http, ask), stream=True)
        if ask.streamed and response.is_success:
            self._response, self._pieces = response, response.aiter_bytes()
            return _answer(response)
        try:
            return _answer(response, await response.aread())
        finally:
            await response.aclose()

    async def close(self) -> None:
        if self._response is not None:
            await self._response.aclose()
        self._response, self._pieces = None, None


class _Options(TypedDict):
    base_url: str
    headers: dict[str, str]
    timeout: httpx.Timeout
    trust_env: bool
    follow_redirects: bool


def _options(server: str, token: str) -> _Options:
    headers = {"Authorization": f"Bearer {token}", "User-Agent": f"mooring/{__version__}", "Accept": "application/json"}
    # A proxy for the outside is no way to a server on this machine; and a token follows nobody to another host.
    trusts = urlsplit(server).hostname not in _HERE
    return {
        "base_url": server,
        "headers": headers,
        "timeout": _TIMEOUT,
        "trust_env": trusts,
        "follow_redirects": False,
    }


def _request(http: httpx.Client | httpx.AsyncClient, ask: Ask) -> httpx.Request:
    # As UTF-8: a reason may be written in any language.
    headers = [(name.encode(), value.encode()) for name, value in ask.headers.items()]
    return http.build_request(ask.method, ask.path, params=ask.query or None, headers=headers, content=ask.content)


def _next(flow: Any, outcome: object) -> Any:  # noqa: ANN401 - a flow's steps, or a stream's
    """The flow's next step, told what came of the one before."""
    return flow.throw(outcome) if isinstance(outcome, Lost) else flow.send(outcome)


def _lost(error: httpx.RequestError, server: str) -> Lost:
    sent = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    return Lost(f"{server}: {str(error) or type(error).__name__}", sent=sent)


def _answer(response: httpx.Response, content: bytes = b"") -> Answer:
    if response.has_redirect_location:
        there = response.headers["location"]
        raise Unavailable(f"the server redirects to {there}", hint="`moor login` with that address if you trust it")
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(status=response.status_code, headers=headers, content=content)
