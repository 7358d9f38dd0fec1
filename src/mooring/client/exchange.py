"""What both carriers put on the line, and what they make of what comes back."""

import os
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, TypedDict
from urllib.parse import urlencode, urlsplit

import httpcore

from mooring import __version__
from mooring.client.errors import Unavailable
from mooring.client.flow import Answer, Ask, Lost, Sending

# A server that streams says something every 15 s (a comment line when there is nothing): silence is a broken line.
_SILENCE = 45.0
_TIMEOUTS = {"connect": 5.0, "read": _SILENCE, "write": _SILENCE, "pool": _SILENCE}
_HERE = ("localhost", "127.0.0.1", "::1")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})

LOSSES = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.RemoteProtocolError, httpcore.ProxyError)
"""What a carrier catches: the line broke, or never stood."""
_UNSENT = (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout, httpcore.ProxyError)


class Options(TypedDict):
    """How connections are made."""

    ssl_context: ssl.SSLContext | None
    proxy: httpcore.Proxy | None


def options(server: str) -> Options:
    """The machine's certificates, and the proxy that the environment names for this server."""
    proxy = proxy_for(server, os.environ)
    secure = server.startswith("https:") or (proxy or "").startswith("https:")
    return {
        "ssl_context": ssl.create_default_context() if secure else None,
        "proxy": httpcore.Proxy(proxy) if proxy else None,
    }


def proxy_for(server: str, environ: Mapping[str, str]) -> str | None:
    """`https_proxy`, `http_proxy` or `all_proxy`, in small letters or large; never for a server on this machine."""
    parts = urlsplit(server)
    host = parts.hostname or ""

    def named(name: str) -> str:
        return environ.get(name) or environ.get(name.upper()) or ""

    spared = [entry.strip().lower().lstrip("*").lstrip(".") for entry in named("no_proxy").split(",")]
    if host in _HERE or "*" in named("no_proxy").split(","):
        return None
    if any(entry and (host == entry or host.endswith(f".{entry}")) for entry in spared):
        return None
    found = named(f"{parts.scheme}_proxy") or named("all_proxy")
    return found if "://" in found else f"http://{found}" if found else None


def request_of(
    ask: Ask, server: str, token: str, body: Callable[[Sending], Iterator[bytes] | AsyncIterator[bytes]] | None = None
) -> httpcore.Request:
    """A question as it is sent. A reason may be written in any language: headers are UTF-8."""
    headers = {
        "Host": urlsplit(server).netloc,
        "Authorization": f"Bearer {token}",
        "User-Agent": f"mooring/{__version__}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        **ask.headers,
    }
    if ask.sending is not None:
        headers["Content-Length"] = str(ask.sending.size)
    elif ask.content is not None or ask.method in ("POST", "PUT", "PATCH"):
        headers["Content-Length"] = str(len(ask.content or b""))
    query = f"?{urlencode(ask.query)}" if ask.query else ""
    return httpcore.Request(
        ask.method,
        f"{server}{ask.path}{query}",
        headers=[(name.encode(), value.encode()) for name, value in headers.items()],
        content=ask.content if ask.sending is None else (body or _pieces)(ask.sending),
        extensions={"timeout": _TIMEOUTS if ask.patient is None else {**_TIMEOUTS, "read": ask.patient}},
    )


def _pieces(sending: Sending) -> Iterator[bytes]:
    return sending.pieces()


async def pieces_async(sending: Sending) -> AsyncIterator[bytes]:
    """A body for the asynchronous carrier; reading a file is quick beside sending it."""
    for piece in sending.pieces():
        yield piece


def answer_of(response: httpcore.Response, content: bytes = b"") -> Answer:
    """An answer as flows read it. A token follows nobody to another address: a redirect is an error."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
    if response.status in _REDIRECTS and "location" in headers:
        reason = f"the server redirects to {headers['location']}"
        raise Unavailable(reason, hint="`moor login` with that address if you trust it")
    return Answer(status=response.status, headers=headers, content=content)


def lost_of(error: Exception, server: str) -> Lost:
    """Why there is no answer, and whether the server may have heard the question."""
    return Lost(f"{server}: {str(error) or type(error).__name__}", sent=not isinstance(error, _UNSENT))


def step_of(flow: Any, outcome: object) -> Any:  # noqa: ANN401 - a flow's steps, or a stream's
    """The flow's next step, told what came of the one before."""
    return flow.throw(outcome) if isinstance(outcome, Lost) else flow.send(outcome)
