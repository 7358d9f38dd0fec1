"""What is sent: mostly what fits, now and then what does not. Few names and few values, so that they meet."""

from collections.abc import Mapping
from random import Random
from typing import Any, cast

from proofs.model.kinds import KINDS, NEEDED, Json
from proofs.model.people import People

_NAMES = ["a", "b", "c", " b "]
FITS: Mapping[str, list[Any]] = {
    "name": _NAMES,
    "username": ["ada", "bea", "cal"],
    "email": [None, "a@example.org"],
    "role": ["member", "member", "auditor", "admin"],
    "oidc_subject": [None, None, "s-1"],
    "description": ["", "some"],
    "prompt": [None, "true"],
    "repo_url": [None, None, "https://example.org/team/x.git"],
    "runtime": ["shell"],
    "model": [None, "m"],
    "settings": [{}, {"a": 1, "b": {"c": 2}}, {"b": {"c": None, "d": [1]}}],
    "check": [None, "true"],
    "max_attempts": [1, 3],
    "timeout": [None, 60],
    "position": [0, 1, 2, 5],
    "continue_on_failure": [False, True],
    "environment": [{}, {"A": "1"}, {"B": "2"}, {"A": None}],
    "cpus": [None, 2],
    "network": ["none", "none", "full"],
    "expose_as_env": ["A", "B", "C", None],
    "expose_as_file": [None, None, None, "/run/secrets/a", "/run/secrets/a/b", "/run/secrets/c"],
    "scopes": [["read", "write"], ["read"]],
    "permission_policy": ["allow", "deny", "ask"],
    "capture": [False, False, True],
    "interactive": [False, True],
}
MISFITS: Mapping[str, list[Any]] = {
    "name": ["", 5, "x\x07", "y" * 210, None, "   "],
    "username": ["-", "", "a b", None],
    "role": ["owner", None],
    "description": [5, "a\x00", None],
    "prompt": [5],
    "position": [-1, 1.5, "0"],
    "max_attempts": [0, 101, None],
    "environment": [{"PATH": "x"}, {"1": "x"}, {"A": 1}, []],
    "cpus": [0, -1, "2"],
    "network": ["allow-list", "some", None],
    "expose_as_env": ["PATH", "LD_PRELOAD", "1", 5],
    "expose_as_file": ["/etc/passwd", "/run/secrets/../x"],
    "permission_policy": ["maybe"],
    "continue_on_failure": ["yes"],
    "scopes": [[]],
    "unknown": [1],
    "id": ["x"],
}


def one(chance: Random, people: People, kind: str) -> str:
    """An id: mostly a living one of the kind, else of something else, of what was deleted, or of nothing."""
    living = [row.id for row in people.living(kind)]
    if living and chance.random() < 0.9:
        return chance.choice(living)
    return chance.choice(["x", f"agt_{'0' * 27}", *people.rows])


def value(chance: Random, people: People, kind: str, name: str) -> Any:
    """What fits into a field."""
    other = KINDS[kind].refers.get(name)
    if other is not None:
        optional = KINDS[kind].fields[name] is None
        return None if optional and chance.random() < 0.25 else one(chance, people, other)
    if name == "git_credentials":
        hosts = chance.sample(["git.example.org", "x.example.org"], chance.choice([1, 1, 2]))
        return {host: one(chance, people, "secrets") if chance.random() < 0.7 else None for host in hosts}
    return chance.choice(FITS[name])


def body(chance: Random, people: People, kind: str) -> Json:
    """For POST: what is needed, and some of the rest."""
    needed = [name for name, usual in KINDS[kind].fields.items() if usual is NEEDED]
    rest = [name for name in _drawn(kind, tuple(KINDS[kind].fields)) if name not in needed]
    also = _some(chance, rest, most=4)
    if kind == "instance_secret_mappings" and chance.random() < 0.8:
        also = [chance.choice(["expose_as_env", "expose_as_env", "expose_as_file"])]
    if kind == "groups" and chance.random() < 0.8:
        also = ["description"]
    made = {name: without_nulls(value(chance, people, kind, name)) for name in (*needed, *also)}
    return _spoilt(chance, made, needed)


def patch(chance: Random, people: People, kind: str) -> Json:
    """For PATCH: some fields, and some of them cleared."""
    named = _some(chance, _drawn(kind, KINDS[kind].editable), most=3)
    found = {name: None if chance.random() < 0.1 else value(chance, people, kind, name) for name in named}
    return _spoilt(chance, found, [])


def whole(chance: Random, people: People, kind: str, now: Mapping[str, Any]) -> Json:
    """For PUT: what is there, with some of it changed or left out."""
    found = {name: now[name] for name in KINDS[kind].editable}
    for name, new in patch(chance, people, kind).items():
        if new is None:
            found.pop(name, None)
        else:
            found[name] = without_nulls(new)
    return found


def without_nulls(given: Any) -> Any:
    """Nulls inside of a map are for patches."""
    if not isinstance(given, dict):
        return given
    return {key: one for key, one in cast("Json", given).items() if one is not None}


def _drawn(kind: str, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if name in FITS or name in (*KINDS[kind].refers, "git_credentials")]


def _some(chance: Random, names: list[str], *, most: int) -> list[str]:
    return chance.sample(names, min(len(names), chance.randint(0, most)))


def _spoilt(chance: Random, made: Json, needed: list[str]) -> Json:
    """The body, one in ten made wrong."""
    if chance.random() < 0.9:
        return made
    if needed and chance.random() < 0.3:
        left_out = chance.choice(needed)
        return {name: held for name, held in made.items() if name != left_out}
    wrong = chance.choice([*[name for name in made if name in MISFITS], "unknown", "id"])
    return {**made, wrong: chance.choice(MISFITS[wrong])}
