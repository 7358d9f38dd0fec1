"""What goes to and fro between rows and vaults. No transaction is open while a vault is asked."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass

from mooring.access.actor import Actor
from mooring.base.db import Database
from mooring.base.errors import Clash, MooringError, Unavailable, Unfit
from mooring.base.hidden import Hidden
from mooring.base.ids import new_id
from mooring.secrets import secrets
from mooring.secrets.entities import LOCAL, SHORTEST_MASKED, Kept, Secret
from mooring.secrets.errors import NoSuchValue, OtherVersion, VaultBroken, VaultRefuses, VaultUnsure
from mooring.secrets.vaults.base import HasKeys, Vault, checked

# Longer than the patience of any vault, shorter than a value may stand without a row.
_LONGEST = 120.0
_LOOKS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A secret as it was at the moment its value was read. `secret` holds the version that is recorded."""

    secret: Secret
    value: Hidden


@dataclass(frozen=True, slots=True, kw_only=True)
class Vaults:
    """The vaults of this installation, by name; new values go to `first`."""

    database: Database
    vaults: Mapping[str, Vault]
    first: str

    def vault(self, name: str) -> Vault:
        """The vault of this name. Raises Unfit."""
        found = self.vaults.get(name)
        if found is None:
            there = ", ".join(sorted(self.vaults))
            raise Unfit(f"vault: there is no vault {name!r} here; there are: {there}", field="vault", vault=name)
        return found

    def with_keys(self) -> HasKeys:
        """The vault whose keys Mooring keeps."""
        found = self.vaults[LOCAL]
        assert isinstance(found, HasKeys), "the embedded vault has keys"
        return found

    async def states(self) -> dict[str, str | None]:
        """Why each vault cannot be used now; None: it can."""
        names = sorted(self.vaults)
        return dict(zip(names, await asyncio.gather(*(self._state(name) for name in names)), strict=True))

    async def _state(self, name: str) -> str | None:
        try:
            async with _bounded(name):
                await self.vaults[name].check()
        except MooringError as error:
            return error.reason
        return None

    @contextlib.asynccontextmanager
    async def storing(self, actor: Actor, vault: str | None, value: Hidden) -> AsyncGenerator[Kept]:
        """Keep a new secret's value for as long as the block runs, and for good when a row names it there.

        Raises Denied, Unfit, Unavailable.
        """
        checked(value)
        name, secret_id = vault or self.first, new_id("sec")
        place = self.vault(name)
        async with self.database.transaction() as tx:
            await secrets.reserve(tx, actor, name, secret_id)
        async with self._keeping(place, name, secret_id, value) as kept:
            yield kept

    async def renew(self, before: Secret, value: Hidden) -> str:
        """The vault's word for the new value. Raises Clash when it was changed in the vault meanwhile."""
        checked(value)
        vault = self._of(before)
        assert before.vault_version is not None, "looked at by `to_renew`"
        try:
            async with _bounded(before.vault):
                return await vault.update(before.vault_id, value, expect=before.vault_version)
        except OtherVersion:
            await self._look(before)
            raise Clash(f"the value of {before.name!r} was changed meanwhile; look at it, then try again") from None

    @contextlib.asynccontextmanager
    async def moving(self, actor: Actor, secret_id: str, vault: str) -> AsyncGenerator[tuple[Secret, Kept]]:
        """The secret as it was, its value in another vault for as long as the block runs, for good when it is `moved`.

        Raises Missing, Denied, Clash, Unfit, Unavailable.
        """
        place = self.vault(vault)
        async with self.database.reading() as tx:
            before = await secrets.to_move(tx, actor, secret_id, vault)
        opened = await self.open(before)
        async with self.database.transaction() as tx:
            await secrets.expect(tx, vault, before.id)
        async with self._keeping(place, vault, before.id, opened.value) as kept:
            yield opened.secret, kept

    async def open(self, secret: Secret) -> Opened:
        """The current value, with the secret as it stands at that version.

        A value found newer than its row is written down first: what is used is always what the row counts.
        Raises NoSuchValue, VaultAway, VaultRefuses, VaultBroken.
        """
        for _ in range(_LOOKS):
            async with _bounded(secret.vault):
                found = await self._of(secret).read(secret.vault_id)
            checked(found.value)
            if found.version == secret.vault_version:
                return Opened(secret=secret, value=found.value)
            async with self.database.transaction() as tx:
                secret = await secrets.seen(tx, secret, found.version)
            if found.version == secret.vault_version:
                return Opened(secret=secret, value=found.value)
        raise Unavailable(f"the value of {secret.name!r} changes too often to be read; try again")

    async def value_at(self, secret: Secret, version: str) -> Hidden:
        """The value at the vault's own version. Raises NoSuchValue where the vault keeps no older ones."""
        async with _bounded(secret.vault):
            return (await self._of(secret).read(secret.vault_id, version)).value

    async def close(self) -> None:
        """Let go of every vault."""
        for vault in self.vaults.values():
            await vault.close()

    def _of(self, secret: Secret) -> Vault:
        found = self.vaults.get(secret.vault)
        if found is None:
            says = f"the secret {secret.name!r} lies in the vault {secret.vault}, which is not set up here"
            raise Unavailable(f"{says}; see docs/secrets.md", vault=secret.vault)
        return found

    @contextlib.asynccontextmanager
    async def _keeping(self, place: Vault, vault: str, secret_id: str, value: Hidden) -> AsyncGenerator[Kept]:
        """A value whose coming was noted, in its vault while the block runs; removed then, unless a row names it."""
        unsure = False
        try:
            yield await self._create(place, vault, secret_id, value)
        except (VaultUnsure, VaultBroken, asyncio.CancelledError):
            # It may come to lie there yet, after a sweep that is hurried: it is looked for when its note is due.
            unsure = True
            raise
        finally:
            if not unsure:
                await self._discard(vault, secret_id)

    async def _create(self, place: Vault, vault: str, secret_id: str, value: Hidden) -> Kept:
        try:
            async with _bounded(vault):
                stored = await place.create(secret_id, value, {"secret": secret_id})
        except NoSuchValue:
            raise VaultRefuses(f"the vault {vault} has no place for values; check its address and its mount") from None
        return Kept(secret_id=secret_id, vault=vault, vault_id=stored.vault_id, vault_version=stored.version)

    async def _discard(self, vault: str, secret_id: str) -> None:
        # What is not crossed out by now has no row. Left to its time when the database is away.
        with contextlib.suppress(Unavailable):
            async with self.database.transaction() as tx:
                await secrets.discard(tx, vault, secret_id)

    async def _look(self, before: Secret) -> None:
        with contextlib.suppress(Unavailable):
            async with _bounded(before.vault):
                version = await self._of(before).describe(before.vault_id)
            async with self.database.transaction() as tx:
                await secrets.seen(tx, before, version)


def warnings(value: Hidden) -> list[str]:
    """What is to be said to who stores this value: which of its lines are too short to be masked."""
    content = value.reveal()
    lines = [line for line in map(bytes.strip, content.splitlines()) if line]
    short, under = sum(map(_short, lines)), f"under {SHORTEST_MASKED} characters"
    if _short(content):
        says = f"the value has {under}: it"
    elif not short:
        return []
    elif len(lines) == 1:
        says = f"without the spaces around it the value has {under}: it"
    elif short == len(lines):
        says = f"each of the value's {short} lines has {under}: they"
    elif short == 1:
        says = f"1 of the value's {len(lines)} lines has {under}: it"
    else:
        says = f"{short} of the value's {len(lines)} lines have {under}: they"
    return [f"{says} cannot be masked in transcripts and logs"]


def _short(text: bytes) -> bool:
    # In characters, as the runner reads them: it masks text, in which two of them may have four bytes.
    return len(text.decode("utf-8", "replace")) < SHORTEST_MASKED


@contextlib.asynccontextmanager
async def _bounded(vault: str) -> AsyncGenerator[None]:
    try:
        async with asyncio.timeout(_LONGEST):
            yield
    except TimeoutError:
        raise VaultUnsure(f"the vault {vault} did not answer for {_LONGEST:g} s") from None
