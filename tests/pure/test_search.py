"""The search language: what it takes, and where exactly it refuses."""

import contextlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.base.errors import Unfit
from mooring.base.search import (
    All,
    Among,
    AnyOf,
    Between,
    Compare,
    FieldType,
    IsNull,
    Like,
    Not,
    Operator,
    parse,
)

FIELDS = {
    "name": FieldType.TEXT,
    "android": FieldType.TEXT,
    "version": FieldType.NUMBER,
    "created_at": FieldType.TIME,
    "interactive": FieldType.TRUTH,
}


def text(value: str) -> Compare:
    return Compare(field="name", type=FieldType.TEXT, operator=Operator.EQUAL, value=value)


def test_and_binds_closer_than_or_and_not_closest() -> None:
    found = parse("name = 'a' or not name = 'b' and name = 'c'", FIELDS)
    assert found == AnyOf(of=(text("a"), All(of=(Not(of=text("b")), text("c")))))
    assert parse("(name='a' OR name='b') AND name='c'", FIELDS) == All(of=(AnyOf(of=(text("a"), text("b"))), text("c")))


def test_every_form_is_read() -> None:
    assert parse("name = 'it''s'", FIELDS) == text("it's")
    assert parse("name not ilike 'a%'", FIELDS) == Not(of=Like(field="name", pattern="a%", any_case=True))
    assert parse("name is not null", FIELDS) == Not(of=IsNull(field="name"))
    assert parse("android is null", FIELDS) == IsNull(field="android")
    assert parse("version in (1, 2.5)", FIELDS) == Among(
        field="version", type=FieldType.NUMBER, values=(Decimal(1), Decimal("2.5"))
    )
    assert parse("version between -1 and 2", FIELDS) == Between(
        field="version", type=FieldType.NUMBER, low=Decimal(-1), high=Decimal(2)
    )
    assert parse("interactive != true", FIELDS) == Compare(
        field="interactive", type=FieldType.TRUTH, operator=Operator.UNEQUAL, value=True
    )
    assert parse(" \n", FIELDS) is None


@pytest.mark.parametrize(
    ("search", "position", "says"),
    [
        ("name = ", 7, "the end"),
        ("name ~= 'a'", 6, "expected = !="),
        ('name = "a"', 8, "'single quotes'"),
        ("name = 'a", 8, "a 'string'"),
        ("name = 'a' and", 15, "a field"),
        ("(name = 'a'", 12, "expected )"),
        ("name = 'a')", 11, "expected"),
        ("name = 'a'; drop table skills", 11, "expected"),
        ("colour = 'red'", 1, "fields: android"),
        ("NAME = 'a'", 1, "fields: android"),
        ("version = 'a'", 11, "a number"),
        ("version + 1 = 2", 9, "expected"),
        ("name = 1", 8, "'string'"),
        ("name like 'a\\'", 11, "backslash"),
        ("version like '1'", 9, "not text"),
        ("interactive > true", 13, "= or !="),
        ("created_at > 'yesterday'", 14, "2026-01-31"),
        ("version in ()", 13, "a number"),
        ("version = 1000000000000000001", 11, "10^18"),
        ("version = 1e5", 11, "expected"),
        ("name = '\0'", 9, "NUL"),
        ("not " * 33 + "name = 'a'", 129, "32 deep"),
        ("(" * 33 + "name = 'a'" + ")" * 33, 33, "32 deep"),
        (" or ".join(["name = 'a'"] * 65), 897, "64 terms"),
        (f"version in ({','.join('1' * 201)})", 413, "200 items"),
    ],
)
def test_a_refusal_names_the_position_and_what_could_stand_there(search: str, position: int, says: str) -> None:
    with pytest.raises(Unfit) as refused:
        parse(search, FIELDS)
    assert refused.value.facts["position"] == position, refused.value.reason
    assert says in refused.value.reason


def test_a_search_of_more_than_4_kib_is_refused() -> None:
    with pytest.raises(Unfit, match="4096 bytes"):
        parse(f"name = '{'é' * 2045}'", FIELDS)
    assert parse(f"name = '{'é' * 2043}'", FIELDS)


def test_the_limits_themselves_are_allowed() -> None:
    assert parse("not " * 32 + "name = 'a'", FIELDS)
    assert parse("(" * 32 + "name = 'a'" + ")" * 32, FIELDS)
    assert parse(" or ".join(["name = 'a'"] * 64), FIELDS)
    assert parse(f"version in ({','.join('1' * 200)})", FIELDS)


@given(st.text(max_size=200) | st.text(alphabet="()'=<>! nameorndtilkbw%\\,019.-", max_size=200))
def test_any_text_is_a_tree_or_a_refusal(search: str) -> None:
    with contextlib.suppress(Unfit):
        assert (parse(search, FIELDS) is None) == (not search.strip())


@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=300))
def test_any_string_survives_its_quotes(value: str) -> None:
    assert parse(f"name = '{value.replace(chr(39), chr(39) * 2)}'", FIELDS) == text(value)
