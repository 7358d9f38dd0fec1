"""Secrets on their way from the vaults to a run. No transaction is open while a vault is asked."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from mooring.base.clock import Clock
from mooring.base.db import Database
from mooring.base.errors import Missing, MooringError, Unavailable, Unfit
from mooring.base.hidden import Hidden
from mooring.compute import deliveries
from mooring.compute.deliveries import Withheld
from mooring.compute.entities import Exposed
from mooring.compute.phases import Run
from mooring.secrets.entities import Secret
from mooring.secrets.errors import NoSuchValue, VaultBroken
from mooring.secrets.live import Opened, Vaults

MOST_VARIABLES_BYTES = 1 << 20
"""What all secret variables of a run may come to; the kernel gives a program's environment little more."""

_LOOKS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What a run gets: variables by name, files by path."""

    variables: Mapping[str, Hidden]
    files: Mapping[str, Hidden]


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A value that a run got, and the secret's name."""

    name: str
    value: Hidden


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Gives runs their secrets. A run waits `wait` for a vault that is away; then it fails."""

    database: Database
    vaults: Vaults
    clock: Clock
    wait: timedelta

    async def environment(self, run: Run) -> Environment:
        """The run's secrets, recorded as given to it. Raises Withheld, Clash (it has them), Unavailable (ask again)."""
        for _ in range(_LOOKS):
            async with self.database.transaction() as tx:
                exposures = await deliveries.owed(tx, run)
                secrets = await deliveries.secrets_of(tx, exposures)
            opened = await self._open(run, list(secrets.values()))
            made = _environment(exposures, opened)
            async with self.database.transaction() as tx:
                if await deliveries.give(tx, run, {one: found.secret for one, found in opened.items()}):
                    return made
        raise Unavailable("the run's secrets change too often to be given; ask again")

    async def given(self, run: Run) -> list[Given]:
        """The values that the run got: for what is taken from it after its end.

        Raises Withheld when a value cannot be read (any more): then nobody can tell what holds it.
        """
        try:
            async with self.database.transaction() as tx:
                given = await deliveries.given(tx, run.id)
        except Missing as error:
            raise Withheld(f"what holds a secret the run got cannot be told: {error.reason}") from error
        found: list[Given] = []
        for secret, version in given:
            try:
                value = await self.vaults.value_at(secret, version)
            except MooringError as error:
                raise Withheld(f"what holds the secret {secret.name!r} cannot be told: {error.reason}") from error
            found.append(Given(name=secret.name, value=value))
        return found

    async def _open(self, run: Run, secrets: Sequence[Secret]) -> dict[str, Opened]:
        found = await asyncio.gather(*(self._read(run, secret) for secret in secrets))
        return {opened.secret.id: opened for opened in found}

    async def _read(self, run: Run, secret: Secret) -> Opened:
        try:
            return await self.vaults.open(secret)
        except (NoSuchValue, VaultBroken, Unfit) as error:
            raise Withheld(f"the secret {secret.name!r} cannot be read: {error.reason}") from error
        except MooringError as error:
            # Away, or its operator has to act: that may pass.
            if self.clock.now() - (run.started_at or self.clock.now()) < self.wait:
                raise Unavailable(f"the secret {secret.name!r} cannot be read yet: {error.reason}") from error
            waited = f"for {self.wait.total_seconds():g} s"
            raise Withheld(f"the secret {secret.name!r} could not be read {waited}: {error.reason}") from error


def _environment(exposures: Sequence[Exposed], opened: Mapping[str, Opened]) -> Environment:
    """Raises Withheld for what no variable can hold."""
    variables: dict[str, Hidden] = {}
    files: dict[str, Hidden] = {}
    for exposed in exposures:
        found = opened[exposed.secret_id]
        if exposed.expose_as_file is not None:
            files[exposed.expose_as_file] = found.value
        elif exposed.expose_as_env is not None:
            if b"\0" in found.value.reveal():
                says = (
                    f"the secret {found.secret.name!r} holds a NUL byte: a variable cannot hold it; expose it as a file"
                )
                raise Withheld(says)
            variables[exposed.expose_as_env] = found.value
    if sum(value.size for value in variables.values()) > MOST_VARIABLES_BYTES:
        raise Withheld("the secrets exposed as variables have over 1 MiB together; expose the large ones as files")
    return Environment(variables=variables, files=files)
