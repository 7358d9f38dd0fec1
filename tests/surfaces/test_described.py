"""The served document says all there is: of every parameter what it is, of every body and answer an example."""

from typing import Any

import httpx
import msgspec
import pytest

from mooring.http.errors import CODES
from mooring.http.openapi import document
from mooring.http.route import JSON, Route
from mooring.http.server import ROUTES
from mooring.wire.base import Error
from surfaces.people import BASE, Asker

TOLD: dict[str, Any] = msgspec.json.decode(document(ROUTES))
OPERATIONS: dict[str, Any] = {one["operationId"]: one for path in TOLD["paths"].values() for one in path.values()}
EVERY = [pytest.param(route, OPERATIONS[route.operation], id=route.operation) for route in ROUTES]


def as_a(shape: Any, example: object) -> None:
    """Return when the example is one of the shape. Raises ValidationError."""
    msgspec.json.decode(msgspec.json.encode(example), type=shape)


@pytest.mark.parametrize(("route", "told"), EVERY)
def test_every_parameter_says_what_it_is(route: Route, told: dict[str, Any]) -> None:
    for parameter in told["parameters"]:
        assert parameter["description"], (route.operation, parameter["name"])


@pytest.mark.parametrize(("route", "told"), EVERY)
def test_every_body_and_answer_has_an_example_that_is_one(route: Route, told: dict[str, Any]) -> None:
    if route.body is not None:
        [content] = told["requestBody"]["content"].values()
        assert content["example"]
        if route.method != "PATCH":
            as_a(route.body, content["example"])
    if route.answer is not None:
        as_a(route.answer, told["responses"][str(route.status)]["content"][route.media]["example"])


@pytest.mark.parametrize(("route", "told"), EVERY)
def test_every_answer_names_its_headers(route: Route, told: dict[str, Any]) -> None:
    for status, answer in told["responses"].items():
        whole = TOLD["components"]["responses"][status] if "$ref" in answer else answer
        assert "X-Operation-ID" in whole["headers"], (route.operation, status)


def test_every_refusal_has_an_example_of_each_of_its_codes() -> None:
    told = TOLD["components"]["responses"]
    assert {int(status) for status in told} == {code.status for code in CODES.values()}
    shown = {code: held["value"] for one in told.values() for code, held in one["content"][JSON]["examples"].items()}
    assert shown.keys() == {f"mooring-{code.number}" for code in CODES.values()}
    for code, value in shown.items():
        as_a(Error, value)
        assert value["code"] == code


async def test_every_answer_names_its_operation(admin: Asker, http: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/readyz", "/docs", f"{BASE}/openapi", "/nowhere"):
        assert (await http.get(path)).headers["X-Operation-ID"].startswith("op_"), path
    assert (await http.options(f"{BASE}/agents")).headers["X-Operation-ID"]
    assert (await admin.get("/agents")).headers["X-Operation-ID"]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        (
            "colour=red",
            "there is no parameter 'colour' here; it takes page, size, orderBy, search, fields, after, watch",
        ),
        ("page=x", "parameter page: it takes a whole number, not 'x'"),
        ("watch=yes", "parameter watch: it takes true or false, not 'yes'"),
    ],
)
async def test_a_parameter_that_cannot_be_read_is_told_with_what_it_takes(admin: Asker, query: str, says: str) -> None:
    assert (await admin.get(f"/agents?{query}")).json()["reason"] == says


async def test_an_empty_body_is_called_empty(admin: Asker) -> None:
    answer = await admin.send("POST", "/agents", b" ", JSON)
    assert (answer.status_code, answer.json()["reason"].startswith("body: it is empty")) == (400, True)


def test_every_post_takes_a_key_but_the_one_that_changes_nothing() -> None:
    posts = {route.operation: route for route in ROUTES if route.method == "POST"}
    assert {name for name, route in posts.items() if "Idempotency-Key" not in route.headers} == {"verifyRecord"}
    for name in posts.keys() - {"verifyRecord"}:
        # Another body under the key.
        assert 422 in posts[name].refuses, name
