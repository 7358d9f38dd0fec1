"""The blob store in a bucket of S3, or of what speaks its protocol."""

import configparser
import os
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, LiteralString

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import S3Store

from mooring.base.errors import Clash, Missing, MooringError, Unavailable, Unfit
from mooring.files.blobs import objects
from mooring.files.blobs.base import Blob, checked, fetchable

# Smaller blobs go up in one request that the bucket refuses when the key is there; larger ones in parts of this size.
_PART = 8 << 20
_PARTS_AT_ONCE = 2
_PUTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Settings:
    """Where a bucket is and who we are there.

    Credentials: those given; else the file's profile; else what obstore finds by itself — the AWS_… variables, a web
    identity, the container's or the instance's role, in this order.
    """

    bucket: str
    region: str = "us-east-1"
    endpoint: str | None = None
    # `path`: endpoint/bucket/key; `virtual`: bucket.endpoint/key.
    style: str = "virtual"
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    credentials_file: Path | None = None
    profile: str = "default"
    ca_file: Path | None = None
    # Where an instance's role is asked for; None: the address every cloud uses.
    metadata_endpoint: str | None = None
    # How often a request is repeated, and for how long at most.
    retries: int = 8
    retry_for: timedelta = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Blobs:
    """Made by `in_bucket`."""

    settings: S3Settings
    store: S3Store = field(repr=False)

    @property
    def bucket(self) -> str:
        return self.settings.bucket

    async def check(self) -> None:
        try:
            await objects.probe(self.store)
        except objects.FAILURES as error:
            raise self._explain("list it", error) from error

    async def put_file(self, key: str, file: IO[bytes]) -> bool:
        checked(key)
        file.seek(0, os.SEEK_END)
        size = file.tell()
        known = await self.head(key) if size > _PART else None
        if known is None:
            try:
                await self._put(key, file, size)
            except (AlreadyExistsError, PreconditionError):
                known = await self.head(key)
            except objects.FAILURES as error:
                raise self._explain(f"take {key}", error) from error
            else:
                return True
        if known is not None and known.size != size:
            raise Clash(f"{self.bucket}/{key} holds {known.size} bytes where {size} belong; it is damaged: remove it")
        return False

    async def _put(self, key: str, file: IO[bytes], size: int) -> None:
        for attempt in range(_PUTS):
            file.seek(0)
            try:
                if size <= _PART:
                    await obstore.put_async(self.store, key, file.read(), mode="create")
                else:
                    await obstore.put_async(
                        self.store, key, file, use_multipart=True, chunk_size=_PART, max_concurrency=_PARTS_AT_ONCE
                    )
            except BaseError as error:
                # obstore does not repeat a request whose connection was cut after the body; the bytes make it safe to.
                if attempt + 1 == _PUTS or _code(str(error)) is not None or isinstance(error, AlreadyExistsError):
                    raise
            else:
                return

    def read(self, key: str) -> AsyncIterator[bytes]:
        return objects.read(self.store, checked(key), self._explain)

    def fetch(self, key: str) -> AsyncIterator[bytes]:
        """The bytes under any key, also one that is not ours. Raises Unfit (no such key), Missing, Unavailable."""
        return objects.read(self.store, fetchable(key), self._explain)

    async def read_range(self, key: str, start: int, end: int) -> bytes:
        return await objects.read_range(self.store, checked(key), start, end, self._explain)

    async def head(self, key: str) -> Blob | None:
        return await objects.head(self.store, checked(key), self._explain)

    async def delete(self, key: str) -> None:
        await objects.delete(self.store, checked(key), self._explain)

    def list(self, prefix: str) -> AsyncIterator[Blob]:
        return objects.listed(self.store, prefix, self._explain)

    def _explain(self, tried: str, error: Exception) -> MooringError:
        where = f"the bucket {self.bucket}" + (f" at {self.settings.endpoint}" if self.settings.endpoint else "")
        said = str(error)
        code = _code(said) or ""
        if code in _SAYS:
            return Unavailable(_SAYS[code].format(where=where, region=self.settings.region, tried=tried), code=code)
        if provided := re.search(r"credential provider: \w+: (.+)", said):
            return Unavailable(f"{provided[1]}, needed for {where} ({tried})")
        for sign, says in _SIGNS.items():
            if sign in said:
                return Unavailable(says.format(where=where, region=self.settings.region, tried=tried))
        return Unavailable(f"{where} cannot {tried}: {code or said.splitlines()[0][:500]}")


# The S3 API's error codes, and what a person can do. Source: the S3 API's list of error codes.
_DENIED: LiteralString = "{where} denies us ({tried}): allow s3:GetObject, PutObject, DeleteObject and ListBucket on it"
_KEYS: LiteralString = (
    "{where} does not know our credentials ({tried}); see MOORING_S3_ACCESS_KEY_ID in docs/settings.md"
)
_EXPIRED: LiteralString = "our credentials for {where} have expired ({tried}); renew them"
_REGION: LiteralString = "{where} is not in the region {region} ({tried}); set MOORING_S3_REGION to its own"
_SLOW: LiteralString = "{where} is overloaded and refused every attempt to {tried}; try again later"
_SAYS: Mapping[str, LiteralString] = {
    "NoSuchBucket": "{where} does not exist ({tried}); make it, or set MOORING_S3_BUCKET right",
    "AccessDenied": _DENIED,
    "AllAccessDisabled": _DENIED,
    "InvalidAccessKeyId": _KEYS,
    "SignatureDoesNotMatch": _KEYS,
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "TokenRefreshRequired": _EXPIRED,
    "InvalidToken": _KEYS,
    "AuthorizationHeaderMalformed": _REGION,
    "PermanentRedirect": _REGION,
    "IllegalLocationConstraintException": _REGION,
    "RequestTimeTooSkewed": "{where} finds our clock wrong ({tried}); set it right",
    "SlowDown": _SLOW,
    "ServiceUnavailable": _SLOW,
    "EntityTooLarge": "{where} does not take an object this large ({tried})",
    "QuotaExceeded": "{where} is full ({tried})",
    "XMinioStorageFull": "{where} is full ({tried})",
}
# What object_store says where the answer has no body (HEAD), or where there is no answer.
_SIGNS: Mapping[str, LiteralString] = {
    "redirect without LOCATION": _REGION,
    "301 Moved": _REGION,
    "403 Forbidden": _DENIED,
    "401 Unauthorized": _KEYS,
    "error sending request": "{where} does not answer ({tried}); see MOORING_S3_ENDPOINT and MOORING_S3_CA_FILE",
    "credentials": "there are no credentials for {where} ({tried}); see MOORING_S3_ACCESS_KEY_ID in docs/settings.md",
}


def _code(said: str) -> str | None:
    found = re.search(r"<Code>(\w+)</Code>", said)
    return None if found is None else found[1]


def in_bucket(settings: S3Settings) -> S3Blobs:
    """A store in a bucket; nothing is asked of it yet. Raises Unfit, naming the setting, and Unavailable."""
    objects.settle_at_exit()
    if settings.style not in ("path", "virtual"):
        raise Unfit("MOORING_S3_STYLE must be path or virtual", field="s3_style")
    endpoint = settings.endpoint
    if endpoint is not None and not endpoint.startswith(("https://", "http://")):
        raise Unfit(f"MOORING_S3_ENDPOINT={endpoint!r} must start with https:// (or http://)", field="s3_endpoint")
    if endpoint is not None and settings.style == "virtual":
        # obstore wants the bucket in the endpoint then.
        scheme, _, host = endpoint.partition("://")
        endpoint = f"{scheme}://{settings.bucket}.{host}"
    client: dict[str, Any] = {"timeout": "300s", "connect_timeout": "10s", "allow_http": _plain(settings)}
    if settings.ca_file is not None:
        client["root_certificate"] = _certificate(settings.ca_file)
    given: dict[str, Any] = {
        "endpoint": endpoint,
        "access_key_id": settings.access_key_id,
        "secret_access_key": settings.secret_access_key,
        "session_token": settings.session_token,
        "metadata_endpoint": settings.metadata_endpoint,
        "credential_provider": _file_provider(settings),
    }
    store = S3Store(
        settings.bucket,
        region=settings.region,
        virtual_hosted_style_request=settings.style == "virtual",
        client_options=client,  # pyright: ignore[reportArgumentType] - a TypedDict built by parts
        retry_config={"max_retries": settings.retries, "retry_timeout": settings.retry_for},
        **{name: value for name, value in given.items() if value is not None},
    )
    return S3Blobs(settings=settings, store=store)


def _plain(settings: S3Settings) -> bool:
    return any(url is not None and url.startswith("http://") for url in (settings.endpoint, settings.metadata_endpoint))


def _certificate(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unfit(f"MOORING_S3_CA_FILE: cannot read {path} ({error.strerror})", field="s3_ca_file") from error


# The file is read again after this, so that whoever renews it need not restart us.
_FILE_LASTS = timedelta(minutes=5)


def _file_provider(settings: S3Settings) -> Any:  # noqa: ANN401 - what obstore calls for credentials
    if settings.credentials_file is None or settings.access_key_id is not None:
        return None
    return _FromFile(path=settings.credentials_file, profile=settings.profile)


@dataclass(frozen=True, slots=True, kw_only=True)
class _FromFile:
    """Credentials from a file in the form of ~/.aws/credentials."""

    path: Path
    profile: str

    def __call__(self) -> dict[str, object]:
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read_string(self.path.read_text(encoding="utf-8"))
            found = parser[self.profile]
            key, secret = found["aws_access_key_id"], found["aws_secret_access_key"]
        except (OSError, UnicodeDecodeError, configparser.Error, KeyError) as error:
            raise Missing(f"no credentials for the profile {self.profile} in {self.path} ({error})") from error
        return {
            "access_key_id": key,
            "secret_access_key": secret,
            "token": found.get("aws_session_token"),
            "expires_at": datetime.now(UTC) + _FILE_LASTS,
        }
