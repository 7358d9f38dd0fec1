"""What files declare: YAML or JSON documents of `kind`, `name` and fields. Reading them asks no server."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from mooring.client.errors import Unfit
from mooring.client.kinds import Kind, kind_named

DECLARED = ("user", "secret", "filesystem", "group", "agent", "skill", "task", "workflow", "instance")
"""The nouns that can be declared, each after those it refers to."""
_SUFFIXES = frozenset({".yaml", ".yml", ".json"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One declaration. `spec` are its fields, `place` says where it stands; `id` is said where names repeat."""

    kind: Kind
    name: str
    spec: Mapping[str, Any] = field(default_factory=dict[str, Any])
    id: str | None = None
    place: str

    def unfit(self, what: str, hint: str | None = None) -> Unfit:
        return Unfit(f"{self.place}: {self.kind.noun} {self.name!r}: {what}", hint=hint)


def read(paths: Sequence[str]) -> list[Document]:
    """Every document, sorted so that each comes after those it refers to. Raises Unfit with the file and the line."""
    found = [document for path in paths for place, text in _texts(path) for document in _documents(place, text)]
    if not found:
        raise Unfit(f"there is no document in {', '.join(paths)}", hint="a document has a kind, a name and fields")
    seen: dict[tuple[str, str, object], Document] = {}
    for document in found:
        key = (document.kind.noun, document.name, document.spec.get("group"))
        if key in seen:
            raise document.unfit(f"it is declared twice, also in {seen[key].place}")
        seen[key] = document
    return sorted(found, key=lambda document: DECLARED.index(document.kind.noun))


def _texts(path: str) -> Iterator[tuple[str, str]]:
    if path == "-":
        yield "standard input", sys.stdin.read()
        return
    place = Path(path)
    files = sorted(file for file in place.rglob("*") if file.suffix in _SUFFIXES) if place.is_dir() else [place]
    for file in files:
        try:
            yield str(file), file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            says = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise Unfit(f"{file} cannot be read: {says}") from error


class _Loader(yaml.SafeLoader):
    """YAML whose mappings name each key once: the last of two would win unseen."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - yaml's
        seen: set[str] = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen and name != "<<":
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {name!r} stands here twice", key.start_mark
                )
            seen.add(name)
        made: dict[Any, Any] = super().construct_mapping(node, deep)
        return made


def _documents(place: str, text: str) -> Iterator[Document]:
    loader = _Loader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            assert node is not None
            at = f"{place}:{node.start_mark.line + 1}"
            loaded: object = loader.construct_document(node)  # pyright: ignore[reportUnknownMemberType]
            # `---` at the end of a file, or twice: nothing is declared there.
            if loaded is not None:
                yield _document(at, loaded)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f"{place}:{mark.line + 1}" if mark else place
        raise Unfit(f"{at}: this is not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise Unfit(f"{place}: this is not YAML: {error}") from error
    finally:
        loader.dispose()


def _document(place: str, loaded: object) -> Document:
    said = cast("dict[object, Any]", loaded) if isinstance(loaded, dict) else {}
    if not said or not all(isinstance(key, str) for key in said):
        raise Unfit(f"{place}: a document must be a mapping with a kind, a name and fields")
    fields = dict(cast("dict[str, Any]", said))
    word = fields.pop("kind", None)
    kind = kind_named(str(word))
    if kind is None or kind.noun not in DECLARED:
        raise Unfit(f"{place}: kind {word!r} cannot be declared", hint=f"these can: {', '.join(DECLARED)}")
    fields = _merged(f"{place}: {kind.noun}", fields, kind)
    label = kind.label or "name"
    name, identifier = fields.pop(label, None), fields.pop("id", None)
    if not isinstance(name, str) or not name.strip():
        raise Unfit(f"{place}: {kind.noun}: {label} must be text", hint="quote it if it looks like a number or a date")
    if identifier is not None and not isinstance(identifier, str):
        raise Unfit(f"{place}: {kind.noun} {name!r}: id must be text")
    return Document(kind=kind, name=name.strip(), spec=fields, id=identifier, place=place)


def _merged(about: str, fields: dict[str, Any], kind: Kind) -> dict[str, Any]:
    """The fields of a document, in a `spec` or beside the name. With one, `name` beside it is what it is called."""
    if "spec" not in fields:
        return fields
    spec: object = fields.pop("spec") or {}
    if not isinstance(spec, dict) or not all(isinstance(key, str) for key in cast("dict[object, Any]", spec)):
        raise Unfit(f"{about}: spec must be a mapping of field names")
    if kind.label is not None and kind.label != "name" and "name" in fields:
        fields[kind.label] = fields.pop("name")
    inner = cast("dict[str, Any]", spec)
    twice = sorted(fields.keys() & inner.keys())
    if twice:
        raise Unfit(f"{about}: {', '.join(twice)} stands both in spec and beside it")
    return {**fields, **inner}
