"""What several slices are tried with."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from mooring.audit.sealing import Sealer
from mooring.base.clock import SystemClock
from mooring.base.db import Database, connect
from mooring.base.hints import Hints
from mooring.base.postgres import EmbeddedPostgres
from mooring.files.blobs.local import in_directory
from mooring.files.seals import KeptSeals
from slices.record import KEY, Record


@pytest.fixture
async def record(database: Database, postgres: EmbeddedPostgres, tmp_path: Path) -> AsyncGenerator[Record]:
    superuser = await connect(postgres.url("postgres", "mooring"), hints=Hints(), most=1)
    outside = KeptSeals(blobs=in_directory(tmp_path / "blobs"), head=tmp_path / "audit" / "head.json")
    sealer = Sealer(database=database, key=KEY, outside=outside, clock=SystemClock())
    yield Record(database=database, superuser=superuser, sealer=sealer, outside=outside)
    await superuser.close()
