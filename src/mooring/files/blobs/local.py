"""The blob store in a directory of our own."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from time import time
from typing import IO
from uuid import uuid4

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore

from mooring.base.errors import Clash, MooringError, Unavailable
from mooring.files.blobs import objects
from mooring.files.blobs.base import Blob, checked

LOCAL = "local"
# Bytes on their way in; a part of a path that no key has, so nobody lists or reads them.
_INCOMING = "incoming"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalBlobs:
    """Made by `in_directory`. The bytes come in under another name, reach the disk, and get their key by a hard link:
    that never replaces what is there, and a crash leaves at most a file under `incoming/`."""

    root: Path
    store: LocalStore = field(repr=False)

    @property
    def bucket(self) -> str:
        return LOCAL

    async def check(self) -> None:
        try:
            await asyncio.to_thread(self._touch)
        except OSError as error:
            raise self._explain("write", error) from error

    async def put_file(self, key: str, file: IO[bytes]) -> bool:
        checked(key)
        file.seek(0, os.SEEK_END)
        size = file.tell()
        known = await self.head(key)
        if known is None:
            draft = f"{_INCOMING}/{uuid4().hex}"
            try:
                file.seek(0)
                await obstore.put_async(
                    self.store, draft, file, use_multipart=True, chunk_size=objects.CHUNK, max_concurrency=2
                )
                await asyncio.to_thread(_sync, self.root / draft)
                await obstore.rename_async(self.store, draft, key, overwrite=False)
                await asyncio.to_thread(self._sync_parents, key)
            except AlreadyExistsError:
                known = await self.head(key)
            except objects.FAILURES as error:
                raise self._explain(f"take {key}", error) from error
            else:
                return True
            finally:
                await asyncio.to_thread((self.root / draft).unlink, missing_ok=True)
        if known is not None and known.size != size:
            raise Clash(f"{self.root / key} holds {known.size} bytes where {size} belong; it is damaged: remove it")
        return False

    def read(self, key: str) -> AsyncIterator[bytes]:
        return objects.read(self.store, checked(key), self._explain)

    async def read_range(self, key: str, start: int, end: int) -> bytes:
        return await objects.read_range(self.store, checked(key), start, end, self._explain)

    async def head(self, key: str) -> Blob | None:
        return await objects.head(self.store, checked(key), self._explain)

    async def delete(self, key: str) -> None:
        await objects.delete(self.store, checked(key), self._explain)

    def list(self, prefix: str) -> AsyncIterator[Blob]:
        return objects.listed(self.store, prefix, self._explain)

    def sweep(self, *, older: timedelta) -> int:
        """Remove what a crash left on its way in, when it is older than that. How many files it was."""
        removed = 0
        for entry in (self.root / _INCOMING).iterdir():
            with suppress(FileNotFoundError):
                if entry.lstat().st_mtime <= time() - older.total_seconds():
                    entry.unlink()
                    removed += 1
        return removed

    def _touch(self) -> None:
        probe = self.root / _INCOMING / f"check-{uuid4().hex}"
        probe.write_bytes(b"")
        probe.unlink()

    def _sync_parents(self, key: str) -> None:
        for parent in (self.root / key).parents:
            _sync(parent)
            if parent == self.root:
                return

    def _explain(self, tried: str, error: Exception) -> MooringError:
        said = str(error)
        if getattr(error, "errno", None) == errno.ENOSPC or "No space left" in said or "os error 28" in said:
            return Unavailable(f"the disk of {self.root} is full: it cannot {tried}; free some space and try again")
        if isinstance(error, PermissionError) or "Permission denied" in said:
            return Unavailable(f"{self.root} refuses us ({tried}); give it to the user Mooring runs as")
        return Unavailable(f"the object store in {self.root} cannot {tried}: {said.splitlines()[0]}")


def in_directory(root: Path) -> LocalBlobs:
    """A store in `root`, made 0700 where it is not there. Raises Unavailable."""
    objects.settle_at_exit()
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        root.chmod(0o700)
        (root / _INCOMING).mkdir(exist_ok=True, mode=0o700)
        return LocalBlobs(root=root, store=LocalStore(root))
    except (OSError, ValueError) as error:
        raise Unavailable(f"cannot keep blobs in {root}: {error}") from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
