"""`moor delete`: it is there no more."""

import click

from mooring.cli.asked import KindWord, reach, reaching, writing
from mooring.client.kinds import Kind


@click.command()
@click.argument("kind", type=KindWord())
@click.argument("names", metavar="NAME…", nargs=-1, required=True)
@writing
@reaching
def command(kind: Kind, names: tuple[str, ...], reason: str | None) -> None:
    """Remove those of a KIND with these NAMEs or ids. What a living declaration uses is refused, with what uses it."""
    with reach() as mooring:
        resources = mooring.of(kind.noun)
        # All are found before one is removed: a mistyped name leaves everything as it was.
        for found in [resources.find(name) for name in names]:
            resources.delete(found["id"], reason=reason)
            click.echo(f"{kind.noun} {found['id']} deleted")
