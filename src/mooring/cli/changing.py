"""A resource made what was said of it: for those who write down how it shall be, not what shall become of it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mooring.cli.fields import to_change
from mooring.client.kinds import Kind

if TYPE_CHECKING:
    from mooring.client.mooring import Mooring

Row = Mapping[str, Any]


def differing(said: Mapping[str, Any], row: Row) -> dict[str, Any]:
    """The fields that are not in the row as they are said."""
    return {name: value for name, value in said.items() if name not in row or row[name] != value}


def change(mooring: "Mooring", kind: Kind, row: Row, changes: Mapping[str, Any], reason: str | None) -> Row:
    """The row with these fields exactly so; None clears one. Raises Stale when it was changed meanwhile."""
    resources = mooring.of(kind.noun)
    if not any(isinstance(value, dict) for value in changes.values()):
        return resources.patch(row["id"], changes, version=row["version"], reason=reason)
    # A merge patch (RFC 7396) leaves the keys of a map that it does not name, and can put no null into one.
    stays = {name: row[name] for name in to_change(kind) if name in row and name not in changes}
    whole = {**stays, **{name: value for name, value in changes.items() if value is not None}}
    return resources.replace(row["id"], whole, version=row["version"], reason=reason)
