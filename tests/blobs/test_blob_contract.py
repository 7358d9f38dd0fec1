"""What every blob store promises."""

import asyncio
import hashlib
import io
import os
import tempfile
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from mooring.base.errors import Clash, Missing, Unfit
from mooring.files.blobs.base import BlobStore

MIB = 1 << 20


def key_of(name: str = "blob") -> str:
    return f"tests/{uuid4().hex}/{name}"


async def whole(store: BlobStore, key: str) -> bytes:
    return b"".join([chunk async for chunk in store.read(key)])


@pytest.mark.parametrize("size", [0, 1, 5 * MIB, 8 * MIB, 8 * MIB + 1, 21 * MIB])
async def test_what_was_put_is_read_back(store: BlobStore, size: int) -> None:
    content, key = os.urandom(size), key_of()
    assert await store.put_file(key, io.BytesIO(content))
    assert await whole(store, key) == content
    found = await store.head(key)
    assert found is not None
    assert (found.key, found.size) == (key, size)
    assert abs(datetime.now(UTC) - found.written_at) < timedelta(minutes=5)


async def test_a_file_is_put_from_its_begin_wherever_it_stands(store: BlobStore) -> None:
    key = key_of()
    with tempfile.TemporaryFile() as file:
        file.write(b"all of it")
        await store.put_file(key, file)
    assert await whole(store, key) == b"all of it"


@pytest.mark.parametrize("size", [100, 9 * MIB])
async def test_a_key_is_written_once(store: BlobStore, size: int) -> None:
    key = key_of()
    assert await store.put_file(key, io.BytesIO(b"a" * size))
    await store.put_file(key, io.BytesIO(b"a" * size))
    assert await whole(store, key) == b"a" * size


async def test_a_large_key_that_holds_something_else_is_reported_and_kept(store: BlobStore) -> None:
    key = key_of()
    await store.put_file(key, io.BytesIO(b"a" * 9 * MIB))
    with pytest.raises(Clash, match="damaged"):
        await store.put_file(key, io.BytesIO(b"b" * 10 * MIB))
    assert await whole(store, key) == b"a" * 9 * MIB


async def test_many_writers_of_one_key_leave_it_whole(store: BlobStore) -> None:
    content, key = os.urandom(9 * MIB), key_of()
    await asyncio.gather(*(store.put_file(key, io.BytesIO(content)) for _ in range(4)))
    assert hashlib.sha256(await whole(store, key)).digest() == hashlib.sha256(content).digest()


async def test_a_range_is_exact(store: BlobStore) -> None:
    content, key = os.urandom(300_000), key_of()
    await store.put_file(key, io.BytesIO(content))
    # Not (0, 1): s3rver answers `bytes=0-0` with everything.
    for start, end in ((0, 2), (0, 300_000), (299_999, 300_000), (100_000, 200_000), (7, 7)):
        assert await store.read_range(key, start, end) == content[start:end]


async def test_a_range_past_the_end_is_unfit(store: BlobStore) -> None:
    key = key_of()
    await store.put_file(key, io.BytesIO(b"0123456789"))
    for start, end in ((5, 11), (10, 12), (50, 60)):
        with pytest.raises(Unfit, match="does not reach"):
            await store.read_range(key, start, end)
    empty = key_of()
    await store.put_file(empty, io.BytesIO())
    with pytest.raises(Unfit, match="does not reach"):
        await store.read_range(empty, 0, 5)


async def test_what_is_not_there_is_missing(store: BlobStore) -> None:
    key = key_of()
    assert await store.head(key) is None
    with pytest.raises(Missing, match=key):
        await whole(store, key)
    with pytest.raises(Missing, match=key):
        await store.read_range(key, 0, 5)


async def test_what_was_deleted_is_gone_and_may_be_deleted_again(store: BlobStore) -> None:
    key = key_of()
    await store.put_file(key, io.BytesIO(b"gone"))
    await store.delete(key)
    await store.delete(key)
    assert await store.head(key) is None
    assert await store.put_file(key, io.BytesIO(b"back"))


async def test_a_listing_holds_what_is_below_the_prefix_and_nothing_else(store: BlobStore) -> None:
    below = f"tests/{uuid4().hex}"
    for name in ("a/one", "a/two", "b/three"):
        await store.put_file(f"{below}/{name}", io.BytesIO(name.encode()))
    assert sorted([(blob.key, blob.size) async for blob in store.list(f"{below}/a")]) == [
        (f"{below}/a/one", 5),
        (f"{below}/a/two", 5),
    ]
    assert len([blob async for blob in store.list(below)]) == 3
    assert [blob async for blob in store.list(f"tests/{uuid4().hex}")] == []


async def test_a_reader_who_leaves_early_breaks_nothing(store: BlobStore) -> None:
    key = key_of()
    await store.put_file(key, io.BytesIO(bytes(20 * MIB)))
    async for chunk in store.read(key):
        assert chunk
        break
    assert len(await whole(store, key)) == 20 * MIB


async def test_the_store_answers(store: BlobStore) -> None:
    await store.check()


@pytest.mark.parametrize("key", ["", "/a", "../a", "a/../b", "a//b", "a/.hidden", "A/b", "a/b\n", "a"])
async def test_what_is_no_key_goes_nowhere(store: BlobStore, key: str) -> None:
    with pytest.raises(ValueError, match="not a key"):
        await store.put_file(key, io.BytesIO(b""))
