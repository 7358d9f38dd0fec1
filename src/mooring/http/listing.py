"""Pages, as they are asked for and answered."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct

from mooring.audit.lists import Page
from mooring.base.errors import Unfit
from mooring.base.page import NEWEST, Order, Wanted, wanted
from mooring.base.search import FieldType, field_types, parse
from mooring.http.call import Call
from mooring.http.errors import BASE, BadRequest, BadSearch
from mooring.wire.base import ListQuery, WholeQuery


@cache
def _types(shape: type[Any], searchable: tuple[str, ...]) -> Mapping[str, FieldType]:
    return field_types(shape, searchable)


def page_of(
    call: Call, query: ListQuery, shape: type[Any], searchable: tuple[str, ...], *, newest: tuple[Order, ...] = NEWEST
) -> Wanted:
    """The page a query asks for, of rows of a shape. Raises BadRequest, naming the parameter."""
    try:
        found = wanted(
            page=query.page,
            size=query.size,
            order_by=query.order_by,
            after=query.after,
            allowed=searchable,
            # A key for each kind: the cursor of one list is none of another's, though both have the same order.
            key=hmac.digest(call.app.cursor_key, shape.__name__.encode(), "sha256"),
            newest=newest,
        )
    except Unfit as error:
        raise BadRequest(error.reason, **error.facts) from error
    try:
        return replace(found, search=parse(query.search, _types(shape, searchable)))
    except Unfit as error:
        raise BadSearch(error.reason, **error.facts) from error


@cache
def list_type(item: type[Struct]) -> type[Struct]:
    """The envelope of a list of `item`."""
    fields: list[Any] = [
        ("kind", str),
        ("page", int),
        ("size", int),
        ("total", int | None),
        ("items", list[item]),
        ("next", str | None, None),
    ]
    made = msgspec.defstruct(f"{item.__name__}List", fields, kw_only=True)
    made.__doc__ = "A page. `size` is the number of items on it; `total` is null after a cursor; `next` goes on."
    return made


def envelope(
    item: type[Struct], items: Sequence[Struct], page: Page[Any], wanted_page: Wanted, fields: str = ""
) -> Struct:
    """A page as it is answered; of its items only the `fields` named, and what they are. Raises BadRequest."""
    made: Any = list_type(item)
    kept = _kept(item, fields)
    return made(
        kind=f"{item.__name__}List",
        page=wanted_page.page,
        size=len(items),
        total=page.total,
        items=list(items) if kept is None else [{name: getattr(row, name) for name in kept} for row in items],
        next=page.next,
    )


def _kept(item: type[Struct], fields: str) -> list[str] | None:
    if not fields:
        return None
    named = {name.strip() for name in fields.split(",")}
    unknown = sorted(named - set(item.__struct_fields__))
    if unknown:
        says = f"fields: there is no field {unknown[0][:80]!r}; fields: {', '.join(item.__struct_fields__)}"
        raise BadRequest(says, field="fields")
    return [name for name in item.__struct_fields__ if name in named | {"id", "kind", "href"}]


def whole(call: Call, shape: Any, items: Sequence[Struct]) -> Any:  # noqa: ANN401 - the shape says which
    """A list that is answered whole, or the page of it that is asked for. Raises Malformed."""
    query = call.asked(WholeQuery)
    size = len(items) if query.size is None else query.size
    shown = list(items)[(query.page - 1) * size : query.page * size]
    return shape(kind=shape.__name__, page=query.page, size=len(shown), total=len(items), items=shown)


def href(collection: str, identifier: str) -> str:
    """Where a resource is."""
    return f"{BASE}/{collection}/{identifier}"
