"""The archive code called in this process, files in and out."""

import os
import tempfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from mooring.files.archive.blocks import BlockTable
from mooring.files.archive.ingest import ingest
from mooring.files.archive.limits import Limits
from mooring.files.archive.manifest import Entry, Head, ManifestWriter, read
from mooring.files.archive.pack import Outputs, Packed, pack
from mooring.files.archive.unpack import unpack


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """An archive of ours."""

    archive: bytes
    manifest: bytes
    blocks: bytes
    packed: Packed

    @property
    def table(self) -> BlockTable:
        return BlockTable.decoded(self.blocks)

    @property
    def entries(self) -> dict[str, Entry]:
        return {entry.path: entry for entry in read([self.manifest])}


def repacked(data: bytes, limits: Limits | None = None) -> Ours:
    """The archive of ours that an import makes of `data`."""
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as spool:
        source.write(data)
        source.flush()
        _, tree = ingest(source.fileno(), spool, limits or Limits(), lambda _: None)
        out = Outputs(archive=BytesIO(), manifest=BytesIO(), blocks=BytesIO())
        head = Head(entries=len(tree), uncompressed_size=tree.total)
        packed = pack(head, ((entry, spool.fileno(), at) for entry, at in tree.contents()), out)
    made = [file.getvalue() for file in (out.archive, out.manifest, out.blocks) if isinstance(file, BytesIO)]
    return Ours(archive=made[0], manifest=made[1], blocks=made[2], packed=packed)


def unpacked(archive: bytes, root: Path) -> str:
    """Write an archive of ours below `root`; the SHA-256 of its manifest."""
    root.mkdir()
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with tempfile.TemporaryFile() as source:
            source.write(archive)
            source.flush()
            return unpack(source.fileno(), descriptor, ManifestWriter(BytesIO()), Limits(), lambda _: None)
    finally:
        os.close(descriptor)
