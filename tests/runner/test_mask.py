"""Values of secrets do not leave in any form the runner knows, however they are cut."""

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.runner.mask import Mask, storable
from written import written

VALUE = 'p@ss/wörd "1"+x'
MASK = Mask({"KEY": VALUE.encode(), "PEM": b"-----BEGIN-----\nfirstline0\nsecondline\n-----END-----\n", "PIN": b"123"})

FORMS = {
    "plain": VALUE,
    "json": json.dumps(VALUE)[1:-1],
    "json, slashes escaped": json.dumps(VALUE)[1:-1].replace("/", "\\/"),
    "json, not ascii": json.dumps(VALUE, ensure_ascii=False)[1:-1],
    "url": quote(VALUE, safe=""),
    "url, slashes kept": quote(VALUE),
    "url, small digits": quote(VALUE, safe="").replace("%C3%B6", "%c3%b6").replace("%2F", "%2f").replace("%2B", "%2b"),
    "form": quote_plus(VALUE),
    "base64": base64.b64encode(VALUE.encode()).decode(),
    "base64 for urls": base64.urlsafe_b64encode(VALUE.encode()).decode(),
    "a line of many": "secondline",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_is_masked_wherever_it_stands(form: str) -> None:
    name = "PEM" if form == "secondline" else "KEY"
    masked = MASK.text(f"before {form} after")
    assert form not in masked
    assert f"***{name}***" in masked


@pytest.mark.parametrize("shift", range(6))
def test_base64_is_masked_in_the_middle_of_a_longer_one(shift: int) -> None:
    coded = base64.b64encode(b"u" * shift + b":" + VALUE.encode() + b":tail").decode()
    masked = MASK.text(coded)
    assert "***KEY***" in masked
    # At each end up to two characters hold bits of the neighbour as well.
    assert len(masked) - len("***KEY***") <= len(coded) - (len(VALUE.encode()) * 4 // 3 - 3)


QUOTED = 'p@ss/wörd $it\'s "<&>" back\\slash! #'


@pytest.mark.parametrize("form", written(QUOTED))
def test_what_shells_programs_and_markup_escape_is_masked_as_they_write_it(form: str) -> None:
    masked = Mask({"KEY": QUOTED.encode()}).text(form)
    assert "***KEY***" in masked
    assert not any(part in masked for part in ("p@ss", "p%40ss", "$it", "back", "slash"))


def test_what_echo_makes_of_a_backslash_is_masked() -> None:
    mask = Mask({"KEY": rb"made\tup\\va\nlue"})
    assert mask.text("made\tup\\va\nlue made\\tup") == "***KEY*** made\\tup"


def test_bytes_that_are_no_text_are_masked_where_each_is_written_alone() -> None:
    value = bytes(range(0xC0, 0xE0))
    mask = Mask({"KEY": value})
    assert mask.text(f"{value!r} {quote(value)}") == "b'***KEY***' ***KEY***"


def test_a_value_too_short_to_hide_is_left() -> None:
    assert MASK.text("123 1234") == "123 1234"


def test_the_whole_goes_before_its_parts() -> None:
    mask = Mask({"LONG": b"abcdefgh", "SHORT": b"cdef"})
    assert mask.text("abcdefgh cdef") == "***LONG*** ***SHORT***"


@given(st.lists(st.sampled_from([*FORMS.values(), "p@ss", "wörd", " ", "x", "\n", "second", "***KEY", "p@ss/p@ss/w"])))
def test_text_cut_anywhere_is_masked_like_the_whole(parts: list[str]) -> None:
    text = "".join(parts)
    for cut in range(0, len(text) + 1, 3):
        said, held = MASK.split(text[:cut])
        more, held = MASK.split(held + text[cut:])
        assert said + more + MASK.text(held) == MASK.text(text)


@given(st.binary(max_size=200), st.integers(min_value=1, max_value=40))
def test_bytes_cut_anywhere_are_searched_like_the_whole(noise: bytes, size: int) -> None:
    content = noise + base64.b64encode(VALUE.encode()) + noise
    assert MASK.finds(content[at : at + size] for at in range(0, len(content), size)) == "KEY"
    assert MASK.finds([noise]) is None


LONG = bytes(33 + (7 * number + number // 90) % 90 for number in range(5000))
KEY = b"-----BEGIN KEY-----\n" + b"\n".join(base64.b64encode(LONG[at : at + 48]) for at in range(0, 1600, 48)) + b"\n"


def leftover(mask: Mask, text: str, value: str) -> str | None:
    """The first twelve characters of the value that are still there after masking."""
    masked = mask.text(text)
    return next((value[at : at + 12] for at in range(len(value) - 11) if value[at : at + 12] in masked), None)


@pytest.mark.parametrize("wrap", [0, 76, 64])
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_the_base64_of_a_long_value_is_masked_however_it_is_wrapped(wrap: int, end: bytes) -> None:
    coded = base64.b64encode(LONG + end).decode()
    size = wrap or len(coded)
    text = "\n".join(coded[at : at + size] for at in range(0, len(coded), size))
    assert leftover(Mask({"LONG": LONG}), text, coded) is None


def test_a_long_value_is_masked_whole_and_in_parts() -> None:
    mask, text = Mask({"LONG": LONG}), LONG.decode()
    assert leftover(mask, f"before {text} after", text) is None
    assert leftover(mask, quote(text), quote(text)) is None
    assert leftover(mask, json.dumps(text), json.dumps(text)[1:-1]) is None
    assert text[600:900] not in mask.text(text[500:1000])


def test_every_line_of_a_key_is_masked_also_where_its_line_ends_are_escaped() -> None:
    mask, text = Mask({"KEY": KEY}), KEY.decode()
    for form in (
        text,
        json.dumps(text),
        text.replace("\n", "\r\n"),
        "\n".join(f"+{line}" for line in text.split("\n")),
    ):
        assert all(line not in mask.text(form) for line in text.split("\n") if len(line) >= 4)
    coded = base64.b64encode(KEY).decode()
    assert leftover(mask, coded, coded) is None


@given(st.binary(min_size=4, max_size=300), st.binary(max_size=50), st.integers(min_value=1, max_value=400))
def test_the_bytes_of_any_value_are_found_in_a_file(value: bytes, noise: bytes, size: int) -> None:
    content = noise + value + noise
    mask = Mask({"KEY": value})
    assert mask.finds(content[at : at + size] for at in range(0, len(content), size)) == "KEY"


@given(st.text(min_size=4, max_size=300), st.integers(min_value=1, max_value=40))
def test_any_text_is_masked_however_it_is_cut(value: str, size: int) -> None:
    value = storable(value)
    mask, said, held = Mask({"KEY": value.encode()}), "", ""
    for at in range(0, len(value), size):
        more, held = mask.split(held + value[at : at + size])
        said += more
    assert said + mask.text(held) == mask.text(value)
    whole = value.strip()
    assert len(whole.encode()) < 4 or len(whole.splitlines()) > 1 or whole not in said + mask.text(held)


def test_masking_goes_into_every_corner_of_a_value() -> None:
    deep = {"a": [VALUE, {VALUE: (1, float("nan"), float("-inf"), True, None, "\0\ud800")}]}
    assert MASK.deep(deep) == {"a": ["***KEY***", {"***KEY***": [1, None, None, True, None, "\ufffd?"]}]}


def test_without_secrets_nothing_is_held_back() -> None:
    assert Mask({}).split(VALUE) == (VALUE, "")
    assert storable("a\0\ud800ö") == "a\ufffd?ö"


def test_a_number_that_holds_a_value_is_masked_as_the_text_json_writes() -> None:
    mask = Mask({"PIN": b"48151623\n", "RATE": b"0.4815", "TRUE": b"true"})
    given = {"a": [48151623, -48151623, 148151623.5, 0.4815, 4815162, True, None], "b": {"c": 48151623}}
    masked = {
        "a": ["***PIN***", "-***PIN***", "1***PIN***.5", "***RATE***", 4815162, True, None],
        "b": {"c": "***PIN***"},
    }
    assert mask.deep(given) == masked
    assert mask.deep(given, numbers=False) == given
    assert Mask({}).deep(given) == given
