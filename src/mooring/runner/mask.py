"""Values of secrets become ***NAME*** before text leaves. Hygiene, not a boundary: who holds a value can recode it."""

from __future__ import annotations

import base64
import json
import re

from .shapes import is_list, is_map

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

# Shorter values would turn ordinary text into stars and tell by their absence what they are.
SHORTEST = 4
_INFINITE = (float("inf"), float("-inf"))
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~")


def _percent(value: bytes, safe: bytes) -> str:
    return "".join(chr(b) if b in _PLAIN or b in safe else f"%{b:02X}" for b in value)


def _base64s(value: bytes) -> Iterator[str]:
    """The base64 of `value` wherever it stands in a longer text: three alignments, without what neighbours touch."""
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + value).decode()
        body = encoded.rstrip("=")
        spoiled_end = (shift + len(value)) % 3 != 0
        yield body[(0, 2, 3)[shift] : len(body) - 1 if spoiled_end else len(body)]
    yield base64.b64encode(value).decode()


def _forms(value: bytes) -> Iterator[str]:
    text = value.decode("utf-8", "replace")
    yield text
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield json.dumps(text)[1:-1].replace("/", "\\/")
    for percent in (_percent(value, b""), _percent(value, b"/"), _percent(value, b"").replace("%20", "+")):
        yield percent
        yield re.sub("%..", lambda code: code.group().lower(), percent)
    for encoded in _base64s(value):
        yield encoded
        yield encoded.replace("+", "-").replace("/", "_")


def _values(value: bytes) -> Iterator[bytes]:
    yield value
    yield value.strip()
    lines = value.splitlines()
    if len(lines) > 1:
        yield from (line.strip() for line in lines)


class Mask:
    """Knows every form of every value. Without values it lets everything through at no cost."""

    def __init__(self, values: Mapping[str, bytes]) -> None:
        self._names: dict[str, str] = {}
        for name, value in values.items():
            for part in _values(value):
                if len(part) >= SHORTEST:
                    for form in _forms(part):
                        if len(form) >= SHORTEST:
                            self._names.setdefault(form, name)
        # The longest first, so that a part does not spoil the whole.
        self.forms = sorted(self._names, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, self.forms))) if self.forms else None

    def text(self, text: str) -> str:
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: f"***{self._names[found.group()]}***", text)

    def deep(self, value: object) -> object:
        """A JSON value with all its texts masked, and made fit to be stored: no NUL, no lone surrogate, no NaN."""
        if isinstance(value, str):
            return self.text(storable(value))
        if is_map(value):
            return {self.text(storable(str(key))): self.deep(item) for key, item in value.items()}
        if is_list(value):
            return [self.deep(item) for item in value]
        if isinstance(value, float) and (value != value or value in _INFINITE):  # noqa: PLR0124 - NaN alone differs
            return None
        return value

    def split(self, text: str) -> tuple[str, str]:
        """What may leave, masked, and the end that has to wait: it may be the beginning of a value."""
        if self._pattern is None:
            return text, ""
        cut = self._beginning(text)
        for found in self._pattern.finditer(text):
            # To hold more is always safe, to cut through a value never.
            if found.start() < cut < found.end():
                cut = found.start()
        return self.text(text[:cut]), text[cut:]

    def _beginning(self, text: str) -> int:
        """The first place from which `text` ends like some form begins; its length when there is none."""
        first = len(text)
        for form in self.forms:
            start = text.find(form[0], max(0, len(text) - len(form) + 1), first)
            while start != -1:
                if form.startswith(text[start:]):
                    first = start
                    break
                start = text.find(form[0], start + 1, first)
        return first

    def finds(self, pieces: Iterable[bytes]) -> str | None:
        """The name of the first secret whose value stands in these bytes, None when there is none."""
        if self._pattern is None:
            return None
        finder = self.finder()
        for piece in pieces:
            finder(piece)
            if finder.found:
                break
        return finder.found

    def finder(self) -> Finder:
        return Finder({form.encode(): name for form, name in self._names.items()})


class Finder:
    """Takes bytes piece by piece; `found` is the name of the first secret whose value stands in them."""

    def __init__(self, forms: Mapping[bytes, str]) -> None:
        self._forms = forms
        self._pattern = re.compile(b"|".join(map(re.escape, forms))) if forms else None
        self._overlap = max(map(len, forms), default=1) - 1
        self._rest = b""
        self.found: str | None = None

    def __call__(self, piece: bytes) -> None:
        if self._pattern is None or self.found:
            return
        self._rest += piece
        found = self._pattern.search(self._rest)
        if found:
            self.found = self._forms[found.group()]
        self._rest = self._rest[-self._overlap :] if self._overlap else b""


def storable(text: str) -> str:
    """Text that JSON and PostgreSQL can hold."""
    if text.isascii():
        return text.replace("\0", "\ufffd") if "\0" in text else text
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")
