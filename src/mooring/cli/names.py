"""Names of what ids mean, asked of the server."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from mooring.cli.columns import Row
from mooring.cli.plain import line
from mooring.client.errors import Denied, Missing
from mooring.client.kinds import KINDS, Kind, kind_of_id

if TYPE_CHECKING:
    from mooring.client.mooring import Mooring

# What one search may name (docs/api.md).
_AT_ONCE = 200


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
