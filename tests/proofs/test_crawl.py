"""A crawler over every route there is: nothing without a token, and of what is another group's nothing at all."""

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from mooring.app import App
from mooring.base.ids import new_id
from mooring.http.server import application
from proofs.document import Document, Operation, read_document
from proofs.world import World, world
from surfaces.people import BASE, Asker, join

OPEN = {"/healthz", "/readyz", f"{BASE}/openapi", f"{BASE}/docs"}
"""What answers without a token, and nothing else."""

KIND_OF = {"user_id": "users", "filesystem_id": "filesystems", "secret_id": "secrets"}


async def test_without_a_token_every_route_but_the_open_ones_answers_401(app: App, http: httpx.AsyncClient) -> None:
    asgi: Any = application(app)
    asked = 0
    for route in asgi.routes:
        path = re.sub(r"{[^}]+}", "x", route.path)
        if path in OPEN or path.startswith("/docs"):
            continue
        for method in sorted(route.methods - {"OPTIONS"}):
            for headers in ({}, {"Authorization": "Bearer mrg_" + "0" * 49}, {"Cookie": "token=x"}):
                answer = await http.request(method, path, headers=headers)
                # The framework lets every method through to a path; what the path does not take says so.
                assert answer.status_code in (401, 405), (method, path)
                asked += answer.status_code == 401
    assert asked > 300


async def test_the_document_knows_every_route_and_says_of_none_that_it_is_open(
    app: App, http: httpx.AsyncClient
) -> None:
    document = await read_document(http)
    told = {(found.method, _shape(BASE + found.path)) for found in document.operations}
    assert not [found.path for found in document.operations if found.public]
    asgi: Any = application(app)
    served = {
        (method, _shape(route.path))
        for route in asgi.routes
        # HEAD is taken wherever GET is.
        for method in route.methods - {"OPTIONS", "HEAD"}
        if (await http.request(method, re.sub(r"{[^}]+}", "x", route.path))).status_code != 405
    }
    assert {(method, path) for method, path in served - told if path not in OPEN and "/docs" not in path} == set()
    assert told <= served


def _shape(path: str) -> str:
    return re.sub(r"{(\w+)[^}]*}", r"{\1}", path)


def missing(identifier: str) -> str:
    """An id of the same kind that nothing has."""
    return new_id(identifier.partition("_")[0])


def told(answer: httpx.Response, ids: Mapping[str, str]) -> tuple[int, str, dict[str, str]]:
    """An answer, its ids replaced by their places: two that differ only in which id was asked for are alike."""
    text = re.sub(r'"operation_id":"[^"]+"', "", answer.text)
    for place, identifier in ids.items():
        text = text.replace(identifier, f"<{place}>")
    headers = {
        name: value for name, value in answer.headers.items() if name not in ("x-operation-id", "content-length")
    }
    return answer.status_code, text, headers


def places(operation: Operation, theirs: World, own: World) -> Iterator[dict[str, tuple[str, bool]]]:
    """The ids that may stand in the path, at least one of them another's: name → id, whether it is another's."""
    choices: list[list[tuple[str, bool]]] = []
    for name in operation.placed:
        if name == "name":
            choices.append([(theirs.artifact, False)])
            continue
        kind = KIND_OF.get(name, operation.collection)
        known = [(own.ids[kind], False), (theirs.ids[kind], kind not in theirs.visible)]
        choices.append(known)
    for chosen in itertools.product(*choices):
        if any(foreign for _, foreign in chosen):
            yield dict(zip(operation.placed, chosen, strict=True))


@pytest.mark.slow
async def test_of_what_is_another_groups_nobody_learns_anything(
    app: App, http: httpx.AsyncClient, admin: Asker
) -> None:
    document = await read_document(http)
    theirs, own = await world(app, admin), await world(app, admin, "intruder")
    asked = 0
    for operation in document.operations:
        if operation.collection not in theirs.hidden:
            continue
        for placed in places(operation, theirs, own):
            asked += 1
            await _nothing_to_learn(document, operation, placed, own)
    assert asked >= 60
    await _untouched(admin, theirs)


async def _nothing_to_learn(
    document: Document, operation: Operation, placed: dict[str, tuple[str, bool]], own: World
) -> None:
    given = {"name": "x", "group_id": own.ids["groups"], "position": 5}
    body = None if operation.schema is None else document.example(operation.schema, given)
    if operation.method == "PATCH":
        body = {"name": "x"}
    query = document.needed(operation)
    foreign = {name: found for name, (found, _) in placed.items()}
    absent = {name: missing(found) if others else found for name, (found, others) in placed.items()}
    for headers in ({}, {"If_Match": '"1"'}, {"If_None_Match": '"1"'}, {"Idempotency_Key": new_id("key")}):
        answers = [
            told(await own.owner.ask(operation.method, _with(operation.at(**ids), query), body, **headers), ids)
            for ids in (foreign, absent)
        ]
        assert answers[0] == answers[1], (operation.method, operation.path, placed)
        # 412: one's own group is at another version, whatever of others' is named beside it.
        assert answers[0][0] in ((404, 412, 422) if "If_Match" in headers else (404, 422)), (
            operation.method,
            operation.path,
            answers[0],
        )


def _with(path: str, query: Mapping[str, object]) -> str:
    return path + "?" * bool(query) + "&".join(f"{name}={value}" for name, value in query.items())


async def _untouched(admin: Asker, theirs: World) -> None:
    """Nothing of it was changed by all that asking."""
    for collection, identifier in theirs.ids.items():
        answer = await admin.get(f"/{collection}/{identifier}")
        assert answer.status_code == 200, collection


@pytest.mark.slow
async def test_a_reference_to_what_is_another_groups_is_a_reference_to_nothing(
    app: App, http: httpx.AsyncClient, admin: Asker
) -> None:
    """In bodies, and in what is asked for."""
    document = await read_document(http)
    theirs, own = await world(app, admin), await world(app, admin, "intruder")
    asked: list[tuple[str, str]] = []
    for operation in document.operations:
        if operation.schema is not None and operation.method in ("POST", "PUT"):
            for name in document.properties(operation.schema):
                if (kind := REFERENCES.get(name)) is not None:
                    asked.append((operation.path, name))
                    await _refers_to_nothing(document, operation, name, theirs.ids[kind], own)
        for parameter in operation.queried():
            if (kind := REFERENCES.get(parameter["name"])) is not None:
                asked.append((operation.path, parameter["name"]))
                await _finds_nothing(document, operation, parameter["name"], theirs.ids[kind], own)
    assert len(asked) >= 20, asked


REFERENCES = {
    "group_id": "groups",
    "filesystem_id": "filesystems",
    "filesystem_version_id": "filesystem_versions",
    "compute_instance_id": "compute_instances",
    "secret_id": "secrets",
    "session_id": "sessions",
    "resource": "secrets",
    "resource_id": "secrets",
    "parent_version_id": "filesystem_versions",
    "version": "filesystem_versions",
    "from": "filesystem_versions",
    "to": "filesystem_versions",
}


async def _refers_to_nothing(document: Document, operation: Operation, name: str, foreign: str, own: World) -> None:
    assert operation.schema is not None
    mine: dict[str, object] = {found: own.ids[kind] for found, kind in REFERENCES.items()}
    mine |= {"name": new_id("x"), "parent_version_id": None, "expose_as_env": "OTHER", "workflow_id": None}
    places = dict.fromkeys(operation.placed, own.ids.get(operation.collection, ""))
    answers: list[Any] = []
    for identifier in (foreign, missing(foreign)):
        body = document.example(operation.schema, {**mine, name: identifier})
        answer = await own.owner.ask(operation.method, operation.at(**places), body)
        answers.append(told(answer, {"it": identifier}))
    assert answers[0] == answers[1], (operation.path, name)
    assert 400 <= answers[0][0] < 500, (operation.path, name, answers[0])


async def _finds_nothing(document: Document, operation: Operation, name: str, foreign: str, own: World) -> None:
    places = dict.fromkeys(operation.placed, own.ids.get(operation.collection, ""))
    needed = document.needed(operation)
    needed |= {"from": own.ids["filesystem_versions"]} if "from" in needed else {}
    answers = [
        told(await own.owner.get(_with(operation.at(**places), {**needed, name: identifier})), {"it": identifier})
        for identifier in (foreign, missing(foreign))
    ]
    assert answers[0] == answers[1], (operation.path, name)
    assert answers[0][0] == 404 or '"total":0' in answers[0][1], (operation.path, answers[0])


async def test_who_revokes_what_is_his_from_a_group_he_does_not_see_learns_nothing_of_it(
    app: App, admin: Asker
) -> None:
    theirs = await world(app, admin)
    intruder = await join(admin, "intruder")
    for kind, body in (("filesystems", {"name": "his"}), ("secrets", {"name": "his", "value": "four and more"})):
        made = await intruder.made(f"/{kind}", body)
        place = f"/groups/{theirs.ids['groups']}/available_{kind}/{made['id']}"
        assert (await admin.ask("PUT", place)).status_code == 200
        answer = await intruder.ask("DELETE", place)
        assert (answer.status_code, answer.content) == (204, b"")
        assert (await intruder.ask("DELETE", place)).json()["reason"] == f"there is no group {theirs.ids['groups']}"
