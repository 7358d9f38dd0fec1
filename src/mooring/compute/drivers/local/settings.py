import os
from dataclasses import dataclass, field
from pathlib import Path

from mooring.base.unprivileged import ProcessUser
from mooring.compute.drivers.base import Limits


def sane_limits() -> Limits:
    """What no single run needs more of: four fifths of the machine's memory, 4,096 processes."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Limits(memory=memory * 4 // 5, pids=4096)


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
    default_limits: Limits = field(default_factory=sane_limits)
    python: Path = Path("/usr/bin/python3")
    # What runs as PID 1 instead of the runner; tests put a probe there.
    program: tuple[str, ...] | None = None
    tmp_bytes: int = 1 << 30
    shared_memory_bytes: int = 1 << 28
    start_timeout: float = 30.0
