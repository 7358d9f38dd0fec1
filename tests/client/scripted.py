"""A server on loopback that answers as it is told to: with faults that a good server never shows."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Reply = Callable[["_Handler"], None]


@dataclass(kw_only=True)
class Scripted:
    """`url` is where it answers; replies are given in order, the last one again and again."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list[Asked])
    replies: list[Reply] = field(default_factory=list[Reply])

    def will(self, *replies: Reply) -> None:
        self.replies[:] = replies


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    script: Scripted

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        script = self.script
        script.asked.append(Asked(method=self.command, path=self.path, headers=headers, body=body))
        reply = script.replies.pop(0) if len(script.replies) > 1 else script.replies[0]
        reply(self)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815 - the library's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


def answer(status: int, body: object = None, **headers: str) -> Reply:
    """A whole answer; what is no bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()

    def reply(handler: _Handler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return reply


def refusal(status: int, reason: str, **more: object) -> Reply:
    """An error as Mooring answers it."""
    body = {
        "id": "6",
        "kind": "Error",
        "href": "/",
        "code": "mooring-6",
        "reason": reason,
        "operation_id": "op_1",
        **more,
    }
    return answer(status, body)


def drop(handler: _Handler) -> None:
    """The line breaks before there is an answer."""
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def cut(status: int, begin: bytes, size: int, **headers: str) -> Reply:
    """An answer that is to have so many bytes, and breaks off after its begin."""

    def reply(handler: _Handler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(size))
        handler.end_headers()
        handler.wfile.write(begin)
        drop(handler)

    return reply


def stream(*pieces: bytes, cut: bool = False) -> Reply:
    """An event stream in these pieces, ended well or cut in the middle."""

    def reply(handler: _Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for piece in pieces:
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            handler.wfile.flush()
        if cut:
            drop(handler)
        else:
            handler.wfile.write(b"0\r\n\r\n")

    return reply


def event(number: int, word: str, data: Mapping[str, object]) -> bytes:
    """An event of a transcript as the server sends it."""
    item = {"number": number, "at": "2026-11-23T02:00:00Z", "type": word, "data": data}
    return f"id: {number}\nevent: {word}\ndata: {json.dumps(item)}\n\n".encode()


def page(items: Iterable[Mapping[str, object]], following: str | None = None) -> Reply:
    held = list(items)
    return answer(200, {"kind": "List", "page": 1, "size": len(held), "total": None, "items": held, "next": following})


@contextlib.contextmanager
def serving() -> Generator[Scripted]:
    script = Scripted()
    handler = type("Handler", (_Handler,), {"script": script})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    script.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
