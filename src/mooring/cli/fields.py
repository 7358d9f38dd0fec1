"""Fields said on the command line: `name=text`, `name=@file`, `name:=json`; numbers and names as the kind has them."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
from msgspec.structs import FieldInfo, fields

from mooring.client.errors import Unfit
from mooring.client.kinds import Kind
from mooring.wire import catalog, compute, files, identity, secrets, sessions

if TYPE_CHECKING:
    from mooring.client.mooring import Mooring

NEW: Mapping[str, type[msgspec.Struct]] = {
    "user": identity.NewUser,
    "group": identity.NewGroup,
    "agent": catalog.NewAgent,
    "skill": catalog.NewSkill,
    "task": catalog.NewTask,
    "workflow": catalog.NewWorkflow,
    "instance": compute.NewComputeInstance,
    "session": sessions.NewSession,
    "workflow-skill": catalog.NewWorkflowSkill,
    "workflow-task": catalog.NewWorkflowTask,
    "exposure": compute.NewInstanceSecretMapping,
}
"""Noun → what makes one; its fields are those that can be said."""
EDIT: Mapping[str, type[msgspec.Struct]] = {
    **NEW,
    "token": identity.EditToken,
    "secret": secrets.EditSecret,
    "filesystem": files.EditFilesystem,
    "session": sessions.EditSession,
    "workflow-skill": catalog.EditWorkflowSkill,
    "workflow-task": catalog.EditWorkflowTask,
}
"""Noun → what of one can change."""
_OWN_COMMANDS = {
    "secret": "moor secret set", "filesystem": "moor fs push", "token": "moor token create", "run": "moor run",
    "version": "moor fs push", "rotation": "moor vault rotate",
}  # fmt: skip


def to_make(kind: Kind) -> dict[str, FieldInfo]:
    """The fields that make one. Raises Unfit where a kind has a command of its own."""
    if kind.noun not in NEW:
        own = _OWN_COMMANDS.get(kind.noun)
        raise Unfit(f"{kind.noun}: that is not made here", hint=f"`{own}`" if own else "nobody makes one by hand")
    return {info.name: info for info in fields(NEW[kind.noun])}


def to_change(kind: Kind) -> dict[str, FieldInfo]:
    """The fields that can change. Raises Unfit where nothing can."""
    if kind.noun not in EDIT:
        raise Unfit(f"{kind.noun}: that is never changed", hint=f"kinds that are: {', '.join(EDIT)}")
    return {info.name: info for info in fields(EDIT[kind.noun])}


def is_field(kind: Kind, can: Mapping[str, FieldInfo], word: str) -> bool:
    """Whether a word says a field of those that `can` be, and is no name that holds a `=`."""
    name, mark, _ = word.partition("=")
    return bool(mark) and name.removesuffix(":") in {*can, *kind.refers.values()}


def said(mooring: "Mooring", kind: Kind, can: Mapping[str, FieldInfo], words: Sequence[str]) -> dict[str, Any]:
    """The fields as the API takes them, of those that `can` be. Raises Unfit, naming the field and those there are."""
    found = dict[str, Any]()
    # `instance=box` is the compute_instance_id.
    meant = {noun: field for field, noun in kind.refers.items()}
    for word in words:
        name, value = _split(word)
        field_name = name if name in can else meant.get(name, f"{name}_id")
        if field_name not in can:
            raise Unfit(f"{kind.noun}: there is no field {name!r}", hint=f"fields: {', '.join(_shown(can))}")
        if field_name in found:
            raise Unfit(f"{name} is said twice")
        found[field_name] = _typed(mooring, kind, can[field_name], value)
    return found


def _shown(can: Mapping[str, FieldInfo]) -> list[str]:
    return [name.removesuffix("_id") for name in can]


def _split(word: str) -> tuple[str, object]:
    """The field and what it is said to be: text, or JSON."""
    name, mark, text = word.partition("=")
    if not mark or not name.strip(":"):
        raise Unfit(f"{word!r} is no field", hint="write name=text, name=@file or name:=json")
    try:
        if name.endswith(":"):
            return name[:-1], json.loads(text)
        if text == "@-":
            return name, sys.stdin.read()
        return name, Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text
    except json.JSONDecodeError as error:
        raise Unfit(f"{name}= is not JSON: {error}", hint="strings of JSON stand in double quotes") from error
    except (OSError, UnicodeDecodeError) as error:
        raise Unfit(f"{name.rstrip(':')}: {text[1:]} cannot be read: {error}") from error


def _typed(mooring: "Mooring", kind: Kind, info: FieldInfo, value: object) -> object:
    noun = kind.refers.get(info.name)
    if noun is not None and isinstance(value, str) and value:
        return mooring.of(noun).find(value)["id"]
    if value == "" and type(None) in getattr(info.type, "__args__", ()):
        return None
    try:
        return msgspec.to_builtins(msgspec.convert(value, info.type, strict=False))
    except msgspec.ValidationError as error:
        raise Unfit(f"{info.name}: {error}") from error


def words(function: Any) -> Any:  # noqa: ANN401 - click's decorators
    """The argument that takes fields; passed as `fields`."""
    return click.argument("fields", nargs=-1, metavar="[FIELD=VALUE]…")(function)
