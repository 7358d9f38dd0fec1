"""One file out of an archive, by its blocks; and that no flipped byte passes."""

import gzip
import os
import random

import pytest

from archives.hands import Ours, repacked
from archives.make import file, gz, tar
from mooring.files.archive.blocks import BLOCK, BlockTable
from mooring.files.archive.limits import Limits
from mooring.files.errors import Damaged, Refused

CONTENT = {"a": b"small", "b": os.urandom(3 * BLOCK + 100), "c": b"", "d": bytes(2 * BLOCK), "e": b"the last"}


@pytest.fixture(scope="module")
def ours() -> Ours:
    return repacked(gz(tar(*(file(name, data) for name, data in CONTENT.items()))))


def ranged(ours: Ours, start: int, end: int, archive: bytes | None = None) -> bytes:
    """The tar's bytes from `start` up to `end`, by the block table."""
    part = ours.table.part(start, end)
    content = ours.table.opened(part, (archive or ours.archive)[part.start : part.end])
    return content[start - part.content_start : end - part.content_start]


def test_every_file_is_found_by_its_offset(ours: Ours) -> None:
    for name, data in CONTENT.items():
        offset = ours.entries[name].offset
        assert offset is not None
        assert not data or ranged(ours, offset, offset + len(data)) == data


def test_every_range_is_what_it_is_in_the_whole(ours: Ours) -> None:
    whole = gzip.decompress(ours.archive)
    assert ours.table.tar_size == len(whole)
    for seed in range(200):
        chance = random.Random(seed)  # noqa: S311 - chooses places
        start = chance.randrange(len(whole))
        end = min(len(whole), start + 1 + chance.choice([0, 10, BLOCK, 3 * BLOCK]))
        assert ranged(ours, start, end) == whole[start:end]
    for edge in (BLOCK - 1, BLOCK, BLOCK + 1):
        assert ranged(ours, edge, edge + 1) == whole[edge : edge + 1]
        assert ranged(ours, 0, edge) == whole[:edge]
    assert ranged(ours, len(whole) - 1, len(whole)) == whole[-1:]


def test_a_small_file_takes_one_block(ours: Ours) -> None:
    offset = ours.entries["a"].offset
    assert offset is not None
    part = ours.table.part(offset, offset + 5)
    assert len(part.blocks) == 1
    assert part.end - part.start < len(ours.archive) / 2


@pytest.mark.parametrize("bounds", [(0, 0), (5, 4), (-1, 5), (0, 1 << 40)])
def test_what_lies_outside_is_refused(ours: Ours, bounds: tuple[int, int]) -> None:
    with pytest.raises(Damaged):
        ours.table.part(*bounds)


def test_a_flipped_byte_of_the_archive_is_found_when_it_is_read(ours: Ours) -> None:
    chance = random.Random(7)  # noqa: S311 - chooses places
    table = ours.table
    for _ in range(300):
        at = chance.randrange(10, len(ours.archive) - 10)
        broken = bytearray(ours.archive)
        broken[at] ^= 1 << chance.randrange(8)
        number = max(index for index, start in enumerate(table.starts) if start <= at)
        start = number * BLOCK
        with pytest.raises(Damaged, match=f"block {number} "):
            ranged(ours, start, start + 1, bytes(broken))


def test_a_flipped_byte_of_the_table_is_found(ours: Ours) -> None:
    """Its checksum is asked before it is used."""
    for at in range(len(ours.blocks)):
        broken = bytearray(ours.blocks)
        broken[at] ^= 0x41
        with pytest.raises(Damaged, match="block table"):
            BlockTable.checked(bytes(broken), ours.packed.blocks_sha256)
    assert BlockTable.checked(ours.blocks, ours.packed.blocks_sha256) == ours.table


def test_a_table_is_what_it_was(ours: Ours) -> None:
    assert BlockTable.decoded(ours.blocks) == ours.table
    for wrong in (b"", ours.blocks[:-1], ours.blocks + b"\0", b"x" + ours.blocks[1:]):
        with pytest.raises(Damaged):
            BlockTable.decoded(wrong)


def test_regular_content_never_looks_like_a_bomb() -> None:
    thin = tar(file("zeros", bytes(30 << 20)))
    with pytest.raises(Refused, match="ratio"):
        repacked(gz(thin))
    ours = repacked(thin)
    assert len(thin) / len(ours.archive) < Limits().ratio
    assert repacked(ours.archive).packed == ours.packed
