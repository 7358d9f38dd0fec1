"""`moor login`: keep a server's address and a token."""

import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mooring.cli.plain import line
from mooring.client import profile
from mooring.client.errors import Unfit

if TYPE_CHECKING:
    from mooring.client.mooring import Mooring


@click.command()
@click.argument("url")
@click.option("--name", metavar="NAME", help="What to call it (default: the server's host name).")
@click.option("--token-file", type=click.Path(path_type=Path), help="Where the token stands; - is standard input.")
def command(url: str, name: str | None, token_file: Path | None) -> None:
    """Keep the address of a server and your token for it, and use them from now on.

    The token is asked for; it is never taken from the command line, where others of this machine could read it.
    """
    server = profile.server_url(url)
    host = server.split("://", 1)[1].split("/", 1)[0]
    named = name or "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in host)
    token = _token(token_file)
    # Kept only when it opens: a mistyped one would hide one that does.
    opened: Mooring = importlib.import_module("mooring.client.mooring").Mooring(server, token)
    with opened as mooring:
        who = mooring.whoami()
    path = profile.write(server, token, profile.usual_path(os.environ), name=named, choose=True)
    click.echo(f"{server} is now your server, as {line(who.user.username)}; profile {named!r} in {path}")


def _token(file: Path | None) -> str:
    if file is None and sys.stdin.isatty():
        return str(click.prompt("Token", hide_input=True)).strip()
    if file is None or str(file) == "-":
        return sys.stdin.read().strip()
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Unfit(f"{file} cannot be read: {error}") from error
