"""Settings → App: opens, and closes in reverse. The only file that names concrete drivers, vaults and stores."""

import contextlib
import fcntl
import os
import secrets
from collections.abc import AsyncGenerator, Generator
from datetime import timedelta
from pathlib import Path

from mooring.app import App
from mooring.audit.seal import SealKey
from mooring.base.clock import SystemClock
from mooring.base.db import Database, connect
from mooring.base.errors import Clash, Unavailable, Unfit
from mooring.base.git import GitLimits, Mirrors
from mooring.base.hidden import Hidden
from mooring.base.hints import Hints
from mooring.base.migrate import current, migrate, shipped
from mooring.base.postgres import EmbeddedPostgres
from mooring.base.shared_key import shared_key
from mooring.base.unprivileged import process_user
from mooring.compute.drivers.base import Driver
from mooring.compute.drivers.local.driver import LocalDriver
from mooring.compute.drivers.local.settings import LocalSettings
from mooring.files.archive.limits import Limits
from mooring.files.blobs.base import BlobStore
from mooring.files.blobs.local import in_directory
from mooring.files.blobs.s3 import S3Blobs, S3Settings, in_bucket
from mooring.files.cache import open_cache
from mooring.files.content import Contents
from mooring.files.depot import Depot
from mooring.files.seals import KeptSeals
from mooring.files.workshop import Workshop
from mooring.identity.claims import Trust
from mooring.identity.oidc import SignOn
from mooring.runner.build import build
from mooring.secrets.entities import LOCAL, OPENBAO, WORKOS
from mooring.secrets.live import Vaults
from mooring.secrets.vaults.base import Vault
from mooring.secrets.vaults.keyring import FileKeys, GivenKeys, Keys
from mooring.secrets.vaults.local import LocalVault
from mooring.secrets.vaults.openbao import OpenBaoSettings, OpenBaoVault
from mooring.settings import Settings

_KEY_BYTES = 32
# What is on its way into the blob directory is written to all the while.
_LONGEST_PUT = timedelta(minutes=10)


@contextlib.contextmanager
def data_directory(settings: Settings, *, alone: bool = True) -> Generator[Path]:
    """The data directory, made; where `alone`, held: one `up` or `work` at a time. Raises Clash, Unavailable."""
    data = settings.data
    try:
        data.mkdir(parents=True, exist_ok=True)
        # Passed through by the users that PostgreSQL and the runs have; listed by nobody else.
        data.chmod(0o711)
        for name in ("tmp", "keys", "blobs"):
            (data / name).mkdir(exist_ok=True, mode=0o700)
        lock = (data / "lock").open("a")
    except OSError as error:
        raise Unavailable(
            f"cannot write the data directory {data}: {error.strerror}; choose another with --data"
        ) from error
    with lock:
        try:
            if alone:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            says = f"another `moor up` already works in {data}; `moor status` shows it, `moor down` ends it"
            raise Clash(says, data=str(data)) from error
        yield data


def embedded(settings: Settings) -> EmbeddedPostgres:
    """The PostgreSQL of the data directory."""
    directory = settings.data / "postgres"
    return EmbeddedPostgres(directory=directory, user=process_user("mooring-db"), throw_away=settings.throw_away)


@contextlib.asynccontextmanager
async def database_of(settings: Settings, *, migrated: bool) -> AsyncGenerator[Database]:
    """The database, brought to the current schema where asked; the embedded one is started, and stopped at the end.

    Raises Unavailable: it does not answer, or is at another schema.
    """
    server = embedded(settings) if settings.database_url is None else None
    try:
        if server is not None:
            await server.start()
        url = settings.database_url or embedded(settings).url()
        owner_url = settings.database_owner_url or (server.url("mooring_owner") if server else url)
        if migrated:
            await _migrate(owner_url, application="mooring" if server else await _role(url))
        database = await connect(url, hints=Hints())
        try:
            if not migrated:
                await _check_schema(database)
            yield database
        finally:
            await database.close()
    finally:
        if server is not None:
            server.stop()


async def _role(url: str) -> str | None:
    """Whom the database knows us as there."""
    database = await connect(url, hints=Hints(), most=1)
    try:
        return await _known_as(database)
    finally:
        await database.close()


async def _known_as(database: Database) -> str | None:
    async with database.reading() as tx:
        return await tx.value(str, "SELECT current_user::text")


async def _migrate(url: str, *, application: str | None) -> None:
    owner = await connect(url, hints=Hints(), most=1)
    try:
        apart = application != await _known_as(owner)
        await migrate(owner, migrations=shipped(), application=application if apart else None)
    finally:
        await owner.close()


async def _check_schema(database: Database) -> None:
    async with database.reading() as tx:
        if not await current(tx, shipped()):
            raise Unavailable("the database is not at the schema of this version; run `moor migrate`")


@contextlib.asynccontextmanager
async def open_app(settings: Settings, database: Database, *, works: bool) -> AsyncGenerator[App]:
    """The parts of a process; with `works`, also what makes and watches runs. Raises Unavailable, Unfit."""
    user = process_user("mooring-run")
    blobs = blobs_of(settings, works=works)
    mirrors = Mirrors(directory=settings.data / "git", user=user, limits=_git_limits(settings))
    vaults = await vaults_of(settings, database)
    app = App(
        settings=settings,
        database=database,
        clock=SystemClock(),
        blobs=blobs,
        link_key=_key(settings.data / "keys" / "link.key"),
        place=_key(settings.data / "keys" / "place").hex()[:16],
        drivers=drivers_of(settings) if works else {},
        mirrors=mirrors,
        depot=depot_of(settings, database, blobs, mirrors),
        contents=Contents(blobs=blobs),
        cache=open_cache(settings.data / "cache", settings.cache_bytes, database, blobs, workshop_of(settings)),
        vaults=vaults,
        sign_on=_sign_on(settings),
        seal_key=SealKey(_key(settings.audit_key_file or settings.data / "keys" / "audit.key")),
        seals=KeptSeals(blobs=blobs, head=settings.data / "audit" / "head.json"),
        cursor_key=await shared_key(database, "cursors"),
    )
    try:
        yield app
    finally:
        await vaults.close()


async def vaults_of(settings: Settings, database: Database) -> Vaults:
    """The vaults that are set up. Raises Unavailable (the key file, the keyring), Unfit (a setting)."""
    local = LocalVault(database, _vault_keys(settings))
    await local.open()
    vaults: dict[str, Vault] = {LOCAL: local}
    if settings.openbao_url is not None:
        vaults[OPENBAO] = OpenBaoVault(_openbao(settings, settings.openbao_url))
    if settings.workos_api_key is not None:
        vaults[WORKOS] = _workos(settings, settings.workos_api_key)
    if settings.vault not in vaults:
        there = ", ".join(sorted(vaults))
        raise Unfit(f"MOORING_VAULT={settings.vault!r} is not set up here; there are: {there}")
    return Vaults(database=database, vaults=vaults, first=settings.vault)


def _sign_on(settings: Settings) -> SignOn | None:
    if settings.oidc_issuer is None:
        return None
    return SignOn(
        Trust(
            issuer=settings.oidc_issuer,
            audience=settings.oidc_audience,
            username_claim=settings.oidc_username_claim,
        )
    )


def _vault_keys(settings: Settings) -> Keys:
    if settings.vault_key is not None:
        return GivenKeys(text=settings.vault_key)
    return FileKeys(path=settings.vault_key_file or settings.data / "keys" / "vault.json")


def _openbao(settings: Settings, url: str) -> OpenBaoSettings:
    return OpenBaoSettings(
        url=url,
        mount=settings.openbao_mount,
        prefix=settings.openbao_prefix,
        namespace=settings.openbao_namespace,
        token=settings.openbao_token,
        role_id=settings.openbao_role_id,
        secret_id=settings.openbao_secret_id,
        approle=settings.openbao_approle,
        authorities=str(settings.openbao_ca_file) if settings.openbao_ca_file else None,
        timeout=settings.vault_timeout,
    )


def _workos(settings: Settings, api_key: Hidden) -> Vault:
    # The SDK takes a second to import: only who uses it waits for it.
    from mooring.secrets.vaults.workos import WorkOSSettings, WorkOSVault  # noqa: PLC0415

    return WorkOSVault(
        WorkOSSettings(api_key=api_key, base_url=settings.workos_base_url, timeout=settings.vault_timeout)
    )


def blobs_of(settings: Settings, *, works: bool) -> BlobStore:
    """Where archives and artifacts are kept; a process that works first removes what a crash left. Raises Unfit,
    Unavailable."""
    if settings.s3_bucket is not None:
        return bucket_of(settings, settings.s3_bucket)
    store = in_directory(settings.data / "blobs")
    if works:
        # With the embedded database nobody else is here; else somebody may just be serving an upload.
        store.sweep(older=timedelta(0) if settings.database_url is None else _LONGEST_PUT)
    return store


def depot_of(settings: Settings, database: Database, blobs: BlobStore, mirrors: Mirrors) -> Depot:
    """Where archives come in."""
    return Depot(
        database=database,
        blobs=blobs,
        workshop=workshop_of(settings),
        mirrors=mirrors,
        buckets={name: bucket_of(settings, name) for name in settings.s3_import_buckets.split()},
        upload_bytes=settings.upload_bytes,
    )


def workshop_of(settings: Settings) -> Workshop:
    """Where archives are worked on: by the user of runs, in a directory it cannot list."""
    directory = settings.data / "tmp"
    directory.mkdir(exist_ok=True)
    directory.chmod(0o711)
    limits = Limits(
        entries=settings.import_entries,
        total=settings.import_bytes,
        file=settings.import_file_bytes,
        ratio=settings.import_ratio,
    )
    return Workshop(
        directory=directory,
        user=process_user("mooring-run"),
        limits=limits,
        memory=settings.import_memory,
        seconds=settings.import_timeout,
    )


def bucket_of(settings: Settings, bucket: str) -> S3Blobs:
    """A bucket at the endpoint of the settings, with their credentials."""
    return in_bucket(
        S3Settings(
            bucket=bucket,
            region=settings.s3_region,
            endpoint=settings.s3_endpoint,
            style=settings.s3_style,
            access_key_id=settings.s3_access_key_id,
            secret_access_key=settings.s3_secret_access_key,
            session_token=settings.s3_session_token,
            credentials_file=settings.s3_credentials_file,
            profile=settings.s3_profile,
            ca_file=settings.s3_ca_file,
        )
    )


def link_socket(settings: Settings) -> Path:
    """Where the runs of this machine reach the control plane. The directory is bound into every sandbox."""
    directory = settings.data / "link"
    directory.mkdir(exist_ok=True)
    directory.chmod(0o711)
    return directory / "link.sock"


def drivers_of(settings: Settings) -> dict[str, Driver]:
    """The engines of this machine, by name."""
    runner = settings.data / "runner.pyz"
    fresh = runner.with_suffix(".new")
    build(fresh)
    fresh.chmod(0o644)
    fresh.rename(runner)
    local = LocalSettings(
        root=settings.data / "runs",
        link_dir=link_socket(settings).parent,
        runner=runner,
        user=process_user("mooring-run"),
        starts_per_core=settings.starts_per_core,
    )
    return {"local": LocalDriver(local)}


def _git_limits(settings: Settings) -> GitLimits:
    return GitLimits(
        seconds=settings.git_timeout,
        size=settings.git_bytes,
        allow_file=settings.allow_file_repositories,
        hosts=frozenset(settings.git_hosts.split()),
        authorities=settings.git_ca_file,
    )


def _key(path: Path) -> bytes:
    """A key of our own, made once, readable by us alone."""
    if not path.exists():
        fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            os.fsync(file.fileno())
        # A link is made whole or not at all, and never over another: of two who begin at once, one's key counts.
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)
        fresh.unlink()
    key = path.read_bytes()
    if len(key) != _KEY_BYTES:
        raise Unavailable(
            f"{path} is not a key of {_KEY_BYTES} bytes; restore it, or remove it while no run is under way"
        )
    return key


def grace_of(settings: Settings) -> timedelta:
    """How long a run gets between SIGTERM and SIGKILL."""
    return timedelta(seconds=settings.grace)
