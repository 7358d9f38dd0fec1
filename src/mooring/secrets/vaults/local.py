"""The embedded vault: AES-256-GCM envelopes in the database, their keys outside of it.

Every version of a value has a data key of its own; the keyring's active key wraps that. Value and data key are both
bound to `v1|<secret id>|<version>`: a row copied to another id or number does not open.
"""

from collections.abc import Mapping

from mooring.base import cipher
from mooring.base.db import Database
from mooring.base.errors import Unavailable
from mooring.base.hidden import Hidden
from mooring.secrets.errors import NoSuchValue, OtherVersion, VaultAway, VaultBroken
from mooring.secrets.store import values as store
from mooring.secrets.store.values import Sealed
from mooring.secrets.vaults.base import KeyUse, Opened, Rewrapped, Stored, checked
from mooring.secrets.vaults.keyring import Keyring, Keys

_BATCH = 100
_LARGEST_VERSION = (1 << 31) - 1


class LocalVault:
    """The id of a value is the id of its secret; versions count from 1."""

    def __init__(self, database: Database, keys: Keys) -> None:
        self._database = database
        self._keys = keys
        self._known: Keyring | None = None

    async def open(self) -> None:
        """Load the keyring, or make the first one. Raises Unavailable when what is stored needs a key that is not here.

        A lost keyring is never made anew: what it wrapped could not be opened, and nobody would be told.
        """
        used = await self.uses()
        ring = self._keys.load()
        if ring is None and used:
            raise Unavailable(
                f"the local vault holds {sum(use.count for use in used)} values, but its keyring is gone; restore the "
                f"key {used[0].key_id} from its backup"
            )
        self._known = ring or self._keys.make()
        for use in used:
            self._known.key(use.key_id)

    # --- the vault ---

    async def create(self, name: str, value: Hidden, context: Mapping[str, str]) -> Stored:
        del context  # The id, to which everything is bound, is the secret's.
        if not await self._add(name, 1, checked(value)):
            raise OtherVersion(f"the local vault has a value for {name} already")
        return Stored(vault_id=name, version="1")

    async def find(self, name: str) -> str | None:
        async with self._database.transaction() as tx:
            return name if await store.current(tx, name) else None

    async def read(self, vault_id: str, version: str | None = None) -> Opened:
        number = None if version is None else _number(version)
        async with self._database.transaction() as tx:
            row = await store.read(tx, vault_id, number)
        if row is None:
            raise _missing(vault_id, version)
        return Opened(value=self._unseal(row), version=str(row.version))

    async def update(self, vault_id: str, value: Hidden, *, expect: str) -> str:
        number = _number(expect) + 1
        if await self._add(vault_id, number, checked(value)):
            return str(number)
        found = await self.describe(vault_id)
        raise OtherVersion(f"the value was changed meanwhile: it is at version {found}, not {expect}")

    async def describe(self, vault_id: str) -> str:
        async with self._database.transaction() as tx:
            found = await store.current(tx, vault_id)
        if found is None:
            raise _missing(vault_id, None)
        return str(found)

    async def delete(self, vault_id: str) -> None:
        async with self._database.transaction() as tx:
            await store.delete(tx, vault_id)

    async def check(self) -> None:
        ring = self._ring()
        for use in await self.uses():
            ring.key(use.key_id)

    async def close(self) -> None:
        self._known = None

    # --- its keys ---

    @property
    def active_key(self) -> str:
        """The id of the key that wraps what is written now."""
        return self._ring().active

    def renew_key(self) -> str:
        """Make a fresh key the active one. Its id. What the others wrapped waits for `rewrap`; they stay."""
        self._known = self._keys.add()
        return self._known.active

    async def uses(self) -> list[KeyUse]:
        """How many values each key wraps."""
        async with self._database.transaction() as tx:
            return [KeyUse(key_id=key_id, count=count) for key_id, count in await store.uses(tx)]

    async def rewrap(self) -> Rewrapped:
        """Wrap every data key that an older key wraps with the active one.

        May be stopped and repeated at any point: every row is under one key or the other, and both are kept. A row that
        does not open stays as it is and is named.
        """
        ring, done, broken, after = self._ring(), 0, list[str](), ("", 0)
        while True:
            async with self._database.transaction() as tx:
                rows = await store.wrapped_otherwise(tx, ring.active, after=after, limit=_BATCH)
            if not rows:
                return Rewrapped(done=done, broken=tuple(broken))
            after = (rows[-1].vault_id, rows[-1].version)
            for row in rows:
                try:
                    key = self._wrap(ring, self._data_key(row), row.vault_id, row.version)
                except VaultBroken:
                    broken.append(row.vault_id)
                    continue
                async with self._database.transaction() as tx:
                    done += await store.rewrap(tx, row, key_id=ring.active, wrapped_key=key)

    # --- envelopes ---

    async def _add(self, vault_id: str, version: int, value: Hidden) -> bool:
        if version > _LARGEST_VERSION:
            raise OtherVersion(f"there is no version {version}")
        # A process that lacks a key of the others has another keyring, and they could not open what it writes.
        await self.check()
        ring, data_key = self._ring(), cipher.new_key()
        row = Sealed(
            vault_id=vault_id,
            version=version,
            key_id=ring.active,
            wrapped_key=self._wrap(ring, data_key, vault_id, version),
            sealed=cipher.seal(data_key, value, bound_to=_bound(vault_id, version)),
        )
        async with self._database.transaction() as tx:
            return await store.add(tx, row)

    def _wrap(self, ring: Keyring, data_key: Hidden, vault_id: str, version: int) -> bytes:
        return cipher.seal(ring.key(ring.active), data_key, bound_to=_bound(vault_id, version))

    def _data_key(self, row: Sealed) -> Hidden:
        bound_to = _bound(row.vault_id, row.version)
        try:
            return cipher.unseal(self._ring(row.key_id).key(row.key_id), row.wrapped_key, bound_to=bound_to)
        except cipher.NotAuthentic:
            raise _altered(row) from None

    def _unseal(self, row: Sealed) -> Hidden:
        try:
            return cipher.unseal(self._data_key(row), row.sealed, bound_to=_bound(row.vault_id, row.version))
        except cipher.NotAuthentic:
            raise _altered(row) from None

    def _ring(self, wanted: str | None = None) -> Keyring:
        """The keyring as the file has it now: another process may have rotated it."""
        known = self._known
        if known is None or wanted is None or wanted not in known.keys:
            try:
                known = self._keys.load()
            except Unavailable as error:
                raise VaultAway(error.reason) from None
            if known is None:
                raise VaultBroken("the local vault's keyring is gone; restore it from its backup")
            self._known = known
        return known


def _bound(vault_id: str, version: int) -> str:
    return f"v1|{vault_id}|{version}"


def _number(version: str) -> int:
    if not version.isascii() or not version.isdecimal():
        raise OtherVersion(f"{version!r} is no version of the local vault; they are numbers")
    return min(int(version[:12]), _LARGEST_VERSION)


def _missing(vault_id: str, version: str | None) -> NoSuchValue:
    which = "" if version is None else f" at version {version}"
    return NoSuchValue(f"the local vault has no value for {vault_id}{which}", vault_id=vault_id)


def _altered(row: Sealed) -> VaultBroken:
    says = f"the value of {row.vault_id}, version {row.version}, does not open"
    return VaultBroken(f"{says}: its row was altered, or copied from another", vault_id=row.vault_id)
