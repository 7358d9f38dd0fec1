"""Who asks: the bearer token of a request becomes an Actor."""

from typing import Any

from litestar import Request

from mooring.access.actor import Actor, PlatformRole
from mooring.app import App
from mooring.base.errors import NotKnown
from mooring.http.call import reason_of
from mooring.identity import tokens

# Behind routes that are open to all: it may do nothing.
NOBODY = Actor(user_id=None, role=PlatformRole.MEMBER, scopes=frozenset())


async def asker(app: App, request: Request[Any, Any, Any]) -> tuple[Actor, str]:
    """Who asks, with the reason given, and the id of the token. Raises NotKnown, Malformed."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise NotKnown("a token is needed: send the header `Authorization: Bearer mrg_…` (`moor login` keeps one)")
    now = app.clock.now()
    async with app.database.reading() as tx:
        known = await tokens.known(tx, text.strip(), now=now)
    if known.unwritten:
        async with app.database.transaction() as tx:
            await tokens.used(tx, known.token_id, now=now)
    reason = reason_of(request)
    return (known.actor if reason is None else known.actor.because(reason)), known.token_id
