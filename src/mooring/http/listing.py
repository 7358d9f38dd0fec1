"""Pages, as they are asked for and answered."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct

from mooring.audit.lists import Page
from mooring.base.errors import Unfit
from mooring.base.page import NEWEST, Order, Wanted, wanted
from mooring.http.errors import BASE, BadRequest
from mooring.wire.base import ListQuery


def page_of(query: ListQuery, allowed: Sequence[str], *, newest: tuple[Order, ...] = NEWEST) -> Wanted:
    """The page a query asks for. Raises BadRequest, naming the parameter."""
    try:
        return wanted(
            page=query.page,
            size=query.size,
            order_by=query.order_by,
            after=query.after,
            allowed=allowed,
            newest=newest,
        )
    except Unfit as error:
        raise BadRequest(error.reason, **error.facts) from error


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


def envelope(item: type[Struct], items: Sequence[Struct], page: Page[Any], wanted_page: Wanted) -> Struct:
    """A page as it is answered."""
    made: Any = list_type(item)
    return made(
        kind=f"{item.__name__}List",
        page=wanted_page.page,
        size=len(items),
        total=page.total,
        items=list(items),
        next=page.next,
    )


def whole(shape: Any, items: Sequence[Struct]) -> Any:  # noqa: ANN401 - the shape says which
    """A list that is always answered whole."""
    return shape(kind=shape.__name__, page=1, size=len(items), total=len(items), items=list(items))


def href(collection: str, identifier: str) -> str:
    """Where a resource is."""
    return f"{BASE}/{collection}/{identifier}"
