"""Everything about one resource, for a person: names beside ids, lists as small tables."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from rich.text import Text

from mooring.cli.columns import Row
from mooring.cli.names import Namer
from mooring.cli.plain import line, plain
from mooring.cli.tables import STYLES, terminal_rows
from mooring.cli.terminal import console
from mooring.cli.units import clock, since
from mooring.client.kinds import KINDS, Kind

_TIMES = ("_at", "timestamp")
# What every row has and nobody asks of one that stands inside another.
_INNER = frozenset({"id", "kind", "href", "created_at", "updated_at", "version", "created_by_user_id", "position"})
_LAST = ("version", "created_at", "updated_at", "created_by_user_id")


def describe(kind: Kind, row: Row, namer: Namer | None) -> None:
    """A line per field, what it was made by last. Without a namer ids stand alone."""
    out = console()
    fields = {name: value for name, value in row.items() if name not in ("kind", "href", *_LAST)}
    fields |= {name: row[name] for name in _LAST if name in row}
    titles = {name: _title(name, fields) for name in fields}
    width = max(map(len, titles.values()))
    for name, value in fields.items():
        for number, text in enumerate(_value(kind, name, value, namer)):
            head = f"{titles[name] if number == 0 else '':<{width}}  "
            out.print(Text.assemble((head, "bold"), text), soft_wrap=True)


def _title(name: str, beside: Row) -> str:
    """What refers to something is called like that, unless another field is."""
    short = name.removesuffix("_id")
    return (name if short != name and short in beside else short).replace("_", " ")


def _value(kind: Kind, name: str, value: object, namer: Namer | None) -> Iterator[Text]:
    if value is None or value in ("", [], {}):
        yield Text("-", style="dim")
    elif name.endswith(_TIMES):
        yield Text.assemble(clock(value), (f"  ({since(value)} ago)", "dim"))
    elif isinstance(value, str):
        yield from _text(name, value, namer)
    elif isinstance(value, list):
        entries = cast("list[object]", value)
        rows = [cast("dict[str, object]", entry) for entry in entries if isinstance(entry, dict)]
        texts = terminal_rows(_inner(kind, rows, namer)) if rows else [line(str(entry)) for entry in entries]
        yield from (Text(text) for text in texts)
    elif isinstance(value, dict):
        inner = cast("dict[str, object]", value)
        yield from (Text(text) for text in terminal_rows([{"name": key, "value": one} for key, one in inner.items()]))
    else:
        yield Text(json.dumps(value))


def _text(name: str, value: str, namer: Namer | None) -> Iterator[Text]:
    named = namer.name(value) if namer and name.endswith("_id") else None
    if named:
        yield Text.assemble(named, (f"  {value}", "dim"))
        return
    style = STYLES.get(value, "") if name == "phase" else ""
    for text in plain(value).rstrip("\n").split("\n"):
        yield Text(text, style=style)


def _inner(kind: Kind, rows: Sequence[Mapping[str, object]], namer: Namer | None) -> list[dict[str, object]]:
    """Rows as they stand inside their owner: without what is the owner's, ids as names."""
    owner = f"{KINDS[kind.noun].path.removesuffix('s')}_id"

    def shown(name: str, value: object) -> object:
        if isinstance(value, str) and name.endswith(_TIMES):
            return clock(value)
        if value is True:
            return name.replace("_", " ")
        return (namer.name(value) or value) if namer and name.endswith("_id") and isinstance(value, str) else value

    kept = [name for name in (rows[0] if rows else ()) if name not in _INNER and name != owner]
    used = [name for name in kept if any(row.get(name) not in (None, False) for row in rows)]
    return [{name: shown(name, row.get(name)) for name in used} for row in rows]
