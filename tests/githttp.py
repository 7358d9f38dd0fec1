"""A real git server over HTTP: git http-backend behind basic authentication, each repository with its own people."""

import base64
import os
import ssl
import subprocess
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


class GitHttp:
    """Serves the repositories under `root`. `people`: repository → who may read it, as user:password; none: anybody."""

    def __init__(self, root: Path, certificate: Path | None = None) -> None:
        self.root = root
        self.people: dict[str, set[str]] = {}
        # Repository → where it is said to be now.
        self.moved: dict[str, str] = {}
        self.asked: list[tuple[str, str | None]] = []
        # Called while somebody waits for an answer.
        self.meanwhile: Callable[[], object] = lambda: None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self._scheme = "https"

    def url(self, name: str) -> str:
        return f"{self._scheme}://localhost:{self._server.server_address[1]}/{name}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's own name
                """Nothing."""

            def _serve(self) -> None:
                path, _, query = self.path.partition("?")
                scheme, _, text = self.headers.get("Authorization", "").partition(" ")
                who = base64.b64decode(text).decode() if scheme == "Basic" else None
                outer.asked.append((self.path, who))
                outer.meanwhile()
                allowed = outer.people.get(path.strip("/").split("/")[0])
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                elsewhere = outer.moved.get(path.strip("/").split("/")[0])
                if elsewhere is not None and (allowed is None or who in allowed):
                    self.send_response(302)
                    self.send_header("Location", f"{elsewhere}/info/refs?{query}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                if allowed is not None and who not in allowed:
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="git"')
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self._backend(path, query, body)

            def _backend(self, path: str, query: str, body: bytes) -> None:
                environment = {
                    "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(outer.root), "GIT_HTTP_EXPORT_ALL": "1",
                    "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": self.command,
                    "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
                    "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory",
                    "GIT_CONFIG_VALUE_0": "*", "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                    "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                }  # fmt: skip
                done = subprocess.run(
                    ["git", "http-backend"], input=body, env=environment, capture_output=True, check=True
                )
                head, _, content = done.stdout.partition(b"\r\n\r\n")
                headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
                self.send_response(int(headers.pop("Status", "200").split()[0]))
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = _serve  # noqa: N815 - the base's own names

        return Handler

    @contextmanager
    def running(self) -> Generator["GitHttp"]:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield self
        self._server.shutdown()
        self._server.server_close()


def self_signed(place: Path) -> tuple[Path, Path]:
    """A certificate for `localhost`, and a file of it with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    certificate, both = place / "certificate.pem", place / "both.pem"
    certificate.write_bytes(made.public_bytes(Encoding.PEM))
    certificate.chmod(0o644)
    both.write_bytes(certificate.read_bytes() + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate, both
