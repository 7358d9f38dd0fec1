"""Secrets as rows: never a value. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

SecretId = NewType("SecretId", str)

LOCAL, WORKOS, OPENBAO = "local", "workos", "openbao"
SHORTEST_MASKED = 4
"""Characters of text, bytes of files; what is shorter cannot be masked without turning ordinary text into stars."""


class SecretPhase(StrEnum):
    """Whether the value was found in its vault."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """Where a value lies: which vault, under which id there, at which version.

    `vault_version` is the vault's own word for the version that `secret_version` counts; null until it was looked at.
    `registered`: the value was there before Mooring, which never removes it. `moves`: how often the value was moved to
    another vault; the vault's words for versions say nothing across a move.
    """

    id: SecretId
    created_at: datetime
    updated_at: datetime
    version: int
    created_by_user_id: str | None
    name: str
    description: str
    vault: str
    vault_id: str
    vault_version: str | None
    secret_version: int
    registered: bool
    moves: int
    phase: SecretPhase
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A value that was stored for a secret whose row is still to come."""

    secret_id: str
    vault: str
    vault_id: str
    vault_version: str


class RotationPhase(StrEnum):
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultRotation:
    """A change of the embedded vault's key: how many values it moved to the key, and the secrets that did not open."""

    id: str
    created_at: datetime
    updated_at: datetime
    version: int
    created_by_user_id: str | None
    key_id: str
    phase: RotationPhase
    done: int
    broken: tuple[str, ...]
    ended_at: datetime | None
