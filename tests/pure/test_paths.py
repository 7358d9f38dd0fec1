"""A search of paths looks at few pages and misses none."""

import random

from hypothesis import given
from hypothesis import strategies as st

from mooring.files.paths import Pages, grams, holding, parts

NAMES = st.text(st.characters(blacklist_characters="/\0\n", blacklist_categories=("Cs", "Cc")), min_size=1, max_size=8)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


def may_hold(lines: str, text: str) -> bool:
    """Whether the grams let a page be looked at."""
    there = grams(lines)
    whole, short = parts(text)
    return whole <= there and all(any(part in gram for gram in there) for part in short)


@given(st.lists(PATHS, min_size=1, max_size=20), st.data())
def test_a_page_that_holds_a_text_is_looked_at(found: list[str], data: st.DataObject) -> None:
    lines = "\n".join(found)
    path = data.draw(st.sampled_from(found))
    start = data.draw(st.integers(0, len(path) - 1))
    text = path[start : start + data.draw(st.integers(1, 12))].swapcase()
    if any(holding(lines, text)):
        assert may_hold(lines, text)


def test_few_pages_are_looked_at_for_a_name() -> None:
    chance = random.Random(3)  # noqa: S311 - makes names
    names = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=9)) for _ in range(20_000)]
    pages = [Pages().of(names[at : at + 100]) for at in range(0, len(names), 100)]
    looked = sum(may_hold(page.lines, names[777]) for page in pages)
    assert looked == 1


def test_paths_are_given_in_order_and_in_any_case() -> None:
    lines = "a/README\nb/readme.txt\nc/Stra\u00dfe\nd"
    assert list(holding(lines, "ReadMe")) == ["a/README", "b/readme.txt"]
    assert list(holding(lines, "STRASSE")) == ["c/Stra\u00dfe"]
    assert list(holding(lines, "readme\nb")) == []


def test_grams_are_taken_before_they_are_too_many() -> None:
    pages, taken = Pages(), list[int]()
    for number in range(1000):
        pages.of([f"d/{number}"])
        if pages.full():
            taken += [at for gram, found in pages.taken() if gram == "/d/" for at in found]
    taken += [at for gram, found in pages.taken() if gram == "/d/" for at in found]
    assert taken == list(range(1000))
    assert list(pages.taken()) == []
