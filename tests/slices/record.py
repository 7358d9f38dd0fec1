"""A record of some events, and someone who owns the database: for those who alter it by hand."""

from dataclasses import dataclass
from datetime import timedelta
from typing import LiteralString

from mooring.access.actor import SYSTEM
from mooring.audit import sealing, sequence
from mooring.audit.archiving import Archiver
from mooring.audit.seal import SealKey
from mooring.audit.sealing import Sealer
from mooring.audit.verifying import Verdict, verify
from mooring.base.clock import SystemClock
from mooring.base.db import Database
from mooring.catalog.catalog import SKILLS
from mooring.files.seals import KeptSeals

KEY = SealKey(bytes(range(32)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record of some events, and someone who owns the database."""

    database: Database
    superuser: Database
    sealer: Sealer
    outside: KeptSeals

    async def grow(self, count: int, *, seal: bool = True) -> None:
        for number in range(count):
            async with self.database.transaction() as tx:
                await SKILLS.create(tx, SYSTEM.because("it must"), {"name": f"skill {number}"})
        async with self.database.transaction() as tx:
            await sequence.number(tx)
        if seal:
            await self.sealer.step()

    async def meddle(self, *statements: LiteralString) -> None:
        """Do something to the tables that no role of Mooring's may do."""
        async with self.superuser.transaction() as tx:
            await tx.script("SET LOCAL session_replication_role = replica")
            for statement in statements:
                await tx.run(statement)

    def archiver(self, keeps: timedelta = timedelta(0)) -> Archiver:
        return Archiver(database=self.database, key=KEY, shelf=self.outside, clock=SystemClock(), keeps=keeps)

    async def verdict(self) -> Verdict:
        return await verify(self.database, KEY, self.outside, self.outside)

    async def found(self) -> tuple[int, str]:
        finding = (await self.verdict()).finding
        assert finding is not None
        return finding.number, finding.says

    async def event_at(self, number: int) -> str:
        async with self.database.reading() as tx:
            found = await sealing.leaves(tx, number - 1, 1)
        assert found[0].id is not None
        return found[0].id
