"""`moor create`: make one resource."""

import click

from mooring.cli import shapes
from mooring.cli.asked import KindWord, Shape, reach, reaching, shaped, writing
from mooring.cli.fields import known, said, words
from mooring.client.errors import Unfit
from mooring.client.kinds import Kind


@click.command()
@click.argument("kind", type=KindWord())
@click.argument("name")
@words
@shaped
@writing
@reaching
def command(kind: Kind, name: str, fields: tuple[str, ...], shape: Shape, reason: str | None) -> None:
    r"""Make one of a KIND with this NAME.

    \b
    moor create agent reviewer runtime=claude prompt=@reviewer.md
    moor create task build prompt='make' check='make test' max_attempts=3
    moor create instance box group=team 'environment:={"CI": "yes"}'

    name=text, name=@file, name:=json; what refers to something takes its name or id. Workflows get their skills and
    tasks with `moor apply`.
    """
    label = kind.label or "name"
    known(kind)
    with reach() as mooring:
        values = said(mooring, kind, fields)
        if label in values:
            raise Unfit(f"{label} is said twice", hint=f"it is {name!r} already")
        if kind.noun == "user":
            values.setdefault("name", name)
        row = mooring.of(kind.noun).create({label: name, **values}, reason=reason)
        if shape == "table":
            click.echo(f"{kind.noun} {row['id']} created")
        else:
            shapes.show_one(kind, row, shape)
