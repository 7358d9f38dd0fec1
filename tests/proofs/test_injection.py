"""What is sent as text stays a value: no word of it ever becomes part of a statement, and nothing breaks by it."""

import base64
import itertools
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from mooring.app import App
from mooring.base import db, page
from mooring.base.page import Order
from mooring.http.server import application
from mooring.wiring import data_directory, open_app
from proofs.document import Document, Operation, read_document
from proofs.world import World, world
from surfaces.people import BASE, Asker

MARK = "zq7x"
"""Stands in everything that is sent, and so must stand in no statement."""

HOSTILE = (
    f"{MARK}' OR '1'='1",
    f"{MARK}'; DROP TABLE users; --",
    f"{MARK}' UNION SELECT hash FROM tokens --",
    f"{MARK}\\'; SELECT pg_sleep(9); --",
    f"{MARK}$1 {{user}} {{groups}} %s %(id)s :id ?",
    f'{MARK}"; DELETE FROM agents; "',
    f"{MARK}'||(SELECT current_setting('data_directory'))||'",
    f"{MARK}/*' */; COMMIT; --",
    f"{MARK}\x00nul",
    f"{MARK}\ufeff\u202e\U0001f600 ' \u2019 \u02bc \uff07",
    f"{MARK}) OR 1=1 OR (1=1",
    f"{MARK}$$; DROP TABLE users; $$",
)
SEARCHES = (
    f"name = '{MARK}'' OR ''1''=''1'",
    f"name = '{MARK}'; drop table users; --'",
    f"name = '{MARK}' or 1 = 1",
    f"name = {MARK}",
    f"{MARK} = 'x'",
    f"id in ('{MARK}', (select id from users))",
    f"name like '{MARK}%'' escape ''x'",
    f"name ilike '%{MARK}\\'' or ''1'' = ''1'",
    f"name = '{MARK}' union select hash from tokens",
    f"name = '{MARK}'::text",
    f"name = $1 and name = '{MARK}'",
    f"name = '{MARK}' -- '",
    f"created_at > '{MARK}'",
    f"version = {MARK}",
    f"not not not name = '{MARK}'",
    f"name between '{MARK}''' and 'z'') or (''1''=''1'",
)
ORDERS = (
    f"name;{MARK}", f"name asc {MARK}", f'"{MARK}"', f"(select {MARK})", f"name asc nulls first --{MARK}",
    f"created_at,{MARK}", f"name\tasc;{MARK}", f"{MARK}\x00", f"CASE WHEN {MARK} THEN name END", "name asc" + MARK,
)  # fmt: skip
OF_PARAMETER = {"search": SEARCHES, "orderBy": ORDERS, "fields": (*ORDERS, f"id,{MARK}'")}


@pytest.fixture(autouse=True)
async def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement that is sent to the database from now on."""
    said: list[str] = []
    prepare = db._prepare  # pyright: ignore[reportPrivateUsage] - where every connection is made ready

    def heard(record: Any) -> None:
        said.append(record.query)

    async def overheard(connection: Any, patience: timedelta) -> None:
        await prepare(connection, patience)
        connection.add_query_logger(heard)

    monkeypatch.setattr(db, "_prepare", overheard)
    return said


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a text may stand in a request: which part of it, under which name."""

    operation: Operation
    part: str
    name: str

    @property
    def hostile(self) -> Sequence[str]:
        return OF_PARAMETER.get(self.name, HOSTILE) if self.part == "query" else HOSTILE


def places(document: Document) -> Iterator[Place]:
    """Every place of every operation that takes a text."""
    for operation in document.operations:
        for parameter in operation.parameters:
            # What is deleted for a reason is gone, and the next would find nothing.
            if (operation.method, parameter["name"]) != ("DELETE", "Audit-Reason"):
                yield Place(operation=operation, part=parameter["in"], name=parameter["name"])
        if operation.schema is not None:
            for name, schema in document.properties(operation.schema).items():
                if "string" in json.dumps(schema):
                    yield Place(operation=operation, part="body", name=name)
        yield Place(operation=operation, part="header", name="Authorization")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """Sends texts to where they may stand."""

    document: Document
    asker: Asker
    world: World

    async def send(self, place: Place, text: str) -> httpx.Response:
        operation = place.operation
        placed = {name: self.world.ids.get(operation.collection, "x") for name in operation.placed}
        query = self.document.needed(operation)
        body: Any = None
        headers = {"Authorization": f"Bearer {self.asker.token}"}
        if operation.schema is not None:
            given = {f"{kind[:-1]}_id": found for kind, found in self.world.ids.items()}
            body = {"name": "x"} if operation.method == "PATCH" else self.document.example(operation.schema, given)
        match place.part:
            case "path":
                placed[place.name] = quote(text, safe="")
            case "query":
                query[place.name] = text
            case "header":
                headers[place.name] = text
            case _:
                assert body is not None
                body[place.name] = _in_form(self.document, operation, place.name, text)
        return await self.asker.http.request(
            operation.method,
            BASE + operation.at(**placed),
            params=query,
            headers={name.encode(): value.encode() for name, value in headers.items()},
            json=body,
        )


def _in_form(document: Document, operation: Operation, name: str, text: str) -> object:
    """The text as a property has it: bare, in a list, or as a key and value of a map."""
    assert operation.schema is not None
    kind = document.properties(operation.schema)[name].get("type", "string")
    return {"array": [text], "object": {text: text}}.get(str(kind), text)


@pytest.mark.slow
@pytest.mark.parametrize("share", [6, pytest.param(1, marks=pytest.mark.long)])
async def test_no_text_in_any_place_of_any_request_becomes_part_of_a_statement(
    app: App, http: httpx.AsyncClient, admin: Asker, statements: list[str], share: int
) -> None:
    document = await read_document(http)
    attack = Attack(document=document, asker=admin, world=await world(app, admin))
    sent = 0
    for number, place in enumerate(places(document)):
        for text in itertools.islice(place.hostile, number % share, None, share):
            answer = await attack.send(place, text)
            assert answer.status_code < 500, (place, text, answer.text)
            sent += 1
    assert sent > 600
    assert len(statements) > 600
    assert not [statement for statement in statements if MARK in statement]
    # Nothing of it was carried out either.
    assert (await admin.get(f"/users/{admin.id}")).status_code == 200


async def test_a_hostile_text_that_is_kept_comes_back_as_it_was_sent(admin: Asker, statements: list[str]) -> None:
    for text in HOSTILE:
        body = {"name": "a", "prompt": text, "settings": {text.replace("\0", ""): [text.replace("\0", "")]}}
        answer = await admin.ask("POST", "/agents", body)
        if "\0" in text:
            assert answer.status_code == 422
            continue
        made = answer.json()
        assert (await admin.get(made["href"])).json().items() >= body.items()
        found = await admin.get("/agents?search=" + quote("prompt = '" + text.replace("'", "''") + "'"))
        assert [item["id"] for item in found.json()["items"]] == [made["id"]]
    assert not [statement for statement in statements if MARK in statement]


WORDS = (
    "name", "version", MARK, "=", "and", "or", "not", "in", "(", ")", ",", "like", "between", "is", "null", "true", "3",
    f"'{MARK}''; drop table users --'", "'\\'", ";", "--", "/*", "::text", "$1", "'", '"', "\\", "~=", "+", "union",
)  # fmt: skip


def search(chance: random.Random, depth: int = 3) -> list[str]:
    """A search that can be read, as words."""
    if depth and chance.random() < 0.6:
        left, right = search(chance, depth - 1), search(chance, depth - 1)
        word = chance.choice(("and", "or"))
        return ["not", "(", *left, ")"] if chance.random() < 0.3 else ["(", *left, word, *right, ")"]
    text = "'" + chance.choice(HOSTILE).replace("'", "''").replace("\0", "").replace("\\", "\\\\") + "'"
    number = chance.choice(("3", "-1.5", "999999999999999999"))
    time = chance.choice(("'2026-01-01T00:00:00Z'", "'0001-01-01'", "'9999-12-31T23:59:59.999999Z'"))
    operator = chance.choice(("=", "!=", "<>", "<", "<=", ">", ">="))
    negated = chance.choice(([], ["not"]))
    return chance.choice(
        (
            ["name", operator, text],
            ["version", operator, number],
            ["created_at", operator, time],
            ["prompt", *negated, "like", text],
            ["prompt", *negated, "ILIKE", text],
            ["id", *negated, "in", "(", text, ",", text, ")"],
            ["max_attempts", *negated, "between", number, "and", number],
            ["timeout", "is", *negated, "null"],
        )
    )


@pytest.mark.parametrize("count", [300, pytest.param(30_000, marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
async def test_no_search_breaks_anything_and_none_says_more_than_it_means(
    admin: Asker, statements: list[str], count: int
) -> None:
    await admin.made("/tasks", {"name": "a"})
    chance = random.Random(7)  # noqa: S311 - repeatable, no secret
    met: dict[int, int] = {}
    for number in range(count):
        words = search(chance)
        if number % 2:
            # Every other one is spoilt in one place.
            words[chance.randrange(len(words))] = chance.choice(WORDS)
        answer = await admin.get(f"/tasks?search={quote(' '.join(words))}")
        met[answer.status_code] = met.get(answer.status_code, 0) + 1
        assert answer.status_code == 200 or number % 2, (words, answer.text)
    assert met.keys() == {200, 400}
    assert met[400] > count / 4
    assert not [statement for statement in statements if MARK in statement]


# --- cursors ---

VALUES: tuple[Any, ...] = (
    None, True, -1, 2**63, 2**80, 0.5, 1e308, "", MARK, f"{MARK}'; DROP TABLE users; --", f"{MARK}\0", "infinity",
    "NaN", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999+00:00", "294277-01-01T00:00:00Z", [], {}, [MARK],
)  # fmt: skip


@pytest.mark.slow
async def test_a_cursor_made_up_by_one_who_knows_how_but_not_the_key_is_400(
    app: App, http: httpx.AsyncClient, admin: Asker, statements: list[str]
) -> None:
    files = (await world(app, admin)).ids["filesystems"]
    document = await read_document(http)
    lists = [found for found in document.operations if found.method == "GET" and "after" in found.queries]
    lists = [found for found in lists if "limit" not in found.queries and not found.path.startswith("/record")]
    assert len(lists) > 18
    for operation, value, key in itertools.product(lists, VALUES, (b"", bytes(32))):
        needed = {"from": "1"} if "from" in operation.queries else {}
        names = ("timestamp" if operation.collection == "resource_events" else "created_at", "id")
        order = [Order(field=name, descending=True) for name in names]
        if operation.path.endswith(("/entries", "/diff")):
            order = [Order(field=name, descending=False) for name in ("parent", "name")]
        made_up = {**needed, "after": page.cursor(key, order, [value, value])}
        answer = await admin.http.get(
            BASE + operation.at(id=files), params=made_up, headers={"Authorization": f"Bearer {admin.token}"}
        )
        assert (answer.status_code, "after" in answer.json()["reason"]) == (400, True), (operation.path, value)
    assert not [statement for statement in statements if MARK in statement]


async def test_a_cursor_with_one_character_changed_is_400(admin: Asker) -> None:
    for name in "abc":
        await admin.made("/skills", {"name": name})
    good = (await admin.get("/skills?size=1&after=")).json()["next"]
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for at in range(len(good)):
        changed = letters[(letters.index(good[at]) + 1) % len(letters)]
        answer = await admin.get(f"/skills?size=1&after={good[:at]}{changed}{good[at + 1 :]}")
        assert (answer.status_code, answer.json()["code"]) == (400, "mooring-21"), at
    for wrong in (good[:-1], good + "A", good * 2, base64.b64encode(b"[]").decode(), quote(good + "\n")):
        assert (await admin.get(f"/skills?size=1&after={wrong}")).status_code == 400
    assert (await admin.get(f"/skills?size=1&after={good}")).status_code == 200


async def test_a_cursor_of_one_process_is_taken_by_every_other(app: App, admin: Asker, tmp_path: Path) -> None:
    for name in "abc":
        await admin.made("/skills", {"name": name})
    first = (await admin.get("/skills?size=1")).json()
    settings = replace(app.settings, data=tmp_path / "elsewhere")
    with data_directory(settings):
        async with open_app(settings, app.database, works=False) as other:
            asgi: Any = application(other)
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app=asgi), base_url="http://other") as http:
                there = replace(admin, http=http)
                rest = (await there.get(f"/skills?size=2&after={first['next']}")).json()
    assert [item["name"] for item in first["items"] + rest["items"]] == ["c", "b", "a"]
