"""Secrets and vaults, as they are sent: a value comes in, none goes out."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from mooring.wire.base import Id, Moment, Name, Prompt, Resource

Vault = Literal["local", "workos", "openbao"]
Encoding = Literal["text", "base64"]
SecretPhase = Literal["pending", "ready", "failed"]
VaultId = Annotated[
    str,
    Meta(min_length=1, max_length=1_000, description="The value's id in the vault; in openbao `path` or `path#key`"),
]
# 64 KiB in base64, with room for line ends.
Value = Annotated[str, Meta(max_length=100_000, description="1 byte to 64 KiB; never sent back")]


class NewSecret(Struct, kw_only=True, forbid_unknown_fields=True):
    """A secret to be: with a value to keep, or with the vault_id of one that lies in a vault already.

    `vault`: null is where this installation keeps new values.
    """

    name: Name
    description: Prompt = ""
    vault: Vault | None = None
    value: Value | None = None
    encoding: Encoding = "text"
    vault_id: VaultId | None = None

    def __repr__(self) -> str:
        return f"NewSecret(name={self.name!r})"


class NewValue(Struct, kw_only=True, forbid_unknown_fields=True):
    """A new version of a secret's value."""

    value: Value
    encoding: Encoding = "text"

    def __repr__(self) -> str:
        return "NewValue()"


class EditSecret(Struct, kw_only=True, forbid_unknown_fields=True):
    """What of a secret can change without touching its value."""

    name: Name
    description: Prompt = ""


class MoveSecret(Struct, kw_only=True, forbid_unknown_fields=True):
    """Where a secret's value goes."""

    vault: Vault


class Secret(Resource, kw_only=True):
    """Where a value lies. `vault_version` is the vault's own word for the version that `secret_version` counts.

    `registered`: it was in the vault before Mooring, which never removes it there. `phase`: whether it was found there.
    """

    name: str
    description: str
    vault: Vault
    vault_id: str
    vault_version: str | None
    secret_version: int
    registered: bool
    phase: SecretPhase
    reason: str | None


class KeptSecret(Secret, kw_only=True):
    """A secret whose value was just kept, with what is to be said of it."""

    warnings: list[str]


class SecretGroup(Struct, kw_only=True):
    """A group that may use the secret."""

    id: Id
    name: str


class SecretExposure(Struct, kw_only=True):
    """An instance that exposes the secret, as a variable or a file. `granted`: its group still may use the secret."""

    id: Id
    compute_instance_id: Id
    compute_instance: str
    group_id: Id
    expose_as_env: str | None
    expose_as_file: str | None
    granted: bool


class SecretDelivery(Struct, kw_only=True):
    """A run that got the secret. `holds`: it is not over, so it still may have the value.

    `vault`: where the value lay then, and whose word `vault_version` is; null where that was not noted yet.
    """

    run_id: Id
    session_id: Id | None
    compute_instance_id: Id | None
    secret_version: int
    vault: Vault | None
    vault_version: str
    delivered_at: Moment
    phase: str
    holds: bool


class SecretUsage(Struct, kw_only=True):
    """Who can use a secret, and who did: all runs that hold it, then the newest 1,000 of those that are over.

    `older_left_out`: there are more of the latter.
    """

    kind: str
    secret_id: Id
    groups: list[SecretGroup]
    exposures: list[SecretExposure]
    deliveries: list[SecretDelivery]
    older_left_out: bool


class VaultKey(Struct, kw_only=True):
    """A key of the embedded vault, by its id, and how many values it wraps."""

    id: str
    active: bool
    values: int


class VaultRotation(Resource, kw_only=True):
    """A change of the embedded vault's key: how many values it moved to it, and the secrets that did not open."""

    key_id: str
    phase: Literal["running", "completed", "failed"]
    done: int
    broken: list[Id]
    ended_at: Moment | None


class RotateVault(Struct, kw_only=True, forbid_unknown_fields=True):
    """What to wrap with: a fresh key, or (`new_key` false) the active one, where keys are given from outside."""

    new_key: bool = True


class VaultState(Struct, kw_only=True):
    """A vault. `first`: new values go there. Who sees everything is told whether it works, and of its keys."""

    name: Vault
    first: bool
    usable: bool | None
    reason: str | None
    keys: list[VaultKey] | None


class VaultList(Struct, kw_only=True):
    """Every vault that is set up."""

    kind: str
    page: int
    size: int
    total: int
    items: list[VaultState]
    next: str | None = None
