"""WorkOS Vault, through the SDK's async client.

A secret's Mooring id is the object's name there and its key context. WorkOS keeps text: what Mooring makes is base64,
and the context says so (`encoding`), since a context never changes. Old values cannot be read.
Source: https://workos.com/docs/reference/vault. The SDK's objects and errors show values: none leaves this file.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

import httpx
from workos import (
    AsyncWorkOSClient,
    RateLimitExceededError,
    TransportConnectError,
    TransportError,
    TransportTimeout,
    WorkOSError,
)

from mooring.base.errors import MooringError, Unfit
from mooring.base.hidden import Hidden
from mooring.secrets.errors import NoSuchValue, OtherVersion, VaultAway, VaultBroken, VaultRefuses
from mooring.secrets.vaults.base import Opened, Stored, checked
from mooring.secrets.vaults.patience import Patience, TryAgain

T = TypeVar("T")

_STATUSES: Mapping[int, tuple[type[MooringError], str]] = {
    401: (VaultRefuses, "WorkOS refuses Mooring's API key; renew MOORING_WORKOS_API_KEY"),
    403: (VaultRefuses, "WorkOS does not allow this to Mooring's API key; look at its permissions"),
    404: (NoSuchValue, "WorkOS has no value for {at}"),
    409: (OtherVersion, "WorkOS has {at} already, or at another version"),
}
_BROKEN_OFF = (TransportError, TransportTimeout, TransportConnectError)
_ENCODING, _BASE64 = "encoding", "base64"
_LONGEST_ID = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOSSettings:
    """Who we are at WorkOS, and where it is. Timeout in seconds."""

    api_key: Hidden
    base_url: str = "https://api.workos.com"
    timeout: float = 10.0


class WorkOSVault:
    """One WorkOS environment: the one of the API key."""

    def __init__(self, settings: WorkOSSettings, *, patience: Patience | None = None) -> None:
        self._patience = patience or Patience()
        # The SDK's own client would follow proxies named in the surroundings.
        self._http = httpx.AsyncClient(timeout=settings.timeout, trust_env=False, follow_redirects=False)
        self._client = AsyncWorkOSClient(
            api_key=settings.api_key.text(),
            base_url=settings.base_url,
            request_timeout=settings.timeout,  # pyright: ignore[reportArgumentType] - parts of a second are as good
            # Repeating is decided here: the SDK repeats writes that may have happened.
            max_retries=0,
            http_client=self._http,
        )

    # --- the vault ---

    async def create(self, name: str, value: Hidden, context: Mapping[str, str]) -> Stored:
        text = base64.b64encode(checked(value).reveal()).decode()
        key_context = {**context, "secret": name, _ENCODING: _BASE64}
        made = await self._ask_for(
            lambda: self._client.vault.create_kv(key_context=key_context, name=name, value=text), name, repeatable=False
        )
        return Stored(vault_id=made.id, version=_version(made.version_id))

    async def find(self, name: str) -> str | None:
        try:
            found = await self._ask_for(lambda: self._client.vault.get_name(name), name, repeatable=True)
        except NoSuchValue:
            return None
        return found.id

    async def read(self, vault_id: str, version: str | None = None) -> Opened:
        _check_id(vault_id)
        found = await self._ask_for(lambda: self._client.vault.get_kv(vault_id), vault_id, repeatable=True)
        current = _version(found.metadata.version_id)
        if version is not None and version != current:
            raise NoSuchValue(f"WorkOS keeps only the current value of {vault_id}, not {version}", vault_id=vault_id)
        return Opened(value=_decoded(found.value, found.metadata.context, vault_id), version=current)

    async def update(self, vault_id: str, value: Hidden, *, expect: str) -> str:
        checked(value)
        _check_id(vault_id)
        # An object that Mooring did not make is plain text, and stays so for who else reads it.
        found = await self._ask_for(lambda: self._client.vault.list_kv_metadata(vault_id), vault_id, repeatable=True)
        if _version(found.metadata.version_id) != expect:
            raise OtherVersion(f"the value in WorkOS was changed meanwhile; it is not at version {expect} any more")
        text = _encoded(value, found.metadata.context, vault_id)
        changed = await self._ask_for(
            lambda: self._client.vault.update_kv(vault_id, value=text, version_check=expect), vault_id, repeatable=False
        )
        return _version(changed.metadata.version_id)

    async def describe(self, vault_id: str) -> str:
        _check_id(vault_id)
        found = await self._ask_for(lambda: self._client.vault.list_kv_metadata(vault_id), vault_id, repeatable=True)
        return _version(found.metadata.version_id)

    async def delete(self, vault_id: str) -> None:
        _check_id(vault_id)
        try:
            await self._ask(lambda: self._client.vault.delete_kv(vault_id), vault_id, repeatable=True)
        except NoSuchValue:
            return

    async def check(self) -> None:
        await self._ask_for(lambda: self._client.vault.list_kv(limit=1), "", repeatable=True)

    async def close(self) -> None:
        await self._http.aclose()

    # --- requests ---

    async def _ask(self, request: Callable[[], Awaitable[T]], vault_id: str, *, repeatable: bool) -> T:
        async def attempt() -> T:
            try:
                return await request()
            except WorkOSError as error:
                # Never the error itself: it carries the answer, and an answer may repeat what was sent.
                failure = _failure(error, vault_id)
            except (ValueError, TypeError, KeyError, AttributeError):
                failure = _broken(vault_id)
            raise failure from None

        return await self._patience.insist(attempt, repeatable=repeatable)

    async def _ask_for(self, request: Callable[[], Awaitable[T]], vault_id: str, *, repeatable: bool) -> T:
        """The same where an answer has a body: the SDK gives None for one that is no JSON."""
        found: T | None = await self._ask(request, vault_id, repeatable=repeatable)
        if found is None:
            raise _broken(vault_id)
        return found


def _failure(error: WorkOSError, vault_id: str) -> Exception:
    """What a failure means. Its words are ours; WorkOS's own stay out."""
    status: int | None = getattr(error, "status_code", None)
    if isinstance(error, RateLimitExceededError):
        after = error.retry_after
        facts = {} if after is None else {"retry_after": float(after)}
        return TryAgain(VaultAway(f"WorkOS says not now ({status})", **facts), after=after, happened=False)
    if status is None and not isinstance(error.__cause__, _BROKEN_OFF):
        return _broken(vault_id)
    if status is None or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        why = "cannot be reached, or broke off" if status is None else f"failed ({status})"
        return TryAgain(VaultAway(f"WorkOS {why}"), after=None, happened=True)
    kind, says = _STATUSES.get(status, (VaultBroken, "WorkOS does not take the request for {at}"))
    return kind(f"{says.format(at=vault_id)} ({status})", vault_id=vault_id)


def _broken(vault_id: str) -> VaultBroken:
    return VaultBroken("WorkOS's answer is not one of its Vault; check MOORING_WORKOS_BASE_URL", vault_id=vault_id)


def _version(found: str | None) -> str:
    if not found:
        raise VaultBroken("WorkOS named no version of the value; its Vault is older than Mooring needs")
    return found


def _check_id(vault_id: str) -> None:
    if not vault_id.isprintable() or not 1 <= len(vault_id) <= _LONGEST_ID or vault_id in (".", ".."):
        raise Unfit(f"vault_id: {vault_id[:80]!r} is no id of WorkOS Vault", field="vault_id")


def _encoded(value: Hidden, context: Mapping[str, str], vault_id: str) -> str:
    if context.get(_ENCODING) == _BASE64:
        return base64.b64encode(value.reveal()).decode()
    try:
        return value.text()
    except ValueError:
        raise Unfit(f"value: {vault_id} in WorkOS holds text; this value is not UTF-8", field="value") from None


def _decoded(text: str, context: Mapping[str, str], vault_id: str) -> Hidden:
    if context.get(_ENCODING) != _BASE64:
        return Hidden(text.encode())
    try:
        return Hidden(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        raise VaultBroken("the value in WorkOS is not the base64 its context says it is", vault_id=vault_id) from None
