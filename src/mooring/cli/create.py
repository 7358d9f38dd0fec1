"""`moor create`: make one resource."""

from typing import Any

import click

from mooring.cli import shapes
from mooring.cli.asked import KindWord, Shape, reach, reaching, shaped, writing
from mooring.cli.fields import is_field, said, to_make, words
from mooring.client.errors import Unfit
from mooring.client.kinds import Kind


@click.command()
@click.argument("kind", type=KindWord())
@click.argument("name", required=False)
@words
@shaped
@writing
@reaching
def command(kind: Kind, name: str | None, fields: tuple[str, ...], shape: Shape, reason: str | None) -> None:
    """Make one of a KIND with this NAME.

    \b
    moor create agent reviewer runtime=claude prompt=@reviewer.md
    moor create task build prompt='make' check='make test' max_attempts=3
    moor create instance box group=team 'environment:={"CI": "yes"}'

    name=text, name=@file, name:=json; what refers to something takes its name or id. What joins two things has no name:

    \b
    moor create workflow-skill workflow=review skill=style
    moor create exposure instance=box secret=deploy-key expose_as_env=DEPLOY_KEY
    """  # noqa: D301 - the character itself: click leaves the lines that follow as they are
    can = to_make(kind)
    if name is not None and (kind.label is None or is_field(kind, can, name)):
        fields, name = (name, *fields), None
    with reach() as mooring:
        values = said(mooring, kind, can, fields)
        if kind.label is not None:
            values = _labelled(kind, kind.label, name, values)
        row = mooring.of(kind.noun).create(values, reason=reason)
        if shape == "table":
            click.echo(f"{kind.noun} {row['id']} created")
        else:
            shapes.show_one(kind, row, shape)


def _labelled(kind: Kind, label: str, name: str | None, values: dict[str, Any]) -> dict[str, Any]:
    """The values with the name, which is said before the fields or as one of them. Raises Unfit."""
    if name is None and label not in values:
        raise Unfit(f"{kind.noun}: it needs a name", hint=f"moor create {kind.noun} NAME …")
    if name is not None and label in values:
        raise Unfit(f"{label} is said twice", hint=f"it is {name!r} already")
    named = values if name is None else {label: name, **values}
    return {"name": named[label], **named} if kind.noun == "user" else named
