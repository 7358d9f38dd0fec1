"""Idempotency-Key: a retry gets the first answer instead of doing it again.

The key itself is not kept, only its SHA-256; with the key, which is the client's, an HMAC of the body is kept. So a
retry on another replica is recognised, and what is kept tells nobody what the body was.
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from mooring.base.db import Tx
from mooring.base.errors import Clash, Unfit
from mooring.http.call import Call
from mooring.http.errors import Malformed
from mooring.http.route import Answer

_LONGEST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class _First:
    fingerprint: bytes
    status: int | None
    headers: dict[str, str] | None
    body: bytes | None


async def once(tx: Tx, call: Call, make: Callable[[], Awaitable[Answer]]) -> Answer:
    """What `make` answers in this transaction; for a retry under the same key, what it answered the first time.

    A refusal is not kept: a retry tries again. Raises Unfit (another body under the key), Clash (a one-time value).
    """
    key = call.header("Idempotency-Key")
    if key is None:
        return await make()
    scope, hashed, fingerprint = await _named(call, key)
    # A second request waits here until the first is done; when that fails, the second is the first.
    if not await tx.run(_TAKE, scope, hashed, fingerprint):
        first = await tx.row(_First, _FIRST, scope, hashed)
        assert first is not None
        return _again(first, fingerprint)
    answer = await make()
    kept = b"" if answer.once or answer.body is None else msgspec.json.encode(answer.body)
    await tx.run(_KEEP, scope, hashed, answer.status, dict(answer.headers), None if answer.once else kept)
    return answer


async def _named(call: Call, key: str) -> tuple[str, str, bytes]:
    """Hash of the scope, hash of the key and fingerprint of the body. Raises Malformed."""
    if not key.isprintable() or not 1 <= len(key) <= _LONGEST:
        raise Malformed(f"the header Idempotency-Key must be 1 to {_LONGEST} printable characters")
    scope = f"{call.actor.user_id} {call.request.method} {call.request.scope['path']}"
    fingerprint = hmac.digest(key.encode(), await call.body(), "sha256")
    return _hashed(scope), _hashed(key), fingerprint


def _hashed(text: str) -> str:
    """SHA-256 in hexadecimal: of one length, whatever a client sends."""
    return hashlib.sha256(text.encode()).hexdigest()


async def answered(tx: Tx, call: Call) -> Answer | None:
    """What was answered under the same key before; None: nothing. For what is done outside before `once` is asked."""
    key = call.header("Idempotency-Key")
    if key is None:
        return None
    scope, hashed, fingerprint = await _named(call, key)
    first = await tx.row(_First, _FIRST_STILL, scope, hashed)
    return None if first is None or first.status is None else _again(first, fingerprint)


def _again(first: _First, fingerprint: bytes) -> Answer:
    if not hmac.compare_digest(first.fingerprint, fingerprint):
        raise Unfit("Idempotency-Key: this key was used with another body; take a new key", header="Idempotency-Key")
    headers = first.headers or {}
    if first.body is None:
        where = headers.get("Location", "")
        says = f"this was done before, and its answer is shown only once; it is at {where}"
        raise Clash(says, id=where.rpartition("/")[2])
    body = msgspec.Raw(first.body) if first.body else None
    return Answer(status=first.status or 200, body=body, headers={**headers, "Idempotent-Replayed": "true"})


# A key counts for 24 hours; then it is as if it had never been used. Old ones of anybody go a few at a time.
_TAKE = """
WITH old AS (
    DELETE FROM idempotency_keys WHERE (scope, key) IN (
        SELECT scope, key FROM idempotency_keys
        WHERE created_at < now() - interval '24 hours' AND (scope, key) <> ($1, $2)
        ORDER BY created_at LIMIT 20 FOR UPDATE SKIP LOCKED
    )
)
INSERT INTO idempotency_keys AS held (scope, key, fingerprint) VALUES ($1, $2, $3)
ON CONFLICT (scope, key) DO UPDATE
    SET fingerprint = excluded.fingerprint, status = NULL, headers = NULL, body = NULL, created_at = now()
    WHERE held.created_at < now() - interval '24 hours'
"""
_FIRST = "SELECT fingerprint, status, headers, body FROM idempotency_keys WHERE scope = $1 AND key = $2"
_FIRST_STILL = f"{_FIRST} AND created_at >= now() - interval '24 hours'"
_KEEP = "UPDATE idempotency_keys SET status = $3, headers = $4, body = $5 WHERE scope = $1 AND key = $2"
