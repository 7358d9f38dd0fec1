"""The OpenAPI 3.1 document, made from the routes and the wire's types."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from mooring import __version__
from mooring.http.errors import BASE, CODES
from mooring.http.route import JSON, MERGE_PATCH, Route
from mooring.wire.base import Error

_REF = "#/components/schemas/{name}"
_ALWAYS = (400, 401, 403, 429, 503)
_HEADERS = {
    "If-Match": "The ETag the resource must still have; 412 otherwise",
    "If-None-Match": "The ETag the asker has; 304 when it is still that one",
    "Idempotency-Key": "Makes a retry within 24 hours return the first answer",
    "Audit-Reason": "Why; it stands in the event",
    "Last-Event-ID": "The last number the asker saw",
    "Range": "Which bytes: `bytes=first-last`, `bytes=first-`, `bytes=-last`",
}


def document(routes: Sequence[Route]) -> bytes:
    """The whole document, as JSON."""
    shapes = _shapes(routes)
    schemas, components = msgspec.json.schema_components(shapes, ref_template=_REF)
    named = dict(zip([id(shape) for shape in shapes], schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, named)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "Mooring", "version": __version__, "license": {"name": "Apache-2.0"}},
            "servers": [{"url": BASE}],
            "security": [{"bearer": []}],
            "tags": [{"name": name} for name in dict.fromkeys(route.tag for route in routes)],
            "paths": paths,
            "components": {
                "schemas": components,
                "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            },
        }
    )


def _shapes(routes: Sequence[Route]) -> list[Any]:
    found: list[Any] = [Error]
    for route in routes:
        found += [shape for shape in (route.body, route.answer) if shape is not None]
    unique = {id(shape): shape for shape in found}
    return list(unique.values())


def _operation(route: Route, named: dict[int, dict[str, Any]]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": route.operation,
        "summary": route.says,
        "tags": [route.tag],
        "parameters": [*_path_parameters(route), *_query_parameters(route), *_header_parameters(route)],
        "responses": _responses(route, named),
    }
    if route.public:
        told["security"] = []
    if route.body is not None:
        media = MERGE_PATCH if route.method == "PATCH" else JSON
        schema = named[id(route.body)]
        if route.method == "PATCH":
            # Any part of it; null clears.
            schema = {"type": "object", "description": "A merge patch (RFC 7396) of the fields PUT takes"}
        told["requestBody"] = {"required": True, "content": {media: {"schema": schema}}}
    elif route.streams:
        schema = {"type": "string", "format": "binary"}
        told["requestBody"] = {"required": True, "content": {"application/octet-stream": {"schema": schema}}}
    return told


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)(?::\w+)?}", route.path)
    ]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    [schema], components = msgspec.json.schema_components([route.query], ref_template=_REF)
    held = components[schema["$ref"].rpartition("/")[2]]
    return [
        {"name": name, "in": "query", "required": name in held.get("required", []), "schema": described}
        for name, described in held["properties"].items()
    ]


def _header_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "header", "required": False, "description": _HEADERS[name], "schema": {"type": "string"}}
        for name in route.headers
    ]


def _responses(route: Route, named: dict[int, dict[str, Any]]) -> dict[str, Any]:
    good: dict[str, Any] = {"description": route.says}
    if route.answer is not None:
        good["content"] = {route.media: {"schema": named[id(route.answer)]}}
    elif route.status != 204:  # noqa: PLR2004 - No Content
        good["content"] = {route.media: {"schema": {"type": "string"}}}
    found = {str(route.status): good}
    refused = {"application/json": {"schema": named[id(Error)]}}
    statuses = {*route.refuses, *(() if route.public else _ALWAYS)}
    if route.body is not None:
        statuses |= {413, 415}
    for status in sorted(statuses):
        says = "; ".join(code.reason for code in CODES.values() if code.status == status)
        found[str(status)] = {"description": says, "content": refused}
    if "If-None-Match" in route.headers:
        found["304"] = {"description": "The asker has it already"}
    return found
