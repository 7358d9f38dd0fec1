"""The rows of the embedded vault: sealed values and wrapped keys."""

from dataclasses import dataclass

from mooring.base.db import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """One version of one value, as it is kept."""

    vault_id: str
    version: int
    key_id: str
    wrapped_key: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Use:
    key_id: str
    count: int


async def add(tx: Tx, row: Sealed) -> bool:
    """Keep the row as the next version of its value. Whether it was the next: a version is written once."""
    return bool(
        await tx.run(
            "INSERT INTO vault_values (vault_id, version, key_id, wrapped_key, sealed) "
            "SELECT $1, $2, $3, $4, $5 "
            "WHERE $2 = (SELECT coalesce(max(version), 0) + 1 FROM vault_values WHERE vault_id = $1) "
            "ON CONFLICT DO NOTHING",
            row.vault_id,
            row.version,
            row.key_id,
            row.wrapped_key,
            row.sealed,
        )
    )


async def current(tx: Tx, vault_id: str) -> int | None:
    """The number of the newest version."""
    return await tx.value(int, "SELECT max(version) FROM vault_values WHERE vault_id = $1", vault_id)


async def read(tx: Tx, vault_id: str, version: int | None) -> Sealed | None:
    """One version, the newest where none is named."""
    return await tx.row(
        Sealed,
        "SELECT vault_id, version, key_id, wrapped_key, sealed FROM vault_values "
        "WHERE vault_id = $1 AND ($2::integer IS NULL OR version = $2) ORDER BY version DESC LIMIT 1",
        vault_id,
        version,
    )


async def delete(tx: Tx, vault_id: str) -> None:
    await tx.run("DELETE FROM vault_values WHERE vault_id = $1", vault_id)


async def wrapped_otherwise(tx: Tx, key_id: str, *, after: tuple[str, int], limit: int) -> list[Sealed]:
    """Rows that another key than this one wraps, in order, from behind (vault_id, version) `after`."""
    return await tx.rows(
        Sealed,
        "SELECT vault_id, version, key_id, wrapped_key, sealed FROM vault_values "
        "WHERE key_id <> $1 AND (vault_id, version) > ($2, $3) ORDER BY vault_id, version LIMIT $4",
        key_id,
        *after,
        limit,
    )


async def rewrap(tx: Tx, row: Sealed, *, key_id: str, wrapped_key: bytes) -> bool:
    """The same value under another key. Whether it still was as it had been read."""
    return bool(
        await tx.run(
            "UPDATE vault_values SET key_id = $4, wrapped_key = $5 "
            "WHERE vault_id = $1 AND version = $2 AND wrapped_key = $3",
            row.vault_id,
            row.version,
            row.wrapped_key,
            key_id,
            wrapped_key,
        )
    )


async def uses(tx: Tx) -> list[tuple[str, int]]:
    """Every key that wraps something, and how much."""
    found = await tx.rows(
        _Use, "SELECT key_id, count(*) AS count FROM vault_values GROUP BY key_id ORDER BY count(*) DESC, key_id"
    )
    return [(use.key_id, use.count) for use in found]
