"""search= and fields= against rows: the database and a reckoning in Python find the same."""

import random
import re
from collections.abc import Callable
from typing import Any

import pytest

from surfaces.people import Asker

Row = dict[str, Any]
Truth = bool | None
Test = Callable[[Row], Truth]

NAMES = ["alpha", "Beta", "ga_ma", "100%", "it's", "é"]
PROMPTS = [None, "", "a", "alpha beta"]


async def some_tasks(admin: Asker) -> list[Row]:
    chance = random.Random(7)  # noqa: S311 - repeatable rows, no secret
    return [
        await admin.made(
            "/tasks",
            {
                "name": chance.choice(NAMES),
                "prompt": chance.choice(PROMPTS),
                "max_attempts": chance.randint(1, 5),
                "timeout": chance.choice([None, 0.5, 2, 60]),
            },
        )
        for _ in range(25)
    ]


def negated(value: Truth) -> Truth:
    return None if value is None else not value


def both(left: Truth, right: Truth) -> Truth:
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def compare(field: str, mark: str, value: Any) -> Test:
    marks: dict[str, Callable[[Any], bool]] = {
        "=": lambda held: held == value,
        "!=": lambda held: held != value,
        "<>": lambda held: held != value,
        "<": lambda held: held < value,
        "<=": lambda held: held <= value,
        ">": lambda held: held > value,
        ">=": lambda held: held >= value,
    }
    return lambda row: None if row[field] is None else marks[mark](row[field])


def like(field: str, pattern: str, *, any_case: bool) -> Test:
    form = "".join({"%": ".*", "_": "."}.get(letter, re.escape(letter)) for letter in pattern)
    flags = re.DOTALL | (re.IGNORECASE if any_case else 0)
    return lambda row: None if row[field] is None else re.fullmatch(form, row[field], flags) is not None


def quoted(value: Any) -> str:
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)


def term(chance: random.Random) -> tuple[str, Test]:
    """A term of the language and what it means."""
    field = chance.choice(["name", "prompt", "max_attempts", "timeout"])
    texts: list[Any] = [*NAMES, "a", ""]
    numbers: list[Any] = [1, 2, 0.5, 3.5, 60, -1]
    values = texts if field in ("name", "prompt") else numbers
    form = chance.choice(["compare", "in", "null", "like" if values is texts else "between"])
    if form == "compare":
        # Text is sorted by the database's rules: here it is only told apart.
        mark = chance.choice(["=", "!=", "<>"] if values is texts else ["=", "!=", "<>", "<", "<=", ">", ">="])
        value = chance.choice(values)
        return f"{field} {mark} {quoted(value)}", compare(field, mark, value)
    if form == "in":
        items = chance.sample(values, 2)
        return (
            f"{field} in ({', '.join(map(quoted, items))})",
            lambda row: None if row[field] is None else row[field] in items,
        )
    if form == "null":
        return f"{field} is null", lambda row: row[field] is None
    if form == "like":
        pattern, any_case = chance.choice(["%a%", "a_pha", "%", "B%", "%'%"]), chance.random() < 0.5
        word = "ilike" if any_case else "like"
        return f"{field} {word} {quoted(pattern)}", like(field, pattern, any_case=any_case)
    low, high = sorted(chance.sample(numbers, 2))
    inside = (compare(field, ">=", low), compare(field, "<=", high))
    return f"{field} between {low} and {high}", lambda row: both(inside[0](row), inside[1](row))


def tree(chance: random.Random, depth: int) -> tuple[str, Test]:
    """A search and what it means, in SQL's logic of three values."""
    if depth == 0 or chance.random() < 0.3:
        return term(chance)
    text, means = tree(chance, depth - 1)
    if chance.random() < 0.3:
        return f"not ({text})", lambda row: negated(means(row))
    other, also = tree(chance, depth - 1)
    if chance.random() < 0.5:
        return f"({text}) and ({other})", lambda row: both(means(row), also(row))
    return f"({text}) or ({other})", lambda row: negated(both(negated(means(row)), negated(also(row))))


async def test_searches_find_what_they_mean(admin: Asker) -> None:
    rows = await some_tasks(admin)
    chance = random.Random(11)  # noqa: S311 - repeatable searches, no secret
    found_some = 0
    for _ in range(150):
        search, means = tree(chance, 3)
        answer = await admin.http.get(
            "/api/mooring/v1/tasks",
            params={"search": search, "size": 100},
            headers={"Authorization": f"Bearer {admin.token}"},
        )
        assert answer.status_code == 200, answer.text
        expected = {row["id"] for row in rows if means(row)}
        assert {item["id"] for item in answer.json()["items"]} == expected, search
        assert answer.json()["total"] == len(expected)
        found_some += 0 < len(expected) < len(rows)
    assert found_some > 50


@pytest.mark.parametrize(
    "search",
    [
        "name = 'a' or 1 = 1",
        "name = 'a'; drop table tasks",
        "hash = 'x'",
        "deleted_at is null",
        "name = 'a' union select 1",
        "name ~ 'a'",
    ],
)
async def test_what_is_no_search_is_400_with_its_position(admin: Asker, search: str) -> None:
    answer = await admin.get(f"/tasks?search={search.replace(';', '%3B')}")
    assert (answer.status_code, answer.json()["code"]) == (400, "mooring-23"), answer.text
    assert answer.json()["details"]["position"] >= 1


async def test_a_search_narrows_a_walk_by_cursor_and_the_record(admin: Asker) -> None:
    for name in ("a", "b", "a", "a"):
        await admin.made("/skills", {"name": name})
    first = (await admin.get("/skills?search=name = 'a'&size=2&after=")).json()
    rest = (await admin.get(f"/skills?search=name = 'a'&size=2&after={first['next']}")).json()
    assert [item["name"] for item in first["items"] + rest["items"]] == ["a"] * 3
    events = (await admin.get("/resource_events?search=action = 'skill.create' and actor_id is not null")).json()
    assert events["total"] == 4


async def test_times_and_truths_are_searched(admin: Asker) -> None:
    workflow = await admin.made("/workflows", {"name": "w"})
    task = await admin.made("/tasks", {"name": "t"})
    body = {"workflow_id": workflow["id"], "task_id": task["id"], "continue_on_failure": True}
    part = await admin.made("/workflow_tasks", body)
    for search, total in (
        ("continue_on_failure = true", 1),
        ("continue_on_failure != true", 0),
        (f"created_at = '{part['created_at']}'", 1),
        ("created_at > '2001-01-01' and created_at < '2201-01-01T00:00:00+02:00'", 1),
        (f"id in ('{part['id']}')", 1),
    ):
        assert (await admin.get(f"/workflow_tasks?search={search.replace('+', '%2B')}")).json()["total"] == total


async def test_only_the_fields_named_are_sent_with_what_they_are_of(admin: Asker) -> None:
    made = await admin.made("/skills", {"name": "a", "prompt": "p"})
    [item] = (await admin.get("/skills?fields=name, version")).json()["items"]
    assert item == {name: made[name] for name in ("id", "kind", "href", "name", "version")}
    refused = await admin.get("/skills?fields=name,colour")
    assert (refused.status_code, "colour" in refused.json()["reason"]) == (400, True)
