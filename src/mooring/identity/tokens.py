"""The verbs of tokens: text that lets a user in. `mrg_`, 256 bits in base 62, and a checksum scanners can test."""

import hashlib
import secrets
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mooring.access.actor import READ_SCOPE, WRITE_SCOPE, Actor, Permission
from mooring.audit import ledger
from mooring.audit.verbs import Verbs, require
from mooring.base.db import Tx
from mooring.base.errors import Denied, NotKnown, Unfit
from mooring.base.ids import DIGITS
from mooring.identity import store
from mooring.identity.entities import Token
from mooring.identity.kinds import TOKEN

TOKENS = Verbs(kind=TOKEN)

PREFIX = "mrg_"
_BITS, _BODY, _SUM = 256, 43, 6
# A use is written down at most this often: it is for people to look at.
USE_EVERY = timedelta(minutes=1)


def new_text() -> str:
    """A token's text, never made before."""
    body = _digits(secrets.randbits(_BITS), _BODY)
    return PREFIX + body + _checksum(body)


def is_token(text: str) -> bool:
    """Whether the text has the form and checksum of a token."""
    body, checksum = text[len(PREFIX) : -_SUM], text[-_SUM:]
    right = text.startswith(PREFIX) and len(body) == _BODY and text.isascii() and text[len(PREFIX) :].isalnum()
    return right and checksum == _checksum(body)


def digest(text: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(text.encode()).digest()


async def create(
    tx: Tx,
    actor: Actor,
    *,
    user_id: str,
    name: str,
    scopes: Sequence[str] = (READ_SCOPE, WRITE_SCOPE),
    expires_at: datetime | None = None,
) -> tuple[Token, str]:
    """A new token of a user and its text, which is shown this once. Raises Denied, Unfit."""
    wider = sorted(set(scopes) - actor.scopes)
    if wider:
        raise Denied(f"your own token lacks the scope {', '.join(wider)}; it cannot make one that has it")
    if not scopes:
        raise Unfit("scopes: name at least one of read and write", field="scopes")
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise Unfit("expires_at lies in the past; choose a time to come, or leave it out", field="expires_at")
    text = new_text()
    values: dict[str, object] = {
        "user_id": user_id,
        "name": name,
        "hash": digest(text),
        "scopes": tuple(sorted(set(scopes))),
        "expires_at": expires_at,
        "revoked_at": None,
    }
    return await TOKENS.create(tx, actor, values), text


async def revoke(tx: Tx, actor: Actor, token_id: str) -> Token:
    """The token, good for nothing from now on; it stays listed."""
    token = await TOKENS.read(tx, actor, token_id, lock=True)
    await require(tx, actor, Permission.CHANGE, TOKEN, token)
    if token.revoked_at is not None:
        return token
    return await ledger.change(tx, actor, TOKEN, token, {"revoked_at": datetime.now(UTC)}, verb="revoke")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Who a token stands for. `unwritten`: its use is to be written down again."""

    actor: Actor
    token_id: str
    unwritten: bool


async def known(tx: Tx, text: str, *, now: datetime) -> Known:
    """Who the token stands for. Raises NotKnown: no such token, expired, revoked, or its user disabled."""
    if not is_token(text):
        raise NotKnown("this is not a token of Mooring's (mrg_…); make one with `moor token create`")
    found = await store.bearer(tx, digest(text))
    if found is None:
        raise NotKnown("this token is not known, or was revoked; make another with `moor token create`")
    if found.expires_at is not None and found.expires_at <= now:
        raise NotKnown("this token has expired; make another with `moor token create`")
    if found.disabled:
        raise NotKnown("the user of this token is disabled; an administrator can enable it")
    actor = Actor(user_id=found.user_id, role=found.role, groups=found.groups, scopes=frozenset(found.scopes))
    unwritten = found.used_at is None or now - found.used_at >= USE_EVERY
    return Known(actor=actor, token_id=found.token_id, unwritten=unwritten)


async def used(tx: Tx, token_id: str, *, now: datetime) -> None:
    """Write down that the token was used."""
    await store.keep_use(tx, token_id, now)


async def last_uses(tx: Tx, token_ids: Sequence[str]) -> dict[str, datetime]:
    """When each of the tokens was last used; those that never were are not in it."""
    return await store.uses(tx, list(token_ids))


def _digits(number: int, width: int) -> str:
    digits: list[str] = []
    for _ in range(width):
        number, digit = divmod(number, len(DIGITS))
        digits.append(DIGITS[digit])
    return "".join(reversed(digits))


def _checksum(body: str) -> str:
    # CRC-32 in base 62, as GitHub's tokens have it: enough to tell a token from chance, with no look-up.
    return _digits(zlib.crc32(body.encode()), _SUM)
