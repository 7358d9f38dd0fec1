"""The OpenAPI 3.1 document, made from the routes and the wire's types."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from mooring import __version__
from mooring.http.errors import BASE, CODES
from mooring.http.route import EVENTS, JSON, MERGE_PATCH, Route
from mooring.wire.base import Error

_REF = "#/components/schemas/{name}"
_ALWAYS = (400, 401, 403, 429, 500, 503)
_TAGS = r'^(\*|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*)$'
_HEADERS: dict[str, tuple[str, dict[str, Any]]] = {
    "If-Match": (
        "The ETag the resource must still have; 412 otherwise",
        {"pattern": _TAGS, "examples": ['"3"']},
    ),
    "If-None-Match": ("The ETag the asker has; 304 when it is still that one", {"pattern": _TAGS, "examples": ['"3"']}),
    "Idempotency-Key": (
        "Makes a retry within 24 hours return the first answer",
        {"pattern": "^[!-~]([ -~]*[!-~])?$", "minLength": 1, "maxLength": 200},
    ),
    "Audit-Reason": ("Why; it stands in the event", {"pattern": "^[ -~]*$", "maxLength": 1000}),
    "Last-Event-ID": ("The last number the asker saw", {"pattern": "^[0-9]{1,18}$"}),
    "Range": ("The bytes wanted, as RFC 9110 has it", {"pattern": "^bytes=[0-9]*-[0-9]*$"}),
}
_NAME = re.compile(r"{(\w+)(?::\w+)?}")


def document(routes: Sequence[Route]) -> bytes:
    """The whole document, as JSON."""
    shapes = _shapes(routes)
    schemas, components = msgspec.json.schema_components(shapes, ref_template=_REF)
    named = dict(zip([id(shape) for shape in shapes], schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        operation = _operation(route, named, components)
        operation["responses"][str(route.status)] |= _links(route, routes)
        paths.setdefault(_NAME.sub(r"{\1}", route.path), {})[route.method.lower()] = operation
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


def _operation(route: Route, named: dict[int, dict[str, Any]], components: dict[str, Any]) -> dict[str, Any]:
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
            schema = _patch(components[schema["$ref"].rpartition("/")[2]])
        told["requestBody"] = {"required": True, "content": {media: {"schema": schema}}}
    elif route.streams:
        schema = {"type": "string", "format": "binary"}
        told["requestBody"] = {"required": True, "content": {"application/octet-stream": {"schema": schema}}}
    return told


def _patch(whole: dict[str, Any]) -> dict[str, Any]:
    """Any part of what PUT takes; null clears. Source: RFC 7396."""
    described = {name: {"anyOf": [field, {"type": "null"}]} for name, field in whole["properties"].items()}
    # What PUT demands cannot be cleared.
    required = {name: whole["properties"][name] for name in whole.get("required", [])}
    return {
        "type": "object",
        "description": "A merge patch of what PUT takes: null clears, what is left out stays",
        "properties": {**described, **required},
        "additionalProperties": False,
    }


def _links(route: Route, routes: Sequence[Route]) -> dict[str, Any]:
    """What can be done with what was just made: the operations on its id."""
    if route.method != "POST" or route.status != 201 or route.answer is None:  # noqa: PLR2004 - Created
        return {}
    one = f"{route.path}/{{id}}"
    beneath = [other for other in routes if other.path == one or other.path.startswith(f"{one}/")]
    parameters = {"id": "$response.body#/id"}
    return {
        "links": {
            other.operation: {"operationId": other.operation, "parameters": parameters}
            for other in beneath
            if _NAME.findall(other.path) == ["id"]
        }
    }


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _NAME.findall(route.path)
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
        {
            "name": name,
            "in": "header",
            "required": False,
            "description": _HEADERS[name][0],
            "schema": {"type": "string", **_HEADERS[name][1]},
        }
        for name in (*route.headers, *(("Last-Event-ID",) if "watch" in route.query.__struct_fields__ else ()))
    ]


def _responses(route: Route, named: dict[int, dict[str, Any]]) -> dict[str, Any]:
    good: dict[str, Any] = {"description": route.says}
    if route.answer is not None:
        good["content"] = {route.media: {"schema": named[id(route.answer)]}}
        if "watch" in route.query.__struct_fields__:
            good["content"][EVENTS] = {
                "schema": {"type": "string", "description": "Server-Sent Events, with watch=true"}
            }
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
    if route.empty is not None:
        found["204"] = {"description": route.empty}
    if "If-None-Match" in route.headers:
        found["304"] = {"description": "The asker has it already"}
    return found
