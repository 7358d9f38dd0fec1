"""`moor describe`: everything about one."""

import click

from mooring.cli import shapes
from mooring.cli.asked import KindWord, Shape, reach, reaching, shaped
from mooring.cli.names import Namer
from mooring.client.kinds import Kind


@click.command()
@click.argument("kind", type=KindWord())
@click.argument("name")
@shaped
@reaching
def command(kind: Kind, name: str, shape: Shape) -> None:
    """Show everything about the one of a KIND with this NAME or id."""
    with reach() as mooring:
        resources = mooring.of(kind.noun)
        # A list may hold less of each than the resource itself.
        shapes.show_one(kind, resources.get(resources.find(name)["id"]), shape, Namer(mooring))
