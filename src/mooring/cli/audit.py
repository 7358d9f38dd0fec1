"""`moor audit`: who did what, when and why."""

import sys
from itertools import islice

import click
import msgspec

from mooring.cli import shapes
from mooring.cli.asked import Shape, named_resource, reach, reaching, shaped
from mooring.cli.names import named_actors
from mooring.cli.plain import line
from mooring.client.kinds import KINDS

_BROKEN = 1
_PAGE = 200


@click.group()
def command() -> None:
    """Read the record: who did what, when and why."""


@command.command()
@click.option("--resource", metavar="ID", help="Only what happened to this: an id, or KIND/NAME.")
@click.option("--action", metavar="ACTION", help="Only this action, like workflow.update.")
@click.option("--actor", metavar="USER", help="Only what this user did.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most this many.")
@shaped
@reaching
def log(resource: str | None, action: str | None, actor: str | None, limit: int, shape: Shape) -> None:
    """Show events, the oldest of the newest first."""
    with reach() as mooring:
        where = {
            "resource_id": named_resource(mooring, resource) if resource else None,
            "action": action,
            "actor_id": mooring.of("user").find(actor)["id"] if actor else None,
        }
        said = {name: value for name, value in where.items() if value is not None}
        found = mooring.of("event").list(where=said, size=min(limit, _PAGE))
        events = named_actors(mooring, list(islice(found, limit))[::-1])
        # Whose they are, or what they did to the one that was asked for: both do not fit beside each other.
        hidden = {"RESOURCE"} if resource else set[str]() if shape == "wide" else {"CHANGE"}
        if not any(event["reason"] for event in events):
            hidden.add("REASON")
        shapes.show(KINDS["event"], events, shape, without=frozenset(hidden))


@command.command()
@shaped
@reaching
def verify(shape: Shape) -> int:
    """Have the server check every sealed event against its seal. Exit status 0 when the record is intact, 1 when not.

    The first event that was altered, removed or inserted is named.
    """
    with reach() as mooring:
        verdict = mooring.record.verify()
    if shape not in ("table", "wide"):
        shapes.show_rows([msgspec.to_builtins(verdict)], shape, none="")
    elif verdict.finding is None:
        unsealed = verdict.numbered_to - verdict.sealed_to
        click.echo(f"the record is intact: {verdict.sealed_to} events are sealed, the newest {unsealed} not yet")
    else:
        event = f" ({verdict.finding.event_id})" if verdict.finding.event_id else ""
        click.echo(f"the record is NOT intact, first at number {verdict.finding.number}{event}")
        click.echo(f"  {line(verdict.finding.says)}")
    return 0 if verdict.intact else _BROKEN


@command.command()
@click.option("--after", type=click.IntRange(min=0), default=0, metavar="NUMBER", help="Only events behind this one.")
@reaching
def export(after: int) -> None:
    """Write every event as a line of JSON, in the order of their numbers: `moor audit export > record.jsonl`."""
    with reach() as mooring:
        for piece in mooring.record.export(after=after):
            sys.stdout.buffer.write(piece)
