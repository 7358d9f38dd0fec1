"""Write an archive from a tree: the tar, its manifest and its block table, with all checksums in one pass."""

import hashlib
from collections.abc import Iterable
from typing import IO, Protocol

import msgspec

from mooring.files.archive import tar
from mooring.files.archive.blocks import BlockWriter
from mooring.files.archive.manifest import FILE, Entry, Head, ManifestWriter
from mooring.files.errors import Damaged


class Packed(msgspec.Struct, frozen=True, kw_only=True):
    """What was written. Checksums are SHA-256 in hex; units: entries, bytes."""

    archive_sha256: str
    archive_size: int
    manifest_sha256: str
    blocks_sha256: str
    entry_count: int
    uncompressed_size: int


class Outputs(msgspec.Struct, frozen=True, kw_only=True):
    """Where an archive is written to."""

    archive: IO[bytes]
    manifest: IO[bytes]
    blocks: IO[bytes]


class Look(Protocol):
    """Is shown what changed, file by file."""

    def __call__(self, path: str, piece: memoryview) -> None:
        """A piece of a file's content. Raises Refused."""
        ...


def pack(head: Head, contents: Iterable[tuple[Entry, int, int]], out: Outputs, look: Look | None = None) -> Packed:
    """Write all of it. `contents` are the entries in the order of names, each with the descriptor and the place its
    content is read from; with `look`, content is hashed on the way and shown to it.

    Raises Damaged when a file became shorter meanwhile, or is not what its checksum says.
    """
    writer, manifest = BlockWriter(out.archive), ManifestWriter(out.manifest)
    manifest.head(head)
    for entry, descriptor, offset in contents:
        writer.write(
            tar.header(
                entry.path, entry.type, size=entry.size, mode=entry.mode, mtime=entry.mtime, target=entry.target or ""
            )
        )
        if entry.type != FILE:
            manifest.add(entry)
            continue
        placed = entry.placed(writer.tell)
        if look is None:
            writer.pull(descriptor, offset, entry.size)
            manifest.add(placed)
        else:
            manifest.add(_seen(writer, placed, descriptor, look))
        writer.write(bytes(-entry.size % tar.RECORD))
    writer.write(tar.END)
    written = writer.close()
    table = written.table.encoded()
    out.blocks.write(table)
    out.blocks.flush()
    return Packed(
        archive_sha256=written.sha256,
        archive_size=written.table.archive_size,
        manifest_sha256=manifest.close(),
        blocks_sha256=hashlib.sha256(table).hexdigest(),
        entry_count=head.entries,
        uncompressed_size=head.uncompressed_size,
    )


def _seen(writer: BlockWriter, entry: Entry, descriptor: int, look: Look) -> Entry:
    """The entry with its checksum, its content written. What has one already must have that one."""
    digest, known = hashlib.sha256(), entry.sha256

    def see(piece: memoryview) -> None:
        digest.update(piece)
        if known is None:
            look(entry.path, piece)

    writer.pull(descriptor, 0, entry.size, see)
    if known not in (None, digest.hexdigest()):
        raise Damaged(f"{entry.path} is not what its version says; its cached files are damaged")
    return entry.hashed(digest.hexdigest())
