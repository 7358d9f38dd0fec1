"""Versions of filesystems as directories on this machine: extracted once, verified, held while a run needs them.

<root>/                  the control plane's; the user of runs may only walk through
  sha256/<digest>/       one archive, by its checksum
    manifest             as it is stored
    about.json           what it is, and how much it takes; its time says when it was last wanted
    tree/                the files, the run user's; the lower directory of its runs' workspaces
  refs/<holder>          the digest that a holder (a run) needs: what is held is not evicted
  fresh/ gone/           on the way in and out; emptied at the start

A directory is trusted only after it was compared with its manifest by this process: when it was extracted, when it was
adopted after a restart, and again by the scrub.
"""

import asyncio
import contextlib
import hashlib
import os
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from uuid import uuid4

import msgspec
import structlog

from mooring.access.actor import SYSTEM
from mooring.audit import ledger
from mooring.base.db import Database
from mooring.base.errors import Unavailable
from mooring.files.blobs.base import BlobStore
from mooring.files.content import whole
from mooring.files.entities import FilesystemVersion
from mooring.files.errors import Crashed, Damaged, Refused
from mooring.files.kinds import FILESYSTEM_VERSION
from mooring.files.store import filesystems as store
from mooring.files.workshop import Workshop

log = structlog.stdlib.get_logger("mooring.files")

# What a file takes beside its content: a block and an inode, about.
_PER_ENTRY = 4096


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What lies in a directory of the cache. Units: bytes on the disk, about."""

    archive_checksum: str
    manifest_checksum: str
    takes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """`most` is how many bytes the cache may take, beside what is held. One process works in `root` at a time."""

    root: Path
    most: int
    database: Database
    blobs: BlobStore
    workshop: Workshop
    _verified: set[str] = field(default_factory=set[str])
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict[str, asyncio.Lock])

    async def hold(self, version: FilesystemVersion, holder: str) -> Path:
        """The directory of a version, kept until `release`. Again for the same holder: the same.

        Raises Damaged (what is cached or stored is not what it was), Unavailable (store away, disk full).
        """
        digest = _digest(version)
        await asyncio.to_thread(self._refer, holder, digest)
        try:
            async with self._locks.setdefault(digest, asyncio.Lock()):
                place = self._place(digest)
                if not place.exists():
                    await self._make_room(version)
                    await self._extract(version, place)
                elif digest not in self._verified:
                    await self._verify(digest, holder)
                await asyncio.to_thread((place / "about.json").touch)
        except BaseException:
            await self.release(holder)
            raise
        return place / "tree"

    @contextlib.asynccontextmanager
    async def opened(self, version: FilesystemVersion, holder: str) -> AsyncGenerator[tuple[int, IO[bytes]]]:
        """The directory of a version and its manifest, both open while the block runs. Raises as `hold` does."""
        tree = await self.hold(version, holder)
        with _opened(tree) as descriptor, (tree.parent / "manifest").open("rb") as manifest:
            yield descriptor, manifest

    async def release(self, holder: str) -> None:
        """The holder needs nothing any more. A holder that holds nothing is fine."""
        await asyncio.to_thread((self.root / "refs" / holder).unlink, missing_ok=True)

    def holders(self) -> list[str]:
        """Who holds something."""
        return sorted(path.name for path in (self.root / "refs").iterdir())

    async def tidy(self) -> None:
        """Remove what an earlier process left half done. To be called before anything is held."""
        await asyncio.to_thread(self._sweep)

    async def scrub(self) -> None:
        """Compare everything with its manifest; that is also how what an earlier process left is adopted.

        What is not what it was is taken out, and an event says so. Raises Unavailable, after all others were compared,
        when some could not be.
        """
        untold = list[str]()
        for digest in await asyncio.to_thread(self._digests):
            async with self._locks.setdefault(digest, asyncio.Lock()):
                try:
                    if self._place(digest).exists():
                        await self._verify(digest)
                except Damaged:
                    continue
                except (Crashed, Refused, Unavailable) as error:
                    untold.append(f"{digest[:12]}: {error.reason}")
        if untold:
            raise Unavailable(f"the cached files of {len(untold)} archives could not be compared ({untold[0]})")

    async def shrink(self, *, room: int = 0) -> None:
        """Evict what was wanted longest ago, until what is left and `room` bytes more fit. What is held stays."""
        held = await asyncio.to_thread(self._held)
        found = await asyncio.to_thread(self._by_age)
        takes = sum(about.takes for _, about in found)
        for digest, about in found:
            if takes + room <= self.most:
                return
            if digest in held or digest in self._busy():
                continue
            await self._remove(digest)
            takes -= about.takes

    # --- the steps ---

    async def _extract(self, version: FilesystemVersion, place: Path) -> None:
        fresh = self.root / "fresh" / uuid4().hex
        try:
            await asyncio.to_thread(self._make_fresh, fresh)
            await self._fill(version, fresh)
            await asyncio.to_thread(_finish, fresh, place)
            self._verified.add(place.name)
        except Damaged as error:
            await self._tell(place.name, error.reason)
            raise
        except OSError as error:
            raise Unavailable(f"cannot extract into {self.root}: {error.strerror}; free some space") from error
        finally:
            await asyncio.to_thread(shutil.rmtree, fresh, ignore_errors=True)

    async def _fill(self, version: FilesystemVersion, fresh: Path) -> None:
        with (fresh / "manifest").open("xb") as file:
            await _written(whole(self.blobs, version.manifest_key, version.manifest_checksum), file)
        with self.workshop.scratch() as archive, _opened(fresh / "tree") as tree:
            await _written(whole(self.blobs, version.s3_archive_key, version.archive_checksum), archive)
            found = await self.workshop.unpack(archive, tree)
        if f"sha256:{found}" != version.manifest_checksum:
            raise Damaged(f"the archive of {version.id} does not hold what its manifest says", id=version.id)
        about = About(
            archive_checksum=version.archive_checksum,
            manifest_checksum=version.manifest_checksum,
            takes=version.uncompressed_size + _PER_ENTRY * version.entry_count,
        )
        (fresh / "about.json").write_bytes(msgspec.json.encode(about))

    def _make_fresh(self, fresh: Path) -> None:
        fresh.mkdir(mode=0o711)
        (fresh / "tree").mkdir(mode=0o755)
        self.workshop.user.own(fresh / "tree")

    async def _verify(self, digest: str, holder: str | None = None) -> None:
        """Return when the directory is what it was. Raises Damaged; the directory is out of the way then."""
        place = self._place(digest)
        try:
            difference = await self._difference(place)
        except (OSError, msgspec.DecodeError) as error:
            difference = f"it cannot be read ({error})"
        if difference is None:
            self._verified.add(digest)
            return
        says = f"the cached files of the archive {digest[:12]} are not what was stored ({difference})"
        log.error("cache damaged", digest=digest, difference=difference)
        await self._tell(digest, difference)
        # Runs that have it keep it; nobody new gets it.
        others = await asyncio.to_thread(self._held, but=holder)
        await asyncio.to_thread(self._put_away, digest, keep=digest in others)
        raise Damaged(f"{says}; they are extracted anew when they are wanted next", digest=digest)

    async def _difference(self, place: Path) -> str | None:
        about = msgspec.json.decode((place / "about.json").read_bytes(), type=About)
        with (place / "manifest").open("rb") as manifest, _opened(place / "tree") as tree:
            listed = await asyncio.to_thread(lambda: hashlib.sha256(manifest.read()).hexdigest())
            if f"sha256:{listed}" != about.manifest_checksum:
                return "the manifest has another content"
            return await self.workshop.difference(tree, manifest)

    async def _tell(self, digest: str, difference: str) -> None:
        async with self.database.transaction() as tx:
            for version_id in await store.with_archive(tx, f"sha256:{digest}"):
                details = {"difference": difference, "archive_checksum": f"sha256:{digest}"}
                await ledger.record(tx, SYSTEM, FILESYSTEM_VERSION, version_id, "damaged", details)

    async def _make_room(self, version: FilesystemVersion) -> None:
        await self.shrink(room=version.uncompressed_size + _PER_ENTRY * version.entry_count)

    async def _remove(self, digest: str) -> None:
        async with self._locks.setdefault(digest, asyncio.Lock()):
            if digest not in await asyncio.to_thread(self._held):
                await asyncio.to_thread(self._put_away, digest, keep=False)

    def _busy(self) -> Collection[str]:
        return [digest for digest, lock in self._locks.items() if lock.locked()]

    # --- the disk ---

    def _place(self, digest: str) -> Path:
        return self.root / "sha256" / digest

    def _digests(self) -> list[str]:
        return sorted(path.name for path in (self.root / "sha256").iterdir())

    def _refer(self, holder: str, digest: str) -> None:
        (self.root / "refs" / holder).write_text(digest, encoding="ascii")

    def _held(self, but: str | None = None) -> set[str]:
        """The digests that someone holds."""
        held: set[str] = set()
        for path in (self.root / "refs").iterdir():
            if path.name == but:
                continue
            with contextlib.suppress(FileNotFoundError):
                held.add(path.read_text(encoding="ascii"))
        return held

    def _by_age(self) -> list[tuple[str, About]]:
        """What there is, the one that was wanted longest ago first."""
        found: list[tuple[float, str, About]] = []
        for digest in self._digests():
            with contextlib.suppress(FileNotFoundError, msgspec.DecodeError):
                path = self._place(digest) / "about.json"
                about = msgspec.json.decode(path.read_bytes(), type=About)
                found.append((path.stat().st_mtime, digest, about))
        return [(digest, about) for _, digest, about in sorted(found, key=lambda one: one[:2])]

    def _put_away(self, digest: str, *, keep: bool) -> None:
        """Out of the way at once; removed now, or at the next start where runs still use it."""
        self._verified.discard(digest)
        gone = self.root / "gone" / uuid4().hex
        self._place(digest).rename(gone)
        if not keep:
            shutil.rmtree(gone)

    def _sweep(self) -> None:
        for name in ("fresh", "gone"):
            for path in (self.root / name).iterdir():
                shutil.rmtree(path)


def open_cache(root: Path, most: int, database: Database, blobs: BlobStore, workshop: Workshop) -> Cache:
    """A cache in `root`, made where it is not there. Raises Unavailable."""
    try:
        for path in (root, root / "sha256", root / "refs", root / "fresh", root / "gone"):
            path.mkdir(exist_ok=True, parents=True)
            path.chmod(0o711)
    except OSError as error:
        raise Unavailable(f"cannot keep a cache in {root}: {error.strerror}") from error
    return Cache(root=root, most=most, database=database, blobs=blobs, workshop=workshop)


def _digest(version: FilesystemVersion) -> str:
    return version.archive_checksum.removeprefix("sha256:")


def _finish(fresh: Path, place: Path) -> None:
    """The directory under its own name, whole, on the disk."""
    for path in (fresh / "manifest", fresh / "about.json", fresh):
        _sync(path)
    fresh.rename(place)
    _sync(place.parent)


def _sync(path: Path) -> None:
    with _opened(path, os.O_RDONLY) as descriptor:
        os.fsync(descriptor)


@contextlib.contextmanager
def _opened(path: Path, flags: int = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW) -> Generator[int]:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


async def _written(chunks: AsyncIterator[bytes], file: IO[bytes]) -> None:
    async for chunk in chunks:
        await asyncio.to_thread(file.write, chunk)
    await asyncio.to_thread(file.flush)
