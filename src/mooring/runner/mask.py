"""Values of secrets become ***NAME*** before text leaves. Hygiene, not a boundary: who holds a value can recode it."""

from __future__ import annotations

import json
import re

from .forms import SHORTEST, forms, raw
from .shapes import is_list, is_map, is_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_INFINITE = (float("inf"), float("-inf"))
# A form is looked for by its first characters; that many different beginnings a pattern tells apart quickly.
_HEAD = SHORTEST
_FEW = 48


class Search:
    """Finds forms in text: from left to right, at each place the longest."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names
        self._heads: dict[str, list[str]] = {}
        for form in sorted(names, key=len, reverse=True):
            self._heads.setdefault(form[:_HEAD], []).append(form)
        self._starts = {form[:size] for form in self._heads for size in range(1, _HEAD)}
        self.longest = max(map(len, names), default=0)
        few = 0 < len(self._heads) <= _FEW
        self._pattern = re.compile("|".join(map(re.escape, self._heads))) if few else None

    def matches(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Beginning, end and name of each form in the text; they do not overlap."""
        end = 0
        for start in self._candidates(text, 0):
            if start < end:
                continue
            for form in self._heads[text[start : start + _HEAD]]:
                if text.startswith(form, start):
                    end = start + len(form)
                    yield start, end, self.names[form]
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
        self._values = values
        names: dict[str, str] = {}
        for name, value in values.items():
            for form in forms(value):
                if len(form) >= SHORTEST:
                    names.setdefault(form, name)
        self._search = Search(names) if names else None

    def __bool__(self) -> bool:
        """Whether there is anything to mask."""
        return self._search is not None

    def text(self, text: str) -> str:
        if self._search is None:
            return text
        return self._masked(text, list(self._search.matches(text)), len(text))

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
        cut = self._search.beginning(text)
        found = list(self._search.matches(text))
        for start, end, _ in found:
            # To hold more is always safe, to cut through a value never.
            if start < cut < end:
                cut = start
        return self._masked(text, found, cut), text[cut:]

    def _masked(self, text: str, found: list[tuple[int, int, str]], until: int) -> str:
        parts: list[str] = []
        at = 0
        for start, end, name in found:
            if end > until:
                break
            parts += (text[at:start], f"***{name}***")
            at = end
        return "".join([*parts, text[at:until]]) if parts else text[:until]

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
        if self._search is None:
            return Finder(None)
        # Bytes are searched as the text that has the same numbers.
        names = {form.encode().decode("latin-1"): name for form, name in self._search.names.items()}
        for name, value in self._values.items():
            names.update((piece.decode("latin-1"), name) for piece in raw(value))
        return Finder(Search(names))


class Finder:
    """Takes bytes piece by piece; `found` is the name of the first secret whose value stands in them."""

    def __init__(self, search: Search | None) -> None:
        self._search = search
        self._rest = ""
        self.found: str | None = None

    def __call__(self, piece: bytes) -> None:
        if self._search is None or self.found:
            return
        self._rest += piece.decode("latin-1")
        found = next(self._search.matches(self._rest), None)
        if found:
            self.found = found[2]
        keep = self._search.longest - 1
        self._rest = self._rest[-keep:] if keep else ""


def storable(text: str) -> str:
    """Text that JSON and PostgreSQL can hold."""
    if text.isascii():
        return text.replace("\0", "\ufffd") if "\0" in text else text
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")
