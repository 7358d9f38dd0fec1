"""The forms a secret's value may be written in: plain, escaped for JSON, shells, programs and markup, percent-encoded,
base64; a long one in pieces.

No form has more than some characters for one of a piece: what waits for the rest of a form is little.
"""

from __future__ import annotations

import base64
import json
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Shorter values would turn ordinary text into stars and tell by their absence what they are.
SHORTEST = 4
# Characters of text, and bytes for base64: a multiple of three, whose base64 stands on its own.
_PIECE, _BYTES = 60, 63
# Of a line that tells a value of many: `kind: Config` stands elsewhere too.
_TELLING = 16
_MOST_LONG, _MOST_SHORT, _MOST_PIECES = 8, 64, 15
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~")
# What nobody escapes.
_PLAIN = frozenset(map(chr, _UNRESERVED)) - {"~"}


def _table(safe: bytes, code: str) -> list[str]:
    return [chr(byte) if byte in _UNRESERVED or byte in safe else code % byte for byte in range(256)]


# Everything; all but slashes; what encodeURIComponent and encodeURI of JavaScript encode.
_SAFE = (b"", b"/", b"!'()*", b"!'()*;,/?:@&=+$#")
_PERCENT = [_table(safe, code) for safe in _SAFE for code in ("%%%02X", "%%%02x")]


def _behind(marks: str) -> dict[int, str]:
    return {ord(mark): f"\\{mark}" for mark in marks}


_ESCAPES = [
    # Shells: between single quotes, between double quotes, bare (`set -x`, `export -p`, `printf %q`).
    {0x27: "'\\''"},
    {0x27: "'\"'\"'"},
    _behind('"$`\\'),
    _behind("\t !\"$&'()*,;<>?[\\]^`{|}"),
    # Python and JavaScript between single quotes; YAML and SQL.
    _behind("'\\"),
    {0x27: "''"},
    # Markup: text, attributes.
    {0x26: "&amp;", 0x3C: "&lt;", 0x3E: "&gt;"},
    *({0x26: "&amp;", 0x3C: "&lt;", 0x3E: "&gt;", 0x22: "&quot;", 0x27: quote} for quote in ("'", "&#39;", "&#x27;")),
]


def _shown(marks: str, code: str) -> dict[int, str]:
    printed = bytes(byte for byte in range(0x20, 0x7F) if chr(byte) not in marks)
    return {**dict(enumerate(_table(printed, code))), 0x09: "\\t", **_behind(marks)}


# Bytes as Python (\xc3), C, git and shells that know no UTF-8 (\303) show them, in either quotes.
_SHOWN = [_shown(marks, code) for marks in ("'\\", '"\\') for code in ("\\x%02x", "\\%03o")]
# What `echo` of some shells makes of what stands behind a backslash.
_ECHOED = dict(zip("abfnrtv\\", "\a\b\f\n\r\t\v\\"))  # noqa: B905 - strict= is younger than Python 3.9
# JSON that is to stand in a page, as Go writes all of it.
_FOR_PAGES = {0x26: "\\u0026", 0x3C: "\\u003c", 0x3E: "\\u003e"}


def forms(value: bytes) -> Iterator[str]:
    """Every form of the value as text. Values and lines under four characters have none."""
    for part in dict.fromkeys(_parts(value)):
        if len(part) >= SHORTEST:
            text = part.decode("utf-8", "replace")
            pieces = list(_pieces(text))
            for piece in pieces:
                yield from _written(piece)
            for bare in _cut(part, _PIECE) if "\ufffd" in text else [piece.encode() for piece in pieces]:
                yield from _coded(bare)
    yield from escapable(value)
    yield from coded(value)


def escapable(value: bytes) -> Iterator[str]:
    """The pieces of the value, of all its lines together and of each, that hold what programs escape, as they are."""
    for part in dict.fromkeys((value, value.strip(), *_parts(value))):
        for piece in _pieces(part.decode("utf-8", "replace")):
            if len(piece.encode()) >= SHORTEST and is_escaped(piece.encode()):
                yield piece


def is_escaped(piece: bytes) -> bool:
    """Whether there is a character in it that some program escapes."""
    return not _PLAIN.issuperset(piece.decode("latin-1"))


def coded(value: bytes) -> Iterator[str]:
    """The base64 of the value, and of each of its lines."""
    for part in dict.fromkeys((value, value.strip(), *_parts(value))):
        if len(part) >= SHORTEST:
            yield from _base64s(part)


def telling(value: bytes) -> Iterator[bytes]:
    """What a file that holds the value, or much of it, has of it: few pieces, as they are.

    Shape: at most 160 of at most 125 bytes. Of many lines the longest; short ones stand in other files as well.
    """
    longest_first = sorted({line.strip() for line in value.splitlines()}, key=len, reverse=True)
    long = [line for line in longest_first if len(line) >= _TELLING]
    telling_lines = long[:_MOST_LONG] if long else longest_first[:_MOST_SHORT]
    for part in dict.fromkeys((value, value.strip(), *telling_lines)):
        if len(part) >= SHORTEST:
            pieces = list(_cut(part, _BYTES))
            yield from pieces[:_MOST_PIECES]
            yield pieces[-1]


def base64s(piece: bytes) -> Iterator[bytes]:
    """The base64 of a piece of a value, wherever it stands."""
    return (form.encode() for form in _base64s(piece))


def _parts(value: bytes) -> Iterator[bytes]:
    lines = value.splitlines()
    if len(lines) > 1:
        yield from (line.strip() for line in lines)
    else:
        yield value
        yield value.strip()


def _pieces(text: str) -> Iterator[str]:
    last = max(1, len(text) // _PIECE)
    for number in range(last):
        # The last one takes what is left: it would be too short alone.
        yield text[number * _PIECE : (number + 1) * _PIECE if number + 1 < last else len(text)]


def _cut(value: bytes, size: int) -> Iterator[bytes]:
    last = max(1, len(value) // size)
    for number in range(last):
        yield value[number * size : (number + 1) * size if number + 1 < last else len(value)]


def _written(text: str) -> Iterator[str]:
    yield text
    if _PLAIN.issuperset(text):
        return
    for ascii_only in (True, False):
        escaped = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield escaped
        yield escaped.replace("/", "\\/")
        yield escaped.translate(_FOR_PAGES)
        # JSON in a text of JSON, as programs that speak of calls of others write it.
        yield json.dumps(escaped, ensure_ascii=ascii_only)[1:-1]
    for escapes in _ESCAPES:
        yield text.translate(escapes)
    yield re.sub(r"\\([abfnrtv\\])", lambda found: _ECHOED[found[1]], text)


def _coded(value: bytes) -> Iterator[str]:
    """The value where each byte is written alone."""
    if not is_escaped(value):
        return
    for table in _SHOWN:
        yield "".join([table[byte] for byte in value])
    for table in _PERCENT:
        coded = "".join([table[byte] for byte in value])
        yield coded
        yield coded.replace("%20", "+")


def _base64s(value: bytes) -> Iterator[str]:
    """The base64 of the value wherever it stands in a longer text: three alignments, without what neighbours touch."""
    for piece in _cut(value, _BYTES):
        for shift in range(3):
            encoded = base64.b64encode(b"\0" * shift + piece).decode()
            body = encoded.rstrip("=")
            spoiled_end = (shift + len(piece)) % 3 != 0
            yield from _both(body[(0, 2, 3)[shift] : len(body) - 1 if spoiled_end else len(body)])
        yield from _both(base64.b64encode(piece).decode())


def _both(encoded: str) -> Iterator[str]:
    yield encoded
    yield encoded.replace("+", "-").replace("/", "_")
