"""What a signed token of the single sign-on must say to be believed. Pure.

Sources: RFC 7519 (JWT), RFC 7517 (JWK), RFC 8725 (what goes wrong with them), OpenID Connect Core 1.0.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm

from mooring.base.errors import NotKnown

# A key of a type verifies one algorithm: the token's own word for it is never enough.
ALGORITHMS: Mapping[str, str] = {"RSA": "RS256", "EC": "ES256"}
SKEW = timedelta(seconds=60)
LONGEST_TOKEN = 16_384
_LONGEST_CLAIM = 255
_LEAST_RSA_BITS = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Whose tokens are believed, for whom they are meant, and which claim is the username."""

    issuer: str
    audience: str
    username_claim: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Who the issuer says it is."""

    subject: str
    username: str | None
    name: str | None
    email: str | None


class _Header(msgspec.Struct):
    alg: str
    kid: str | None = None
    crit: list[str] | None = None


def is_jwt(text: str) -> bool:
    """Whether the text has the form of a signed token: three parts."""
    return text.count(".") == 2  # noqa: PLR2004 - header, payload, signature


def key_id(text: str) -> str | None:
    """The name of the key the token says it was signed with. Raises NotKnown (not a token, no algorithm of ours)."""
    if len(text) > LONGEST_TOKEN:
        raise NotKnown(f"the token has more than {LONGEST_TOKEN} characters")
    try:
        header = msgspec.convert(jwt.get_unverified_header(text), _Header)
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise NotKnown("this is neither a token of Mooring's (mrg_…) nor a signed token (JWT)") from error
    if header.alg not in ALGORITHMS.values():
        raise NotKnown(f"tokens signed with {header.alg[:20]!r} are refused; use RS256 or ES256")
    if header.crit:
        raise NotKnown("the token demands extensions that Mooring does not know")
    return header.kid


def signing_keys(found: object) -> dict[str | None, jwt.PyJWK]:
    """The keys of a key set that sign with an algorithm of ours, by name. Others are passed over."""
    keys: dict[str | None, jwt.PyJWK] = {}
    listed = msgspec.convert(found, _KeySet).keys
    for entry in listed:
        algorithm = ALGORITHMS.get(str(entry.get("kty")))
        fits = entry.get("use", "sig") == "sig" and entry.get("alg", algorithm) == algorithm
        # With a private key, which `d` makes it, whoever reads the set can sign.
        if algorithm is None or not fits or "d" in entry or (algorithm == "ES256" and entry.get("crv") != "P-256"):
            continue
        try:
            key = jwt.PyJWK(entry, algorithm)
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError, UnsupportedAlgorithm):
            continue
        if algorithm == "ES256" or key.key.key_size >= _LEAST_RSA_BITS:
            name = entry.get("kid")
            keys[str(name) if name is not None else None] = key
    return keys


class _KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]


def claims(text: str, key: jwt.PyJWK, trust: Trust, now: datetime) -> Claims:
    """What the token says of whom, once all of it holds. Raises NotKnown, saying what does not."""
    try:
        said: dict[str, Any] = jwt.decode(
            text,
            key=key,
            algorithms=[str(key.algorithm_name)],
            issuer=trust.issuer,
            audience=trust.audience,
            options={
                "require": ["exp", "iss", "aud", "sub"],
                # Times are compared below, with the time that was handed in.
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise NotKnown(f"the single sign-on's token is not good: {error}") from error
    _check_times(said, now)
    subject = _text(said, "sub")
    if not subject:
        raise NotKnown("the single sign-on's token names nobody: it has no sub")
    return Claims(
        subject=subject,
        username=_text(said, trust.username_claim),
        name=_text(said, "name"),
        email=_text(said, "email") if said.get("email_verified") is True else None,
    )


def _check_times(said: Mapping[str, Any], now: datetime) -> None:
    at, skew = now.timestamp(), SKEW.total_seconds()
    for name in ("exp", "nbf", "iat"):
        value = said.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise NotKnown(f"the single sign-on's token is not good: {name} is no time")
        # Python reads NaN and Infinity as JSON, and nothing is later than either.
        if isinstance(value, float) and not math.isfinite(value):
            raise NotKnown(f"the single sign-on's token is not good: {name} is no time")
    if said["exp"] <= at - skew:
        raise NotKnown("the single sign-on's token has expired; log in again")
    if said.get("nbf", at) > at + skew or said.get("iat", at) > at + skew:
        raise NotKnown("the single sign-on's token is of the future; set the clocks right")


def _text(said: Mapping[str, Any], name: str) -> str | None:
    value = said.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= _LONGEST_CLAIM or not value.isprintable():
        return None
    return value
