"""The verb of those who come by single sign-on: from what the issuer says to a user of ours."""

from mooring.access.actor import SYSTEM, Actor, PlatformRole
from mooring.audit.verbs import Verbs
from mooring.base import fields
from mooring.base.db import Tx
from mooring.base.errors import NotKnown, Unfit
from mooring.identity import store
from mooring.identity.claims import Claims
from mooring.identity.kinds import USER

USERS = Verbs(kind=USER)


async def actor_of(tx: Tx, subject: str) -> Actor | None:
    """The user the issuer means, None when there is none yet. Raises NotKnown when it is disabled."""
    found = await store.signed_on(tx, subject)
    if found is None:
        return None
    if found.disabled:
        raise NotKnown("this user is disabled; an administrator can enable it")
    return Actor(user_id=found.user_id, role=found.role, groups=found.groups)


async def provide(tx: Tx, claims: Claims) -> None:
    """Make the user the issuer means, a member. Raises NotKnown when it cannot be: no username, or one that is taken.

    A user that is there already is never handed over by its name: an administrator sets its oidc_subject.
    """
    if claims.username is None:
        raise NotKnown("the single sign-on does not say the username; see MOORING_OIDC_USERNAME_CLAIM")
    try:
        username = fields.username(claims.username, field="username")
    except Unfit as error:
        raise NotKnown(f"the single sign-on's username cannot be one here: {error.reason}") from error
    if await store.username_taken(tx, username):
        raise NotKnown(f"there is a user {username} already; an administrator can set its oidc_subject to yours")
    await USERS.create(
        tx,
        SYSTEM.because("first login by single sign-on"),
        {
            "username": username,
            "name": _name(claims.name) or username,
            "email": _email(claims.email),
            "role": PlatformRole.MEMBER,
            "oidc_subject": claims.subject,
        },
    )


# What the issuer says of a person besides the username must not keep them out: nobody here could put it right.


def _name(said: str | None) -> str:
    return (said or "").strip()[: fields.LONGEST_NAME].strip()


def _email(said: str | None) -> str | None:
    try:
        return fields.email(said, field="email")
    except Unfit:
        return None
