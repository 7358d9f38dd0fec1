"""Everything about one resource, for a person: names beside ids, lists as small tables."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from rich.text import Text

from mooring.cli.columns import Row
from mooring.cli.plain import line, plain
from mooring.cli.tables import STYLES, terminal_rows
from mooring.cli.terminal import console
from mooring.cli.units import clock, since
from mooring.client.errors import Denied, Missing
from mooring.client.kinds import KINDS, Kind, kind_of_id

if TYPE_CHECKING:
    from mooring.client.mooring import Mooring

# What one search may name (docs/api.md).
_AT_ONCE = 200
_TIMES = ("_at", "timestamp")
# What every row has and nobody asks of one that stands inside another.
_INNER = frozenset({"id", "kind", "href", "created_at", "updated_at", "version", "created_by_user_id", "position"})
_LAST = ("version", "created_at", "updated_at", "created_by_user_id")


class Namer:
    """Ids with the names of what they mean, each asked once."""

    def __init__(self, mooring: "Mooring") -> None:
        self._mooring = mooring
        self._names: dict[str, str | None] = {}

    def name(self, identifier: str) -> str | None:
        """The name; None where it has none, or is not there to see any more."""
        if identifier not in self._names:
            self._names[identifier] = self._asked(identifier)
        return self._names[identifier]

    def learn(self, identifiers: Iterable[str]) -> None:
        """Ask for many names at once."""
        found: dict[str, set[str]] = {}
        for identifier in identifiers:
            kind = kind_of_id(identifier)
            if kind is not None and kind.label is not None and identifier not in self._names:
                found.setdefault(kind.noun, set()).add(identifier)
        for noun, ids in found.items():
            label = str(KINDS[noun].label)
            self._names |= dict.fromkeys(ids)
            for start in range(0, len(ids), _AT_ONCE):
                some = sorted(ids)[start : start + _AT_ONCE]
                said = ", ".join(f"'{one}'" for one in some)
                for row in self._mooring.of(noun).list(search=f"id in ({said})"):
                    self._names[row["id"]] = line(str(row[label]))

    def _asked(self, identifier: str) -> str | None:
        kind = kind_of_id(identifier)
        if kind is None or kind.label is None:
            return None
        try:
            return line(str(self._mooring.of(kind.noun).get(identifier)[kind.label]))
        except (Missing, Denied):
            return None


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


def named_actors(mooring: "Mooring", events: Sequence[Row]) -> list[dict[str, Any]]:
    """Events, each with the name of who acted; what nobody did, Mooring did."""
    namer = Namer(mooring)
    namer.learn(str(event["actor_id"]) for event in events if event.get("actor_id"))
    return [{**event, "actor": _actor(namer, event.get("actor_id"))} for event in events]


def named_ends(mooring: "Mooring", kind: Kind, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows that have no name of their own, each with the names of what it refers to instead of ids."""
    namer = Namer(mooring)
    namer.learn(str(row[name]) for row in rows for name in kind.refers if row.get(name))
    return [
        {**row, **{name: namer.name(row[name]) or row[name] for name in kind.refers if row.get(name)}} for row in rows
    ]


def _actor(namer: Namer, actor_id: object) -> str:
    return "mooring" if not isinstance(actor_id, str) else namer.name(actor_id) or actor_id
