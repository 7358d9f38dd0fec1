"""Which blobs there are, and from when on they may be removed."""

from collections.abc import Sequence

from mooring.base.db import Tx

DUE = "SELECT key AS id FROM filesystem_blobs WHERE due <= now() ORDER BY due"
"""Blobs to be removed from the store."""


async def note(tx: Tx, key: str, *, seconds: float) -> bool:
    """Note that a blob is, or will be, there, to be removed after so many seconds unless a version names it.

    False while it is being removed: then it is to be stored again later.
    """
    return bool(
        await tx.run(
            "INSERT INTO filesystem_blobs AS b (key, due) VALUES ($1, now() + make_interval(secs => $2)) "
            "ON CONFLICT (key) DO UPDATE SET "
            "due = CASE WHEN b.due IS NULL THEN NULL ELSE greatest(b.due, excluded.due) END WHERE NOT b.taken",
            key,
            seconds,
        )
    )


async def whole(tx: Tx, key: str, size: int, *, seconds: float) -> bool:
    """An upload that was noted is whole, and stays so many seconds. False when it was removed meanwhile."""
    return bool(
        await tx.run(
            "UPDATE filesystem_blobs SET size = $2, due = greatest(due, now() + make_interval(secs => $3)) "
            "WHERE key = $1 AND NOT taken",
            key,
            size,
            seconds,
        )
    )


async def size(tx: Tx, key: str) -> int | None:
    """The size of an upload that is whole and stays for now; None where there is none."""
    return await tx.value(int, "SELECT size FROM filesystem_blobs WHERE key = $1 AND NOT taken", key)


async def doubt(tx: Tx, key: str) -> None:
    """An upload is not whole any more; it still is removed when its time comes."""
    await tx.run("UPDATE filesystem_blobs SET size = NULL WHERE key = $1", key)


async def hold(tx: Tx, key: str) -> bool:
    """A filesystem is about to be made of this upload; False where it is not there, whole, any more."""
    # It is written, not only read: a removal that looks now waits for the commit, and sees then that it is not due.
    return bool(
        await tx.run(
            "UPDATE filesystem_blobs SET due = greatest(due, now() + interval '1 minute') "
            "WHERE key = $1 AND size IS NOT NULL AND NOT taken",
            key,
        )
    )


async def name(tx: Tx, keys: Sequence[str]) -> bool:
    """A version names these now: they stay. False when one of them is being removed, or was never noted."""
    wanted = sorted(set(keys))
    await _lock(tx, wanted)
    named = await tx.run("UPDATE filesystem_blobs SET due = NULL WHERE key = ANY($1) AND NOT taken", wanted)
    return named == len(wanted)


async def release(tx: Tx, keys: Sequence[str], *, seconds: float) -> None:
    """One that named these does no longer; those that no living version names are removed after so many seconds."""
    # Another may be letting go of the same ones: who comes second looks only once the first has committed, and sees it.
    await _lock(tx, keys)
    await tx.run(
        "UPDATE filesystem_blobs b SET due = now() + make_interval(secs => $2) WHERE key = ANY($1) AND NOT EXISTS ("
        "SELECT 1 FROM filesystem_versions v "
        "WHERE v.deleted_at IS NULL AND b.key IN (v.s3_archive_key, v.manifest_key, v.blocks_key))",
        list(keys),
        seconds,
    )


async def _lock(tx: Tx, keys: Sequence[str]) -> None:
    """Wait for whoever is changing these, and hold them; everyone in the same order, or two wait for each other."""
    await tx.values(str, "SELECT key FROM filesystem_blobs WHERE key = ANY($1) ORDER BY key FOR UPDATE", list(keys))


async def take(tx: Tx, key: str) -> bool:
    """Claim the removal: from here on no version comes to name the blob. Whether it is still to be removed."""
    # Who comes to use it, or lets it go, writes its row first or last: locked, what is seen of them is what holds.
    await _lock(tx, [key])
    return bool(
        await tx.run(
            "UPDATE filesystem_blobs b SET taken = TRUE WHERE key = $1 AND due <= now() AND NOT EXISTS ("
            "SELECT 1 FROM filesystem_versions v "
            "WHERE v.deleted_at IS NULL AND b.key IN (v.s3_archive_key, v.manifest_key, v.blocks_key)) "
            "AND NOT EXISTS ("
            "SELECT 1 FROM filesystems f WHERE f.deleted_at IS NULL AND f.source->'source'->>'key' = b.key)",
            key,
        )
    )


async def keep(tx: Tx, key: str, *, seconds: float) -> None:
    """It is still used after all: look again after so many seconds, if not later in any case."""
    await tx.run(
        "UPDATE filesystem_blobs SET due = now() + make_interval(secs => $2) "
        "WHERE key = $1 AND due <= now() AND NOT taken",
        key,
        seconds,
    )


async def removed(tx: Tx, key: str) -> None:
    await tx.run("DELETE FROM filesystem_blobs WHERE key = $1 AND taken", key)
