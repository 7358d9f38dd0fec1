"""From declarations to what has to be done: each compared with what is there. Reads the server, changes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from mooring.cli.changing import differing
from mooring.cli.documents import Document
from mooring.cli.fitting import converted, fitted
from mooring.cli.links import LINKS, Link, there, wanted
from mooring.cli.making import MADE, check, remaining
from mooring.client.errors import Ambiguous, Missing, MooringError
from mooring.client.kinds import KINDS, Kind, is_id
from mooring.wire.catalog import PlacedSkill, PlacedTask

if TYPE_CHECKING:
    from mooring.client.mooring import Mooring

Row = Mapping[str, Any]

_PARTS: Mapping[str, Mapping[str, str]] = {"workflow": {"skills": "skill", "tasks": "task"}}
"""Noun → the ordered lists it holds, by the noun of what is in them."""
_PLACED: Mapping[str, type[PlacedSkill | PlacedTask]] = {"skill": PlacedSkill, "task": PlacedTask}
# Those that others refer to come after those that refer to them.
_PRUNED = ("instance", "workflow", "task", "skill", "agent")


@dataclass(frozen=True, slots=True)
class Ref:
    """Something declared in the same files that is not there yet."""

    document: Document

    def __str__(self) -> str:
        return f"the {self.document.kind.noun} {self.document.name!r} declared here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One declaration and what it lacks. `current` is None where it is not there; Refs stand for ids to come."""

    document: Document
    current: Row | None
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    parts: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict[str, Any])
    links: Mapping[str, Sequence[Link]] = field(default_factory=dict[str, Any])

    @property
    def changes(self) -> list[str]:
        """The fields that differ, by the names the API has for them."""
        return [*self.fields, *self.parts, *self.links]


class Names:
    """What is there, by kind and name; each name is asked once."""

    def __init__(self, mooring: "Mooring", documents: Sequence[Document]) -> None:
        self._mooring = mooring
        self._documents = documents
        self._rows: dict[tuple[str, str], list[Row]] = {}

    def rows(self, kind: Kind, name: str, where: Row) -> list[Row]:
        """Those with this name whose fields are as in `where`."""
        if (kind.noun, name) not in self._rows:
            quoted = name.replace("'", "''")
            found = self._mooring.of(kind.noun).list(search=f"{kind.label} = '{quoted}'")
            self._rows[kind.noun, name] = list(found)
        return [row for row in self._rows[kind.noun, name] if all(row.get(key) == where[key] for key in where)]

    def current(self, document: Document, where: Row) -> Row | None:
        """What the document is about; None where it is not there. Raises Ambiguous, Missing."""
        if document.id is not None:
            return self._mooring.of(document.kind.noun).get(document.id)
        if any(isinstance(value, Ref) for value in where.values()):
            return None
        found = self.rows(document.kind, document.name, where)
        if len(found) > 1:
            raise _ambiguous(
                document.place, document.kind, document.name, found, "say which with `id:` in the document"
            )
        return found[0] if found else None

    def refer(self, document: Document, field_name: str, noun: str, name: object) -> str | Ref:
        """The id of what a field of the document names. Raises Unfit, Missing, Ambiguous."""
        kind = KINDS[noun]
        if not isinstance(name, str):
            raise document.unfit(f"{field_name}: {name!r} must be the name or id of a {noun}")
        if is_id(name, kind):
            return name
        declared = [other for other in self._documents if other.kind is kind and other.name == name]
        found = self.rows(kind, name, {})
        if len(found) > 1:
            raise _ambiguous(document.place, kind, name, found, "refer to it by its id")
        if found:
            return str(found[0]["id"])
        if declared:
            return Ref(declared[0])
        raise Missing(
            document.unfit(f"{field_name}: there is no {noun} named {name!r}").reason,
            hint="declare it in the same files, or refer to one that is there",
        )


def _ambiguous(place: str, kind: Kind, name: str, found: Sequence[Row], hint: str) -> MooringError:
    ids = [str(row["id"]) for row in found]
    return Ambiguous(f"{place}: {len(ids)} {kind.path} are named {name!r}: {', '.join(ids)}", ids=ids, hint=hint)


def steps(mooring: "Mooring", documents: Sequence[Document]) -> list[Step]:
    """What has to be done, in order. Raises what a document cannot mean; nothing was changed then."""
    names = Names(mooring, documents)
    return [_step(names, document) for document in documents]


def _step(names: Names, document: Document) -> Step:
    check(document)
    fields, parts, links = _translated(names, document)
    within = {"group_id": fields["group_id"]} if document.kind.noun == "instance" and "group_id" in fields else {}
    current = names.current(document, within)
    fields[document.kind.label or "name"] = document.name
    fields = remaining(document, _fitted(document, fields, current or {}), current)
    if current is None:
        return Step(document=document, current=None, fields=fields, parts=parts, links=links)
    return Step(
        document=document,
        current=current,
        fields=differing(fields, current),
        parts={name: items for name, items in parts.items() if _placed(current, name, items) != list(items)},
        links={name: asked for name, asked in links.items() if _differ(there(name, current), asked)},
    )


def _fitted(document: Document, fields: Mapping[str, Any], current: Row) -> dict[str, Any]:
    """The fields as they are sent; those that refer to what is not there yet still do. Raises Unfit."""
    shape = MADE[document.kind.noun]
    there = {name: current[name] for name in shape.__struct_fields__ if name in current}
    coming = {name: value for name, value in fields.items() if isinstance(value, Ref)}
    # An id to come fits where an id does.
    return {**fitted(document, shape, {**fields, **dict.fromkeys(coming, "")}, there), **coming}


def _differ(has: Sequence[Link], asked: Sequence[Link]) -> bool:
    return any(link not in has for link in asked) or any(link not in asked for link in has)


def _translated(
    names: Names, document: Document
) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]], dict[str, list[Link]]]:
    """The document's spec in the words of the API: names as ids; ordered lists and links apart."""
    fields: dict[str, Any] = {}
    parts: dict[str, list[dict[str, Any]]] = {}
    links: dict[str, list[Link]] = {}
    linked = LINKS.get(document.kind.noun, {})
    references = {name.removesuffix("_id"): name for name in document.kind.refers}
    lists = _PARTS.get(document.kind.noun, {})
    for name, value in document.spec.items():
        if name in lists:
            parts[name] = _items(names, document, name, lists[name], value)
        elif name in linked:
            links[linked[name]] = wanted(document, name, value, partial(names.refer, document))
        elif name in references or name in document.kind.refers:
            field_name = references.get(name, name)
            noun = document.kind.refers[field_name]
            fields[field_name] = None if value is None else names.refer(document, name, noun, value)
        else:
            fields[name] = value
    return fields, parts, links


def _items(names: Names, document: Document, field_name: str, noun: str, value: object) -> list[dict[str, Any]]:
    """An ordered list: of names, or of mappings that say more: `{task: NAME, continue_on_failure: true}`."""
    if not isinstance(value, list):
        raise document.unfit(f"{field_name} must be a list of names")
    items: list[dict[str, Any]] = []
    entries: list[object] = list(value)  # pyright: ignore[reportUnknownArgumentType] - narrowed by what follows
    for number, entry in enumerate(entries):
        more: dict[str, Any] = dict(entry) if isinstance(entry, dict) else {noun: entry}  # pyright: ignore[reportUnknownArgumentType]
        if noun not in more:
            raise document.unfit(f"{field_name}[{number}] must name a {noun}")
        name = more.pop(noun)
        place = f"{field_name}[{number}]"
        # An id to come fits where an id does.
        placed = converted(document, _PLACED[noun], {f"{noun}_id": "", **more}, place)
        item = {**msgspec.structs.asdict(placed), f"{noun}_id": names.refer(document, place, noun, name)}
        if noun == "skill" and item in items:
            raise document.unfit(f"{place}: {name} stands there already; a workflow has a skill once")
        items.append(item)
    return items


def _placed(current: Row, name: str, wanted: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The list that is there, each item with the fields a document may say of it."""
    known = wanted[0].keys() if wanted else ()
    rows: list[Row] = sorted(current.get(name) or (), key=lambda row: row["position"])
    return [{key: row.get(key) for key in known} for row in rows]


def surplus(mooring: "Mooring", todo: Sequence[Step]) -> list[tuple[Kind, Row]]:
    """What the asker made of the declared kinds and nobody declares, in the order in which it can be deleted.

    Users and groups are never among them, since others depend on those; nor filesystems and secrets: no document brings
    back what is in them.
    """
    nouns = {step.document.kind.noun for step in todo}
    declared = {str(step.current["id"]) for step in todo if step.current is not None}
    me = mooring.whoami().user.id
    return [
        (KINDS[noun], row)
        for noun in _PRUNED
        if noun in nouns
        for row in mooring.of(noun).list(search=f"created_by_user_id = '{me}'")
        if row["id"] not in declared
    ]
