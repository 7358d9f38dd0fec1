"""Which page of a list is wanted, and the cursor that says where the last one ended. Pure.

A cursor is base64url of `[order, values]` behind an HMAC with the installation's key: every process of it takes back
what one of them gave out, and nothing else. What is in it is bound as values.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from mooring.base.errors import Unfit
from mooring.base.search import Node

LARGEST = 1_000
USUAL = 100
# OFFSET walks over every row before the page: beyond this many, the cursor is the way.
DEEPEST = 1_000_000
_MOST_ORDERS = 4
_SUM_BYTES = 16
_LONGEST_CURSOR = 16_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One field to sort by."""

    field: str
    descending: bool

    def __str__(self) -> str:
        return f"{self.field} {'desc' if self.descending else 'asc'}"


NEWEST = (Order(field="created_at", descending=True), Order(field="id", descending=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A page of what `search` finds: by number (from 1), or after a cursor's values ((): the beginning).

    `size` 0 only counts. `key` signs the cursor of the next page.
    """

    order: tuple[Order, ...] = NEWEST
    search: Node | None = None
    size: int = USUAL
    page: int = 1
    after: tuple[Any, ...] | None = None
    key: bytes = field(default=b"", repr=False)

    @property
    def counts(self) -> bool:
        """Whether the exact total is asked for: only where pages have numbers."""
        return self.after is None


def wanted(
    *,
    page: int,
    size: int,
    order_by: str,
    after: str | None,
    allowed: Sequence[str],
    key: bytes,
    newest: tuple[Order, ...] = NEWEST,
) -> Wanted:
    """The page asked for. Raises Unfit, naming the parameter and what it may be."""
    if page < 1:
        raise Unfit(f"page: pages are numbered from 1, there is none numbered {page}", field="page")
    if size < 0:
        raise Unfit("size: it is 0 (only count) to 1000", field="size")
    size = min(size, LARGEST)
    if page > 1 and after is not None:
        raise Unfit("page and after exclude each other; leave one out", field="after")
    if (page - 1) * max(size, 1) > DEEPEST:
        raise Unfit(f"page: so deep into a list (over {DEEPEST}) goes only after=<next of the last page>", field="page")
    order = ordering(order_by, allowed) or newest
    values = None if after is None else opened(key, after, order)
    return Wanted(order=order, size=size, page=page, after=values, key=key)


def ordering(text: str, allowed: Sequence[str]) -> tuple[Order, ...]:
    """The order that `name asc, created_at desc` asks for, () for blank text. `id` is always last. Raises Unfit."""
    if not text.strip():
        return ()
    found: list[Order] = []
    for part in text.split(","):
        words = part.split()
        if len(words) not in (1, 2) or words[0] not in allowed:
            says = f"orderBy: {part.strip()[:80]!r} is not a field with asc or desc; fields: {', '.join(allowed)}"
            raise Unfit(says, field="orderBy")
        direction = words[1].lower() if len(words) > 1 else "asc"
        if direction not in ("asc", "desc"):
            raise Unfit(f"orderBy: {words[1][:80]!r} is neither asc nor desc", field="orderBy")
        found.append(Order(field=words[0], descending=direction == "desc"))
    if len({order.field for order in found}) < len(found) or len(found) > _MOST_ORDERS:
        raise Unfit(f"orderBy: name each field once, and at most {_MOST_ORDERS}", field="orderBy")
    if "id" not in {order.field for order in found}:
        found.append(Order(field="id", descending=found[-1].descending))
    return tuple(found)


def cursor(key: bytes, order: Sequence[Order], values: Sequence[object]) -> str:
    """Where a page ended."""
    held = msgspec.json.encode([[str(part) for part in order], list(values)])
    return base64.urlsafe_b64encode(_sum(key, held) + held).decode().rstrip("=")


def opened(key: bytes, text: str, order: Sequence[Order]) -> tuple[Any, ...]:
    """The values of a cursor that was given out for this order; the empty one stands before the first row.

    Raises Unfit.
    """
    if not text:
        return ()
    refused = Unfit("after: this is not a cursor of this list; take `next` of its last page", field="after")
    if len(text) > _LONGEST_CURSOR:
        raise refused
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise refused from error
    held = raw[_SUM_BYTES:]
    if not hmac.compare_digest(raw[:_SUM_BYTES], _sum(key, held)):
        raise refused
    of, values = msgspec.json.decode(held, type=tuple[list[str], list[Any]])
    if cursor(key, order, values) != text or of != [str(part) for part in order]:
        raise refused
    return tuple(values)


def _sum(key: bytes, held: bytes) -> bytes:
    return hmac.digest(key, held, "sha256")[:_SUM_BYTES]
