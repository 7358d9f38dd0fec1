"""The OpenAPI 3.1 document, made from the routes and the wire's types."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from mooring import __version__
from mooring.http.errors import BASE, CODES, Code
from mooring.http.examples import example
from mooring.http.route import EVENTS, JSON, MERGE_PATCH, Route
from mooring.wire.base import Error, Resource

_REF = "#/components/schemas/{name}"
_ALWAYS = (400, 401, 403, 429, 431, 500, 503)
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
    "If-Range": (
        "The ETag of what the Range is wanted of; when it has another now, all of it comes",
        {"pattern": '^"[!#-~]*"$', "examples": ['"e3b0c442"']},
    ),
}
_ANSWERED: dict[str, tuple[str, dict[str, Any]]] = {
    "X-Operation-ID": ("Names this request in the server's log", {"type": "string"}),
    "ETag": (
        "What it is known by again, in quotes; of a resource its version",
        {"type": "string", "examples": ['"1"']},
    ),
    "Location": ("Where it is", {"type": "string"}),
    "Idempotent-Replayed": ("`true` where this is the first answer again", {"type": "string"}),
    "WWW-Authenticate": ("Which tokens are taken", {"type": "string"}),
    "Retry-After": ("How many seconds to wait", {"type": "integer", "minimum": 1}),
    "Content-Range": ("Which bytes these are, and how many there are", {"type": "string"}),
}
"""Header of an answer → what it says, its schema."""
_OF_REFUSAL = {401: "WWW-Authenticate", 416: "Content-Range", 429: "Retry-After"}
_PLACES = {
    "checksum": "The SHA-256 of the archive, as `sha256:` and 64 hexadecimal digits",
    "filesystem_id": "The id of the filesystem",
    "id": "The id",
    "name": "The name; it may hold slashes",
    "secret_id": "The id of the secret",
    "user_id": "The id of the user",
}
"""Parameter of a path → what it is."""
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
                "responses": _refusals(),
                "headers": {
                    name: {"description": says, "schema": schema} for name, (says, schema) in _ANSWERED.items()
                },
                "securitySchemes": {
                    "bearer": {
                        "type": "http",
                        "scheme": "bearer",
                        "description": "A token of Mooring (`mrg_…`), or one of the single sign-on",
                    }
                },
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
        "responses": _responses(route, named, components),
    }
    if route.public:
        told["security"] = []
    if route.body is not None:
        media = MERGE_PATCH if route.method == "PATCH" else JSON
        schema = named[id(route.body)]
        if route.method == "PATCH":
            schema = _patch(components[schema["$ref"].rpartition("/")[2]])
        content = {"schema": schema, "example": _sent(route, schema, components)}
        told["requestBody"] = {"required": True, "content": {media: content}}
    elif route.streams:
        schema = {"type": "string", "format": "binary", "minLength": 1}
        told["requestBody"] = {"required": True, "content": {"application/octet-stream": {"schema": schema}}}
    return told


def _sent(route: Route, schema: dict[str, Any], components: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """A body. A patch names but the first field."""
    if route.method != "PATCH":
        return example(schema, components)
    whole = example({**schema, "title": ""}, components)
    first = next(iter(whole))
    return {first: whole[first]}


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
        {"name": name, "in": "path", "required": True, "description": _PLACES[name], "schema": {"type": "string"}}
        for name in _NAME.findall(route.path)
    ]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    [schema], components = msgspec.json.schema_components([route.query], ref_template=_REF)
    held = components[schema["$ref"].rpartition("/")[2]]
    return [
        {
            "name": name,
            "in": "query",
            "required": name in held.get("required", []),
            "description": _says(described),
            "schema": described,
        }
        for name, described in held["properties"].items()
    ]


def _says(schema: dict[str, Any]) -> str:
    """What a parameter's schema says of it, also where it may be left out."""
    return next(one["description"] for one in (schema, *schema.get("anyOf", ())) if "description" in one)


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


def _responses(route: Route, named: dict[int, dict[str, Any]], components: dict[str, Any]) -> dict[str, Any]:
    good: dict[str, Any] = {"description": route.says, "headers": _headers(*_answered(route))}
    if route.answer is not None:
        schema = named[id(route.answer)]
        good["content"] = {route.media: {"schema": schema, "example": example(schema, components)}}
        if "watch" in route.query.__struct_fields__:
            good["content"][EVENTS] = {
                "schema": {"type": "string", "description": "Server-Sent Events, with watch=true"}
            }
    elif route.status != 204:  # noqa: PLR2004 - No Content
        good["content"] = {route.media: {"schema": {"type": "string"}}}
    found = {str(route.status): good}
    if "Range" in route.headers:
        found["206"] = {
            **good,
            "description": "The Range of it",
            "headers": _headers(*_answered(route), "Content-Range"),
        }
    statuses = {*route.refuses, *(() if route.public else _ALWAYS)}
    if route.body is not None:
        statuses |= {413, 415}
    found |= {str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(statuses)}
    if route.empty is not None:
        found["204"] = {"description": route.empty, "headers": _headers()}
    if "If-None-Match" in route.headers:
        found["304"] = {"description": "The asker has it already", "headers": _headers("ETag")}
    return found


def _answered(route: Route) -> tuple[str, ...]:
    """The headers of a good answer, besides those of every answer."""
    versioned = isinstance(route.answer, type) and issubclass(route.answer, Resource)
    return (
        *(("ETag",) if versioned or "If-None-Match" in route.headers else ()),
        *(("Location",) if versioned and route.status == 201 else ()),  # noqa: PLR2004 - Created
        *(("Idempotent-Replayed",) if "Idempotency-Key" in route.headers else ()),
    )


def _headers(*more: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Operation-ID", *more)}


def _refusals() -> dict[str, Any]:
    """Status → the refusals that answer with it, each code with an example."""
    found: dict[str, list[Code]] = {}
    for code in CODES.values():
        found.setdefault(str(code.status), []).append(code)
    return {
        status: {
            "description": "; ".join(code.reason for code in codes),
            "headers": _headers(*((_OF_REFUSAL[int(status)],) if int(status) in _OF_REFUSAL else ())),
            "content": {
                JSON: {
                    "schema": {"$ref": _REF.format(name=Error.__name__)},
                    "examples": {f"mooring-{code.number}": {"value": _refused(code)} for code in codes},
                }
            },
        }
        for status, codes in sorted(found.items())
    }


def _refused(code: Code) -> Error:
    return Error(
        id=str(code.number),
        kind="Error",
        href=f"{BASE}/errors/{code.number}",
        code=f"mooring-{code.number}",
        reason=code.reason,
        operation_id="op_0ujtsYcgvSTl8PAuAdqWYSMnLOv",
    )
