"""Values of secrets do not leave in any form the runner knows, however they are cut."""

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.runner.finder import Telltales
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


# What escapes, and halves of it.
CUT = [
    "\\",
    "\\u00",
    "40",
    "%",
    "%4",
    "0",
    "&#",
    "64;",
    "&",
    "'",
    "\\''",
    "+",
    base64.b64encode(b"xx" + VALUE.encode()).decode()[:20] + "\n",
]


@given(
    st.lists(
        st.sampled_from([*FORMS.values(), "p@ss", "wörd", " ", "x", "\n", "second", "***KEY", "p@ss/p@ss/w", *CUT])
    )
)
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


OTHERS = {
    "URLSearchParams of JavaScript": ("Zx~81kq-Ab9", "Zx%7E81kq-Ab9"),
    "the password of an URL in JavaScript": ("p@ss+w0rd9/x", "p%40ss+w0rd9%2Fx"),
    "a URL where colons stay": ("p@ss/w:1", "p%40ss%2Fw:1"),
    "the password of an URL in Go": ("p@ss=w0rd/9", "p%40ss=w0rd%2F9"),
    "a form with spaces": ("a b~c d", "a+b%7Ec+d"),
    "MarkupSafe": ('ab"cd1234', "ab&#34;cd1234"),
    "jq @html": ("a'b\"c<d", "a&apos;b&quot;c&lt;d"),
    "markup in ASCII": ("p\u00e4sswort-1", "p&#228;sswort-1"),
    "markup in hexadecimal": ("p\u00e4sswort-1", "p&#xE4;sswort&#x2D;1"),
    "ascii() of Python": ("p\u00e4sswort-1", "p\\xe4sswort-1"),
    "repr() of Python": ("pass\u00a0wort", "pass\\xa0wort"),
    "JSON of Gson": ("abcd1234Zz==", "abcd1234Zz\\u003d\\u003d"),
    "JSON of .NET": ("abcd+1234Zz", "abcd\\u002B1234Zz"),
    "JSON with a pair": ("pass\U0001f680word", "pass\\ud83d\\ude80word"),
    "JavaScript": ("pass\U0001f680word", "pass\\u{1f680}word"),
    "set -x": ("a\x1bb\x07cd", "a\\Eb\\acd"),
    "YAML": ("p\u00e4ss wort", "p\\xE4ss\\x20wort"),
    "SQL with two quotes": ("it's 'mine'", "it''s ''mine''"),
    "a table": ('ab"cd1234', '1,"ab""cd1234",2'),
    "a line that goes on": ("abcd efgh", "abcd \\\nefgh"),
    "short lines": ("ab\ncd\nef", '{"a": "ab\\ncd\\nef"}'),
}


@pytest.mark.parametrize(("value", "form"), OTHERS.values(), ids=OTHERS)
def test_what_is_escaped_in_any_of_the_usual_ways_is_masked_and_found(value: str, form: str) -> None:
    mask = Mask({"KEY": value.encode()})
    assert "***KEY***" in mask.text(f"before {form} after")
    assert mask.finds([f"before {form} after".encode()]) == "KEY"
    for cut in range(len(form)):
        said, held = mask.split(f"before {form[:cut]}")
        more, held = mask.split(f"{held}{form[cut:]} after\n")
        assert said + more + mask.text(held) == mask.text(f"before {form} after\n")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n    "])
@pytest.mark.parametrize(("before", "wrap"), [("", 76), ("x", 64), ("user:", 76), ("xy", 40), ("hello\n" * 20, 76)])
@pytest.mark.parametrize("secret", [b"tok_a8s7d6f5g4h3j2k1l0q9w8e7r6t5y4u3i2o1", LONG[:700], KEY[:500]])
def test_base64_of_a_longer_text_is_masked_and_found_however_it_is_wrapped(
    secret: bytes, before: str, wrap: int, end: str
) -> None:
    coded = base64.b64encode(before.encode() + secret + b":behind").decode()
    lines = end.join(coded[at : at + wrap] for at in range(0, len(coded), wrap))
    mask = Mask({"KEY": secret})
    whole = mask.text(lines)
    kept = whole.replace("***KEY***", " ").replace(end, "")
    inner = base64.b64encode(bytes(len(before) % 3) + secret)[4:-8].decode()
    assert not any(inner[at : at + 12] in kept for at in range(len(inner) - 11))
    assert mask.finds([lines.encode()]) == "KEY"
    for cut in range(0, len(lines), 17):
        said, held = mask.split(lines[:cut])
        more, held = mask.split(held + lines[cut:])
        assert said + more + mask.text(held) == whole


@pytest.mark.parametrize("form", [*FORMS.values(), *written(QUOTED)])
def test_every_form_of_a_value_is_found_in_a_file(form: str) -> None:
    values = {"KEY": VALUE.encode(), "QUOTED": QUOTED.encode(), "PEM": b"-----BEGIN-----\nfirstline0\nsecondline\n"}
    assert Mask(values).finds([f"before {form} after".encode()]) is not None
    assert Mask({"KEY": values["KEY"] + b"\n", "QUOTED": values["QUOTED"] + b"\n", "PEM": values["PEM"]}).finds(
        [f"before {form} after".encode()]
    )


def test_a_long_line_of_a_key_is_found_alone() -> None:
    lines = [base64.b64encode(bytes(range(number, number + 48))) for number in range(3)]
    assert all(Mask({"KEY": b"\n".join(lines)}).finds([b"+" + line]) for line in lines)


def test_what_tells_a_value_in_a_file_is_little() -> None:
    for value in (b"x" * 65536, bytes(range(256)) * 256, b"\n".join(b"line %d" % n for n in range(5000))):
        telltales = Telltales([("KEY", value)])
        assert 0 < len(telltales.plain) < 100
        assert len(telltales.coded) < 700
        assert all(4 <= len(piece) < 170 for piece in (*telltales.plain, *telltales.coded))
    assert Telltales([("PIN", b"123")]).plain == {}


def test_values_that_overlap_are_both_masked() -> None:
    mask = Mask({"A": b"alpha-beta", "B": b"beta-gamma-delta"})
    assert mask.text("an alpha-beta-gamma-delta") == "an ***A******B***"
    said, held = mask.split("an alpha-beta-gam")
    assert said + mask.text(held + "ma-delta") == "an ***A******B***"


def test_values_that_overlap_without_an_end_are_not_held_for_ever() -> None:
    mask, said, held = Mask({"A": b"ab" * 10, "B": b"ba" * 10}), "", ""
    for _ in range(200):
        more, held = mask.split(held + "ab" * 100)
        said += more
        assert len(held) < 1000
    assert "ab" * 10 not in said


def test_a_line_that_stands_in_many_files_does_not_tell_of_a_secret() -> None:
    config = b"apiVersion: v1\nkind: Config\nusers:\n- user:\n    token: made-up-token-of-forty-characters-0123456\n"
    mask = Mask({"KUBECONFIG": config})
    assert mask.finds([b"apiVersion: v1\nkind: Pod\nusers:\n"]) is None
    assert mask.finds([b"x    token: made-up-token-of-forty-characters-0123456"]) == "KUBECONFIG"
    codes = Mask({"CODES": b"1234-5678\n2345-6789\n3456-7890\n"})
    assert codes.finds([b"the second is 2345-6789"]) == "CODES"


def test_a_value_of_short_lines_is_masked_as_a_whole() -> None:
    mask = Mask({"KEY": b"ab\ncd\nef\ngh\n"})
    assert mask.text("ab\ncd\nef\ngh") == "***KEY***"
    assert mask.text("ab cd") == "ab cd"


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
    assert len(whole) < 4 or whole not in said + mask.text(held)


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
