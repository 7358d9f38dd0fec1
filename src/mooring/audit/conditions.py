"""A search's tree as a condition in SQL: columns from the kind's description, values always bound."""

from collections.abc import Mapping, Sequence
from typing import LiteralString

from mooring.audit.ledger import bind
from mooring.base.search import All, Among, AnyOf, Between, Compare, FieldType, IsNull, Like, Node, Not, Operator

_OPERATORS: Mapping[Operator, LiteralString] = {
    Operator.EQUAL: "=",
    Operator.UNEQUAL: "<>",
    Operator.LESS: "<",
    Operator.LESS_OR_EQUAL: "<=",
    Operator.MORE: ">",
    Operator.MORE_OR_EQUAL: ">=",
}
# What a value is bound as: numbers as numeric, so that 1.5 compares with whole columns too.
_TYPES: Mapping[FieldType, LiteralString] = {
    FieldType.TEXT: "text",
    FieldType.NUMBER: "numeric",
    FieldType.TIME: "timestamptz",
    FieldType.TRUTH: "boolean",
}


def matching(node: Node, columns: Sequence[LiteralString], alias: LiteralString, args: list[object]) -> LiteralString:
    """The condition that rows `alias` with these columns match; what it compares with is bound behind `args`."""
    match node:
        case AnyOf(of=parts):
            return " OR ".join([f"({matching(part, columns, alias, args)})" for part in parts])
        case All(of=parts):
            return " AND ".join([f"({matching(part, columns, alias, args)})" for part in parts])
        case Not(of=part):
            return f"NOT ({matching(part, columns, alias, args)})"
        case _:
            return _term(node, _column(node.field, columns, alias), args)


def _term(node: Compare | Like | Among | Between | IsNull, column: LiteralString, args: list[object]) -> LiteralString:
    match node:
        case IsNull():
            return f"{column} IS NULL"
        case Like(pattern=pattern, any_case=any_case):
            word: LiteralString = "ILIKE" if any_case else "LIKE"
            return f"{column} {word} {bind(args, pattern)}::text"
        case Compare(type=of, operator=operator, value=value):
            return f"{column} {_OPERATORS[operator]} {bind(args, value)}::{_TYPES[of]}"
        case Among(type=of, values=values):
            return f"{column} = ANY({bind(args, list(values))}::{_TYPES[of]}[])"
        case Between(type=of, low=low, high=high):
            return f"{column} BETWEEN {bind(args, low)}::{_TYPES[of]} AND {bind(args, high)}::{_TYPES[of]}"


def _column(field: str, columns: Sequence[LiteralString], alias: LiteralString) -> LiteralString:
    column: LiteralString = next(column for column in columns if column == field)
    return alias + '."' + column + '"'
