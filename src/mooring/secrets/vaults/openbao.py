"""OpenBao or HashiCorp Vault: the key/value engine, version 2, over its HTTP API.

Source: https://openbao.org/api-docs/secret/kv/kv-v2/ and /api-docs/auth/approle/. A vault id is `path` or `path#key`
inside the mount; Mooring's own values lie under `<prefix>/<secret id>#value`.
"""

import asyncio
import base64
import binascii
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from mooring.base.clock import Clock, SystemClock
from mooring.base.errors import Unfit
from mooring.base.hidden import Hidden
from mooring.secrets.errors import NoSuchValue, OtherVersion, VaultAway, VaultBroken, VaultRefuses
from mooring.secrets.vaults.base import Opened, Stored, checked
from mooring.secrets.vaults.patience import Patience, TryAgain

_VALUE, _ENCODING, _BASE64 = "value", "encoding", "base64"
_LONGEST_PATH = 1_000
_LARGEST_ANSWER = 4 << 20
# A login is renewed when this share of its lease is over.
_LEASE_SHARE = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBaoSettings:
    """Where the vault is and who we are there: a token, or the two ids of an AppRole. Timeout in seconds."""

    url: str
    mount: str = "secret"
    prefix: str = "mooring"
    namespace: str | None = None
    token: Hidden | None = None
    role_id: str | None = None
    secret_id: Hidden | None = None
    approle: str = "approle"
    authorities: str | None = None
    timeout: float = 10.0


@dataclass(slots=True)
class _Login:
    token: Hidden
    until: float = field(default=float("inf"))


class OpenBaoVault:
    """Speaks to one server, in one namespace, in one mount."""

    def __init__(
        self,
        settings: OpenBaoSettings,
        *,
        patience: Patience | None = None,
        now: Callable[[], float] = time.monotonic,
        clock: Clock | None = None,
    ) -> None:
        if settings.token is None and (settings.role_id is None or settings.secret_id is None):
            raise Unfit("openbao needs MOORING_OPENBAO_TOKEN, or MOORING_OPENBAO_ROLE_ID and MOORING_OPENBAO_SECRET_ID")
        self._settings = settings
        self._patience = patience or Patience()
        self._now = now
        self._clock = clock or SystemClock()
        self._login = None if settings.token is None else _Login(settings.token)
        self._logging_in = asyncio.Lock()
        self._client = httpx.AsyncClient(
            base_url=f"{settings.url.rstrip('/')}/v1/",
            timeout=settings.timeout,
            verify=ssl.create_default_context(cafile=settings.authorities),
            # Neither proxies nor credentials from the surroundings: the token goes where the setting says, or nowhere.
            trust_env=False,
            follow_redirects=False,
        )

    # --- the vault ---

    async def create(self, name: str, value: Hidden, context: Mapping[str, str]) -> Stored:
        del context  # The path names the secret.
        vault_id = f"{self._settings.prefix}/{name}"
        body = {"options": {"cas": 0}, "data": _encoded(checked(value))}
        return Stored(vault_id=vault_id, version=await self._write(vault_id, body))

    async def find(self, name: str) -> str | None:
        vault_id = f"{self._settings.prefix}/{name}"
        try:
            # Also where no version can be read any more: what is left of it is there.
            await self._described(vault_id)
        except NoSuchValue:
            return None
        return vault_id

    async def read(self, vault_id: str, version: str | None = None) -> Opened:
        query = "" if version is None else f"?version={_number(version)}"
        kept = await self._kept(vault_id, query)
        return Opened(value=_decoded(kept.data, vault_id), version=str(kept.metadata.version))

    async def update(self, vault_id: str, value: Hidden, *, expect: str) -> str:
        checked(value)
        kept = await self._kept(vault_id, "")
        if str(kept.metadata.version) != expect:
            raise _other(expect)
        body = {"options": {"cas": _number(expect)}, "data": _merged(kept.data, value, vault_id)}
        return await self._write(vault_id, body)

    async def describe(self, vault_id: str) -> str:
        found = await self._described(vault_id)
        current = found.versions.get(str(found.current_version))
        if current is None or current.gone(self._clock.now()):
            raise _missing(vault_id)
        return str(found.current_version)

    async def delete(self, vault_id: str) -> None:
        try:
            await self._ask("DELETE", self._path("metadata", vault_id), vault_id)
        except NoSuchValue:
            return

    async def check(self) -> None:
        await self._ask("GET", "auth/token/lookup-self", "")

    async def close(self) -> None:
        await self._client.aclose()

    # --- requests ---

    async def _kept(self, vault_id: str, query: str) -> "_Kept":
        return _converted(await self._ask("GET", self._path("data", vault_id) + query, vault_id), _Read).data

    async def _described(self, vault_id: str) -> "_Current":
        return _converted(await self._ask("GET", self._path("metadata", vault_id), vault_id), _Described).data

    async def _write(self, vault_id: str, body: Mapping[str, object]) -> str:
        answer = await self._ask("POST", self._path("data", vault_id), vault_id, body)
        return str(_converted(answer, _Written).data.version)

    def _path(self, what: str, vault_id: str) -> str:
        path, _ = _parts(vault_id)
        return f"{quote(self._settings.mount)}/{what}/{quote(path)}"

    async def _ask(self, method: str, path: str, vault_id: str, body: Mapping[str, object] | None = None) -> bytes:
        """The body of a good answer, as one who is logged in."""

        async def attempt() -> bytes:
            answer = await self._send(method, path, body, await self._token())
            if answer.status_code == HTTPStatus.FORBIDDEN and await self._again():
                answer = await self._send(method, path, body, await self._token())
            return _good(answer, vault_id)

        return await self._patience.insist(attempt, repeatable=method in ("GET", "DELETE"))

    async def _send(
        self, method: str, path: str, body: Mapping[str, object] | None, token: Hidden | None
    ) -> httpx.Response:
        headers = {"X-Vault-Request": "true"}
        if self._settings.namespace:
            headers["X-Vault-Namespace"] = self._settings.namespace
        if token is not None:
            headers["X-Vault-Token"] = token.text()
        content = None if body is None else msgspec.json.encode(body)
        try:
            return await self._client.request(method, path, headers=headers, content=content)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            raise TryAgain(_away("cannot be reached"), after=None, happened=False) from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError):
            # The library's errors hold the request, and with it what is in it.
            raise TryAgain(_away("did not answer in time, or broke off"), after=None, happened=True) from None

    async def _token(self) -> Hidden:
        async with self._logging_in:
            login = self._login
            if login is None or self._now() >= login.until:
                login = self._login = await self._log_in()
            return login.token

    async def _again(self) -> bool:
        """After a refusal: whether another login may help. A token we were given is all we have."""
        if self._settings.token is not None:
            return False
        async with self._logging_in:
            self._login = None
        return True

    async def _log_in(self) -> _Login:
        settings = self._settings
        if settings.token is not None:
            return _Login(settings.token)
        assert settings.secret_id is not None, "looked at when the vault was made"
        body = {"role_id": settings.role_id, "secret_id": settings.secret_id.text()}
        answer = await self._send("POST", f"auth/{quote(settings.approle)}/login", body, None)
        if answer.status_code in (HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN):
            raise VaultRefuses("openbao refuses the AppRole; renew MOORING_OPENBAO_SECRET_ID, and check the role")
        granted = _converted(_good(answer, ""), _LoggedIn).auth
        until = self._now() + granted.lease_duration * _LEASE_SHARE if granted.lease_duration else float("inf")
        return _Login(Hidden(granted.client_token.encode()), until)


# --- what it answers with ---


class _Version(msgspec.Struct):
    # It may lie in the future: versions that are kept for a time (`delete_version_after`).
    deletion_time: str = ""
    destroyed: bool = False

    def __post_init__(self) -> None:
        # What is no time is refused here, with the answer it stands in.
        self.gone(datetime.now(UTC))

    def gone(self, now: datetime) -> bool:
        return self.destroyed or (bool(self.deletion_time) and datetime.fromisoformat(self.deletion_time) <= now)


class _Metadata(msgspec.Struct):
    version: int


class _Kept(msgspec.Struct):
    data: dict[str, Any]
    metadata: _Metadata


class _Read(msgspec.Struct):
    data: _Kept


class _Written(msgspec.Struct):
    data: _Metadata


class _Current(msgspec.Struct):
    current_version: int
    versions: dict[str, _Version]


class _Described(msgspec.Struct):
    data: _Current


class _Granted(msgspec.Struct):
    client_token: str
    lease_duration: int = 0


class _LoggedIn(msgspec.Struct):
    auth: _Granted


A = TypeVar("A", _Read, _Written, _Described, _LoggedIn)


def _converted(answer: bytes, shape: type[A]) -> A:
    try:
        return msgspec.json.decode(answer, type=shape)
    except msgspec.DecodeError:
        # The decoder's error may quote the answer.
        raise VaultBroken("openbao's answer is not one of the key/value engine, version 2; check the mount") from None


def _good(answer: httpx.Response, vault_id: str) -> bytes:
    """The body of a good answer. Raises what the status means; never repeats what the vault said."""
    status = answer.status_code
    if status < HTTPStatus.MULTIPLE_CHOICES:
        if len(answer.content) > _LARGEST_ANSWER:
            raise VaultBroken("openbao's answer is larger than any value", vault_id=vault_id)
        return answer.content
    if status == HTTPStatus.NOT_FOUND:
        raise _missing(vault_id)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise VaultRefuses(
            f"openbao refuses Mooring's credentials or its policy ({status}); renew MOORING_OPENBAO_TOKEN or the "
            "AppRole's secret id, and allow the mount's data and metadata paths"
        )
    if status == HTTPStatus.BAD_REQUEST and b"check-and-set" in answer.content:
        raise _other(None)
    if status in (HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED):
        raise _other(None)
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        after = seconds(answer.headers.get("Retry-After"))
        # 503 may be a proxy's word for a request that went through.
        happened = status == HTTPStatus.SERVICE_UNAVAILABLE
        raise TryAgain(_away(f"says not now ({status})", after), after=after, happened=happened)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise TryAgain(_away(f"failed ({status})"), after=None, happened=True)
    raise VaultBroken(f"openbao refuses the request ({status}); check the mount and the namespace", vault_id=vault_id)


def seconds(retry_after: str | None) -> float | None:
    """The seconds of a Retry-After header; None where it names none. Source: RFC 9110; vaults use no dates."""
    text = (retry_after or "").strip()
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None  # noqa: PLR2004 - digits


def _away(what: str, after: float | None = None) -> VaultAway:
    facts = {} if after is None else {"retry_after": after}
    return VaultAway(f"the vault openbao {what}", **facts)


def _missing(vault_id: str) -> NoSuchValue:
    return NoSuchValue(f"openbao has no value for {vault_id}", vault_id=vault_id)


def _other(expect: str | None) -> OtherVersion:
    which = "" if expect is None else f"; it is not at version {expect} any more"
    return OtherVersion(f"the value in openbao was changed meanwhile{which}")


# --- names and values ---


def _parts(vault_id: str) -> tuple[str, str]:
    """`path` and key of `path#key`. Raises Unfit."""
    path, _, key = vault_id.partition("#")
    segments = path.split("/")
    wild = any(segment in ("", ".", "..") or not segment.isprintable() for segment in segments)
    if wild or len(vault_id) > _LONGEST_PATH:
        raise Unfit(f"vault_id: {vault_id[:80]!r} is no path in the mount; write path/to/secret or path/to/secret#key")
    return path, key or _VALUE


def _number(version: str) -> int:
    if not version.isascii() or not version.isdecimal():
        raise OtherVersion(f"{version!r} is no version of openbao; they are numbers")
    return int(version[:12])


def _encoded(value: Hidden) -> dict[str, str]:
    """As text where it is text, so that people can read it in the vault."""
    try:
        return {_VALUE: value.text()}
    except ValueError:
        return {_VALUE: base64.b64encode(value.reveal()).decode(), _ENCODING: _BASE64}


def _merged(data: Mapping[str, object], value: Hidden, vault_id: str) -> dict[str, object]:
    """What is kept at the path, with the value in its place: the other keys there belong to somebody else."""
    _, key = _parts(vault_id)
    if key == _VALUE:
        return {**{name: kept for name, kept in data.items() if name != _ENCODING}, **_encoded(value)}
    try:
        return {**data, key: value.text()}
    except ValueError:
        raise Unfit(f"value: {vault_id} in openbao holds text; this value is not UTF-8", field="value") from None


def _decoded(data: Mapping[str, object], vault_id: str) -> Hidden:
    _, key = _parts(vault_id)
    if key not in data:
        raise NoSuchValue(f"openbao has no key {key!r} at {vault_id}", vault_id=vault_id)
    found = data[key]
    if not isinstance(found, str):
        raise VaultBroken(f"the key {key!r} at {vault_id} in openbao is not text", vault_id=vault_id)
    if key == _VALUE and data.get(_ENCODING) == _BASE64:
        try:
            return Hidden(base64.b64decode(found, validate=True))
        except binascii.Error:
            raise VaultBroken(f"the value at {vault_id} in openbao is not the base64 it says it is") from None
    return Hidden(found.encode())
