"""Values of secrets become ***NAME*** before text leaves. Hygiene, not a boundary: who holds a value can recode it."""

from __future__ import annotations

import json
import re

from .finder import Finder, Telltales
from .forms import SHORTEST, coded, escapable, forms
from .shapes import is_list, is_map, is_number
from .views import BREAKS, ESCAPES, View

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    Span = tuple[int, int, str]

_INFINITE = (float("inf"), float("-inf"))
# A form is looked for by its first characters; that many different beginnings a pattern tells apart quickly.
_HEAD = SHORTEST
_FEW = 48
_MOST_STEPS = 16
# A text that ends in a long line of base64, or in the beginning of the line after one.
_LONG_LINE = re.compile(r"[A-Za-z0-9+/_-]{16}=*(?:\s+[A-Za-z0-9+/_-]*)?\s*\Z")


class Search:
    """Finds forms in text, from left to right."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._heads: dict[str, list[str]] = {}
        for form in sorted(names, key=len, reverse=True):
            self._heads.setdefault(form[:_HEAD], []).append(form)
        self._starts = {form[:size] for form in self._heads for size in range(1, _HEAD)}
        self.longest = max(map(len, names), default=0)
        few = 0 < len(self._heads) <= _FEW
        self._pattern = re.compile("|".join(map(re.escape, self._heads))) if few else None

    def matches(self, text: str) -> Iterator[Span]:
        """Beginning, end and name of each form in the text, the longest at each place; they may overlap."""
        for start in self._candidates(text, 0):
            for form in self._heads[text[start : start + _HEAD]]:
                if text.startswith(form, start):
                    yield start, start + len(form), self._names[form]
                    break

    def beginning(self, text: str) -> int:
        """The first place from which `text` ends like some form begins; its length when there is none."""
        for start in self._candidates(text, max(0, len(text) - self.longest + 1)):
            tail = text[start:]
            if any(len(form) > len(tail) and form.startswith(tail) for form in self._heads[tail[:_HEAD]]):
                return start
        for start in range(max(0, len(text) - _HEAD + 1), len(text)):
            if text[start:] in self._starts:
                return start
        return len(text)

    def _candidates(self, text: str, start: int) -> Iterator[int]:
        """The places where some form may begin."""
        heads = self._heads
        if self._pattern is None:
            yield from [at for at in range(start, len(text) - _HEAD + 1) if text[at : at + _HEAD] in heads]
            return
        found = self._pattern.search(text, start)
        while found:
            yield found.start()
            found = self._pattern.search(text, found.start() + 1)


class Mask:
    """Knows every form of every value. Without values it lets everything through at no cost."""

    def __init__(self, values: Mapping[str, bytes]) -> None:
        names = _named(values, forms)
        self._search = Search(names) if names else None
        written = _named(values, escapable)
        self._ways = [way for way in ESCAPES if written and any(way.only in form for form in written)]
        self._written, self._coded = Search(written), Search(_named(values, coded))
        self._values = values
        self._telltales: Telltales | None = None

    def __bool__(self) -> bool:
        """Whether there is anything to mask."""
        return self._search is not None

    def text(self, text: str) -> str:
        if self._search is None:
            return text
        views = list(self._views(text, open_ended=False))
        return _masked(text, self._spans(text, views), len(text))

    def cut(self, text: str, longest: int) -> str:
        """The beginning of a text, fit to be stored; masked before, so that no value is cut in two."""
        return self.text(storable(text))[:longest]

    def deep(self, value: object, *, numbers: bool = True) -> object:
        """A JSON value with all its texts masked, and made fit to be stored: no NUL, no lone surrogate, no NaN.

        A number that holds a value becomes a text, unless `numbers` stay as they are.
        """
        if isinstance(value, str):
            return self.text(storable(value))
        if is_map(value):
            return {self.text(storable(str(key))): self.deep(item, numbers=numbers) for key, item in value.items()}
        if is_list(value):
            return [self.deep(item, numbers=numbers) for item in value]
        if isinstance(value, float) and (value != value or value in _INFINITE):  # noqa: PLR0124 - NaN alone differs
            return None
        return self._number(value) if numbers and is_number(value) else value

    def _number(self, value: float) -> object:
        if self._search is None:
            return value
        text = json.dumps(value)
        masked = self.text(text)
        return value if masked == text else masked

    def split(self, text: str) -> tuple[str, str]:
        """What may leave, masked, and the end that has to wait: it may be the beginning of a value."""
        if self._search is None:
            return text, ""
        views = list(self._views(text, open_ended=True))
        found = self._spans(text, views)
        cut = self._search.beginning(text)
        for search, view in views:
            # A wrapped line is long; the end of any other is not held back.
            if search is self._written or _LONG_LINE.search(text):
                cut = min(cut, view.place(search.beginning(view.text)))
        for _ in range(_MOST_STEPS):
            # To hold more is always safe, to cut through a value or an escape never.
            whole = min([cut, *(start for start, end, _ in found if start < cut < end)])
            whole = min([whole, *(view.whole(whole) for _, view in views)])
            if whole == cut:
                break
            cut = whole
        else:
            # Values that overlap without an end are not held for ever.
            for start, end, _ in found:
                cut = end if start < cut < end else cut
        return _masked(text, found, cut), text[cut:]

    def _views(self, text: str, *, open_ended: bool) -> Iterator[tuple[Search, View]]:
        """The text decoded in each way in which it may be escaped, and what to look for in that."""
        for way in self._ways:
            if way.mark in text:
                yield self._written, View(text, way, open_ended=open_ended)
        if ("\n" in text or "\r" in text) and self._may_be_wrapped(text):
            yield self._coded, View(text, BREAKS, open_ended=open_ended)

    def _may_be_wrapped(self, text: str) -> bool:
        """Whether it is worth to look closely: base64 that stands there without all space, or begins at the end."""
        return bool(_LONG_LINE.search(text)) or bool(next(self._coded.matches("".join(text.split())), None))

    def _spans(self, text: str, views: list[tuple[Search, View]]) -> list[Span]:
        """Where values stand in the text, the first first; those of one secret do not overlap."""
        assert self._search is not None
        found = list(self._search.matches(text))
        for search, view in views:
            found += [(*view.span(start, end), name) for start, end, name in search.matches(view.text)]
        found.sort(key=lambda span: (span[0], -span[1]))
        ends: dict[str, int] = {}
        apart: list[Span] = []
        for span in found:
            if span[0] >= ends.get(span[2], 0):
                ends[span[2]] = span[1]
                apart.append(span)
        return apart

    def finds(self, pieces: Iterable[bytes]) -> str | None:
        """The name of the first secret whose value stands in these bytes, None when there is none."""
        if self._search is None:
            return None
        finder = self.finder()
        for piece in pieces:
            finder(piece)
            if finder.found:
                break
        return finder.found

    def finder(self) -> Finder:
        if self._telltales is None:
            self._telltales = Telltales(self._values.items())
        return Finder(self._telltales)


def _named(values: Mapping[str, bytes], of: Callable[[bytes], Iterator[str]]) -> dict[str, str]:
    """What is looked for, and whose value it tells."""
    names: dict[str, str] = {}
    for name, value in values.items():
        for form in of(value):
            if len(form) >= SHORTEST:
                names.setdefault(form, name)
    return names


def _masked(text: str, found: list[Span], until: int) -> str:
    """The text up to `until`, without what was found in it. Of two that overlap, both are named."""
    parts: list[str] = []
    at = 0
    for start, end, name in found:
        if end > until:
            break
        if end > at:
            parts += (text[at:start], f"***{name}***")
            at = end
    return "".join([*parts, text[at:until]]) if parts else text[:until]


def storable(text: str) -> str:
    """Text that JSON and PostgreSQL can hold."""
    if text.isascii():
        return text.replace("\0", "\ufffd") if "\0" in text else text
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")
