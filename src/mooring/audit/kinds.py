"""A kind described once: its table, what verbs write, who sees it. The ledger reads and writes rows by this."""

from dataclasses import dataclass
from typing import Generic, LiteralString, TypeVar

from mooring.access.rules import Family

T = TypeVar("T")

COMMON: tuple[LiteralString, ...] = ("id", "created_at", "updated_at", "version", "created_by_user_id")
"""What every kind has. `deleted_at` is never read: what is deleted is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A living declaration that refers to a row and so hinders its deletion."""

    table: LiteralString
    column: LiteralString
    # Kinds whose ended rows are history: they keep showing what they saw, and hinder nothing.
    living: LiteralString = "deleted_at IS NULL"
    shows: LiteralString = "id"


@dataclass(frozen=True, slots=True, kw_only=True)
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
    searchable: tuple[LiteralString, ...] = ()
    used_by: tuple[Use, ...] = ()
    # What a person calls it: shown in errors beside the id.
    label: LiteralString = "name"

    @property
    def columns(self) -> tuple[LiteralString, ...]:
        return COMMON + self.written

    @property
    def topic(self) -> str:
        """The hint that is given when one of these changes."""
        return self.table
