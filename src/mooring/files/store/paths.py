"""The paths of versions in pages, and which pages have which grams (files/paths.py)."""

from collections.abc import Iterable, Sequence

from mooring.base.db import Tx
from mooring.files.paths import Page


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
    first = await tx.value(
        int, "SELECT max(number) FROM filesystem_paths WHERE version_id = $1 AND first <= $2", version_id, after
    )
    last = await tx.value(
        int,
        "SELECT max(number) FROM filesystem_paths WHERE version_id = $1 AND ($2 = '' OR first < $2)",
        version_id,
        before,
    )
    return range(first or 0, -1 if last is None else last + 1)


async def with_gram(tx: Tx, version_id: str, gram: str) -> set[int]:
    """The numbers of the pages that have the gram."""
    return set(
        await tx.values(
            int,
            "SELECT unnest(pages) FROM filesystem_grams WHERE version_id = $1 AND gram = $2",
            version_id,
            gram,
        )
    )


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


async def lines(tx: Tx, version_id: str, numbers: Sequence[int]) -> list[str]:
    """The paths of these pages, one a line, page by page in order."""
    return await tx.values(
        str,
        "SELECT lines FROM filesystem_paths WHERE version_id = $1 AND number = ANY($2) ORDER BY number",
        version_id,
        list(numbers),
    )


async def remove(tx: Tx, version_id: str) -> None:
    """Forget the paths of a version that never came, or is gone."""
    await tx.run("DELETE FROM filesystem_grams WHERE version_id = $1", version_id)
    await tx.run("DELETE FROM filesystem_paths WHERE version_id = $1", version_id)
