"""Whether what a document says is what the API takes: seen in the types of the wire, before anything is asked."""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from mooring.cli.documents import Document

S = TypeVar("S", bound=msgspec.Struct)

_PLACE = re.compile(r" - at `\$\.?([^`]*)`$")
_UNKNOWN = "unknown field"


def fitted(document: Document, shape: type[msgspec.Struct], said: Mapping[str, Any], there: Mapping[str, Any]) -> Any:  # noqa: ANN401 - the fields
    """The fields as the server keeps them; what clears one is what it is when it is left out.

    `there` is what the resource has of the rest. Raises Unfit naming the field.
    """
    given = {name: value for name, value in {**there, **said}.items() if value is not None}
    made = converted(document, shape, given)
    return {name: _plain(document, name, getattr(made, name)) for name in said}


def converted(document: Document, shape: type[S], said: Mapping[str, Any], place: str = "") -> S:
    """The struct these fields make. Raises Unfit naming the field."""
    try:
        return msgspec.convert(said, shape)
    except msgspec.ValidationError as error:
        raise _unfit(document, shape, str(error), place) from error
    except RecursionError as error:
        raise document.unfit("it is nested too deeply") from error


def _unfit(document: Document, shape: type[msgspec.Struct], says: str, place: str) -> Exception:
    found = _PLACE.search(says)
    where = ".".join(part for part in (place, found[1] if found else "") if part)
    says = _PLACE.sub("", says)
    hint = f"fields: {', '.join(shape.__struct_encode_fields__)}" if _UNKNOWN in says else None
    return document.unfit(f"{where}: {says}" if where else says, hint=hint)


def _plain(document: Document, name: str, value: object) -> object:
    """The value as it comes back: a date is text in JSON, and a key of a map always is."""
    try:
        return msgspec.json.decode(msgspec.json.encode(value))
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError) as error:
        raise document.unfit(f"{name}: this cannot be sent: {error}") from error
