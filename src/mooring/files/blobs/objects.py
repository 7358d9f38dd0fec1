"""What both stores do alike, over obstore: read, look, list, remove. Source: obstore, object_store."""

import atexit
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import obstore
from obstore.exceptions import BaseError

from mooring.base.errors import Missing, MooringError, Unavailable, Unfit
from mooring.files.blobs.base import Blob

# Some overloads have no type information.
_obstore: Any = obstore

CHUNK = 4 << 20
FAILURES = (OSError, BaseError)

# How a store says what a failure of obstore means: (what was tried, the failure) → ours.
Explain = Callable[[str, Exception], MooringError]
_ATTEMPTS = 4
_LAST_WORDS = 0.05


def settle_at_exit() -> None:
    """Let obstore's threads fall silent before the interpreter ends.

    Before Python 3.14 a foreign thread that wants the interpreter while it ends is unwound, and Rust aborts the process
    over that (seen in a third of all exits). What such a thread still has to say takes it microseconds.
    """
    atexit.unregister(_wait)
    atexit.register(_wait)


def _wait() -> None:
    time.sleep(_LAST_WORDS)


async def read(store: Any, key: str, explain: Explain) -> AsyncIterator[bytes]:  # noqa: ANN401 - obstore's stores
    """The bytes under `key`. A connection that is cut is taken up again where it was.

    Raises Missing, Unfit (obstore knows no such key), and what `explain` makes of other failures.
    """
    at, mark, left = 0, None, _ATTEMPTS
    while True:
        try:
            options: Any = {"range": {"offset": at}, "if_match": mark} if mark else {}
            found = await obstore.get_async(store, key, options=options)
            size, mark = found.meta["size"], found.meta["e_tag"]
            async for chunk in found.stream(min_chunk_size=CHUNK):
                at += len(chunk)
                yield bytes(chunk)
        except FileNotFoundError as error:
            raise absent(key, error, explain) from error
        except ValueError as error:
            # To try again would help nobody.
            raise Unfit(f"the object store cannot have a key {key!r}: {error}", key=key) from error
        except FAILURES as error:
            left -= 1
            if not left or not mark:
                raise explain(f"read {key}", error) from error
            continue
        if at != size:
            raise Unavailable(f"the object store gave {at} bytes of {key}, which has {size}")
        return


async def read_range(store: Any, key: str, start: int, end: int, explain: Explain) -> bytes:  # noqa: ANN401
    """The bytes from `start` up to `end`."""
    if start == end:
        return b""
    try:
        found = bytes(await obstore.get_range_async(store, key, start=start, end=end))
    except FileNotFoundError as error:
        raise absent(key, error, explain) from error
    except FAILURES as error:
        if _outside(error):
            raise Unfit(f"{key} does not reach from {start} to {end}") from error
        raise explain(f"read {key}", error) from error
    if len(found) != end - start:
        raise Unfit(f"{key} does not reach from {start} to {end}")
    return found


def _outside(error: Exception) -> bool:
    said = str(error)
    return "InvalidRange" in said or "416" in said or "larger than" in said or "start too large" in said.lower()


async def head(store: Any, key: str, explain: Explain) -> Blob | None:  # noqa: ANN401 - obstore's stores
    """What lies under `key`, or None."""
    try:
        return blob(await obstore.head_async(store, key))
    except FileNotFoundError:
        return None
    except FAILURES as error:
        raise explain(f"look at {key}", error) from error


async def delete(store: Any, key: str, explain: Explain) -> None:  # noqa: ANN401 - obstore's stores
    """Nothing lies under `key` afterwards."""
    try:
        await obstore.delete_async(store, key)
    except FileNotFoundError as error:
        # The directory store says so of a key that is not there; a bucket only when the bucket itself is not there.
        if "NoSuchBucket" in str(error):
            raise explain(f"remove {key}", error) from error
    except FAILURES as error:
        raise explain(f"remove {key}", error) from error


async def listed(store: Any, prefix: str, explain: Explain) -> AsyncIterator[Blob]:  # noqa: ANN401 - obstore's stores
    """Everything below `prefix`."""
    try:
        async for page in _obstore.list(store, prefix=prefix):
            for meta in page:
                yield blob(meta)
    except FAILURES as error:
        raise explain(f"list {prefix}", error) from error


async def probe(store: Any) -> None:  # noqa: ANN401 - obstore's stores
    """Ask the store for something small. Raises what obstore raises."""
    await _obstore.list_with_delimiter_async(store, "check")


def blob(meta: Any) -> Blob:  # noqa: ANN401 - obstore's description of an object
    """What obstore says of an object, as we say it."""
    return Blob(key=meta["path"], size=meta["size"], written_at=meta["last_modified"])


def absent(key: str, error: Exception, explain: Explain) -> MooringError:
    """What a 404 means: no such key, or no such bucket."""
    if "NoSuchBucket" in str(error):
        return explain(f"read {key}", error)
    return Missing(f"the object store has no {key}", key=key)
