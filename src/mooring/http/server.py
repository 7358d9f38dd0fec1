"""The API as one ASGI application: every route under one roof, one way in, one way to fail."""

import asyncio
import contextlib
import functools
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog
from litestar import Litestar, Request, Response, Router
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream

from mooring.access.actor import Actor
from mooring.app import App
from mooring.audit.feed import Feed
from mooring.base.errors import MooringError, NotKnown, Unavailable
from mooring.base.ids import new_id
from mooring.base.migrate import current, shipped
from mooring.http import (
    access,
    audit,
    catalog,
    compute,
    content,
    files,
    identity,
    record,
    runs,
    secrets,
    sessions,
    system,
)
from mooring.http.call import Call
from mooring.http.errors import BASE, Broken, NoSuchMethod, OutOfRange, TooMany, body_of, of_framework
from mooring.http.keys import NOBODY, asker
from mooring.http.openapi import document
from mooring.http.rate import Rates
from mooring.http.reference import POLICY, page
from mooring.http.route import JSON, Answer, Route

log = structlog.stdlib.get_logger("mooring.http")

AnyRequest = Request[Any, Any, State]

ROUTES: tuple[Route, ...] = (
    *system.ROUTES,
    *identity.ROUTES,
    *catalog.ROUTES,
    *compute.ROUTES,
    *runs.ROUTES,
    *sessions.ROUTES,
    *secrets.ROUTES,
    *files.ROUTES,
    *content.ROUTES,
    *audit.ROUTES,
    *record.ROUTES,
    *access.ROUTES,
)
"""Every route under /api/mooring/v1. A slice's file adds its own here."""

_PATTERNS = {
    route.path: re.compile(re.sub(r"{[^}]+}", "[^/]+", re.sub(r"{[^}]+:path}", ".+", route.path))) for route in ROUTES
}


def application(app: App) -> Litestar:
    """The application of one process. While it lives it follows the record, for those who watch."""
    # Read now, so that a pattern that is none stops the start and not a request.
    log.debug("reasons wanted", actions=app.settings.reasons_wanted)
    feed = Feed(app.database)
    limits = _Limits(addresses=Rates(app.settings.rate_per_address), tokens=Rates(app.settings.rate_per_token))

    @contextlib.asynccontextmanager
    async def following(_: Litestar) -> AsyncGenerator[None]:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(feed.run())
            yield
            feed.stop()

    paths: dict[str, list[Route]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, []).append(route)
    handlers = [*_health(app), _openapi(), _reference(), *(_handler(app, routes, limits) for routes in paths.values())]
    return Litestar(
        state=State({"feed": feed}),
        lifespan=[following],
        # In one router: registered one by one, each would have the whole tree of paths built anew.
        route_handlers=[Router("/", route_handlers=handlers)],
        openapi_config=None,
        request_max_body_size=None,
        logging_config=None,
        exception_handlers={MooringError: _refuse, HTTPException: _refuse, Exception: _refuse},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limits:
    """How often one may ask."""

    addresses: Rates
    tokens: Rates

    async def asker(self, app: App, request: AnyRequest) -> tuple[Actor, str | None]:
        """Who asks. Raises NotKnown, TooMany."""
        now = asyncio.get_running_loop().time()
        address = request.client.host if request.client is not None else ""
        _not_too_many(self.addresses.wait(address, now), "from this address")
        found = await asker(app, request)
        _not_too_many(self.tokens.wait(found.key, now), "with this token")
        return found.actor, found.token_id


def _not_too_many(seconds: int, whose: str) -> None:
    if seconds:
        raise TooMany(f"too many requests {whose}; the next is taken in {seconds} s", retry_after=seconds)


def _handler(app: App, routes: Sequence[Route], limits: _Limits) -> HTTPRouteHandler:
    """What one path answers, whatever the method: registered singly, the framework would forget some in `Allow`."""
    by_method: dict[str, Route] = {route.method: route for route in routes}

    async def handle(request: AnyRequest) -> Response[Any]:
        route = by_method[request.method]
        operation_id = request.state.operation_id = new_id("op")
        actor, token_id = (NOBODY, None) if route.public else await limits.asker(app, request)
        call = Call(app=app, actor=actor, token_id=token_id, route=route, request=request, operation_id=operation_id)
        # Also where the handler looks at none: an unknown parameter is refused everywhere.
        call.asked(route.query)
        return _response(await route.handle(call), operation_id)

    path = "/".join(_segment(part) for part in routes[0].path.split("/"))
    return HTTPRouteHandler(
        BASE + path,
        http_method=[route.method for route in routes],
        # Bodies are bounded where they are read (call.py): some routes take them as a stream.
        request_max_body_size=None,
        # The answer carries its own; the framework's guess for DELETE would forbid a body.
        status_code=200,
        name=routes[0].path,
    )(handle)


def _segment(part: str) -> str:
    return f"{part[:-1]}:str}}" if part.startswith("{") and ":" not in part else part


def _response(answer: Answer, operation_id: str) -> Response[Any]:
    headers = {**answer.headers, "X-Operation-ID": operation_id}
    if answer.stream is not None:
        return Stream(answer.stream, status_code=answer.status, headers=headers, media_type=answer.media)
    content = b"" if answer.body is None else msgspec.json.encode(answer.body)
    return Response(content, status_code=answer.status, headers=headers, media_type=answer.media)


def _refuse(request: AnyRequest, error: Exception) -> Response[Any]:
    """A failure, answered; ours are logged with where they happened."""
    operation_id = request.state.get("operation_id") or new_id("op")
    if isinstance(error, HTTPException):
        refused: MooringError = of_framework(error, allowed=_allowed(request.url.path))
    elif isinstance(error, MooringError):
        refused = error
    else:
        log.error("request broke", operation=operation_id, path=request.url.path, exc_info=error)
        refused = Broken("Mooring failed here; the log has more under the operation id")
    status, body = body_of(refused, operation_id)
    return Response(body, status_code=status, headers=_refusal_headers(refused, operation_id), media_type=JSON)


def _allowed(path: str) -> tuple[str, ...]:
    """The methods of a path."""
    return tuple(route.method for route in ROUTES if _PATTERNS[route.path].fullmatch(path.removeprefix(BASE)))


def _refusal_headers(error: MooringError, operation_id: str) -> dict[str, str]:
    headers = {"X-Operation-ID": operation_id}
    if isinstance(error, NotKnown):
        headers["WWW-Authenticate"] = 'Bearer realm="mooring"'
    if isinstance(error, NoSuchMethod):
        headers["Allow"] = ", ".join(error.allowed)
    if isinstance(error, OutOfRange):
        headers["Content-Range"] = f"bytes */{error.size}"
    if isinstance(error, TooMany):
        headers["Retry-After"] = str(error.retry_after)
    return headers


# --- outside /api: open to all ---


def _health(app: App) -> list[HTTPRouteHandler]:
    migrations = shipped()

    async def healthz() -> Response[bytes]:
        return Response(b'{"status":"ok"}', media_type=JSON)

    async def readyz() -> Response[bytes]:
        async with app.database.reading() as tx:
            if not await current(tx, migrations):
                raise Unavailable("the database is not at the current schema; run `moor migrate`")
        return Response(b'{"status":"ready"}', media_type=JSON)

    return [_get("/healthz", healthz), _get("/readyz", readyz)]


@functools.cache
def _document() -> bytes:
    """The OpenAPI document, made when it is first asked for."""
    return document(ROUTES)


def _openapi() -> HTTPRouteHandler:
    async def openapi() -> Response[bytes]:
        return Response(_document(), media_type=JSON)

    return _get(f"{BASE}/openapi", openapi)


def _reference() -> HTTPRouteHandler:
    async def reference() -> Response[bytes]:
        headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
        return Response(page(_document()), media_type="text/html; charset=utf-8", headers=headers)

    return _get("/docs", reference)


def _get(path: str, handle: Callable[[], Awaitable[Response[bytes]]]) -> HTTPRouteHandler:
    return HTTPRouteHandler(path, http_method="GET")(handle)
