"""`moor whoami`: who the server takes you for."""

import click

from mooring.cli import shapes
from mooring.cli.asked import Shape, reach, reaching, shaped
from mooring.client.kinds import KINDS


@click.command()
@shaped
@reaching
def command(shape: Shape) -> None:
    """Show who the server takes you for."""
    with reach() as mooring:
        who = mooring.whoami()
        row = {
            "username": who.user.username,
            "name": who.user.name,
            "role": who.user.role,
            "may": ", ".join(who.scopes),
            "groups": ", ".join(f"{role} of {group}" for group, role in who.groups.items()) or None,
            "id": who.user.id,
            "server": mooring.server,
        }
        shapes.show_one(KINDS["user"], row, shape)
