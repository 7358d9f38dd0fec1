"""Bytes kept under their checksum, in the object store. Source of the store's behaviour: obstore."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import obstore
from obstore.store import LocalStore

from mooring.base.errors import Missing, Unavailable

_CHUNK = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A store whose keys are made from what lies under them: writing one again changes nothing."""

    store: Any

    async def put_file(self, key: str, file: IO[bytes]) -> None:
        """Keep the bytes of `file`, from where it stands to its end; whole or not at all."""
        try:
            await obstore.put_async(self.store, key, file, chunk_size=_CHUNK, max_concurrency=2)
        except (OSError, obstore.exceptions.BaseError) as error:
            raise Unavailable(f"the object store does not take {key}: {error}") from error

    async def read(self, key: str) -> AsyncIterator[bytes]:
        """The bytes under `key`, in chunks. Raises Missing, Unavailable."""
        try:
            found = await obstore.get_async(self.store, key)
        except FileNotFoundError as error:
            raise Missing(f"the object store has no {key}", key=key) from error
        except (OSError, obstore.exceptions.BaseError) as error:
            raise Unavailable(f"the object store does not give {key}: {error}") from error
        async for chunk in found.stream(min_chunk_size=_CHUNK):
            yield bytes(chunk)


def in_directory(root: Path) -> Kept:
    """A store in a directory of our own, 0700."""
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Kept(store=LocalStore(root))
