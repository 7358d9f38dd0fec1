"""Where the values of secrets lie. A vault is a contact: nobody calls one with a transaction open."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from mooring.base.errors import Unfit
from mooring.base.hidden import Hidden

LARGEST_VALUE = 64 << 10
"""Bytes of one value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Where a value lies now. `version` is the vault's own word for this state of it."""

    vault_id: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A value as it was at one version."""

    value: Hidden
    version: str


class Vault(Protocol):
    """Every method raises VaultAway, VaultRefuses or VaultBroken when the vault cannot do it now."""

    async def create(self, name: str, value: Hidden, context: Mapping[str, str]) -> Stored:
        """Keep a value under a name of ours. Not to be repeated: raises OtherVersion when the name is taken."""
        ...

    async def find(self, name: str) -> str | None:
        """The id under which the vault keeps what was created with this name."""
        ...

    async def read(self, vault_id: str, version: str | None = None) -> Opened:
        """The current value, or an earlier one where the vault keeps them. Raises NoSuchValue."""
        ...

    async def update(self, vault_id: str, value: Hidden, *, expect: str) -> str:
        """The version of the new value. Raises OtherVersion when the current one is not `expect`, NoSuchValue."""
        ...

    async def describe(self, vault_id: str) -> str:
        """The current version, without opening the value. Raises NoSuchValue."""
        ...

    async def delete(self, vault_id: str) -> None:
        """Every version is gone for good. May be repeated: absent is fine."""
        ...

    async def check(self) -> None:
        """Return when the vault answers and accepts us."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUse:
    """How many values a key wraps."""

    key_id: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrapped:
    """What a rotation came to: how many values it moved to the active key, and which of them do not open."""

    done: int
    broken: tuple[str, ...]


@runtime_checkable
class HasKeys(Protocol):
    """A vault whose keys Mooring keeps."""

    @property
    def active_key(self) -> str:
        """The id of the key that wraps what is written now."""
        ...

    def renew_key(self) -> str:
        """Make a fresh key the active one. Its id. Raises Clash where keys are not ours to make."""
        ...

    async def uses(self) -> list[KeyUse]:
        """How many values each key wraps."""
        ...

    async def rewrap(self) -> Rewrapped:
        """Wrap everything with the active key. May be stopped and repeated at any point."""
        ...


def checked(value: Hidden) -> Hidden:
    """The value, of a size a vault takes. Raises Unfit."""
    if not 1 <= value.size <= LARGEST_VALUE:
        raise Unfit(f"value: it has {value.size} bytes; a secret has 1 to {LARGEST_VALUE}", field="value")
    return value
