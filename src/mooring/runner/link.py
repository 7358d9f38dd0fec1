"""HTTP/1.1 over the unix socket of the run, by hand: http.client and ssl would cost more than the whole runner."""

from __future__ import annotations

import json
import os
import time

# What `socket` itself is built on: the module around it costs as much as all of ours.
from _socket import AF_UNIX, SOCK_STREAM, socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Sink = Callable[[bytes], object]

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
_HEAD_LIMIT = 65536


class Away(Exception):
    """The control plane does not answer (now)."""


class Refused(Exception):
    """The token is not, or no longer, good for this."""


class Answered(Exception):
    """An answer that repeating will not change."""

    def __init__(self, status: int, path: str, body: bytes) -> None:
        super().__init__(f"{path} was answered with {status}: {body[:300].decode('utf-8', 'replace')}")
        self.status = status
        self.body = body

    @property
    def reason(self) -> str:
        """What the control plane says, where it says it in the agreed form."""
        try:
            reason = json.loads(self.body)["reason"]
        except (ValueError, KeyError, TypeError):
            return str(self)
        return str(reason)


class Link:
    """One connection, kept alive. For one thread at a time."""

    def __init__(self, path: str, token: str) -> None:
        self._path = path
        self._token = token
        self._socket: socket | None = None
        self._rest = b""

    def twin(self) -> Link:
        """A second connection with the same token, for another thread."""
        return Link(self._path, self._token)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._rest = b""

    def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        file: tuple[int, int] | None = None,
        sink: Sink | None = None,
        timeout: float = 60.0,
    ) -> bytes:
        """One attempt. The body is `body`, or `file` (descriptor, size) from its beginning; a sink takes the answer.
        Raises Away, Refused (401), Answered (any other 4xx)."""
        try:
            status, answer = self._exchange(method, path, body, file, sink, timeout)
        except (OSError, ValueError) as error:
            self.close()
            raise Away(str(error)) from None
        if status == 401:  # noqa: PLR2004 - HTTP's own number
            raise Refused(f"{path} was refused: the token of this run is not, or no longer, good")
        if status >= 500 or status == 429:  # noqa: PLR2004 - HTTP's own numbers
            raise Away(f"{path} was answered with {status}")
        if status >= 300:  # noqa: PLR2004 - HTTP's own number
            raise Answered(status, path, answer)
        return answer

    def _exchange(
        self, method: str, path: str, body: bytes, file: tuple[int, int] | None, sink: Sink | None, timeout: float
    ) -> tuple[int, bytes]:
        fresh = self._socket is None
        try:
            return self._once(method, path, body, file, sink, timeout)
        except (BrokenPipeError, ConnectionResetError, EOFError):
            self.close()
            # A kept connection may have been closed by the other side; a fresh one may not.
            if fresh:
                raise OSError("the connection ended early") from None
            return self._once(method, path, body, file, None if sink is None else sink, timeout)

    def _once(
        self, method: str, path: str, body: bytes, file: tuple[int, int] | None, sink: Sink | None, timeout: float
    ) -> tuple[int, bytes]:
        connection = self._connected(timeout)
        size = file[1] if file else len(body)
        kind = "application/octet-stream" if file else "application/json"
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: mooring\r\nAuthorization: Bearer {self._token}\r\n"
            f"Content-Type: {kind}\r\nContent-Length: {size}\r\n\r\n"
        )
        connection.sendall(head.encode() + body)
        if file:
            self._send_file(connection, *file)
        status, headers = self._head(connection)
        taken: list[bytes] = []
        self._take(connection, status, headers, sink if sink and status == 200 else taken.append)  # noqa: PLR2004
        if headers.get("connection", "").lower() == "close":
            self.close()
        return status, b"".join(taken)

    def _connected(self, timeout: float) -> socket:
        if self._socket is None:
            self._rest = b""
            self._socket = socket(AF_UNIX, SOCK_STREAM)
            self._socket.settimeout(timeout)
            self._socket.connect(self._path)
        self._socket.settimeout(timeout)
        return self._socket

    def _send_file(self, connection: socket, descriptor: int, size: int) -> None:
        done = 0
        while done < size:
            piece = os.pread(descriptor, min(262144, size - done), done)
            if not piece:
                raise OSError("the file became shorter while it was sent")
            connection.sendall(piece)
            done += len(piece)

    def _more(self, connection: socket) -> bytes:
        piece = connection.recv(65536)
        if not piece:
            raise EOFError
        return piece

    def _line(self, connection: socket) -> bytes:
        while b"\r\n" not in self._rest:
            if len(self._rest) > _HEAD_LIMIT:
                raise ValueError("the answer's head is too long")
            self._rest += self._more(connection)
        line, _, self._rest = self._rest.partition(b"\r\n")
        return line

    def _head(self, connection: socket) -> tuple[int, dict[str, str]]:
        words = self._line(connection).split(b" ", 2)
        headers: dict[str, str] = {}
        while line := self._line(connection):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        status = int(words[1])
        return self._head(connection) if status // 100 == 1 else (status, headers)

    def _take(self, connection: socket, status: int, headers: dict[str, str], sink: Sink) -> None:
        if status in (204, 304):
            return
        if headers.get("transfer-encoding", "").lower() == "chunked":
            while size := int(self._line(connection).split(b";")[0], 16):
                self._exactly(connection, size, sink)
                self._line(connection)
            while self._line(connection):
                continue
            return
        self._exactly(connection, int(headers.get("content-length", "0")), sink)

    def _exactly(self, connection: socket, size: int, sink: Sink) -> None:
        while size:
            if not self._rest:
                self._rest = self._more(connection)
            piece, self._rest = self._rest[:size], self._rest[size:]
            sink(piece)
            size -= len(piece)


class Patience:
    """How long to repeat: 0.1 s doubling to 5 s, until `deadline` (monotonic; None: for as long as the run lives)."""

    def __init__(self, deadline: float | None = None) -> None:
        self._deadline = deadline
        self._pause = FIRST_PAUSE

    def pause(self) -> float:
        """Seconds to wait before the next attempt. Raises Away when the time is up."""
        pause, self._pause = self._pause, min(LONGEST_PAUSE, self._pause * 2)
        if self._deadline is not None and time.monotonic() + pause > self._deadline:
            raise Away("the control plane did not answer in time")
        return pause


def insist(call: Callable[[], bytes], deadline: float | None = None) -> bytes:
    """Repeat `call` until it is answered. Raises Refused, Answered; Away when the deadline passes."""
    patience = Patience(deadline)
    while True:
        try:
            return call()
        except Away:
            time.sleep(patience.pause())


def packed(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
