r"""A text as the program would have it decoded that wrote it: what is escaped in any of the usual ways is seen,
whichever characters were escaped.

Each way is looked at on its own, over the whole text: `%7E` of a URL, `&#34;` of markup, `\u0041` of JSON, JavaScript,
Python and shells, `'\''` of shells and SQL, `""` of tables, and lines that were wrapped.
"""

from __future__ import annotations

import re
from bisect import bisect_right

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Decode = Callable[[str], str]

_MORE = "%[89ABab][0-9A-Fa-f]"
# One character of UTF-8; what is none stays as it is.
_PERCENT = f"%[0-7][0-9A-Fa-f]|%[CDcd][0-9A-Fa-f]{_MORE}|%[Ee][0-9A-Fa-f](?:{_MORE}){{2}}|%[Ff][0-7](?:{_MORE}){{3}}"
_PERCENT_BEGUN = f"%(?:[0-9A-Fa-f]?|[C-Fc-f][0-9A-Fa-f](?:{_MORE}){{0,2}}(?:%[89ABab]?)?)"
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'", "nbsp": "\xa0"}
_ENTITY = f"&(?:#[0-9]{{1,7}}|#[xX][0-9A-Fa-f]{{1,6}}|{'|'.join(_NAMED)});"
_ENTITY_BEGUN = "&(?:#[0-9]{0,7}|#[xX][0-9A-Fa-f]{0,6}|[a-z]{0,4})"
_PAIR = r"u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_BACKSLASH = (
    rf"\\(?:{_PAIR}|u[0-9a-fA-F]{{4}}|u\{{[0-9a-fA-F]{{1,6}}\}}|U[0-9a-fA-F]{{8}}|x[0-9a-fA-F]{{2}}"
    r"|[0-7]{1,3}|\r?\n|[^\r])"
)
_BACKSLASH_BEGUN = (
    r"\\(?:u[0-9a-fA-F]{0,3}|u[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u[0-9a-fA-F]{0,3})?)?|u\{[0-9a-fA-F]{0,6}"
    r"|U[0-9a-fA-F]{0,7}|x[0-9a-fA-F]?|[0-7]{0,2}|\r)?"
)
_CONTROL = dict(zip("abeEfnrtv", "\a\b\x1b\x1b\f\n\r\t\v"))  # noqa: B905 - strict= is younger than Python 3.9
_LAST = 0x10FFFF


def _percent(found: str) -> str:
    return bytes.fromhex(found.replace("%", "")).decode("utf-8", "replace")


def _entity(found: str) -> str:
    inner = found[1:-1]
    if inner[0] != "#":
        return _NAMED[inner]
    number = inner[1:]
    return _character(int(f"0{number}", base=0) if number[0] in "xX" else int(number))


def _backslash(found: str) -> str:
    inner = found[1:]
    if inner[0] in "uUx" and len(inner) > 1:
        codes = [int(code.strip("{}"), 16) for code in inner[1:].split("\\u")]
        return _character(0x10000 + (codes[0] - 0xD800) * 0x400 + codes[1] - 0xDC00 if codes[1:] else codes[0])
    if inner.isdigit():
        return chr(int(inner, 8) & 0xFF) if inner[0] < "8" else inner
    return "" if inner in ("\n", "\r\n") else _CONTROL.get(inner, inner)


def _character(code: int) -> str:
    return chr(code) if code <= _LAST else "\ufffd"


class Way:
    """One way to escape: a mark without which it is not there, what it writes, how the beginning of that looks, and
    the one character it is for, if it is for one alone."""

    def __init__(self, mark: str, written: str, begun: str | None, decode: Decode, only: str = "") -> None:
        self.mark = mark
        self.only = only
        self.decode = decode
        self.written = written
        # Where a text may go on, what looks like a beginning is no escape yet.
        self.begun = written if begun is None else f"(?P<begun>(?:{begun})\\Z)|{written}"


ESCAPES: Sequence[Way] = (
    Way("%", _PERCENT, _PERCENT_BEGUN, _percent),
    Way("+", rf"\+|{_PERCENT}", _PERCENT_BEGUN, lambda found: " " if found == "+" else _percent(found), " "),
    Way("&", _ENTITY, _ENTITY_BEGUN, _entity),
    Way("\\", _BACKSLASH, _BACKSLASH_BEGUN, _backslash),
    Way("'", r"'\\''|'\"'\"'|''", r"'\\?'?|'\"'?\"?", lambda _: "'", "'"),
    Way('"', '""', '"', lambda _: '"', '"'),
)
BREAKS = Way("\n", r"[\r\n]+[ \t]*", None, lambda _: "")
"""Where base64 is wrapped."""


class View:
    """A text decoded. With `open_ended`, it may go on: `text` ends before what may be the beginning of an escape."""

    def __init__(self, text: str, way: Way, *, open_ended: bool) -> None:
        parts: list[str] = []
        # Where each stretch begins, in what is decoded and in the text; every second one is an escape.
        self._at, self._from = [0], [0]
        at = size = 0
        self._end = len(text)
        for found in re.finditer(way.begun if open_ended else way.written, text):
            if found.lastgroup:
                self._end = found.start()
                break
            for part, to in ((text[at : found.start()], found.start()), (way.decode(found[0]), found.end())):
                parts.append(part)
                size += len(part)
                self._at.append(size)
                self._from.append(to)
            at = found.end()
        parts.append(text[at : self._end])
        self.text = "".join(parts)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where in the text what is decoded from `start` to `end` stood. It is not empty."""
        last = bisect_right(self._at, end - 1) - 1
        ended = self._from[last + 1] if last % 2 else self._from[last] + end - self._at[last]
        return self.place(start), ended

    def place(self, start: int) -> int:
        """Where in the text what is decoded from `start` on stood."""
        if start >= len(self.text):
            return self._end
        stretch = bisect_right(self._at, start) - 1
        return self._from[stretch] if stretch % 2 else self._from[stretch] + start - self._at[stretch]

    def whole(self, place: int) -> int:
        """The place in the text, or the beginning of the escape that it would cut in two."""
        stretch = bisect_right(self._from, place) - 1
        return self._from[stretch] if stretch % 2 else place


def decoded(data: bytes, ways: Sequence[Way]) -> Iterator[bytes]:
    """The bytes of a file decoded in each of the ways in which there is something to decode."""
    text = data.decode("latin-1") if ways else ""
    for way in ways:
        if way.mark in text:
            once = _in_bytes(text, way)
            yield once
            if way.mark == "\\":
                # A text of JSON in a text of JSON; bytes as Python, C and git show them.
                yield _in_bytes(once.decode("latin-1"), way)
                yield re.sub(way.written, _byte, text).encode("latin-1")


def _in_bytes(text: str, way: Way) -> bytes:
    def written(found: re.Match[str]) -> str:
        return way.decode(found[0]).encode("utf-8", "replace").decode("latin-1")

    return re.sub(way.written, written, text).encode("latin-1")


def _byte(found: re.Match[str]) -> str:
    shown = _backslash(found[0])
    return shown if shown <= "\xff" else found[0]


def unwrapped(data: bytes) -> bytes:
    """The bytes of a file without what wraps lines."""
    return data.replace(b"\\n", b"").replace(b"\\r", b"").translate(None, b" \t\r\n")
