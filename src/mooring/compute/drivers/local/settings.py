from dataclasses import dataclass, field
from pathlib import Path

from mooring.base.unprivileged import ProcessUser
from mooring.compute.drivers.base import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSettings:
    """Where the local engine works and what it hands to every run. Units: bytes, seconds, starts."""

    # Holds one directory per run. The run user must be able to walk to it.
    root: Path
    # The directory that holds link.sock; it is bound, not the socket, so that a new socket is found again.
    link_dir: Path
    # The runner zipapp, where the run user can read it.
    runner: Path
    user: ProcessUser
    # More starts at once than this, times the cores, only make each of them slower.
    starts_per_core: int = 3
    # Asked for where a spec asks for nothing, as far as this machine enforces them.
    default_limits: Limits = field(default_factory=Limits)
    python: Path = Path("/usr/bin/python3")
    # What runs as PID 1 instead of the runner; tests put a probe there.
    program: tuple[str, ...] | None = None
    tmp_bytes: int = 1 << 30
    shared_memory_bytes: int = 1 << 28
    start_timeout: float = 30.0
