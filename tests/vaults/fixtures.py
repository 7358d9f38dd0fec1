"""Vaults of every kind, each as its users meet it."""

from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from mooring.base.db import Database
from mooring.base.hidden import Hidden
from mooring.secrets.vaults.keyring import FileKeys
from mooring.secrets.vaults.local import LocalVault
from mooring.secrets.vaults.openbao import OpenBaoSettings, OpenBaoVault
from mooring.secrets.vaults.patience import Patience
from mooring.secrets.vaults.workos import WorkOSSettings, WorkOSVault
from vaults.loopback import OpenBao, WorkOS, running


class Waits:
    """The waits of a vault's client, in seconds, which no test waits for."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def pause(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def keys(tmp_path: Path) -> FileKeys:
    return FileKeys(path=tmp_path / "vault.json")


@pytest.fixture
async def local(database: Database, keys: FileKeys) -> AsyncGenerator[LocalVault]:
    vault = LocalVault(database, keys)
    await vault.open()
    yield vault
    await vault.close()


@pytest.fixture
def workos_server() -> Iterator[WorkOS]:
    with running(WorkOS) as server:
        yield server


@pytest.fixture
async def workos(workos_server: WorkOS, waits: Waits) -> AsyncGenerator[WorkOSVault]:
    settings = WorkOSSettings(api_key=Hidden(WorkOS.KEY.encode()), base_url=workos_server.url, timeout=30.0)
    vault = WorkOSVault(settings, patience=Patience(pause=waits.pause))
    yield vault
    await vault.close()


@pytest.fixture
def openbao_server() -> Iterator[OpenBao]:
    with running(OpenBao) as server:
        yield server


@pytest.fixture
async def openbao(openbao_server: OpenBao, waits: Waits) -> AsyncGenerator[OpenBaoVault]:
    settings = OpenBaoSettings(url=openbao_server.url, token=Hidden(OpenBao.TOKEN.encode()), timeout=30.0)
    vault = OpenBaoVault(settings, patience=Patience(pause=waits.pause))
    yield vault
    await vault.close()
