"""An OpenID Connect issuer on this machine: real HTTP, real keys, with faults on demand."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
AUDIENCE = "mooring-test"


def public(private: Any, name: str, **more: str) -> dict[str, Any]:
    """A key as a key set holds it."""
    algorithm: Any = RSAAlgorithm if isinstance(private, rsa.RSAPrivateKey) else ECAlgorithm
    held: dict[str, Any] = json.loads(algorithm.to_jwk(private.public_key()))
    return {**held, "kid": name, **more}


def pem(private: Any) -> bytes:
    """The public key as text: what an attacker has."""
    return private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


@dataclass
class Issuer:
    """What it publishes, and how often it was asked."""

    url: str = ""
    keys: list[dict[str, Any]] = field(default_factory=lambda: [public(RSA, "one"), public(EC, "two")])
    claims_to_be: str | None = None
    keys_at: str | None = None
    # Instead of the key set, as it is.
    raw_keys: bytes | None = None
    away: bool = False
    asked: int = 0

    def token(self, now: datetime, key: Any = RSA, kid: str | None = "one", **claims: Any) -> str:
        """A signed token; a claim that is None is left out."""
        said = {
            "iss": self.url, "aud": AUDIENCE, "sub": "s-1", "exp": now.timestamp() + 300, "iat": now.timestamp(),
            "preferred_username": "author", **claims,
        }  # fmt: skip
        algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
        headers = {"kid": kid} if kid is not None else {}
        kept = {claim: value for claim, value in said.items() if value is not None}
        return jwt.encode(kept, key, algorithm, headers=headers)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request."""
        path = (await reader.readline()).split()[1].decode()
        while (await reader.readline()).strip():
            pass
        self.asked += 1
        keys = None if path.endswith("openid-configuration") else self.raw_keys
        body = json.dumps(self._document(path)).encode() if keys is None else keys
        status = b"503 Away" if self.away else b"200 OK"
        writer.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body))
        await writer.drain()
        writer.close()

    def _document(self, path: str) -> dict[str, Any]:
        if path.endswith("openid-configuration"):
            return {"issuer": self.claims_to_be or self.url, "jwks_uri": self.keys_at or f"{self.url}/keys"}
        return {"keys": self.keys}


@contextlib.asynccontextmanager
async def issuing() -> AsyncGenerator[Issuer]:
    """An issuer for as long as the block runs."""
    issuer = Issuer()
    server = await asyncio.start_server(issuer.answer, "127.0.0.1", 0)
    issuer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield issuer
