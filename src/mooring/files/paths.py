"""Paths in pages, and which pages can hold a text: what a search of a million paths looks at. Pure.

A *gram* is three characters of a name between slashes, in any case: those of `/src/Main` are `/sr src rc/` and
`/ma mai ain in/`. A page can hold a text when it has every gram of the text; whether it does is seen in the page.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

LINES = 2000
"""Paths of a page."""

_GRAM = 3
# So much is held in memory before it goes to the database: a few MB.
_MOST_PAGES, _MOST_GRAMS = 200, 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Paths that follow one another, one a line; `number` counts from 0 in a version."""

    number: int
    first: str
    lines: str


@dataclass(slots=True, kw_only=True)
class Pages:
    """Makes pages of paths that come in order, and tells which grams are in which."""

    grams: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    _number: int = 0
    _told: int = 0

    def of(self, paths: Iterable[str]) -> Page:
        """The next page."""
        lines = list(paths)
        page = Page(number=self._number, first=lines[0], lines="\n".join(lines))
        self._number += 1
        for gram in grams(page.lines):
            self.grams.setdefault(gram, []).append(page.number)
        return page

    def full(self) -> bool:
        """Whether the grams are to be taken now."""
        return self._number - self._told >= _MOST_PAGES or len(self.grams) >= _MOST_GRAMS

    def taken(self) -> Iterator[tuple[str, list[int]]]:
        """Every gram since the last time, and the pages that have it."""
        found, self.grams, self._told = self.grams, {}, self._number
        yield from found.items()


def folded(text: str) -> str:
    """The text without the difference of capitals."""
    return text.casefold()


def grams(lines: str) -> set[str]:
    """The grams of the paths of a page."""
    # A name that many paths share is looked at once.
    names = set(folded(lines).replace("\n", "/").split("/"))
    text = f"/{'/'.join(names)}/"
    return {gram for gram in map("".join, zip(text, text[1:], text[2:], strict=False)) if gram[1] != "/"}


def parts(text: str) -> tuple[set[str], set[str]]:
    """What every path that holds the text has: these grams; and grams that hold these, which are shorter."""
    whole, short = set[str](), set[str]()
    names = folded(text).split("/")
    for at, name in enumerate(names):
        part = ("/" if at else "") + name + ("/" if at < len(names) - 1 else "")
        if len(part) < _GRAM:
            short.add(part)
        whole.update(part[start : start + _GRAM] for start in range(len(part) - _GRAM + 1))
    return whole, short


def holding(lines: str, text: str) -> Iterator[str]:
    """The paths of a page that hold the text, in any case, in order."""
    wanted, same = folded(text), folded(lines)
    if wanted in same:
        yield from (path for path, line in zip(lines.split("\n"), same.split("\n"), strict=True) if wanted in line)
