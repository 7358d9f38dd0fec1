"""What a document makes a filesystem or a secret from: it counts while that is not there, and undoes nothing later."""

from collections.abc import Mapping
from typing import Any

import msgspec

from mooring.cli.documents import Document
from mooring.cli.fields import NEW
from mooring.wire.files import NewFilesystem
from mooring.wire.secrets import NewSecret

MADE: Mapping[str, type[msgspec.Struct]] = {**NEW, "filesystem": NewFilesystem, "secret": NewSecret}
"""Noun → what makes one of those that are declared."""

# A filesystem does not keep where its versions came from: whether a source is another one cannot be told.
_SOURCE = frozenset({"source", "archive_type", "portable_names"})
_PLACE = ("vault", "vault_id")
_KEPT = frozenset({"value", "encoding"})


def check(document: Document) -> None:
    """Return unless it declares what is an act: to keep a value, to send an archive. Raises Unfit."""
    spec = document.spec
    if document.kind.noun == "secret" and _KEPT & spec.keys():
        what = ", ".join(sorted(_KEPT & spec.keys()))
        raise document.unfit(f"{what}: no file holds the value of a secret", hint="`moor secret set` takes it")
    source: Any = spec.get("source")
    if document.kind.noun == "filesystem" and isinstance(source, dict) and ("kind", "upload") in source.items():
        raise document.unfit("source: what is sent is not declared; a source is git or s3", hint="`moor fs push`")


def remaining(document: Document, fields: Mapping[str, Any], current: Mapping[str, Any] | None) -> dict[str, Any]:
    """The fields that are to be as they are said, without what counts no more. Raises Unfit."""
    if document.kind.noun == "filesystem" and current is not None:
        return {name: value for name, value in fields.items() if name not in _SOURCE}
    if document.kind.noun != "secret":
        return dict(fields)
    place = {name: _named(fields[name]) for name in _PLACE if fields.get(name) is not None}
    if current is None:
        if len(place) < len(_PLACE) or place["vault"] == "local":
            says = "it is not there, and a file can only say in which vault but the local one its value lies already"
            raise document.unfit(f"vault, vault_id: {says}", hint="`moor secret set` makes one from a value")
        return dict(fields)
    other = [name for name, value in place.items() if value != current[name]]
    if other:
        says = f"it lies in {current['vault']} as {current['vault_id']}"
        raise document.unfit(f"{', '.join(other)}: {says}", hint="`moor secret move` moves it; or leave the field out")
    return {name: value for name, value in fields.items() if name not in _PLACE}


def _named(place: str) -> str:
    # In openbao a path means its key `value`: the server keeps it without that.
    return place.removesuffix("#value")
