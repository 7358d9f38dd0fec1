"""`moor access`: why someone may, or may not."""

import click
import msgspec

from mooring.cli import shapes
from mooring.cli.asked import Shape, named_resource, reach, reaching, shaped
from mooring.cli.plain import line

_DENIED = 1


@click.group()
def command() -> None:
    """Ask what the access rules say, and why."""


@command.command()
@click.argument("resource")
@click.option(
    "--action",
    type=click.Choice(["read", "change", "operate", "grant"]),
    default="read",
    show_default=True,
    help="What is to be done with it.",
)
@click.option("--user", metavar="USER", help="Who (default: you; administrators and auditors ask about others).")
@shaped
@reaching
def explain(resource: str, action: str, user: str | None, shape: Shape) -> int:
    """Say whether someone may do something with a RESOURCE (an id, or KIND/NAME), and what makes it so.

    Exit status 0 when it is allowed, 1 when it is not.
    """
    with reach() as mooring:
        told = mooring.explain(named_resource(mooring, resource), action=action, user=user)
    if shape not in ("table", "wide"):
        shapes.show_rows([msgspec.to_builtins(told)], shape, none="")
    else:
        click.echo(f"{'allowed' if told.allowed else 'not allowed'}: {action} {told.resource_type} {told.resource_id}")
        if told.because:
            click.echo(f"  because {line(told.because)} may")
        for step in told.chain:
            click.echo(f"  - {line(step)}")
        if not told.allowed:
            rules = ", ".join(line(rule) for rule in told.allowed_to)
            click.echo(f"  it is allowed to {rules}" if rules else f"  no rule allows anyone to {action} this")
    return 0 if told.allowed else _DENIED
