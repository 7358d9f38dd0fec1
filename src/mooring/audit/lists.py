"""Lists: the rows of a kind that an actor sees, sorted and cut into pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, Generic, LiteralString, TypeVar, get_args, get_type_hints

import msgspec

from mooring.access.actor import Actor
from mooring.audit.conditions import matching
from mooring.audit.kinds import Kind
from mooring.audit.ledger import bind, listed, seen
from mooring.base.db import Tx
from mooring.base.errors import Unfit
from mooring.base.page import Order, Wanted, cursor

T = TypeVar("T")


ONE = Wanted(size=1, after=())
"""The first row alone, uncounted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """A page; `total` where pages have numbers, `next` while there is more."""

    items: list[T]
    total: int | None
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows(Generic[T]):
    """What a list is of: rows `alias` of a table, as `shape`, under a condition whose values `args` holds already."""

    shape: type[T]
    table: LiteralString
    columns: tuple[LiteralString, ...]
    condition: LiteralString
    args: Sequence[object]
    alias: LiteralString = "t"


async def page(
    tx: Tx, actor: Actor, kind: Kind[T], wanted: Wanted, *, where: Mapping[str, object] | None = None
) -> Page[T]:
    """A page of what the actor sees of a kind; `where` narrows it to rows with these values."""
    args: list[object] = []
    sight = seen(kind, actor, args)
    given = where or {}
    equal: list[LiteralString] = [f't."{name}" = {bind(args, given[name])}' for name in kind.columns if name in given]
    rows = Rows(
        shape=kind.entity,
        table=kind.table,
        columns=kind.columns,
        condition=" AND ".join(["t.deleted_at IS NULL", sight, *equal]),
        args=args,
    )
    return await cut(tx, rows, wanted)


async def some(tx: Tx, actor: Actor, kind: Kind[T], ids: Sequence[str]) -> list[T]:
    """Those of the rows that are there and that the actor sees."""
    args: list[object] = [list(ids)]
    sight = seen(kind, actor, args)
    return await tx.rows(
        kind.entity,
        f"SELECT {listed(kind.columns, 't.')} FROM {kind.table} AS t "
        f"WHERE t.id = ANY($1) AND t.deleted_at IS NULL AND {sight}",
        *args,
    )


async def cut(tx: Tx, rows: Rows[T], wanted: Wanted) -> Page[T]:
    """One page of the rows. Raises Unfit for a cursor whose values do not fit."""
    args = list(rows.args)
    condition = rows.condition
    if wanted.search is not None:
        condition = f"{condition} AND ({matching(wanted.search, rows.columns, rows.alias, args)})"
    total = None
    if wanted.counts:
        total = await tx.value(int, f"SELECT count(*) FROM {rows.table} AS {rows.alias} WHERE {condition}", *args)
    if wanted.size == 0:
        return Page(items=[], total=total, next=None)
    if wanted.after:
        condition = f"{condition} AND ({_behind(rows, wanted.order, wanted.after, args)})"
    skipped: LiteralString = ""
    if wanted.page > 1:
        skipped = f" OFFSET {bind(args, (wanted.page - 1) * wanted.size)}"
    # One more than wanted: whether there is a next page.
    limit = bind(args, wanted.size + 1)
    found = await tx.rows(
        rows.shape,
        f"SELECT {listed(rows.columns, rows.alias + '.')} FROM {rows.table} AS {rows.alias} WHERE {condition} "
        f"ORDER BY {_sorted(rows, wanted.order)} LIMIT {limit}{skipped}",
        *args,
    )
    items = found[: wanted.size]
    more = len(found) > wanted.size
    ended = [getattr(items[-1], order.field) for order in wanted.order] if more else []
    last = cursor(wanted.key, wanted.order, ended) if more else None
    return Page(items=items, total=total, next=last)


def _sorted(rows: Rows[Any], order: Sequence[Order]) -> LiteralString:
    directions: list[LiteralString] = [
        f"{_column(rows, by.field)} {'DESC' if by.descending else 'ASC'}" for by in order
    ]
    return ", ".join(directions)


def _column(rows: Rows[Any], field: str) -> LiteralString:
    column: LiteralString = next(column for column in rows.columns if column == field)
    return rows.alias + '."' + column + '"'


def _behind(rows: Rows[Any], order: Sequence[Order], values: Sequence[object], args: list[object]) -> LiteralString:
    """The condition on rows that come after these values. NULL is the greatest, as PostgreSQL sorts it."""
    hints = get_type_hints(rows.shape)
    typed = [_typed(hints[by.field], value) for by, value in zip(order, values, strict=True)]
    nullable = any(NoneType in get_args(hints[by.field]) for by in order)
    if not nullable and len({by.descending for by in order}) == 1:
        # One comparison of whole rows: PostgreSQL walks the index from there.
        columns: list[LiteralString] = [_column(rows, by.field) for by in order]
        places: list[LiteralString] = [bind(args, value) for value in typed]
        mark: LiteralString = "<" if order[0].descending else ">"
        return f"({', '.join(columns)}) {mark} ({', '.join(places)})"
    condition: LiteralString = "FALSE"
    for by, value in reversed(list(zip(order, typed, strict=True))):
        column = _column(rows, by.field)
        condition = f"{_past(column, by, value, args)} OR ({_same(column, value, args)} AND ({condition}))"
    return condition


def _past(column: LiteralString, by: Order, value: object, args: list[object]) -> LiteralString:
    if value is None:
        return f"{column} IS NOT NULL" if by.descending else "FALSE"
    if by.descending:
        return f"{column} < {bind(args, value)}"
    return f"({column} > {bind(args, value)} OR {column} IS NULL)"


def _same(column: LiteralString, value: object, args: list[object]) -> LiteralString:
    return f"{column} IS NULL" if value is None else f"{column} = {bind(args, value)}"


def _typed(hint: Any, value: object) -> object:  # noqa: ANN401 - a type, as the entity declares it
    try:
        return msgspec.convert(value, hint)
    except msgspec.ValidationError as error:
        raise Unfit("after: this is not a cursor of this list; take `next` of its last page", field="after") from error
