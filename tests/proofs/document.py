"""The OpenAPI document as a crawler reads it: operations, and a body each of them could take."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import httpx

from surfaces.people import BASE

Json = dict[str, Any]
METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path. `body` is what it could take, None where it takes none."""

    method: str
    path: str
    public: bool
    parameters: tuple[Json, ...]
    schema: Json | None
    media: str

    @property
    def collection(self) -> str:
        return self.path.split("/")[1]

    @property
    def placed(self) -> tuple[str, ...]:
        """The parameters of the path."""
        return tuple(found["name"] for found in self.parameters if found["in"] == "path")

    @property
    def queries(self) -> set[str]:
        """The names of the parameters of the query."""
        return {found["name"] for found in self.queried()}

    def queried(self, *, required: bool = False) -> tuple[Json, ...]:
        """The parameters of the query."""
        held = tuple(found for found in self.parameters if found["in"] == "query")
        return tuple(found for found in held if found["required"]) if required else held

    def at(self, **placed: str) -> str:
        """The path with these in their places."""
        return re.sub(r"{(\w+)(?::\w+)?}", lambda found: placed[found[1]], self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The whole document."""

    told: Json

    @property
    def operations(self) -> Iterator[Operation]:
        for path, methods in self.told["paths"].items():
            for method in METHODS:
                if method in methods:
                    yield _operation(method, path, methods[method])

    def example(self, schema: Json, given: Mapping[str, object]) -> Any:
        """A value of the schema: an object with every required property, and those of `given` that it has."""
        schema = self._followed(schema)
        if "properties" in schema:
            return self._object(schema, given)
        for key in ("const", "default"):
            if key in schema:
                return schema[key]
        if "enum" in schema:
            return schema["enum"][0]
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return self.example(next(one for one in schema[key] if one.get("type") != "null"), given)
        return self._plain(schema, given)

    def needed(self, operation: Operation) -> dict[str, Any]:
        """What must stand in the query."""
        return {found["name"]: self.example(found["schema"], {}) for found in operation.queried(required=True)}

    def _object(self, schema: Json, given: Mapping[str, object]) -> Json:
        wanted = {*schema.get("required", []), *(name for name in schema["properties"] if name in given)}
        return {
            name: given[name] if name in given else self.example(described, given)
            for name, described in schema["properties"].items()
            if name in wanted
        }

    def _plain(self, schema: Json, given: Mapping[str, object]) -> Any:
        kind = schema.get("type")
        if kind == "array":
            return [self.example(schema["items"], given)]
        if kind == "string" and "pattern" in schema:
            return "sha256:" + "0" * 64
        values: dict[str, object] = {"string": "x", "integer": 1, "number": 1.0, "boolean": True}
        made: Json = {}
        return values.get(str(kind), made)

    def _followed(self, schema: Json) -> Json:
        while "$ref" in schema:
            schema = self.told["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return schema

    def properties(self, schema: Json) -> dict[str, Json]:
        """The properties of an object."""
        return cast("dict[str, Json]", self._followed(schema).get("properties", {}))


def _operation(method: str, path: str, told: Json) -> Operation:
    content: dict[str, Json] = told.get("requestBody", {}).get("content", {})
    media = next(iter(content), "application/json")
    return Operation(
        method=method.upper(),
        path=path,
        public=told.get("security") == [],
        parameters=tuple(told["parameters"]),
        schema=content[media]["schema"] if content else None,
        media=media,
    )


async def read_document(http: httpx.AsyncClient) -> Document:
    """The document as the server hands it out."""
    answer = await http.get(f"{BASE}/openapi")
    assert answer.status_code == 200
    return Document(told=answer.json())
