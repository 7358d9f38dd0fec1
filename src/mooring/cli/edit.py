"""`moor edit`: change one resource, field by field or in an editor."""

import os
import tempfile
from pathlib import Path
from typing import Any

import click
import yaml

from mooring.cli import shapes
from mooring.cli.asked import KindWord, Shape, reach, reaching, shaped, writing
from mooring.cli.changing import Row, change
from mooring.cli.fields import said, to_change, words
from mooring.cli.plain import line
from mooring.client.errors import MooringError, Unfit
from mooring.client.kinds import Kind

_HEAD = """\
# {noun} {id}, version {version}
# Save to change it; leave it as it is, or empty the file, to change nothing. null clears a field.
"""


@click.command()
@click.argument("kind", type=KindWord())
@click.argument("name")
@words
@shaped
@writing
@reaching
def command(kind: Kind, name: str, fields: tuple[str, ...], shape: Shape, reason: str | None) -> None:
    """Change the one of a KIND with this NAME or id: the fields that are named, or, when none is, in your editor.

    \b
    moor edit task build max_attempts=5 check=@check.sh
    moor edit agent reviewer model=
    EDITOR=vi moor edit workflow review

    A field without a value is cleared. Somebody else's change in between is never overwritten.
    """  # noqa: D301 - the character itself: click leaves the lines that follow as they are
    can = to_change(kind)
    with reach() as mooring:
        resources = mooring.of(kind.noun)
        before = resources.get(resources.find(name)["id"])
        changes = said(mooring, kind, can, fields) if fields else _edited(kind, before)
        row: Row = before
        if changes:
            row = change(mooring, kind, before, changes, reason)
        if shape != "table":
            shapes.show_one(kind, row, shape)
        elif row["version"] == before["version"]:
            click.echo(f"{kind.noun} {before['id']} unchanged")
        else:
            click.echo(f"{kind.noun} {before['id']} changed: {', '.join(changes)}")


class _Dumper(yaml.SafeDumper):
    """Text of several lines as it is read, not as one line of escapes."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)  # pyright: ignore[reportUnknownMemberType]


_Dumper.add_representer(str, _text)


def _edited(kind: Kind, row: dict[str, Any]) -> dict[str, Any]:
    """The fields that a person changed in an editor. What cannot be read is kept in a file, and named."""
    held = {name: row[name] for name in to_change(kind) if name in row}
    head = _HEAD.format(noun=kind.noun, id=row["id"], version=row["version"])
    shown = head + yaml.dump(held, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    text = click.edit(shown, extension=".yaml", require_save=True)
    if text is None or not text.strip():
        return {}
    try:
        loaded: object = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise _kept(text, f"that is not YAML: {line(str(error))}") from error
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise _kept(text, "that is no mapping of fields")
    after: dict[str, Any] = {str(name): value for name, value in loaded.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    unknown = sorted(after.keys() - held.keys())
    if unknown:
        raise _kept(text, f"{kind.noun}: there is no field {', '.join(unknown)}")
    return {name: value for name, value in after.items() if value != held[name]}


def _kept(text: str, says: str) -> MooringError:
    handle, path = tempfile.mkstemp(prefix="moor-edit-", suffix=".yaml")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    return Unfit(says, hint=f"nothing was changed; what you wrote is in {Path(path)}")
