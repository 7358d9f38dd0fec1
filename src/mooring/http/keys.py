"""Who asks: the bearer token of a request becomes an Actor."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from litestar import Request

from mooring.access.actor import Actor, PlatformRole
from mooring.app import App
from mooring.base.errors import Clash, NotKnown
from mooring.http.call import Call, reason_of
from mooring.http.errors import TooMany
from mooring.http.rate import Rates
from mooring.identity import signed_on, tokens
from mooring.identity.claims import Claims, is_jwt

# Behind routes that are open to all: it may do nothing.
NOBODY = Actor(user_id=None, role=PlatformRole.MEMBER, scopes=frozenset())
# Seconds a body may take before who sends it is asked for again: they may be let in no more by then.
_PROMPT = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks, and with what: `token_id` of ours, None for the single sign-on; `key` tells one from another."""

    actor: Actor
    token_id: str | None
    key: str


async def asker(app: App, request: Request[Any, Any, Any]) -> Asker:
    """Who asks, with the reason given. Raises NotKnown, Malformed, Unavailable."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise NotKnown("a token is needed: send the header `Authorization: Bearer mrg_…` (`moor login` keeps one)")
    found = await (_signed_on if app.sign_on is not None and is_jwt(text.strip()) else _own)(app, text.strip())
    reason, owes = reason_of(request), app.settings.reasons_wanted
    if reason is None and not owes:
        return found
    return replace(found, actor=replace(found.actor, reason=reason, owes_reasons=owes))


async def _own(app: App, text: str) -> Asker:
    now = app.clock.now()
    async with app.database.reading() as tx:
        known = await tokens.known(tx, text, now=now)
    if known.unwritten:
        async with app.database.transaction() as tx:
            await tokens.used(tx, known.token_id, now=now)
    return Asker(actor=known.actor, token_id=known.token_id, key=known.token_id)


async def _signed_on(app: App, text: str) -> Asker:
    assert app.sign_on is not None
    claims = await app.sign_on.known(text, app.clock.now())
    async with app.database.reading() as tx:
        actor = await signed_on.actor_of(tx, claims.subject)
    if actor is None:
        actor = await _first_login(app, claims)
    return Asker(actor=actor, token_id=None, key=f"oidc {claims.subject}")


async def _first_login(app: App, claims: Claims) -> Actor:
    if not app.settings.oidc_provision:
        raise NotKnown("the single sign-on vouches for you, but there is no such user here; ask an administrator")
    # Two first requests at once: the second finds the user that the first made.
    with contextlib.suppress(Clash):
        async with app.database.transaction() as tx:
            if await signed_on.actor_of(tx, claims.subject) is None:
                await signed_on.provide(tx, claims)
    async with app.database.reading() as tx:
        actor = await signed_on.actor_of(tx, claims.subject)
    if actor is None:
        raise NotKnown("the single sign-on vouches for you, but the user could not be made; try again")
    return actor


async def with_body(call: Call) -> Call:
    """The call once its body came, by who asks now where that took long. Raises TooLarge, NotKnown."""
    begun = call.app.clock.now()
    await call.received()
    return await _asked_again(call) if _late(call, begun) else call


async def streamed(call: Call) -> AsyncIterator[bytes]:
    """The body as it comes; the caller bounds it. Raises NotKnown at its end, where who sent it is let in no more."""
    begun = call.app.clock.now()
    async for chunk in call.request.stream():
        yield chunk
    if _late(call, begun):
        await _asked_again(call)


def _late(call: Call, begun: datetime) -> bool:
    return (call.app.clock.now() - begun).total_seconds() >= _PROMPT


async def _asked_again(call: Call) -> Call:
    found = await asker(call.app, call.request)
    return replace(call, actor=found.actor, token_id=found.token_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How often one may ask."""

    addresses: Rates
    tokens: Rates

    async def asker(self, app: App, request: Request[Any, Any, Any]) -> tuple[Actor, str | None]:
        """Who asks, with which token. Raises NotKnown, TooMany."""
        now = asyncio.get_running_loop().time()
        address = request.client.host if request.client is not None else ""
        _not_too_many(self.addresses.wait(address, now), "from this address")
        found = await asker(app, request)
        _not_too_many(self.tokens.wait(found.key, now), "with this token")
        return found.actor, found.token_id


def _not_too_many(seconds: int, whose: str) -> None:
    if seconds:
        raise TooMany(f"too many requests {whose}; the next is taken in {seconds} s", retry_after=seconds)
