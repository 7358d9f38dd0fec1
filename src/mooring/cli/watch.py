"""`moor watch`: changes as they happen."""

import sys

import click
import msgspec
from rich.text import Text

from mooring.cli.asked import KindWord, reach, reaching
from mooring.cli.columns import changes
from mooring.cli.follow import say_interrupted
from mooring.cli.names import Namer
from mooring.cli.plain import line
from mooring.cli.terminal import console
from mooring.cli.units import clock
from mooring.client.kinds import Kind
from mooring.wire.audit import ResourceEvent


@click.command()
@click.argument("kind", type=KindWord())
@click.option("--after", type=click.IntRange(min=0), metavar="NUMBER", help="Begin behind this number, not now.")
@click.option("-o", "--output", "shape", type=click.Choice(["table", "json"]), default="table", help="How to show it.")
@reaching
def command(kind: Kind, after: int | None, shape: str) -> None:
    """Show every change of a KIND as it happens, until Ctrl-C; `moor watch event` shows those of all kinds.

    A line that breaks is made again: nothing is left out, nothing comes twice. With -o json a line of JSON per change.
    """
    with reach() as mooring:
        if kind.noun == "event":
            for event in mooring.events.follow(after=after, interrupted=say_interrupted):
                _show(event, event.number or 0, msgspec.json.encode(event), Namer(mooring), shape)
        else:
            namer = Namer(mooring)
            for change in mooring.of(kind.noun).watch(after=after, interrupted=say_interrupted):
                _show(change.event, change.number, msgspec.json.encode(change), namer, shape)


def _show(event: ResourceEvent, number: int, raw: bytes, namer: Namer, shape: str) -> None:
    if shape == "json":
        sys.stdout.write(raw.decode() + "\n")
        sys.stdout.flush()
        return
    who = "mooring" if event.actor_id is None else namer.name(event.actor_id) or event.actor_id
    text = Text.assemble(
        (f"{number:>6}  {clock(event.timestamp)[11:-1]}  ", "dim"),
        (f"{event.action:<16}  ", "bold"),
        f"{event.resource_id}  {who}  ",
        (changes({"details": event.details}), "dim"),
    )
    if event.reason:
        text.append(f"  ({line(event.reason)})", style="italic")
    console().print(text, soft_wrap=True)
    sys.stdout.flush()
