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
        kind = entry.type.__name__ if isinstance(entry.type, type) else "str"
        if environment.get(name):
            values[entry.name] = _as(kind, name, environment[name])
    values |= {name: value for name, value in given.items() if value is not None}
    return Settings(**values)  # pyright: ignore[reportArgumentType] - the fields' types were followed above
