"""What was found, as it was asked for: a table for a person, JSON or YAML for a program, names for a shell."""

import importlib
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from mooring.cli.asked import Shape
from mooring.cli.plain import line
from mooring.client.kinds import Kind

Row = Mapping[str, Any]


def show(kind: Kind, rows: Sequence[Row], shape: Shape, *, without: frozenset[str] = frozenset()) -> None:
    """A list of one kind; a table `without` some columns."""
    if shape == "json":
        _write(json.dumps(list(rows), indent=2, ensure_ascii=False))
    elif shape == "yaml":
        _write(_yaml(list(rows)))
    elif shape == "name":
        names = [named(kind, row) for row in rows]
        for name, row in zip(names, rows, strict=True):
            # A name that several have says which of them to nobody.
            _write(name if names.count(name) == 1 else str(row["id"]))
    else:
        importlib.import_module("mooring.cli.tables").show(kind, rows, wide=shape == "wide", without=without)


def show_one(kind: Kind, row: Row, shape: Shape, namer: Any = None) -> None:  # noqa: ANN401 - a details.Namer, loaded late
    """One resource; as a table of its fields where a table is asked for, with the names that `namer` knows."""
    if shape == "json":
        _write(json.dumps(row, indent=2, ensure_ascii=False))
    elif shape == "yaml":
        _write(_yaml(row))
    elif shape == "name":
        _write(named(kind, row))
    else:
        importlib.import_module("mooring.cli.details").describe(kind, row, namer)


def show_rows(rows: Sequence[Row], shape: Shape, *, none: str, whole: frozenset[str] = frozenset()) -> None:
    """A list of what is no kind: every field a column, the first one its name."""
    if shape == "json":
        _write(json.dumps(list(rows), indent=2, ensure_ascii=False))
    elif shape == "yaml":
        _write(_yaml(list(rows)))
    elif shape == "name":
        for row in rows:
            _write(line(str(next(iter(row.values())))))
    else:
        importlib.import_module("mooring.cli.tables").show_rows(rows, none=none, wide=shape == "wide", whole=whole)


def named(kind: Kind, row: Row) -> str:
    """What a shell can refer to it by: its name, or its id where it has none or names mean nothing (sessions)."""
    label = "id" if kind.noun == "session" else kind.label or "id"
    return line(str(row.get(label) or row["id"]))


def _yaml(value: object) -> str:
    text: str = importlib.import_module("yaml").safe_dump(value, sort_keys=False, allow_unicode=True, width=100)
    return text.rstrip("\n")


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
