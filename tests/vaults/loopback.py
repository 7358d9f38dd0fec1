"""Remote vaults on loopback: the documented routes of WorkOS Vault and of OpenBao's KV v2 over real HTTP, and the ways
in which a vault can fail."""

import base64
import json
import secrets
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

Json = dict[str, Any]
Answer = tuple[int, Json | None]
S = TypeVar("S", bound="Server")


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """What the next request meets: a status with headers and body, an answer that is late, or a line that is cut —
    before anything was done, or after."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b"{}"
    slow: bool = False
    cut: bool = False
    done_first: bool = False


class Asked(NamedTuple):
    method: str
    path: list[str]
    query: dict[str, str]
    headers: dict[str, str]
    body: Json


class Server(ABC):
    """One server on a free port. `troubles` are met in order, one per request; then all is well."""

    def __init__(self) -> None:
        self.troubles: list[Trouble] = []
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.changed = threading.Condition()
        self.ended = threading.Event()
        self._http = _Http(self)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def wait_for(self, count: int) -> None:
        """Return when so many requests were made. Fails after a while."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.asked) >= count, timeout=60), self.asked

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self.ended.set()
        self._http.shutdown()
        self._http.server_close()

    @abstractmethod
    def answer(self, asked: Asked) -> Answer: ...


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, vault: Server) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.vault = vault


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Http  # pyright: ignore[reportIncompatibleVariableOverride] - the only one that uses it

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's own name
        """Nothing."""

    def _handle(self) -> None:
        vault = self.server.vault
        raw = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        with vault.changed:
            vault.asked.append(f"{self.command} {self.path}")
            vault.changed.notify_all()
        headers = {name.lower(): value for name, value in self.headers.items()}
        vault.headers.append(headers)
        trouble = vault.troubles.pop(0) if vault.troubles else None
        parts = urlsplit(self.path)
        path = [unquote(part) for part in parts.path.strip("/").split("/")]
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if trouble is not None and not trouble.done_first:
            self._meet(trouble)
            return
        status, answer = vault.answer(Asked(self.command, path, query, headers, json.loads(raw or b"{}")))
        if trouble is not None:
            self._meet(trouble)
            return
        self._send(status, b"" if answer is None else json.dumps(answer).encode(), {})

    def _meet(self, trouble: Trouble) -> None:
        if trouble.slow:
            self.server.vault.ended.wait(30)
        if trouble.cut or trouble.slow:
            self.close_connection = True
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{" if trouble.cut else b"")
            return
        self._send(trouble.status, trouble.body, trouble.headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815 - the base's own names


class WorkOS(Server):
    """The Vault of one WorkOS environment. Source: https://workos.com/docs/reference/vault."""

    KEY = "sk_test_loopback"

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[str, Json] = {}

    def answer(self, asked: Asked) -> Answer:
        method, path, query, headers, body = asked
        if headers.get("authorization") != f"Bearer {self.KEY}":
            return 401, {"message": "Unauthorized"}
        if path[:3] != ["vault", "v1", "kv"]:
            return 404, {"message": "Not Found"}
        match method, path[3:]:
            case "POST", []:
                return self._create(body)
            case "GET", []:
                kept = list(self.objects.values())[: int(query.get("limit", "10"))]
                data = [{"id": one["id"], "name": one["name"], "updated_at": _now()} for one in kept]
                return 200, {"object": "list", "data": data, "list_metadata": {"before": None, "after": None}}
            case _, [*_] as rest:
                return self._one(method, rest, query, body)

    def _create(self, body: Json) -> Answer:
        if not body.get("key_context") or not isinstance(body.get("value"), str) or not body.get("name"):
            return 422, {"message": "Validation failed", "errors": [{"code": "required", "value": body.get("value")}]}
        if any(one["name"] == body["name"] for one in self.objects.values()):
            return 409, {"message": f"Item {body['name']} already exists", "error": "Conflict"}
        made = {"id": f"secret_{secrets.token_hex(16).upper()}", "name": body["name"], "value": body["value"]}
        made |= {"context": body["key_context"], "version": secrets.token_urlsafe(24)}
        self.objects[made["id"]] = made
        return 201, _metadata(made)

    def _one(self, method: str, path: list[str], query: dict[str, str], body: Json) -> Answer:
        named = path[0] == "name" and len(path) == 2
        kept = next((one for one in self.objects.values() if one["name"] == path[1]), None) if named else None
        kept = kept or self.objects.get(path[0])
        if kept is None:
            return 404, {"message": "Item not found", "error": "Not Found"}
        shown = {"id": kept["id"], "name": kept["name"], "metadata": _metadata(kept)}
        expected = body.get("version_check") if method == "PUT" else query.get("version_check")
        if expected is not None and expected != kept["version"]:
            return 409, {"message": "Version mismatch", "error": "Conflict"}
        if method == "GET":
            return 200, shown if path[1:] == ["metadata"] else {**shown, "value": kept["value"]}
        if method == "PUT" and len(path) == 1:
            kept |= {"value": body["value"], "version": secrets.token_urlsafe(24)}
            return 200, {**shown, "metadata": _metadata(kept)}
        del self.objects[kept["id"]]
        return 200, {"success": True, "name": kept["name"]}


def _metadata(kept: Json) -> Json:
    return {
        "id": kept["id"], "context": kept["context"], "environment_id": "environment_1", "key_id": "key_1",
        "updated_at": _now(), "updated_by": {"id": "key_1", "name": "loopback"}, "version_id": kept["version"],
    }  # fmt: skip


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


class OpenBao(Server):
    """One KV v2 mount `secret` per namespace, a token and an AppRole. Source: https://openbao.org/api-docs/."""

    TOKEN, ROLE, SECRET_ID = "s.loopback-root", "role-1", "secret-id-1"

    def __init__(self) -> None:
        super().__init__()
        self.tokens = {self.TOKEN}
        self.lease = 3600
        self.logins = 0
        # (namespace, path) → every version of its data; None is one that was deleted.
        self.kept: dict[tuple[str, str], list[Json | None]] = {}
        # The deletion_time of versions that are there: `delete_version_after` of the mount.
        self.until = ""

    def answer(self, asked: Asked) -> Answer:
        method, path, query, headers, body = asked
        if path[1:] == ["auth", "approle", "login"]:
            return self._log_in(body)
        if headers.get("x-vault-token") not in self.tokens:
            return 403, {"errors": ["permission denied"]}
        if path[1:] == ["auth", "token", "lookup-self"]:
            return 200, {"data": {"display_name": "loopback"}}
        if path[:2] != ["v1", "secret"]:
            return 404, {"errors": ["no handler for route"]}
        place = (headers.get("x-vault-namespace", ""), "/".join(path[3:]))
        if path[2] == "data":
            return self._write(place, body) if method in ("POST", "PUT") else self._read(place, query)
        return self._metadata(method, place)

    def _log_in(self, body: Json) -> Answer:
        if (body.get("role_id"), body.get("secret_id")) != (self.ROLE, self.SECRET_ID):
            return 400, {"errors": ["invalid role or secret ID"]}
        self.logins += 1
        token = f"s.{secrets.token_hex(12)}"
        self.tokens.add(token)
        return 200, {"auth": {"client_token": token, "lease_duration": self.lease, "renewable": True}}

    def _write(self, place: tuple[str, str], body: Json) -> Answer:
        versions = self.kept.get(place, [])
        cas = body.get("options", {}).get("cas")
        if cas is not None and cas != len(versions):
            return 400, {"errors": ["check-and-set parameter did not match the current version"]}
        self.kept[place] = [*versions, body["data"]]
        return 200, {
            "data": {
                "created_time": _now(),
                "deletion_time": self.until,
                "destroyed": False,
                "version": len(versions) + 1,
            }
        }

    def _read(self, place: tuple[str, str], query: dict[str, str]) -> Answer:
        versions = self.kept.get(place, [])
        number = int(query.get("version", "0")) or len(versions)
        if not 1 <= number <= len(versions):
            return 404, {"errors": []}
        data = versions[number - 1]
        metadata = {
            "created_time": _now(),
            "deletion_time": self.until if data else _now(),
            "destroyed": False,
            "version": number,
        }
        return (200 if data else 404), {"data": {"data": data, "metadata": metadata}}

    def _metadata(self, method: str, place: tuple[str, str]) -> Answer:
        if method == "DELETE":
            self.kept.pop(place, None)
            return 204, None
        versions = self.kept.get(place)
        if versions is None:
            return 404, {"errors": []}
        each = {
            str(number): {"created_time": _now(), "deletion_time": self.until if data else _now(), "destroyed": False}
            for number, data in enumerate(versions, 1)
        }
        return 200, {"data": {"current_version": len(versions), "versions": each, "custom_metadata": None}}


@contextmanager
def running(make: Callable[[], S]) -> Generator[S]:
    server = make()
    server.begin()
    try:
        yield server
    finally:
        server.end()


def forms(value: bytes) -> tuple[bytes, ...]:
    """How a value might stand in what was written somewhere."""
    return (value, base64.b64encode(value).rstrip(b"="), value.hex().encode())
