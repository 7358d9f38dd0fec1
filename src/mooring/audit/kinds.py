"""A kind described once: its table, what verbs write, who sees it. The ledger reads and writes rows by this."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, LiteralString, TypeVar

from mooring.access.rules import Family
from mooring.base.fields import Parser

T = TypeVar("T")

COMMON: tuple[LiteralString, ...] = ("id", "created_at", "updated_at", "version", "created_by_user_id")
"""What every kind has. `deleted_at` is never read: what is deleted is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A living declaration that refers to a row and so hinders its deletion. `table` may be more than one, joined."""

    table: LiteralString
    column: LiteralString
    # Kinds whose ended rows are history: they keep showing what they saw, and hinder nothing.
    living: LiteralString = "deleted_at IS NULL"
    shows: LiteralString = "id"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Link:
    """Rows of (owner, other, perhaps one value) without a life of their own: members, grants. They die with it.

    Those that stay when it is deleted say who would see it, were it there still; nothing else asks for them.
    """

    name: LiteralString
    table: LiteralString
    owner: LiteralString
    other: LiteralString
    value: LiteralString | None = None
    stay: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Owner:
    """Whose part a row is: to change it is to change the owner, whose event holds it under `name`."""

    kind: "Kind[Any]"
    column: LiteralString
    name: LiteralString


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kind(Generic[T]):
    """`written` are the columns verbs write; a change of one of them is a change, and is recorded.

    `visible` is a condition on the row `t` that may name {user} and {groups}; who sees everything is not asked.
    `searchable` are the fields `search` and `orderBy` may name. The entity's fields are COMMON + written.
    """

    name: LiteralString
    table: LiteralString
    prefix: LiteralString
    entity: type[T]
    family: Family
    written: tuple[LiteralString, ...]
    visible: LiteralString = "TRUE"
    searchable: tuple[LiteralString, ...] = COMMON
    used_by: tuple[Use, ...] = ()
    # What a person calls it: shown in errors beside the id.
    label: LiteralString = "name"
    # Column → what it may hold. A column without one takes what the wire's type lets through.
    parse: Mapping[str, Parser] = field(default_factory=dict[str, Parser])
    # What must hold between the columns, over all that verbs write.
    check: Callable[[Mapping[str, Any]], None] | None = None
    # Column → the kind it refers to.
    refers: "Mapping[str, Kind[Any]]" = field(default_factory=dict[str, "Kind[Any]"])
    # Selects the ids of the groups the row $1 belongs to or was granted to; for the access rules.
    groups: LiteralString | None = None
    # Selects created_by and assigned_to of the row $1 as the access rules take them, where they are another row's.
    held_by: LiteralString | None = None
    # The column that names its one group, for kinds that have one: who may make one is asked of that group.
    group: str | None = None
    # The columns that say whose it is, and to whom it is assigned; for the access rules.
    user: str | None = None
    assigned: str | None = None
    # Columns that are neither recorded nor shown.
    hidden: tuple[LiteralString, ...] = ()
    owner: Owner | None = None
    links: tuple[Link, ...] = ()
    # The kinds' tables whose rows are part of this one and die with it, by the column that names it.
    parts: tuple[tuple[LiteralString, LiteralString], ...] = ()

    @property
    def columns(self) -> tuple[LiteralString, ...]:
        return COMMON + self.written

    @property
    def recorded(self) -> tuple[LiteralString, ...]:
        """The written columns that events hold."""
        return tuple(column for column in self.written if column not in self.hidden)

    @property
    def alone(self) -> bool:
        """Whether a row of it stands for itself: to make one takes a single statement."""
        return self.owner is None and not self.refers

    @property
    def topic(self) -> str:
        """The hint that is given when one of these changes."""
        return self.table
