"""`moor profile`: the servers one logged in to."""

import os

import click

from mooring.cli import shapes
from mooring.cli.asked import Shape, shaped
from mooring.client import profile
from mooring.client.errors import Unfit


@click.group()
def command() -> None:
    """See which servers you logged in to, and choose among them."""


@command.command("list")
@shaped
def list_(shape: Shape) -> None:
    """List the profiles; * stands at the current one."""
    known = profile.read(profile.usual_path(os.environ))
    rows = [
        {"name": name, "server": one.server, "current": "*" if name == known.current else None}
        for name, one in known.named.items()
    ]
    shapes.show_rows(rows, shape, none="there is no profile yet: `moor login URL`")


@command.command()
@click.argument("name")
def use(name: str) -> None:
    """Ask the server of this profile from now on."""
    path = profile.usual_path(os.environ)
    found = profile.read(path).named.get(name)
    if found is None:
        raise Unfit(f"there is no profile {name!r}", hint="`moor profile list`")
    profile.write(found.server, found.token, path, name=name, choose=True)
    click.echo(f"{found.server} is now your server")


@command.command()
@click.argument("name")
def forget(name: str) -> None:
    """Remove a profile with its token. The token itself stays good: `moor token revoke` ends it."""
    profile.forget(name, profile.usual_path(os.environ))
    click.echo(f"profile {name} removed")
