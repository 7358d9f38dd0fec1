"""`moor audit verify` names what a superuser did to the record by hand."""

from collections.abc import AsyncGenerator
from typing import LiteralString

import pytest

from mooring.app import App
from mooring.audit import sequence
from mooring.audit.sealing import Sealer
from mooring.base.db import Database, connect
from mooring.base.hints import Hints
from mooring.base.postgres import EmbeddedPostgres
from surfaces.cli.conftest import Moor
from surfaces.people import Asker


@pytest.fixture
async def superuser(postgres: EmbeddedPostgres) -> AsyncGenerator[Database]:
    opened = await connect(postgres.url("postgres", "mooring"), hints=Hints(), most=1)
    yield opened
    await opened.close()


async def sealed(app: App, admin: Asker) -> str:
    """A record of some events, all sealed; the id of the fourth."""
    for name in ("a", "b", "c"):
        await admin.made("/skills", {"name": name})
    async with app.database.transaction() as tx:
        await sequence.number(tx)
    await Sealer(database=app.database, key=app.seal_key, outside=app.seals, clock=app.clock).step()
    [event] = (await admin.get("/resource_events?search=number = 4")).json()["items"]
    return event["id"]


async def meddle(superuser: Database, statement: LiteralString) -> None:
    """What the triggers refuse, with the triggers off."""
    async with superuser.transaction() as tx:
        await tx.script("SET LOCAL session_replication_role = replica")
        await tx.run(statement)


_FOURTH: LiteralString = "(SELECT seq FROM event_numbers WHERE number = 4)"
_BY_HAND: LiteralString = "rev_0ujtsYcgvSTl8PAuAdqWYSMnLOv"
_INSERT: LiteralString = f"""
INSERT INTO resource_events (id, resource_type, resource_id, action)
VALUES ('{_BY_HAND}', 'user', 'usr_0ujtsYcgvSTl8PAuAdqWYSMnLOv', 'user.create')
"""


@pytest.mark.parametrize(
    ("statement", "names", "says"),
    [
        (
            f"UPDATE resource_events SET actor_id = NULL WHERE seq = {_FOURTH}",
            "first at number 4 ({id})",
            "the event is not the one that was sealed",
        ),
        (
            f"UPDATE resource_events SET details = jsonb_set(details, '{{after,name}}', '\"z\"') WHERE seq = {_FOURTH}",
            "first at number 4 ({id})",
            "the event is not the one that was sealed",
        ),
        (f"DELETE FROM resource_events WHERE seq = {_FOURTH}", "first at number 4", "the event was removed"),
        (
            _INSERT,
            f"({_BY_HAND})",
            "inserted by hand",
        ),
    ],
    ids=["actor", "details", "removed", "inserted"],
)
async def test_one_event_meddled_with_by_hand_is_named(
    moor: Moor, app: App, admin: Asker, superuser: Database, statement: LiteralString, names: str, says: str
) -> None:
    fourth = await sealed(app, admin)
    intact = await moor("audit", "verify")
    assert (intact.status, intact.out.startswith("the record is intact: ")) == (0, True)
    await meddle(superuser, statement)
    broken = await moor("audit", "verify")
    assert (broken.status, broken.err) == (1, "")
    assert broken.lines[0].startswith("the record is NOT intact")
    assert names.format(id=fourth) in broken.lines[0]
    assert says in broken.lines[1]
