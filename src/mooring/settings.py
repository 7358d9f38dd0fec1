"""Everything that can be set, read once. The only reader of the environment."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from mooring.base.errors import Unfit
from mooring.base.hidden import Hidden


def _default_data() -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/mooring")
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "mooring"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One field, one variable `MOORING_<FIELD>`. Units: seconds, bytes. See docs/settings.md for each."""

    data: Path = field(default_factory=_default_data)
    listen: str = "127.0.0.1:7070"
    # None: the embedded PostgreSQL in the data directory.
    database_url: str | None = None
    # The role that owns the tables, where it is not the one of database_url.
    database_owner_url: str | None = None
    log_level: str = "info"
    # Requests a second that one token, and one address, may make of one process, in bursts of three seconds' worth.
    # 0: any number.
    rate_per_token: float = 500.0
    rate_per_address: float = 1_000.0
    # Whether the embedded database gives up durability: for demonstrations and tests alone.
    throw_away: bool = False
    # Single sign-on by OpenID Connect. None: Mooring's own tokens alone.
    oidc_issuer: str | None = None
    # The application's name at the issuer: tokens for others are refused.
    oidc_audience: str = ""
    # Whether whoever the issuer vouches for becomes a user, with which claim as the name.
    oidc_provision: bool = False
    oidc_username_claim: str = "preferred_username"
    # Actions that are refused without a reason, separated by spaces; `*` is any text: `secret.* *.delete`.
    reasons: str = ""
    # The key that signs the record (None: in the data directory), and how often what is new is signed.
    audit_key_file: Path | None = None
    seal_seconds: float = 10.0
    # Events older than this many days move from the database to the object store; 0: none does.
    record_days: float = 0.0
    # How long a run that is to end gets between SIGTERM and SIGKILL.
    grace: float = 10.0
    # How long a session may take when it does not say.
    session_timeout: float = 24 * 3600.0
    # Runs that start at once, per core; the others wait their turn.
    starts_per_core: int = 2
    # Whether repositories may be named by file: URLs (they are read as the control plane's run user).
    allow_file_repositories: bool = False
    # Hosts at private addresses that repositories may be fetched from, separated by spaces.
    git_hosts: str = ""
    # Certificates that repositories' hosts are known by instead of the system's, PEM; readable by the run user.
    git_ca_file: Path | None = None
    # How long fetching one repository may take, and how large it may be.
    git_timeout: float = 600.0
    git_bytes: int = 4 << 30
    # One artifact, and all of a session's.
    artifact_bytes: int = 256 << 20
    artifacts_bytes: int = 1 << 30
    # Where archives and artifacts are kept: a bucket of S3 (or what speaks its protocol); None: the data directory.
    s3_bucket: str | None = None
    s3_region: str = "us-east-1"
    # None: Amazon's own endpoint of the region.
    s3_endpoint: str | None = None
    # `virtual`: bucket.endpoint/key; `path`: endpoint/bucket/key.
    s3_style: str = "virtual"
    # None: the profile of the file below; without a file the AWS_ variables or the machine's role.
    s3_access_key_id: str | None = None
    s3_secret_access_key: str | None = field(default=None, repr=False)
    s3_session_token: str | None = field(default=None, repr=False)
    # In the form of ~/.aws/credentials; read again every five minutes.
    s3_credentials_file: Path | None = None
    s3_profile: str = "default"
    # Certificates to trust beside the system's, PEM.
    s3_ca_file: Path | None = None
    # One archive that is sent, and what its files may come to: entries, all bytes, one file, bytes out for one in.
    upload_bytes: int = 64 << 30
    import_entries: int = 2_000_000
    import_bytes: int = 64 << 30
    import_file_bytes: int = 16 << 30
    import_ratio: int = 200
    # What one import may use: bytes of memory, seconds.
    import_memory: int = 2 << 30
    import_timeout: float = 3600.0
    # What the files of versions may take on this machine, beside what runs hold, bytes; how often they are verified.
    cache_bytes: int = 20 << 30
    cache_scrub: float = 24 * 3600.0
    # How long the bytes of what was deleted stay in the store, seconds.
    blob_grace: float = 24 * 3600.0
    # Further buckets that filesystems may be imported from, separated by spaces.
    s3_import_buckets: str = ""
    # Where the values of new secrets go: local, workos, openbao.
    vault: str = "local"
    # The embedded vault's keyring: a file (None: in the data directory), or base64 keys, the active one first.
    vault_key_file: Path | None = None
    vault_key: Hidden | None = None
    # How long a run waits for a vault that is away before it fails.
    vault_wait: float = 300.0
    # How long one request to a vault may take.
    vault_timeout: float = 10.0
    workos_api_key: Hidden | None = None
    workos_base_url: str = "https://api.workos.com"
    # None: no OpenBao or HashiCorp Vault.
    openbao_url: str | None = None
    # The key/value engine, version 2, and where in it Mooring keeps its own.
    openbao_mount: str = "secret"
    openbao_prefix: str = "mooring"
    openbao_namespace: str | None = None
    # A token, or the ids of an AppRole and where that is enabled.
    openbao_token: Hidden | None = None
    openbao_role_id: str | None = None
    openbao_secret_id: Hidden | None = None
    openbao_approle: str = "approle"
    # Certificates to trust instead of the system's, PEM.
    openbao_ca_file: Path | None = None
    # What a run keeps of its own events before the oldest log lines go.
    spool_bytes: int = 64 << 20
    # What one task's output may come to in the transcript, and one line of it.
    task_output_bytes: int = 8 << 20
    line_bytes: int = 64 << 10

    @property
    def reasons_wanted(self) -> tuple[str, ...]:
        """The patterns of `reasons`. Raises Unfit for one that no action could match."""
        patterns = tuple(self.reasons.split())
        for pattern in patterns:
            if not _ACTION.fullmatch(pattern):
                raise Unfit(f"MOORING_REASONS: {pattern!r} is no action such as secret.create or *.delete")
        return patterns


_ACTION = re.compile(r"[a-z_*]+(?:\.[a-z_*]+)?", re.ASCII)


def _as(kind: str, name: str, text: str) -> object:
    try:
        if kind in ("Path", "Hidden"):
            return Path(text) if kind == "Path" else Hidden(text.strip().encode())
        if kind == "bool":
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[text.lower()]
        if kind == "int":
            return int(text)
        if kind == "float":
            return float(text)
    except (KeyError, ValueError) as error:
        raise Unfit(f"{name}={text!r} is not {'yes or no' if kind == 'bool' else 'a number'}", field=name) from error
    return text


def read_settings(environment: Mapping[str, str], **given: object) -> Settings:
    """The settings from `MOORING_…` variables; what is given (and not None) goes before. Raises Unfit, naming it.

    What is hidden may stand in a file of the variable's name among the service's systemd credentials instead.
    """
    values: dict[str, object] = {}
    for entry in fields(Settings):
        name = f"MOORING_{entry.name.upper()}"
        # `X | None` is read as X.
        kind = str(getattr(entry.type, "__name__", entry.type)).removesuffix(" | None").rpartition(".")[2]
        text = environment.get(name) or (_credential(environment, name) if kind == "Hidden" else None)
        if text:
            values[entry.name] = _as(kind, name, text)
    values |= {name: value for name, value in given.items() if value is not None}
    return Settings(**values)  # pyright: ignore[reportArgumentType] - the fields' types were followed above


def _credential(environment: Mapping[str, str], name: str) -> str | None:
    """What systemd was told to hand to the service under this name (LoadCredential=)."""
    directory = environment.get("CREDENTIALS_DIRECTORY")
    if directory is None:
        return None
    try:
        return (Path(directory) / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise Unfit(
            f"{name}: the credential in {directory} cannot be read ({type(error).__name__})", field=name
        ) from None
