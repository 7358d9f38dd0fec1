"""What of the record lies outside the database: in the blob store a copy of each seal, and archives of old events;
the newest sealed number in a file of the data directory."""

import asyncio
import contextlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mooring.audit.seal import Seal
from mooring.base.errors import Missing, Unavailable
from mooring.files.blobs.base import BlobStore

_SEALS = "seals"
_DIGITS = 19


class _Head(msgspec.Struct, kw_only=True):
    last: int
    root: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSeals:
    """Seals under `seals/`, archives under `record/`; the head is a file that is replaced whole."""

    blobs: BlobStore
    head: Path

    async def keep(self, seal: Seal) -> None:
        with tempfile.TemporaryFile() as file:
            file.write(msgspec.json.encode(seal))
            file.seek(0)
            await self.blobs.put_file(_key(seal.last), file)
        if seal.last > await self.newest():
            await asyncio.to_thread(self._write, _Head(last=seal.last, root=seal.root.hex()))

    async def newest(self) -> int:
        try:
            text = await asyncio.to_thread(self.head.read_bytes)
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise Unavailable(f"cannot read {self.head}: {error.strerror}") from error
        try:
            return msgspec.json.decode(text, type=_Head).last
        except msgspec.DecodeError as error:
            raise Unavailable(f"{self.head} is not what Mooring wrote there; restore it from a backup") from error

    async def kept(self) -> list[int]:
        names = [blob.key.rpartition("/")[2] async for blob in self.blobs.list(_SEALS)]
        # Whatever else somebody put there is no seal.
        return [int(name) for name in names if len(name) == _DIGITS and name.isdecimal()]

    async def read(self, last: int) -> Seal | None:
        held = bytearray()
        try:
            async for chunk in self.blobs.read(_key(last)):
                held += chunk
            return msgspec.json.decode(held, type=Seal)
        except (Missing, msgspec.DecodeError):
            return None

    async def put(self, first: int, last: int, packed: bytes) -> None:
        with tempfile.TemporaryFile() as file:
            file.write(packed)
            await self.blobs.put_file(_archive(first, last), file)

    async def take(self, first: int, last: int) -> bytes | None:
        held = bytearray()
        try:
            async for chunk in self.blobs.read(_archive(first, last)):
                held += chunk
        except Missing:
            return None
        return bytes(held)

    def _write(self, head: _Head) -> None:
        fresh = self.head.with_suffix(".new")
        try:
            self.head.parent.mkdir(mode=0o700, exist_ok=True)
            with fresh.open("wb") as file:
                file.write(msgspec.json.encode(head))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.head)
        except OSError as error:
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
            raise Unavailable(f"cannot write {self.head}: {error.strerror}") from error


def _archive(first: int, last: int) -> str:
    return f"record/{first:0{_DIGITS}d}-{last:0{_DIGITS}d}.jsonl.gz"


def _key(last: int) -> str:
    return f"{_SEALS}/{last:0{_DIGITS}d}"
