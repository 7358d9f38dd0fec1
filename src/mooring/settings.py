"""Everything that can be set, read once. The only reader of the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from mooring.base.errors import Unfit


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
    # Whether the embedded database gives up durability: for demonstrations and tests alone.
    throw_away: bool = False
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
    # Further buckets that filesystems may be imported from, separated by spaces.
    s3_import_buckets: str = ""
    # What a run keeps of its own events before the oldest log lines go.
    spool_bytes: int = 64 << 20
    # What one task's output may come to in the transcript, and one line of it.
    task_output_bytes: int = 8 << 20
    line_bytes: int = 64 << 10


def _as(kind: str, name: str, text: str) -> object:
    try:
        if kind == "Path":
            return Path(text)
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
    """The settings from `MOORING_…` variables; what is given (and not None) goes before. Raises Unfit, naming it."""
    values: dict[str, object] = {}
    for entry in fields(Settings):
        name = f"MOORING_{entry.name.upper()}"
        # `X | None` is read as X.
        kind = str(getattr(entry.type, "__name__", entry.type)).removesuffix(" | None").rpartition(".")[2]
        if environment.get(name):
            values[entry.name] = _as(kind, name, environment[name])
    values |= {name: value for name, value in given.items() if value is not None}
    return Settings(**values)  # pyright: ignore[reportArgumentType] - the fields' types were followed above
