"""A file that holds a secret's value holds one of its patterns, however it was written."""

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.base.hidden import Hidden
from mooring.secrets.mask import patterns
from written import written

VALUE = 'p@ss/wörd "1"+x $it\'s <&>!'


def held(value: bytes, content: bytes) -> bool:
    return any(pattern in content for pattern in patterns(Hidden(value)))


@pytest.mark.parametrize(
    "form",
    [
        VALUE, json.dumps(VALUE), json.dumps(VALUE, ensure_ascii=False), quote(VALUE), quote(VALUE, safe=""),
        quote_plus(VALUE), base64.b64encode(VALUE.encode()).decode(), base64.urlsafe_b64encode(VALUE.encode()).decode(),
        *written(VALUE),
    ],
)  # fmt: skip
def test_every_form_of_a_value_is_known(form: str) -> None:
    assert held(VALUE.encode(), f"before {form} after".encode())
    assert held(f"{VALUE}\n".encode(), f"before {form} after".encode())


@given(st.binary(min_size=4, max_size=500), st.binary(max_size=10))
def test_any_value_is_found_as_it_is_and_in_base64_anywhere(value: bytes, before: bytes) -> None:
    assert held(value, before + value)
    if len(value) >= 7:
        assert held(value, base64.b64encode(before + value + b"behind"))


def test_a_long_line_of_a_key_is_found_alone() -> None:
    lines = [base64.b64encode(bytes(range(number, number + 48))) for number in range(3)]
    assert all(held(b"\n".join(lines), b"+" + line) for line in lines)


def test_patterns_are_few_and_none_is_short() -> None:
    assert patterns(Hidden(b"123")) == []
    for value in (b"x" * 65536, bytes(range(256)) * 256, b"\n".join(b"line %d" % n for n in range(5000))):
        found = patterns(Hidden(value))
        assert len(found) < 200
        assert all(4 <= len(pattern) <= 500 for pattern in found)
