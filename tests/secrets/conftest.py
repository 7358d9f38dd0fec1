"""Vaults of every kind, each as its users meet it."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from mooring.base.db import Database
from mooring.secrets.vaults.keyring import FileKeys
from mooring.secrets.vaults.local import LocalVault


@pytest.fixture
def keys(tmp_path: Path) -> FileKeys:
    return FileKeys(path=tmp_path / "vault.json")


@pytest.fixture
async def local(database: Database, keys: FileKeys) -> AsyncGenerator[LocalVault]:
    vault = LocalVault(database, keys)
    await vault.open()
    yield vault
    await vault.close()
