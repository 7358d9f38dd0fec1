"""`search=`: the subset of TSL (as rh-trex has it) that Mooring takes, from text to a checked tree. Pure.

    name = 'build' and (phase in ('running', 'waiting') or not created_at < '2026-01-01T00:00:00Z')

Fields are those a kind allows, literals are of their field's type, and both its size and its depth are bounded.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any, get_args, get_type_hints

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from mooring.base.errors import Unfit

LONGEST = 4_096
DEEPEST = 32
MOST_TERMS = 64
MOST_ITEMS = 200
_LARGEST_NUMBER = Decimal(10) ** 18

_GRAMMAR = r"""
?start: any
any: all (_OR all)*
all: no (_AND no)*
?no: _NOT no -> no
   | "(" any ")"
   | term
?term: FIELD OPERATOR literal -> compare
   | FIELD LIKE STRING -> like
   | FIELD _NOT LIKE STRING -> unlike
   | FIELD _IN "(" literal ("," literal)* ")" -> among
   | FIELD _NOT _IN "(" literal ("," literal)* ")" -> not_among
   | FIELD _BETWEEN literal _AND literal -> between
   | FIELD _NOT _BETWEEN literal _AND literal -> not_between
   | FIELD _IS NULL -> null
   | FIELD _IS _NOT NULL -> not_null
?literal: STRING | NUMBER | BOOLEAN

_OR.2: /or\b/i
_AND.2: /and\b/i
_NOT.2: /not\b/i
LIKE.2: /i?like\b/i
_IN.2: /in\b/i
_BETWEEN.2: /between\b/i
_IS.2: /is\b/i
NULL.2: /null\b/i
BOOLEAN.2: /(true|false)\b/i
OPERATOR: "<=" | ">=" | "!=" | "<>" | "=" | "<" | ">"
STRING: /'([^']|'')*'/
NUMBER: /-?[0-9]{1,40}(\.[0-9]{1,40})?(?![0-9A-Za-z_.])/
FIELD: /[A-Za-z_][A-Za-z0-9_]*/
%ignore /[ \t\r\n]+/
"""
# lark's own types are loose.
_PARSER: Any = Lark(_GRAMMAR, parser="lalr", maybe_placeholders=False)

_NAMES: Mapping[str, str] = {
    "_OR": "or", "_AND": "and", "_NOT": "not", "LIKE": "like", "_IN": "in", "_BETWEEN": "between", "_IS": "is",
    "NULL": "null", "BOOLEAN": "true or false", "OPERATOR": "= != <> < <= > >=", "STRING": "a 'string'",
    "NUMBER": "a number", "FIELD": "a field", "LPAR": "(", "RPAR": ")", "COMMA": ",", "$END": "the end",
}  # fmt: skip


class Operator(StrEnum):
    EQUAL = "="
    UNEQUAL = "<>"
    LESS = "<"
    LESS_OR_EQUAL = "<="
    MORE = ">"
    MORE_OR_EQUAL = ">="


class FieldType(Enum):
    """What a field holds; the value is how a literal for it looks."""

    TEXT = "a 'string'"
    NUMBER = "a number"
    TIME = "a 'time' such as '2026-01-31T12:00:00Z'"
    TRUTH = "true or false"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compare:
    field: str
    type: FieldType
    operator: Operator
    value: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Like:
    field: str
    pattern: str
    any_case: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Among:
    field: str
    type: FieldType
    values: tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    field: str
    type: FieldType
    low: object
    high: object


@dataclass(frozen=True, slots=True, kw_only=True)
class IsNull:
    field: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    of: "Node"


@dataclass(frozen=True, slots=True, kw_only=True)
class All:
    of: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyOf:
    of: "tuple[Node, ...]"


Node = Compare | Like | Among | Between | IsNull | Not | All | AnyOf


def field_types(shape: type[Any], allowed: Sequence[str]) -> dict[str, FieldType]:
    """The allowed fields of an entity, by what they hold."""
    hints = get_type_hints(shape)
    return {name: _type_of(hints[name]) for name in allowed}


def parse(text: str, fields: Mapping[str, FieldType]) -> Node | None:
    """The tree of a search, None for blank text. Raises Unfit with the position (from 1) and what could stand there."""
    if not text.strip():
        return None
    if len(text.encode()) > LONGEST:
        raise Unfit(f"search: it has more than {LONGEST} bytes", field="search")
    if "\0" in text:
        raise _refused(text.index("\0"), "a NUL character cannot be searched for")
    try:
        tree = _PARSER.parse(text)
    except UnexpectedInput as error:
        raise _refused_input(text, error) from error
    # The parser keeps a stack of its own; what reads its tree calls itself.
    _check_depth(text)
    return _Reader(fields).read(tree)


def _check_depth(text: str) -> None:
    depth = nots = 0
    for token in _PARSER.lex(text):
        nots = nots + 1 if token.type == "_NOT" else 0
        depth += (token.type == "LPAR") - (token.type == "RPAR")
        if depth + nots > DEEPEST:
            raise _refused(token.start_pos or 0, f"it is nested more than {DEEPEST} deep")


class _Reader:
    """From the parser's tree to ours, checking fields, types and sizes on the way."""

    def __init__(self, fields: Mapping[str, FieldType]) -> None:
        self._fields = fields
        self._terms = 0

    def read(self, tree: Tree[Token]) -> Node:
        kind, held = str(tree.data), tree.children
        if kind in ("any", "all"):
            parts = tuple(self.read(_tree(child)) for child in held)
            if len(parts) == 1:
                return parts[0]
            return AnyOf(of=parts) if kind == "any" else All(of=parts)
        if kind == "no":
            return Not(of=self.read(_tree(held[0])))
        return self._term(kind, [_token(child) for child in held])

    def _term(self, kind: str, held: list[Token]) -> Node:
        self._terms += 1
        name, rest = held[0], held[1:]
        at = name.start_pos or 0
        if self._terms > MOST_TERMS:
            raise _refused(at, f"it has more than {MOST_TERMS} terms")
        field = str(name)
        if field not in self._fields:
            raise _refused(at, f"there is no field {field[:80]!r} to search; fields: {', '.join(sorted(self._fields))}")
        if kind == "null":
            return IsNull(field=field)
        if kind == "not_null":
            return Not(of=IsNull(field=field))
        if kind in ("like", "unlike"):
            like = self._like(field, rest)
            return like if kind == "like" else Not(of=like)
        return self._valued(kind, field, rest)

    def _valued(self, kind: str, field: str, rest: list[Token]) -> Node:
        of = self._fields[field]
        if kind == "compare":
            return _compare(field, of, rest[0], _value(of, field, rest[1]))
        if len(rest) > MOST_ITEMS:
            raise _refused(rest[MOST_ITEMS].start_pos or 0, f"in (…) has more than {MOST_ITEMS} items")
        values = tuple(_value(of, field, token) for token in rest)
        node: Node = (
            Among(field=field, type=of, values=values)
            if kind in ("among", "not_among")
            else Between(field=field, type=of, low=values[0], high=values[1])
        )
        return Not(of=node) if kind.startswith("not_") else node

    def _like(self, field: str, rest: list[Token]) -> Like:
        word, pattern = rest
        if self._fields[field] is not FieldType.TEXT:
            raise _refused(word.start_pos or 0, f"{field} is not text; compare it with = < >")
        text = _unquoted(pattern)
        if (len(text) - len(text.rstrip("\\"))) % 2:
            raise _refused(pattern.start_pos or 0, "the pattern ends in a backslash that escapes nothing; write two")
        return Like(field=field, pattern=text, any_case=word.lower() == "ilike")


def _compare(field: str, of: FieldType, word: Token, value: object) -> Compare:
    operator = Operator.UNEQUAL if word == "!=" else Operator(str(word))
    if of is FieldType.TRUTH and operator not in (Operator.EQUAL, Operator.UNEQUAL):
        raise _refused(word.start_pos or 0, f"{field} is true or false; compare it with = or !=")
    return Compare(field=field, type=of, operator=operator, value=value)


def _value(of: FieldType, field: str, token: Token) -> object:
    at = token.start_pos or 0
    if of is FieldType.NUMBER and token.type == "NUMBER":
        number = Decimal(str(token))
        if abs(number) > _LARGEST_NUMBER:
            raise _refused(at, "numbers go to 10^18")
        return number
    if of is FieldType.TRUTH and token.type == "BOOLEAN":
        return token.lower() == "true"
    if of is FieldType.TEXT and token.type == "STRING":
        return _unquoted(token)
    if of is FieldType.TIME and token.type == "STRING":
        time = _time(_unquoted(token))
        if time is not None:
            return time
    raise _refused(at, f"{field} is compared with {of.value}")


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _unquoted(token: Token) -> str:
    return str(token)[1:-1].replace("''", "'")


def _type_of(hint: Any) -> FieldType:  # noqa: ANN401 - a type, as the entity declares it
    kinds = [kind for kind in (*get_args(hint), hint) if kind is not type(None)]
    plain = getattr(kinds[0], "__supertype__", kinds[0])
    found: type[Any] = plain if isinstance(plain, type) else str
    for base, kind in ((bool, FieldType.TRUTH), (datetime, FieldType.TIME), ((int, float), FieldType.NUMBER)):
        if issubclass(found, base):
            return kind
    return FieldType.TEXT


def _tree(child: Tree[Token] | Token) -> Tree[Token]:
    assert isinstance(child, Tree)
    return child


def _token(child: Tree[Token] | Token) -> Token:
    assert isinstance(child, Token)
    return child


def _refused(at: int, says: str) -> Unfit:
    return Unfit(f"search: at position {at + 1}: {says}", field="search", position=at + 1)


def _refused_input(text: str, error: UnexpectedInput) -> Unfit:
    at = error.pos_in_stream
    at = len(text.rstrip()) if at is None or at < 0 or _ends(error) else at
    expected = sorted({_NAMES.get(name, name) for name in _accepted(error)})
    found = re.split(r"\s", text[at : at + 20] + " ")[0] or "the end"
    hint = " (strings stand in 'single quotes')" if text[at : at + 1] == '"' else ""
    return _refused(at, f"{found!r} cannot stand here{hint}; expected {', '.join(expected)}")


def _ends(error: UnexpectedInput) -> bool:
    loose: Any = error
    return isinstance(error, UnexpectedToken) and bool(loose.token.type == "$END")


def _accepted(error: UnexpectedInput) -> set[str]:
    if isinstance(error, UnexpectedToken):
        return set(error.accepts or error.expected)
    return set(error.allowed) if isinstance(error, UnexpectedCharacters) else set()
