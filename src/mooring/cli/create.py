"""`moor create`: make one resource."""

import click

from mooring.cli import shapes
from mooring.cli.asked import KindWord, Shape, reach, reaching, shaped, writing
from mooring.cli.fields import said, to_make, words
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
    if kind.label is None:
        fields, name = (name, *fields) if name else fields, None
    elif name is None:
        raise Unfit(f"{kind.noun}: it needs a name", hint=f"moor create {kind.noun} NAME …")
    with reach() as mooring:
        values = said(mooring, kind, can, fields)
        if kind.label is not None:
            if kind.label in values:
                raise Unfit(f"{kind.label} is said twice", hint=f"it is {name!r} already")
            values = {kind.label: name, **values}
        if kind.noun == "user":
            values.setdefault("name", name)
        row = mooring.of(kind.noun).create(values, reason=reason)
        if shape == "table":
            click.echo(f"{kind.noun} {row['id']} created")
        else:
            shapes.show_one(kind, row, shape)
