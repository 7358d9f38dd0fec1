"""`moor apply`: make what files say so."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from mooring.cli import shapes
from mooring.cli.asked import Shape, reach, reaching, shaped, writing
from mooring.cli.changing import change
from mooring.cli.declare import Ref, Step, steps, surplus
from mooring.cli.documents import read
from mooring.cli.links import settle
from mooring.cli.names import Namer
from mooring.cli.plain import line
from mooring.client.errors import MooringError
from mooring.client.kinds import Kind

if TYPE_CHECKING:
    from mooring.client.mooring import Mooring

_SHOWN = 60


@click.command()
@click.option("-f", "--file", "files", metavar="FILE|DIR|-", multiple=True, required=True, help="May be repeated.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done, and what differs.")
@click.option("--prune", is_flag=True, help="Delete what you made of these kinds and no longer declare.")
@click.option("--yes", is_flag=True, help="With --prune: do not ask.")
@shaped
@writing
@reaching
def command(files: tuple[str, ...], *, dry_run: bool, prune: bool, yes: bool, shape: Shape, reason: str | None) -> None:
    """Make what files declare so: create what is not there, change what differs, leave the rest.

    \b
    kind: workflow
    name: review
    agent: reviewer
    skills: [style]
    tasks: [look, {task: report, continue_on_failure: true}]

    References are names (declared here, or there already) or ids. A field that a document leaves out stays as it is.
    """  # noqa: D301 - the character itself: click leaves the lines that follow as they are
    documents = read(files)
    with reach() as mooring:
        todo = steps(mooring, documents)
        if dry_run:
            rows = [_would(step) for step in todo]
            rows += [_gone(kind, row, "would be deleted") for kind, row in (surplus(mooring, todo) if prune else ())]
            _show(rows, shape)
            if shape in ("table", "wide"):
                namer = Namer(mooring)
                for step in todo:
                    _show_difference(step, namer)
            return
        rows = list[dict[str, Any]]()
        try:
            _apply(mooring, todo, rows, reason)
            if prune:
                _prune(mooring, todo, rows, reason, asks=not yes)
        finally:
            # Also when one failed: what was done before it is done.
            _show(rows, shape)


def _show(rows: list[dict[str, Any]], shape: Shape) -> None:
    shapes.show_rows(rows, shape, none="nothing was done", whole=frozenset({"kind", "outcome"}))


def _apply(mooring: "Mooring", todo: Sequence[Step], rows: list[dict[str, Any]], reason: str | None) -> None:
    made: dict[int, str] = {}
    for step in todo:
        try:
            _carry_out(mooring, step, made, rows, reason)
        except MooringError as error:
            error.reason = step.document.unfit(error.reason).reason
            raise


def _prune(
    mooring: "Mooring", todo: Sequence[Step], rows: list[dict[str, Any]], reason: str | None, *, asks: bool
) -> None:
    """Delete what nobody declares any more, once a person has agreed."""
    declared = {str(row["id"]) for row in rows}
    gone = [(kind, row) for kind, row in surplus(mooring, todo) if row["id"] not in declared]
    if gone and asks:
        named = ", ".join(f"{kind.noun} {line(row['name'])}" for kind, row in gone)
        click.confirm(f"Delete {named}?", abort=True, err=True)
    for kind, row in gone:
        mooring.of(kind.noun).delete(row["id"], reason=reason)
        rows.append(_gone(kind, row, "deleted"))


def _gone(kind: Kind, row: Mapping[str, Any], outcome: str) -> dict[str, Any]:
    return {"kind": kind.noun, "name": row["name"], "outcome": outcome, "changed": None, "id": row["id"]}


def _carry_out(
    mooring: "Mooring", step: Step, made: dict[int, str], rows: list[dict[str, Any]], reason: str | None
) -> None:
    """Do a step, and tell of it in `rows`, also where only half was done.

    `made` are the ids of what was declared, for those that refer to it.
    """
    resources = mooring.of(step.document.kind.noun)
    row, changed = _written(mooring, step, made, reason)
    identifier = made[id(step.document)] = str(row["id"])
    told = _row(step, "created" if step.current is None else "unchanged", identifier, changed)
    rows.append(told)
    for name, items in step.parts.items():
        resources.put_part(identifier, name, [_settled(item, made) for item in items], reason=reason)
        told |= _row(step, told["outcome"], identifier, changed := [*changed, name])
    for name, links in step.links.items():
        # One by one: when one fails, those before it are made.
        told |= _row(step, told["outcome"], identifier, [*changed, f"{name} (perhaps in part)"])
        settle(mooring, row, name, [replace(link, other=_id(link.other, made)) for link in links], reason)
        told |= _row(step, told["outcome"], identifier, changed := [*changed, name])


def _written(
    mooring: "Mooring", step: Step, made: Mapping[int, str], reason: str | None
) -> tuple[Mapping[str, Any], list[str]]:
    """The resource with the fields of its own, and which of them were changed."""
    kind, current, fields = step.document.kind, step.current, _settled(step.fields, made)
    if current is None:
        return mooring.of(kind.noun).create(fields, reason=reason), []
    if not fields:
        return current, []
    row = change(mooring, kind, current, fields, reason)
    # What the server writes in another form than the document is no change.
    return row, [] if row["version"] == current["version"] else list(fields)


def _settled(values: Mapping[str, Any], made: Mapping[int, str]) -> dict[str, Any]:
    return {name: _id(value, made) for name, value in values.items()}


def _id(value: Any, made: Mapping[int, str]) -> Any:  # noqa: ANN401 - a field's value
    return made[id(value.document)] if isinstance(value, Ref) else value


def _would(step: Step) -> dict[str, Any]:
    if step.current is None:
        return _row(step, "would be created", None, [])
    return _row(step, "would be changed" if step.changes else "unchanged", str(step.current["id"]), step.changes)


def _row(step: Step, outcome: str, identifier: str | None, changed: Sequence[str]) -> dict[str, Any]:
    if changed and outcome == "unchanged":
        outcome = "changed"
    return {
        "kind": step.document.kind.noun,
        "name": step.document.name,
        "outcome": outcome,
        "changed": None if step.current is None else ", ".join(changed) or None,
        "id": identifier,
    }


def _show_difference(step: Step, namer: Namer) -> None:
    if step.current is None or not step.changes:
        return
    click.echo(f"\n{step.document.kind.noun} {line(step.document.name)}")
    for name, value in step.fields.items():
        click.echo(click.style(f"  - {name}: {_brief(step.current.get(name))}", fg="red"))
        click.echo(click.style(f"  + {name}: {_brief(value)}", fg="green"))
    for name in step.links:
        click.echo(click.style(f"  ~ {name}", fg="yellow"))
    for name, items in step.parts.items():
        click.echo(click.style(f"  - {name}: {_in_order(step.current.get(name) or (), namer)}", fg="red"))
        click.echo(click.style(f"  + {name}: {_in_order(items, namer)}", fg="green"))


def _in_order(items: Sequence[Mapping[str, Any]], namer: Namer) -> str:
    """A list as it is read: names in their order, each with what holds of it."""
    return ", ".join(_entry(item, namer) for item in items) or "none"


def _entry(item: Mapping[str, Any], namer: Namer) -> str:
    other = next(item[name] for name in ("skill_id", "task_id") if name in item)
    name = other.document.name if isinstance(other, Ref) else namer.name(other) or other
    holds = [said.replace("_", " ") for said, value in item.items() if value is True]
    return line(f"{name} ({', '.join(holds)})" if holds else name)


def _brief(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = line(text)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
