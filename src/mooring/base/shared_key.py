"""A key that all processes of an installation have in common, whatever their data directories: it lies in the database.

It is for what the database's owner may well forge (a cursor, a sign to know each other by), never for what guards the
record or a secret.
"""

import secrets
from typing import LiteralString

from mooring.base.db import Database


async def shared_key(database: Database, name: LiteralString, *, first: bytes | None = None) -> bytes:
    """The key of this name, 32 bytes; made by who asks first: what they bring as `first`, or at random."""
    async with database.transaction() as tx:
        await tx.run(
            "INSERT INTO shared_keys (name, key) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            name,
            first or secrets.token_bytes(32),
        )
    key = await known_key(database, name)
    assert key is not None
    return key


async def known_key(database: Database, name: LiteralString) -> bytes | None:
    """The key of this name, None before anybody asked for it."""
    async with database.reading() as tx:
        return await tx.value(bytes, "SELECT key FROM shared_keys WHERE name = $1", name)
