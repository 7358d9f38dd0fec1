"""Every statement that is written down whole is understood by PostgreSQL against the migrated schema."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import mooring
from mooring.base.db import Database
from mooring.base.work import _CLAIM  # pyright: ignore[reportPrivateUsage]

SOURCE = Path(mooring.__file__).parent
ASKS = {"row", "rows", "value", "values", "run", "run_each"}
# Where statements are composed of the kinds' descriptions; their own tests carry every one of them out.
COMPOSED = {"audit/", "base/work.py"}


def asked(path: Path) -> Iterator[tuple[int, ast.expr]]:
    """The line and the statement of each call of a transaction's methods."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ASKS:
            at = 0 if node.func.attr in ("run", "run_each") else 1
            if isinstance(node.func.value, ast.Name) and node.func.value.id == "tx" and len(node.args) > at:
                yield node.lineno, node.args[at]


def statements() -> Iterator[tuple[str, str | None]]:
    """Where each statement stands, and its text; None where it is composed at run time."""
    for path in sorted(SOURCE.rglob("*.py")):
        where = path.relative_to(SOURCE).as_posix()
        if where == "base/migrate.py":
            continue  # Defines tables and locks; what it does is carried out before any test.
        for line, expression in asked(path):
            text: str | None = None
            if isinstance(expression, ast.Constant):
                text = str(expression.value)
            elif isinstance(expression, ast.Name):
                module = importlib.import_module("mooring." + where.removesuffix(".py").replace("/", "."))
                text = getattr(module, expression.id, None)
            yield f"{where}:{line}", text


FOUND = dict(statements())


def test_there_are_statements_to_look_at() -> None:
    assert len(FOUND) > 40


@pytest.mark.parametrize("where", [where for where, text in FOUND.items() if text is None])
def test_statements_are_composed_only_where_kinds_are_described(where: str) -> None:
    assert any(where.startswith(place) for place in COMPOSED), "write it down whole, or say why here"


@pytest.mark.parametrize("where", [where for where, text in FOUND.items() if text is not None])
async def test_a_statement_can_be_prepared(database: Database, where: str) -> None:
    async with database.transaction() as tx:
        await tx.script(f"PREPARE it AS {FOUND[where]}; DEALLOCATE it")


@pytest.mark.parametrize("loop", ["sessions.store.sessions.ACTIVE", "compute.store.runs.UNCLEARED"])
async def test_what_a_loop_looks_for_can_be_prepared(database: Database, loop: str) -> None:
    module, _, name = loop.rpartition(".")
    ready: str = getattr(importlib.import_module(f"mooring.{module}"), name)
    async with database.transaction() as tx:
        await tx.script(f"PREPARE it AS {_CLAIM.replace('{ready}', ready)}; DEALLOCATE it")
