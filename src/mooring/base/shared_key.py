"""A key that all processes of an installation have in common, whatever their data directories: it lies in the database.

It is for what the database's owner may well forge (a cursor), never for what guards the record or a secret.
"""

import secrets
from typing import LiteralString

from mooring.base.db import Database


async def shared_key(database: Database, name: LiteralString) -> bytes:
    """The key of this name, 32 bytes; made by who asks first."""
    async with database.transaction() as tx:
        await tx.run(
            "INSERT INTO shared_keys (name, key) VALUES ($1, $2) ON CONFLICT DO NOTHING", name, secrets.token_bytes(32)
        )
        key = await tx.value(bytes, "SELECT key FROM shared_keys WHERE name = $1", name)
    assert key is not None
    return key
