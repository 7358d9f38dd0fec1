"""Deliveries of before their place was noted: known where the record shows that the secret was never moved."""

from mooring.base.db import Database, connect
from mooring.base.hints import Hints
from mooring.base.migrate import migrate, shipped
from mooring.base.postgres import EmbeddedPostgres

NOTED = "202611261700_secret_places"
STAYED, MOVED, ARCHIVED = (f"sec_0ujtsYcgvSTl8PAuAdqWYSMnL{end}" for end in ("Ov", "Ow", "Ox"))


async def _before(owner: Database) -> None:
    async with owner.transaction() as tx:
        await tx.run(
            "INSERT INTO runs (id, engine, spec) VALUES ('run_0ujtsYcgvSTl8PAuAdqWYSMnLOv', 'local', $1::jsonb)", {}
        )
        for number, (secret_id, actions) in enumerate(
            {STAYED: ("create", "renew"), MOVED: ("create", "move"), ARCHIVED: ("renew",)}.items()
        ):
            await tx.run(
                "INSERT INTO secrets (id, name, vault, vault_id, vault_version, phase) "
                "VALUES ($1, $1, 'local', $1, '2', 'ready')",
                secret_id,
            )
            await tx.run(
                "INSERT INTO secret_deliveries (run_id, secret_id, secret_version, vault_version) "
                "VALUES ('run_0ujtsYcgvSTl8PAuAdqWYSMnLOv', $1, 1, '1')",
                secret_id,
            )
            for at, action in enumerate(actions):
                await tx.run(
                    "INSERT INTO resource_events (id, resource_type, resource_id, action) "
                    "VALUES ($1, 'secret', $2, $3)",
                    f"rev_0ujtsYcgvSTl8PAuAdqWYSMnL{number}{at}",
                    secret_id,
                    f"secret.{action}",
                )


async def test_deliveries_of_before_lie_where_their_secret_does_unless_it_may_have_been_moved(
    postgres: EmbeddedPostgres,
) -> None:
    admin = await connect(postgres.url("postgres", "mooring"), hints=Hints(), most=1)
    async with admin.transaction() as tx:
        await tx.script("DROP SCHEMA IF EXISTS places CASCADE; CREATE SCHEMA places AUTHORIZATION mooring_owner")
    await admin.close()
    owner = await connect(postgres.url("mooring_owner") + "&options=-csearch_path%3Dplaces", hints=Hints(), most=1)
    older = [migration for migration in shipped() if migration.name < NOTED]
    await migrate(owner, migrations=older, application=None)
    await _before(owner)
    await migrate(owner, migrations=shipped(), application=None)
    async with owner.reading() as tx:
        known = await tx.values(str, "SELECT secret_id FROM secret_deliveries WHERE vault = 'local' AND moves = 0")
        unknown = await tx.values(str, "SELECT secret_id FROM secret_deliveries WHERE vault IS NULL ORDER BY 1")
    await owner.close()
    assert (known, unknown) == ([STAYED], [MOVED, ARCHIVED])
