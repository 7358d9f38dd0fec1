"""Write an archive from a tree: the tar, its manifest and its block table, with all checksums in one pass."""

import hashlib
from collections.abc import Iterable
from typing import IO

import msgspec

from mooring.files.archive import tar
from mooring.files.archive.blocks import BlockWriter
from mooring.files.archive.manifest import FILE, Entry, Head, ManifestWriter


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


def pack(head: Head, contents: Iterable[tuple[Entry, int, int]], out: Outputs) -> Packed:
    """Write all of it. `contents` are the entries in the order of names, each with the descriptor and the place its
    content is read from. Raises Damaged when a file became shorter meanwhile."""
    writer, manifest = BlockWriter(out.archive), ManifestWriter(out.manifest)
    manifest.head(head)
    for entry, descriptor, offset in contents:
        size = entry.size
        writer.write(
            tar.header(entry.path, entry.type, size=size, mode=entry.mode, mtime=entry.mtime, target=entry.target or "")
        )
        if entry.type != FILE:
            manifest.add(entry)
            continue
        manifest.add(entry.placed(writer.tell))
        writer.pull(descriptor, offset, size)
        writer.write(bytes(-size % tar.RECORD))
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
