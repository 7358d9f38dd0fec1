"""Secrets as rows: never a value. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import NewType

SecretId = NewType("SecretId", str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """Where a value lies: which vault, under which id there, at which version."""

    id: SecretId
    created_at: datetime
    updated_at: datetime
    version: int
    created_by_user_id: str | None
    name: str
    description: str
    vault: str
    vault_id: str
    secret_version: int
