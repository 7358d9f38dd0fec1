"""Bring a database to the current schema: plain SQL files, in the order of their names, forward only."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from mooring.base.db import Database, Tx
from mooring.base.errors import Clash

# One number for everybody who migrates: the first eight bytes of sha256("mooring.migrate"), signed.
_LOCK = int.from_bytes(hashlib.sha256(b"mooring.migrate").digest()[:8], "big", signed=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One file. Its checksum is kept: a file that was applied is never edited."""

    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Applied:
    name: str
    checksum: str


def shipped() -> tuple[Migration, ...]:
    """Every migration of this version of Mooring, oldest first."""
    found = [entry for entry in files("mooring.migrations").iterdir() if entry.name.endswith(".sql")]
    migrations = [Migration(name=entry.name[:-4], sql=entry.read_text(encoding="utf-8")) for entry in found]
    return tuple(sorted(migrations, key=lambda migration: migration.name))


async def migrate(database: Database, *, migrations: Sequence[Migration], application: str | None) -> list[str]:
    """Apply what is missing, all of it or nothing, and let the role `application` use the tables.

    The names applied. Raises Clash when the database was migrated by a newer or an altered Mooring.
    """
    async with database.transaction() as tx:
        await tx.run("SELECT pg_advisory_xact_lock($1)", _LOCK)
        await tx.run(
            "CREATE TABLE IF NOT EXISTS schema_migrations "
            "(name TEXT PRIMARY KEY, checksum TEXT NOT NULL, applied_at TIMESTAMPTZ NOT NULL DEFAULT now())"
        )
        missing = await _missing(tx, migrations)
        for migration in missing:
            await tx.script(migration.sql)
            await tx.run(
                "INSERT INTO schema_migrations (name, checksum) VALUES ($1, $2)", migration.name, migration.checksum
            )
        if application is not None:
            await _grant(tx, application)
    return [migration.name for migration in missing]


async def current(tx: Tx, migrations: Sequence[Migration]) -> bool:
    """Whether the database has exactly these migrations."""
    if await tx.value(str, "SELECT to_regclass('schema_migrations')::text") is None:
        return False
    applied = await tx.values(str, "SELECT name FROM schema_migrations ORDER BY name")
    return applied == [migration.name for migration in migrations]


async def _missing(tx: Tx, migrations: Sequence[Migration]) -> list[Migration]:
    applied = {
        row.name: row.checksum for row in await tx.rows(_Applied, "SELECT name, checksum FROM schema_migrations")
    }
    known = {migration.name: migration.checksum for migration in migrations}
    newer = sorted(set(applied) - set(known))
    if newer:
        raise Clash(
            f"the database was migrated by a newer Mooring ({newer[-1]}); run that version", migration=newer[-1]
        )
    for name, checksum in applied.items():
        if known[name] != checksum:
            raise Clash(f"the migration {name} was altered after it had been applied; restore the file", migration=name)
    return [migration for migration in migrations if migration.name not in applied]


async def _grant(tx: Tx, role: str) -> None:
    """Let `role` read and write rows, but neither alter tables nor touch what was recorded."""
    quoted = await tx.value(str, "SELECT quote_ident($1)", role)
    await tx.script(
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {quoted};"
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {quoted};"
        f"REVOKE UPDATE, DELETE, TRUNCATE ON resource_events, event_seals, event_archives FROM {quoted};"
        f"REVOKE INSERT, UPDATE, DELETE ON schema_migrations FROM {quoted};"
    )
