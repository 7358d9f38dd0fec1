"""The API as one ASGI application: every route under one roof, one way in, one way to fail."""

import asyncio
import contextlib
import functools
import math
import re
from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import structlog
from litestar import Litestar, Request, Response
from litestar.datastructures import State
from litestar.enums import HttpMethod
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream

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
from mooring.http.keys import NOBODY, Limits, with_body
from mooring.http.openapi import document
from mooring.http.rate import Rates
from mooring.http.reference import POLICY, page
from mooring.http.route import JSON, Answer, Route
from mooring.http.transcripts import Transcripts

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

_BODIES = frozenset({"POST", "PUT", "PATCH"})
_PATTERNS = {
    route.path: re.compile(re.sub(r"{[^}]+}", "[^/]+", re.sub(r"{[^}]+:path}", ".+", route.path))) for route in ROUTES
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the handlers of one process share."""

    app: App
    limits: Limits
    feed: Feed
    transcripts: Transcripts


def held_by(app: App) -> Held:
    """What the handlers need of a process. Raises Unfit for a setting that cannot be meant."""
    # Read now, so that a pattern that is none stops the start and not a request.
    log.debug("reasons wanted", actions=app.settings.reasons_wanted)
    settings = app.settings
    limits = Limits(addresses=Rates(settings.rate_per_address), tokens=Rates(settings.rate_per_token))
    return Held(app=app, limits=limits, feed=Feed(app.database), transcripts=Transcripts(app.database))


@contextlib.asynccontextmanager
async def _following(asgi: Litestar) -> AsyncGenerator[None]:
    """Follow the record while the application lives, for those who watch."""
    feed: Feed = asgi.state.held.feed
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(feed.run())
        yield
        feed.stop()


def application(app: App) -> Litestar:
    """The application of one process. What is of the process stands in its state (`held`), nowhere else."""
    return Litestar(
        state=State({"held": held_by(app)}),
        lifespan=[_following],
        route_handlers=[_everything(), *_open_to_all()],
        openapi_config=None,
        # Bodies are bounded where they are read (call.py): some routes take them as a stream.
        request_max_body_size=None,
        logging_config=None,
        exception_handlers={MooringError: _refuse, HTTPException: _refuse, Exception: _refuse},
    )


def _everything() -> HTTPRouteHandler:
    """One handler for every route: which it is, the path's pattern and the method say."""
    paths: dict[str, dict[str, Route]] = {}
    for route in ROUTES:
        # As the framework names a path that fits: without the converters.
        paths.setdefault(BASE + re.sub(r":\w+}", "}", route.path), {})[route.method] = route
    patterns = [BASE + "/".join(_segment(part) for part in route.path.split("/")) for route in ROUTES]

    async def handle(request: AnyRequest) -> Response[Any]:
        operation_id = request.state.operation_id = new_id("op")
        methods = paths[str(request.scope["path_template"])]
        route = methods.get("GET" if request.method == "HEAD" else request.method)
        if route is None:
            return _without_route(request.method, methods, operation_id)
        held: Held = request.app.state.held
        actor, token_id = (NOBODY, None) if route.public else await held.limits.asker(held.app, request)
        call = Call(
            app=held.app, actor=actor, token_id=token_id, route=route, request=request, operation_id=operation_id
        )
        # Also where the handler looks at none: an unknown parameter is refused everywhere.
        call.asked(route.query)
        call.check_conditions()
        try:
            if route.method in _BODIES and not route.streams:
                # All of it, before anything is held for it and who asks counts.
                call = await with_body(call)
            answer = await route.handle(call)
        except asyncio.CancelledError as error:
            # Nobody else cancels: the server ends, and this has outlived its last words.
            raise Unavailable("the server is being stopped and could not answer; ask again") from error
        # What HEAD is answered is GET's; the server leaves out the body, but would wait for the end of a stream.
        headed = request.method == "HEAD" and answer.stream is not None
        return _response(replace(answer, stream=_nothing()) if headed else answer, operation_id)

    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    # The answer carries its own status; the framework's guess for DELETE would forbid a body.
    return HTTPRouteHandler(list(dict.fromkeys(patterns)), http_method=methods, status_code=200)(handle)  # pyright: ignore[reportArgumentType] - the framework names methods by an enum too


def _without_route(method: str, methods: Mapping[str, Route], operation_id: str) -> Response[bytes]:
    """What a path takes, told to anyone who asks: the description is open as well. Raises NoSuchMethod."""
    if method != "OPTIONS":
        raise NoSuchMethod(_taken(methods))
    headers = {"Allow": ", ".join(_taken(methods)), "X-Operation-ID": operation_id}
    return Response(b"", status_code=204, headers=headers)


def _taken(methods: Iterable[str]) -> tuple[str, ...]:
    """The methods of a path: what GET takes HEAD takes too, and each tells its OPTIONS."""
    return (*(taken for method in methods for taken in ((method, "HEAD") if method == "GET" else (method,))), "OPTIONS")


async def _nothing() -> AsyncGenerator[bytes]:
    return
    yield


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
        refused: MooringError = of_framework(error, allowed=_allowed(request.scope["path"]))
    elif isinstance(error, MooringError):
        refused = error
    else:
        log.error("request broke", operation=operation_id, path=request.scope["path"], exc_info=error)
        refused = Broken("Mooring failed here; the log has more under the operation id")
    status, body = body_of(refused, operation_id)
    return Response(body, status_code=status, headers=_refusal_headers(refused, operation_id), media_type=JSON)


def _allowed(path: str) -> tuple[str, ...]:
    """The methods of a path; a slash at its end names nothing else."""
    path = path.rstrip("/")
    if path in _OPEN:
        return _taken(["GET"])
    return _taken(route.method for route in ROUTES if _PATTERNS[route.path].fullmatch(path.removeprefix(BASE)))


def _refusal_headers(error: MooringError, operation_id: str) -> dict[str, str]:
    headers = {"X-Operation-ID": operation_id}
    if isinstance(error, NotKnown):
        headers["WWW-Authenticate"] = 'Bearer realm="mooring"'
    if isinstance(error, NoSuchMethod):
        headers["Allow"] = ", ".join(error.allowed)
    if isinstance(error, OutOfRange):
        headers["Content-Range"] = f"bytes */{error.size}"
    if isinstance(error, TooMany | Unavailable):
        after = error.facts.get("retry_after")
        # Whole seconds (RFC 9110); what does not say how long it lasts is usually over by then.
        headers["Retry-After"] = str(math.ceil(after) if isinstance(after, int | float) else 1)
    return headers


# --- outside /api: open to all ---


_MIGRATIONS = shipped()


def _told(content: bytes, *, media: str = JSON, **headers: str) -> Response[bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(content, media_type=media, headers={"X-Operation-ID": new_id("op"), **named})


async def _healthz() -> Response[bytes]:
    return _told(b'{"status":"ok"}')


async def _readyz(request: AnyRequest) -> Response[bytes]:
    held: Held = request.app.state.held
    async with held.app.database.reading() as tx:
        if not await current(tx, _MIGRATIONS):
            raise Unavailable("the database is not at the current schema; run `moor migrate`")
    return _told(b'{"status":"ready"}')


@functools.cache
def _document() -> bytes:
    """The OpenAPI document, made when it is first asked for."""
    return document(ROUTES)


async def _openapi() -> Response[bytes]:
    return _told(_document())


async def _reference() -> Response[bytes]:
    return _told(
        page(_document()),
        media="text/html; charset=utf-8",
        Content_Security_Policy=POLICY,
        X_Content_Type_Options="nosniff",
    )


_OPEN = {"/healthz": _healthz, "/readyz": _readyz, f"{BASE}/openapi": _openapi, "/docs": _reference}


def _open_to_all() -> list[HTTPRouteHandler]:
    reads = [HttpMethod.GET, HttpMethod.HEAD]
    return [HTTPRouteHandler(path, http_method=reads)(tell) for path, tell in _OPEN.items()]
