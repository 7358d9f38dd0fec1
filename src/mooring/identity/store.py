"""The rows of identity that are not a kind's own: who a token stands for, when it was used."""

from dataclasses import dataclass
from datetime import datetime

from mooring.access.rules import GroupRole, PlatformRole
from mooring.base.db import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """Who holds a token, and what it allows. `groups`: id → role there."""

    token_id: str
    user_id: str
    role: PlatformRole
    scopes: tuple[str, ...]
    groups: dict[str, GroupRole]
    expires_at: datetime | None
    used_at: datetime | None
    disabled: bool


_BEARER = """
SELECT tokens.id AS token_id, users.id AS user_id, users.role, tokens.scopes, tokens.expires_at, uses.used_at,
    users.disabled_at IS NOT NULL AS disabled,
    coalesce(
        (SELECT jsonb_object_agg(m.group_id, m.role) FROM group_members m JOIN groups g ON g.id = m.group_id
            WHERE m.user_id = users.id AND g.deleted_at IS NULL),
        '{}'
    ) AS groups
FROM tokens JOIN users ON users.id = tokens.user_id LEFT JOIN token_uses uses ON uses.token_id = tokens.id
WHERE tokens.hash = $1 AND tokens.deleted_at IS NULL AND tokens.revoked_at IS NULL AND users.deleted_at IS NULL
"""


async def bearer(tx: Tx, digest: bytes) -> Bearer | None:
    """Who holds the living token with this SHA-256."""
    return await tx.row(Bearer, _BEARER, digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a user is: role, roles in groups, whether it is let in."""

    role: PlatformRole
    groups: dict[str, GroupRole]
    disabled: bool


async def standing(tx: Tx, user_id: str) -> Standing | None:
    """What a living user is."""
    return await tx.row(Standing, _STANDING, user_id)


_STANDING = """
SELECT users.role, users.disabled_at IS NOT NULL AS disabled,
    coalesce(
        (SELECT jsonb_object_agg(m.group_id, m.role) FROM group_members m JOIN groups g ON g.id = m.group_id
            WHERE m.user_id = users.id AND g.deleted_at IS NULL),
        '{}'
    ) AS groups
FROM users WHERE users.id = $1 AND users.deleted_at IS NULL
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOn(Standing):
    user_id: str


async def signed_on(tx: Tx, subject: str) -> SignedOn | None:
    """The living user with this oidc_subject."""
    return await tx.row(SignedOn, _SIGNED_ON, subject)


_SIGNED_ON = """
SELECT users.id AS user_id, users.role, users.disabled_at IS NOT NULL AS disabled,
    coalesce(
        (SELECT jsonb_object_agg(m.group_id, m.role) FROM group_members m JOIN groups g ON g.id = m.group_id
            WHERE m.user_id = users.id AND g.deleted_at IS NULL),
        '{}'
    ) AS groups
FROM users WHERE users.oidc_subject = $1 AND users.deleted_at IS NULL
"""


async def username_taken(tx: Tx, username: str) -> bool:
    """Whether a living user has this name."""
    return bool(
        await tx.value(bool, "SELECT EXISTS (SELECT 1 FROM users WHERE username = $1 AND deleted_at IS NULL)", username)
    )


async def keep_use(tx: Tx, token_id: str, at: datetime) -> None:
    await tx.run(
        "INSERT INTO token_uses AS uses (token_id, used_at) VALUES ($1, $2) "
        "ON CONFLICT (token_id) DO UPDATE SET used_at = greatest(uses.used_at, excluded.used_at)",
        token_id,
        at,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    token_id: str
    used_at: datetime


async def uses(tx: Tx, token_ids: list[str]) -> dict[str, datetime]:
    """When each was last used; those that never were are not in it."""
    found = await tx.rows(Used, "SELECT token_id, used_at FROM token_uses WHERE token_id = ANY($1)", token_ids)
    return {row.token_id: row.used_at for row in found}


async def tokens_of(tx: Tx, user_id: str) -> list[str]:
    """The ids of a user's tokens, of revoked and expired ones too."""
    return await tx.values(str, "SELECT id FROM tokens WHERE user_id = $1 AND deleted_at IS NULL ORDER BY id", user_id)


async def any_user(tx: Tx) -> bool:
    """Whether there is or ever was one."""
    return bool(await tx.value(bool, "SELECT EXISTS (SELECT 1 FROM users)"))


# The first eight bytes of sha256("mooring.admins"), signed: whoever takes an administrator away waits in one line.
_ADMINS = 5943064920330378715


async def other_admins(tx: Tx, user_id: str) -> bool:
    """Whether another administrator is let in; held to be so until the transaction ends."""
    await tx.run("SELECT pg_advisory_xact_lock($1)", _ADMINS)
    return bool(
        await tx.value(
            bool,
            "SELECT EXISTS (SELECT 1 FROM users "
            "WHERE role = 'admin' AND disabled_at IS NULL AND deleted_at IS NULL AND id <> $1)",
            user_id,
        )
    )


async def lock_users(tx: Tx) -> None:
    """Wait for whoever else makes the first user."""
    await tx.run("SELECT pg_advisory_xact_lock($1)", _ADMINS)
