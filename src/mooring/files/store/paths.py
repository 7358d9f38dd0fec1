"""The paths of versions in pages, and which pages have which grams (files/paths.py)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mooring.base.db import Tx
from mooring.files.paths import Page


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bounds:
    first: int | None
    last: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    gram: str
    pages: list[int]


async def append(tx: Tx, version_id: str, pages: Sequence[Page]) -> None:
    """More pages."""
    rows = [(version_id, page.number, page.first, page.lines) for page in pages]
    await tx.copy("filesystem_paths", ("version_id", "number", "first", "lines"), rows)


async def append_grams(tx: Tx, version_id: str, grams: Iterable[tuple[str, list[int]]]) -> None:
    """In which pages, further ones than before, the grams are."""
    rows = [(version_id, gram, pages[0], pages) for gram, pages in grams]
    await tx.copy("filesystem_grams", ("version_id", "gram", "first", "pages"), rows)


async def bounds(tx: Tx, version_id: str, after: str, before: str) -> range:
    """The numbers of the pages that have paths after the one and before the other ("": to the end)."""
    found = await tx.row(
        _Bounds,
        "SELECT max(number) FILTER (WHERE first <= $2) AS first, "
        "max(number) FILTER (WHERE $3 = '' OR first < $3) AS last FROM filesystem_paths WHERE version_id = $1",
        version_id,
        after,
        before,
    )
    assert found is not None
    return range(found.first or 0, -1 if found.last is None else found.last + 1)


async def with_grams(tx: Tx, version_id: str, grams: set[str]) -> set[int]:
    """The numbers of the pages that have all of the grams, which are some."""
    rows = await tx.rows(
        _Held,
        "SELECT gram, pages FROM filesystem_grams WHERE version_id = $1 AND gram = ANY($2)",
        version_id,
        list(grams),
    )
    held: dict[str, set[int]] = {gram: set() for gram in grams}
    for row in rows:
        held[row.gram].update(row.pages)
    return set[int].intersection(*held.values())


async def with_part(tx: Tx, version_id: str, part: str) -> set[int]:
    """The numbers of the pages that have a gram which holds this."""
    return set(
        await tx.values(
            int,
            "SELECT DISTINCT unnest(pages) FROM filesystem_grams WHERE version_id = $1 AND strpos(gram, $2) > 0",
            version_id,
            part,
        )
    )


async def lines(tx: Tx, version_id: str, numbers: Sequence[int], *, most: int) -> list[str]:
    """The paths of these pages, one a line, page by page in order: of so many as begin within `most` bytes."""
    return await tx.values(
        str,
        "SELECT lines FROM (SELECT number, lines, "
        "sum(octet_length(lines)) OVER (ORDER BY number) - octet_length(lines) AS start "
        "FROM filesystem_paths WHERE version_id = $1 AND number = ANY($2)) found WHERE start < $3 ORDER BY number",
        version_id,
        list(numbers),
        most,
    )


async def remove(tx: Tx, version_id: str) -> None:
    """Forget the paths of a version that never came, or is gone."""
    await tx.run("DELETE FROM filesystem_grams WHERE version_id = $1", version_id)
    await tx.run("DELETE FROM filesystem_paths WHERE version_id = $1", version_id)
