"""S3 servers to test against, each a process of its own on loopback, and a proxy that breaks what passes through it."""

import contextlib
import os
import re
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "scripts"


@contextlib.contextmanager
def _served(command: list[str], says: str) -> Generator[str]:
    """A server and its URL, read from what it says when it listens."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, start_new_session=True, text=True
    ) as process:
        assert process.stdout is not None
        try:
            heard: list[str] = []
            for line in process.stdout:
                heard.append(line)
                if found := re.search(says, line):
                    break
            else:
                raise AssertionError(f"{command[0]} did not start: {''.join(heard)}")
            # What it says from now on must not fill the pipe.
            with subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL) as drain:
                try:
                    yield f"http://127.0.0.1:{found[1]}"
                finally:
                    os.killpg(process.pid, signal.SIGTERM)
                    drain.wait()
        finally:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def moto() -> Generator[str]:
    """Moto's server."""
    with _served([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"], r"http://127.0.0.1:(\d+)") as url:
        yield url


def s3rver_program() -> str:
    """Where s3rver's program is; installs it. Raises OSError, saying what is missing."""
    if shutil.which("node") is None:
        raise OSError("node is missing")
    done = subprocess.run([SCRIPTS / "s3rver"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(done.stderr.strip())
    return done.stdout.strip()


@contextlib.contextmanager
def s3rver(program: str) -> Generator[str]:
    """s3rver, its buckets in a directory that goes with it."""
    with tempfile.TemporaryDirectory() as directory:
        command = ["node", program, "--directory", directory, "--address", "127.0.0.1", "--port", "0"]
        with _served([*command, "--configure-bucket", "mooring-blobs"], r"listening on 127.0.0.1:(\d+)") as url:
            yield url


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """What happens to one request: an answer of ours, or a connection that is cut after so many bytes."""

    status: int | None = None
    code: str = "InternalError"
    cut_request: int | None = None
    cut_answer: int | None = None


@dataclass(slots=True)
class Proxy:
    """Passes requests on to `upstream`; `breaks` says of each (method, path) what is wrong with it, if anything."""

    upstream: str
    breaks: Callable[[str, str], Broken | None] = lambda _method, _path: None
    seen: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    answered: int = 0
    url: str = ""

    def serve(self, client: socket.socket) -> None:
        """Answer one request."""
        with client.makefile("rb") as reader:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                line = reader.readline()
                if not line:
                    return
                head += line
            method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
            self.seen.append((method, path))
            broken = self.breaks(method, path) or Broken()
            found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            length = int(found[1]) if found else 0
            if broken.cut_request is not None:
                reader.read(min(broken.cut_request, length))
                return
            body = reader.read(length)
        if broken.status is not None:
            client.sendall(_refusal(broken, method))
        else:
            self._pass(client, head[:-2] + b"Connection: close\r\n\r\n" + body, broken.cut_answer)

    def _pass(self, client: socket.socket, request: bytes, cut: int | None) -> None:
        host, port = self.upstream.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as upstream:
            upstream.sendall(request)
            left = 1 << 40 if cut is None else cut
            while left and (chunk := upstream.recv(65536)):
                client.sendall(chunk[:left])
                self.answered += len(chunk[:left])
                left -= len(chunk[:left])


def _refusal(broken: Broken, method: str) -> bytes:
    says = f"<?xml version='1.0'?><Error><Code>{broken.code}</Code><Message>made up</Message></Error>"
    head = f"HTTP/1.1 {broken.status} Broken\r\nContent-Length: {len(says)}\r\nConnection: close\r\n\r\n"
    return (head + ("" if method == "HEAD" else says)).encode()


@contextlib.contextmanager
def proxy(upstream: str) -> Generator[Proxy]:
    """A proxy before an S3 server."""
    made = Proxy(upstream)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):
                made.serve(self.request)

    with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)) as made.url:
        yield made


@contextlib.contextmanager
def serving(server: socketserver.TCPServer) -> Generator[str]:
    """A server of this process while the block runs, and its URL."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
