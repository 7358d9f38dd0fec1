"""What commands have in common: the server they ask, why they write, how they show what they got."""

import importlib
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click
import click.shell_completion

from mooring.client import profile
from mooring.client.errors import Unfit
from mooring.client.kinds import KINDS, Kind, kind_named, kind_of_id

if TYPE_CHECKING:
    from mooring.client.mooring import Mooring

F = TypeVar("F", bound=Callable[..., Any])
Shape = Literal["table", "wide", "json", "yaml", "name"]


def _keep(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.find_root().obj[param.name] = value


def reaching(function: F) -> F:
    """The options that say which server; they may stand before or behind the command's name."""
    for name, metavar, says in (
        ("--profile", "NAME", "Which of the servers you logged in to."),
        ("--token", "TOKEN", "Your token there (better: MOORING_TOKEN, `moor login`)."),
        ("--server", "URL", "The server to ask."),
    ):
        function = click.option(name, metavar=metavar, help=says, expose_value=False, callback=_keep)(function)
    return function


def writing(function: F) -> F:
    """The option that says why; passed as `reason`."""
    return click.option("--reason", metavar="TEXT", help="Why; it goes into the record.")(function)


def shaped(function: F) -> F:
    """The option that says how to show it; passed as `shape`."""
    choice = click.Choice(["table", "wide", "json", "yaml", "name"])
    return click.option("-o", "--output", "shape", type=choice, default="table", help="How to show it.")(function)


@contextmanager
def reach() -> Generator["Mooring"]:
    """The server this command asks. Raises NotKnown, Unfit."""
    said: dict[str, str | None] = click.get_current_context().find_root().obj
    found = profile.find(os.environ, server=said.get("server"), token=said.get("token"), name=said.get("profile"))
    # Loaded only now: help and completion ask no server.
    opened: Mooring = importlib.import_module("mooring.client.mooring").Mooring(found.server, found.token)
    with opened as mooring:
        yield mooring


class KindWord(click.ParamType[Kind]):
    """A word for a kind: its noun, its plural, a short form."""

    name = "KIND"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        del ctx, param
        return [click.shell_completion.CompletionItem(noun) for noun in KINDS if noun.startswith(incomplete)]

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str:
        del param, ctx
        return f"Kinds: {', '.join(KINDS)}."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Kind:  # noqa: ANN401 - click's
        del param, ctx
        found = value if isinstance(value, Kind) else kind_named(str(value))
        if found is None:
            raise Unfit(f"{value!r} is no kind", hint=f"kinds: {', '.join(KINDS)}")
        return found


def named_resource(mooring: "Mooring", said: str) -> str:
    """The id of what is meant by an id, or by KIND/NAME. Raises Unfit, Missing, Ambiguous."""
    word, mark, name = said.partition("/")
    if not mark:
        if kind_of_id(said) is None:
            raise Unfit(f"{said!r} is no id", hint="write an id, or KIND/NAME like workflow/demo")
        return said
    kind = kind_named(word)
    if kind is None:
        raise Unfit(f"{word!r} is no kind", hint=f"kinds: {', '.join(KINDS)}")
    found: str = mooring.of(kind.noun).find(name)["id"]
    return found
