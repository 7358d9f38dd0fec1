"""`moor get`: what there is of a kind."""

import click

from mooring.cli import shapes
from mooring.cli.asked import KindWord, Shape, reach, reaching, shaped
from mooring.cli.names import named_actors, named_ends
from mooring.client.kinds import KINDS, Kind


@click.command(epilog=f"Kinds: {', '.join(KINDS)}. A plural will do.")
@click.argument("kind", type=KindWord())
@click.argument("name", required=False)
@click.option("--search", metavar="TSL", help="Only those that match, like: phase = 'running' and name like 'demo%'.")
@shaped
@reaching
def command(kind: Kind, name: str | None, search: str | None, shape: Shape) -> None:
    """List what there is of a KIND, or show the one with this NAME or id."""
    with reach() as mooring:
        found = mooring.of(kind.noun)
        if name is not None:
            shapes.show(kind, [found.find(name)], shape)
        else:
            rows = list(found.list(search=search))
            if kind.label is None and shape in ("table", "wide"):
                rows = named_actors(mooring, rows) if kind.noun == "event" else named_ends(mooring, kind, rows)
            shapes.show(kind, rows, shape)
