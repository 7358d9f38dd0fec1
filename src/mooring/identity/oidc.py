"""Single sign-on by OpenID Connect: tokens of one issuer, verified with the keys it publishes. A contact.

Keys are fetched when first needed, kept for ten minutes, and fetched anew when a token names one that is not among them
(that is how issuers change keys) — at most every ten seconds, so that made-up names cost the issuer nothing, nor does
everybody who comes while it is away.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
import msgspec

from mooring.base.errors import NotKnown, Unavailable, Unfit
from mooring.identity.claims import Claims, Trust, claims, key_id, signing_keys

KEPT = timedelta(minutes=10)
AGAIN = timedelta(seconds=10)
_MOST_BYTES = 1 << 20
_SECONDS = 5.0


class _Discovered(msgspec.Struct):
    issuer: str
    jwks_uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Keys:
    keys: dict[str | None, jwt.PyJWK]
    fetched_at: datetime


class SignOn:
    """One issuer. Raises Unfit when it cannot be meant: not https (but on this machine), no audience."""

    def __init__(self, trust: Trust) -> None:
        if not _safe(trust.issuer) or urlsplit(trust.issuer).query or urlsplit(trust.issuer).fragment:
            raise Unfit(f"MOORING_OIDC_ISSUER={trust.issuer!r} is not an https:// address")
        if not trust.audience:
            raise Unfit("MOORING_OIDC_AUDIENCE is not set; without it the tokens for any application would be taken")
        self._trust = trust
        self._kept: _Keys | None = None
        self._tried_at: datetime | None = None
        # Why there is no key, as long as none was ever fetched.
        self._away = "the keys of the single sign-on could not be fetched; the log says why"
        self._one_at_a_time = asyncio.Lock()

    async def known(self, text: str, now: datetime) -> Claims:
        """Who the token stands for. Raises NotKnown, Unavailable (the issuer does not answer, and no key is kept)."""
        name = key_id(text)
        key = await self._key(name, now)
        return claims(text, key, self._trust, now)

    async def _key(self, name: str | None, now: datetime) -> jwt.PyJWK:
        kept = self._kept
        if kept is None or now - kept.fetched_at >= KEPT or _named(kept, name) is None:
            async with self._one_at_a_time:
                kept = await self._fresh(name, now)
        found = _named(kept, name)
        if found is None:
            raise NotKnown("the single sign-on's token was signed with a key that its issuer does not publish")
        return found

    async def _fresh(self, name: str | None, now: datetime) -> _Keys:
        kept = self._kept
        if kept is not None and now - kept.fetched_at < KEPT and _named(kept, name) is not None:
            return kept
        if self._tried_at is None or now - self._tried_at >= AGAIN:
            # Noted before: also where it goes wrong in a way nobody thought of, it is not asked by everybody who comes.
            self._tried_at = now
            try:
                kept = self._kept = _Keys(keys=await self._fetch(), fetched_at=now)
            except Unavailable as error:
                # The keys it published last are still the best there is.
                self._away = error.reason
        if kept is None:
            raise Unavailable(self._away)
        return kept

    async def _fetch(self) -> dict[str | None, jwt.PyJWK]:
        async with httpx.AsyncClient(timeout=_SECONDS, follow_redirects=False, trust_env=False) as client:
            where = self._trust.issuer.rstrip("/") + "/.well-known/openid-configuration"
            try:
                said = msgspec.convert(await _document(client, where), _Discovered)
                if said.issuer != self._trust.issuer:
                    raise Unavailable(f"{where} speaks for {said.issuer[:200]!r}, not for {self._trust.issuer!r}")
                if not _safe(said.jwks_uri):
                    raise Unavailable(f"{where} names keys at an address that is not https://")
                return signing_keys(await _document(client, said.jwks_uri))
            except msgspec.ValidationError as error:
                raise Unavailable(f"{self._trust.issuer} does not speak OpenID Connect") from error


async def _document(client: httpx.AsyncClient, url: str) -> Any:  # noqa: ANN401 - JSON, converted by the caller
    try:
        async with client.stream("GET", url, headers={"Accept": "application/json"}) as answer:
            held = bytearray()
            async for chunk in answer.aiter_bytes():
                held += chunk
                if len(held) > _MOST_BYTES:
                    raise Unavailable(f"{url} answers with more than {_MOST_BYTES} bytes")
        if not answer.is_success:
            raise Unavailable(f"{url} answers {answer.status_code}")
        return msgspec.json.decode(held)
    except httpx.HTTPError as error:
        raise Unavailable(f"the single sign-on does not answer at {url}: {error}") from error
    except (ValueError, RecursionError) as error:
        # Bytes that are no text, and what is nested without an end, are no DecodeError.
        raise Unavailable(f"{url} does not answer with JSON") from error


def _named(kept: _Keys, name: str | None) -> jwt.PyJWK | None:
    """The key of this name; where a token names none, the only one there is."""
    if name is not None:
        return kept.keys.get(name)
    return next(iter(kept.keys.values())) if len(kept.keys) == 1 else None


def _safe(url: str) -> bool:
    """Whether it is https, or plain http that does not leave this machine."""
    try:
        parts = urlsplit(url)
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        return False
    local = parts.hostname in ("127.0.0.1", "::1", "localhost")
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and local))
