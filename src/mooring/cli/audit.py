"""`moor audit`: who did what, when and why."""

from itertools import islice

import click

from mooring.cli import shapes
from mooring.cli.asked import Shape, reach, reaching, shaped
from mooring.cli.details import named_actors
from mooring.client.errors import Unfit
from mooring.client.kinds import KINDS, kind_of_id
from mooring.client.mooring import Mooring


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
            "resource_id": _resource(mooring, resource) if resource else None,
            "action": action,
            "actor_id": mooring.of("user").find(actor)["id"] if actor else None,
        }
        found = mooring.of("event").list(where={name: value for name, value in where.items() if value is not None})
        events = named_actors(mooring, list(islice(found, limit))[::-1])
        # Whose they are, or what they did to the one that was asked for: both do not fit beside each other.
        hidden = {"RESOURCE"} if resource else set[str]() if shape == "wide" else {"CHANGE"}
        if not any(event["reason"] for event in events):
            hidden.add("REASON")
        shapes.show(KINDS["event"], events, shape, without=frozenset(hidden))


def _resource(mooring: Mooring, said: str) -> str:
    """The id meant. Raises Unfit, Missing, Ambiguous."""
    noun, mark, name = said.partition("/")
    if not mark:
        if kind_of_id(said) is None:
            raise Unfit(f"{said!r} is no id", hint="write an id, or KIND/NAME like workflow/demo")
        return said
    if noun not in KINDS:
        raise Unfit(f"{noun!r} is no kind", hint=f"kinds: {', '.join(KINDS)}")
    found: str = mooring.of(noun).find(name)["id"]
    return found
