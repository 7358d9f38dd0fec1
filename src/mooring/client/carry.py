"""Performs flows at once; carry_async.py does it asynchronously.

The waits between tries are a client's own: the house's clock and loops are the server's, which a client never loads.
"""

import time
from collections.abc import Generator, Iterator
from typing import TypeVar

import httpcore

from mooring.client.exchange import LOSSES, answer_of, lost_of, options, request_of, step_of
from mooring.client.flow import Answer, Ask, Flow, Give, Read, Step, Stream, Wait

R = TypeVar("R")


class Carrier:
    """For one thread at a time."""

    def __init__(self, server: str, token: str) -> None:
        self._server = server
        self._token = token
        self._pool = httpcore.ConnectionPool(**options(server))

    def close(self) -> None:
        self._pool.close()

    def perform(self, flow: Flow[R]) -> R:
        """The flow's result."""
        line = _Line(self._pool, self._server, self._token)
        outcome: object = None
        try:
            while True:
                outcome = line.do(step_of(flow, outcome))
        except StopIteration as over:
            result: R = over.value
            return result
        finally:
            line.close()

    def stream(self, flow: Stream[R]) -> Generator[R]:
        """What the flow gives, until it ends or nobody asks any more."""
        line = _Line(self._pool, self._server, self._token)
        outcome: object = None
        try:
            while True:
                step: Step | Give[R] = step_of(flow, outcome)
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

    def __init__(self, pool: httpcore.ConnectionPool, server: str, token: str) -> None:
        self._pool = pool
        self._server = server
        self._token = token
        self._response: httpcore.Response | None = None
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
        except LOSSES as error:
            return lost_of(error, self._server)

    def _ask(self, ask: Ask) -> Answer:
        self.close()
        response = self._response = self._pool.handle_request(request_of(ask, self._server, self._token))
        answer = answer_of(response)
        if ask.streamed and answer.good:
            self._pieces = response.iter_stream()
            return answer
        try:
            return answer_of(response, response.read())
        finally:
            self.close()

    def close(self) -> None:
        if self._response is not None:
            self._response.close()
        self._response, self._pieces = None, iter(())
