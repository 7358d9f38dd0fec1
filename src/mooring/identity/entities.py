"""People, their groups and their tokens. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import NewType

from mooring.access.rules import PlatformRole

UserId = NewType("UserId", str)
GroupId = NewType("GroupId", str)
TokenId = NewType("TokenId", str)


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person or a service. One that is disabled is let in no more; what it made stays."""

    id: UserId
    created_at: datetime
    updated_at: datetime
    version: int
    created_by_user_id: str | None
    username: str
    name: str
    email: str | None
    role: PlatformRole
    disabled_at: datetime | None
    # Whom the single sign-on means, where the user comes by it.
    oidc_subject: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """People who use the same instances, files and secrets. `git_credentials`: host → id of the secret for it."""

    id: GroupId
    created_at: datetime
    updated_at: datetime
    version: int
    created_by_user_id: str | None
    name: str
    description: str
    git_credentials: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What lets a user in. Only the SHA-256 of the text is kept."""

    id: TokenId
    created_at: datetime
    updated_at: datetime
    version: int
    created_by_user_id: str | None
    user_id: str
    name: str
    hash: bytes
    scopes: tuple[str, ...]
    expires_at: datetime | None
    revoked_at: datetime | None
