"""The verbs of users."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from mooring.access.actor import SYSTEM, Actor, Permission, PlatformRole
from mooring.audit import ledger
from mooring.audit.verbs import Verbs, require
from mooring.base.db import Tx
from mooring.base.errors import Clash, Missing
from mooring.identity import store, tokens
from mooring.identity.entities import User
from mooring.identity.kinds import TOKEN, USER

USERS = Verbs(kind=USER)


async def first_admin(tx: Tx) -> tuple[User, str] | None:
    """The user `admin` and the text of its token, on the very first start; None when there is or ever was any user."""
    await store.lock_users(tx)
    if await store.any_user(tx):
        return None
    first = SYSTEM.because("first start")
    values: dict[str, object] = {"username": "admin", "name": "Administrator", "role": PlatformRole.ADMIN}
    user = await USERS.create(tx, first, values)
    _, text = await tokens.create(tx, first, user_id=user.id, name="first start")
    return user, text


async def create(tx: Tx, actor: Actor, values: Mapping[str, object]) -> User:
    """A new user; an administrator makes it. Raises Denied, Unfit, Clash."""
    return await USERS.create(tx, actor, values)


async def replace(tx: Tx, actor: Actor, before: User, values: Mapping[str, object]) -> User:
    """The locked user with these values. Raises Denied, Unfit, Clash (the last administrator stays one)."""
    after = await USERS.replace(tx, actor, before, values)
    if after.role is not PlatformRole.ADMIN:
        await _keep_an_admin(tx, before)
    return after


async def delete(tx: Tx, actor: Actor, before: User) -> None:
    """The locked user is there no more, nor the tokens it had once. Raises Denied, Clash (one still lets it in)."""
    await USERS.delete(tx, actor, before)
    for token_id in await store.tokens_of(tx, before.id):
        await ledger.delete(tx, actor, TOKEN, await ledger.read(tx, SYSTEM, TOKEN, token_id, lock=True))
    await _keep_an_admin(tx, before)


async def disable(tx: Tx, actor: Actor, user_id: str) -> User:
    """The user, let in no more; its tokens stay, and count again once it is enabled. Raises Denied, Clash."""
    user = await USERS.read(tx, actor, user_id, lock=True)
    await require(tx, actor, Permission.CHANGE, USER, user)
    if user.disabled_at is not None:
        return user
    after = await ledger.change(tx, actor, USER, user, {"disabled_at": datetime.now(UTC)}, verb="disable")
    await _keep_an_admin(tx, user)
    return after


async def enable(tx: Tx, actor: Actor, user_id: str) -> User:
    """The user, let in again. Raises Denied."""
    user = await USERS.read(tx, actor, user_id, lock=True)
    await require(tx, actor, Permission.CHANGE, USER, user)
    return await ledger.change(tx, actor, USER, user, {"disabled_at": None}, verb="enable")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """A user as the access rules take it, with a token that may do everything; and whether it is let in at all."""

    actor: Actor
    disabled: bool


async def stand(tx: Tx, user_id: str) -> Stand:
    """How a user stands. Raises Missing."""
    found = await store.standing(tx, user_id)
    if found is None:
        raise Missing(f"there is no user {user_id[:80]!r}", kind="user", id=user_id[:80])
    actor = Actor(user_id=user_id, role=found.role, groups=found.groups)
    return Stand(actor=actor, disabled=found.disabled)


async def _keep_an_admin(tx: Tx, before: User) -> None:
    if before.role is PlatformRole.ADMIN and not await store.other_admins(tx, before.id):
        raise Clash("this is the last administrator; make another one first", id=before.id)
