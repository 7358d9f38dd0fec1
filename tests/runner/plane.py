"""A control plane as the runner sees it: the link of docs/link.md over a real unix socket, and what it was told."""

import base64
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

TOKEN = "token-of-this-run"
Json = dict[str, Any]


def agent(runtime: str, *command: str, **settings: Any) -> Json:
    """What plays a session's agent."""
    return {"runtime": runtime, "command": list(command), "model": None, "settings": settings}


def assignment(workdir: Path, home: Path, outputs: Path) -> Json:
    """An assignment with nothing to do."""
    return {
        "run": "run_1", "kind": "session", "session": "ses_1", "workdir": str(workdir), "home": str(home),
        "outputs": str(outputs), "environment": {"GREETING": "hello"}, "repositories": [], "skills": [],
        "instructions": "", "opening": "", "agent": agent("shell"), "tasks": [], "timeout": 120.0,
        "idle_timeout": None, "grace": 2.0, "interactive": False, "permission_policy": "allow",
        "limits": {"line_bytes": 65536, "task_output_bytes": 8388608, "spool_bytes": 67108864,
                   "artifact_bytes": 268435456, "artifacts": 100},
        "command": None,
    }  # fmt: skip


class Plane:
    """Starts and stops its socket as a control plane does when it is restarted; what it holds outlives that."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.assignment: Json = {}
        self.secrets: dict[str, bytes] = {}
        self.secret_files: dict[str, bytes] = {}
        self.inputs: dict[int, bytes] = {}
        self.events: dict[int, Json] = {}
        self.repeated = 0
        # So many batches are taken and their answers lost.
        self.lose_answers = 0
        self.artifacts: dict[str, bytes] = {}
        self.exit: Json | None = None
        self.exits = 0
        self.received = False
        self.revoked = False
        self.refused_artifacts: set[str] = set()
        self.asked: list[str] = []
        self.forged = 0
        self._commands: list[Json] = []
        self.changed = threading.Condition()
        self._server: _Server | None = None

    def tasks(self, *tasks: Json) -> None:
        """Assign these, each as far as it says."""
        self.assignment["tasks"] = [
            {"number": number, "name": f"task {number}", "check": None, "max_attempts": 1, "timeout": None,
             "continue_on_failure": False, "agent": None, "path": None, **task}
            for number, task in enumerate(tasks)
        ]  # fmt: skip

    def begin(self) -> None:
        self.socket.unlink(missing_ok=True)
        self._server = _Server(str(self.socket), self)
        # A run's user is another one.
        self.socket.chmod(0o666)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def go_away(self) -> None:
        """No socket, no open connection."""
        if self._server is not None:
            self._server.shutdown()
            self._server.end_connections()
            self._server.server_close()
            self._server = None
        self.socket.unlink(missing_ok=True)

    def command(self, kind: str, **data: str) -> None:
        with self.changed:
            self._commands.append({"number": len(self._commands) + 1, "type": kind, "data": data})
            self.changed.notify_all()

    def commands_after(self, number: int, seconds: float) -> list[Json]:
        with self.changed:
            self.changed.wait_for(lambda: len(self._commands) > number or self._server is None, seconds)
            return self._commands[number:]

    def wait(self, until: Callable[[], bool], seconds: float = 30) -> None:
        """Until what was asked for came true, looked at whenever something was told."""
        deadline = time.monotonic() + seconds
        with self.changed:
            while not until():
                left = deadline - time.monotonic()
                assert left > 0, f"it did not come true; the transcript is {self.summary()}"
                self.changed.wait(min(left, 0.2))

    def wait_for(self, kind: str, **data: object) -> Json:
        """The first event of this kind with these data."""
        self.wait(lambda: bool(self.of(kind, **data)))
        return self.of(kind, **data)[0]

    def of(self, kind: str, **data: object) -> list[Json]:
        """The data of every event of this kind (with these data), in order."""
        found = [self.events[seq]["data"] for seq in sorted(self.events) if self.events[seq]["type"] == kind]
        return [one for one in found if all(one.get(key) == value for key, value in data.items())]

    def text(self, kind: str = "log", **data: object) -> str:
        return "".join(one["text"] for one in self.of(kind, **data))

    def kinds(self) -> list[str]:
        return [self.events[seq]["type"] for seq in sorted(self.events)]

    def gapless(self) -> bool:
        return sorted(self.events) == list(range(1, len(self.events) + 1))

    def summary(self) -> str:
        return json.dumps([self.events[seq] for seq in sorted(self.events)])[-4000:]

    def take_events(self, events: list[Json]) -> int:
        with self.changed:
            for event in events:
                known = self.events.setdefault(event["seq"], event)
                assert known == event, "the same number came with something else"
                self.repeated += known is not event
            self.changed.notify_all()
            return max(self.events, default=0)


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, path: str, plane: Plane) -> None:
        super().__init__(path, _Handler)
        self.plane = plane
        self._open: list[Any] = []

    def get_request(self) -> tuple[Any, Any]:
        request, _ = super().get_request()
        self._open.append(request)
        return request, ("link", 0)

    def end_connections(self) -> None:
        for request in self._open:
            try:
                request.shutdown(2)
            except OSError:
                continue

    def handle_error(self, request: object, client_address: object) -> None:
        """A runner that was killed in the middle of a request is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride] - what really serves

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's own name
        """Nothing: the transcript is what is looked at."""

    def _answer(self, status: int, body: bytes = b"", *, chunked: bool = False) -> None:
        self.send_response(status)
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for start in range(0, len(body), 1000):
                piece = body[start : start + 1000]
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")
            return
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _json(self, value: object) -> None:
        self._answer(200, json.dumps(value).encode())

    def _enter(self) -> tuple[str, bytes] | None:
        plane = self.server.plane
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        name, _, query = self.path.removeprefix("/link/v1/").partition("?")
        with plane.changed:
            plane.asked.append(f"{self.command} {name}")
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            plane.forged += 1
            self._answer(401)
            return None
        if plane.revoked:
            self._answer(401)
            return None
        return (name if not query else f"{name}?{query}"), body

    def do_GET(self) -> None:
        entered, plane = self._enter(), self.server.plane
        if entered is None:
            return
        name = entered[0]
        if name == "assignment":
            self._json(plane.assignment)
        elif name == "environment":
            if plane.received:
                self._answer(409, b"the secrets were delivered already")
                return
            coded = {key: base64.b64encode(value).decode() for key, value in plane.secrets.items()}
            files = {key: base64.b64encode(value).decode() for key, value in plane.secret_files.items()}
            self._json({"variables": coded, "files": files})
        elif name.startswith("inputs/"):
            self._answer(200, plane.inputs[int(name.removeprefix("inputs/"))], chunked=True)
        elif name.startswith("commands?after="):
            self._json({"commands": plane.commands_after(int(name.partition("=")[2]), 1)})
        else:
            self._answer(404)

    def do_POST(self) -> None:
        entered, plane = self._enter(), self.server.plane
        if entered is None:
            return
        name, body = entered
        if name == "events":
            assert len(body) <= 1 << 20
            events = json.loads(body)["events"]
            assert len(events) <= 500
            acknowledged = plane.take_events(events)
            if plane.lose_answers:
                plane.lose_answers -= 1
                self.close_connection = True
                return
            self._json({"acknowledged": acknowledged})
        elif name == "exit":
            with plane.changed:
                plane.exit = plane.exit or json.loads(body)
                plane.exits += 1
                plane.changed.notify_all()
            self._answer(204)
        elif name == "environment/received":
            plane.received = True
            self._answer(204)
        else:
            self._answer(404)

    def do_PUT(self) -> None:
        entered, plane = self._enter(), self.server.plane
        if entered is None:
            return
        name, body = entered
        name = name.removeprefix("artifacts/")
        if name in plane.refused_artifacts:
            self._answer(413, b"too large")
            return
        plane.artifacts[name] = body
        self._answer(204)
