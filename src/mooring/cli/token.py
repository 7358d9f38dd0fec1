"""`moor token`: what lets people and programs in."""

import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Literal

import click

from mooring.cli import shapes
from mooring.cli.asked import Shape, reach, reaching, shaped, writing
from mooring.client.errors import Unfit
from mooring.client.kinds import KINDS
from mooring.wire.identity import NewToken

_UNITS = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


@click.group()
def command() -> None:
    """Make, list and revoke tokens. The text of one is shown once, when it is made."""


@command.command()
@click.argument("name")
@click.option("--user", metavar="USER", help="Whose it is (default: yours).")
@click.option("--scope", "scopes", type=click.Choice(["read", "write"]), multiple=True, help="Only this; repeatable.")
@click.option("--expires", metavar="TIME", help="When it ends: 30d, 12h, or a time like 2027-01-31T12:00:00Z.")
@writing
@reaching
def create(
    name: str,
    user: str | None,
    scopes: tuple[Literal["read", "write"], ...],
    expires: str | None,
    reason: str | None,
) -> None:
    """Make a token NAMEd for what uses it, and print it: `moor token create ci --scope read > ci.token`."""
    with reach() as mooring:
        new = NewToken(
            name=name,
            user_id=mooring.users.find(user).id if user else None,
            scopes=list(scopes) or ["read", "write"],
            expires_at=_time(expires) if expires else None,
        )
        made = mooring.tokens.make(new, reason=reason)
    click.echo(f"token {made.id} created; it is shown this once", err=True)
    sys.stdout.write(made.token + "\n")


@command.command("list")
@click.option("--all", "everything", is_flag=True, help="Revoked ones too.")
@shaped
@reaching
def list_(*, everything: bool, shape: Shape) -> None:
    """List the tokens you may see."""
    with reach() as mooring:
        rows = [row for row in mooring.of("token").list() if everything or row["revoked_at"] is None]
        hidden = frozenset[str]() if everything else frozenset({"REVOKED"})
        shapes.show(KINDS["token"], rows, shape, without=hidden)


@command.command()
@click.argument("tokens", metavar="TOKEN…", nargs=-1, required=True)
@writing
@reaching
def revoke(tokens: tuple[str, ...], reason: str | None) -> None:
    """Make tokens, by name or id, good for nothing, at once. They stay listed."""
    with reach() as mooring:
        for found in [mooring.tokens.find(token) for token in tokens]:
            mooring.tokens.revoke(found.id, reason=reason)
            click.echo(f"token {found.id} revoked")


def _time(text: str) -> datetime:
    """A time, or one so long from now. Raises Unfit."""
    found = re.fullmatch(r"([0-9]{1,5})([mhdw])", text)
    if found:
        return datetime.now(UTC) + timedelta(seconds=int(found[1]) * _UNITS[found[2]])
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise Unfit(f"--expires: {text!r} is no time", hint="write 30d, 12h, or 2027-01-31T12:00:00Z") from error
    if at.tzinfo is None:
        raise Unfit(f"--expires: {text!r} says no time zone", hint=f"write {text}Z for UTC")
    return at
