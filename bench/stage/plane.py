"""A Mooring of its own for one script: a fresh data directory, the real server process, what it cost."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

API = "/api/mooring/v1"
# The limits are asked as always, and never reached.
_UNLIMITED = "1000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """A control plane that runs."""

    data: Path
    url: str
    token: str
    pid: int

    @property
    def postgres(self) -> Path:
        """The directory of its PostgreSQL's socket."""
        return self.data / "postgres" / "socket"


@contextmanager
def throw_away() -> Generator[Path]:
    """A directory on the disk that is gone afterwards; the users of PostgreSQL and of the runs may pass through it."""
    data = Path(tempfile.mkdtemp(prefix="mooring-bench-", dir="/var/tmp"))
    data.chmod(0o711)
    try:
        yield data
    finally:
        shutil.rmtree(data)


@contextmanager
def control_plane(data: Path, **settings: str) -> Generator[Plane]:
    """`moor up` in this directory, its PostgreSQL durable; `settings` are MOORING_… variables in small letters."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MOORING_")}
    given = {
        "log_level": "warning", "rate_per_token": _UNLIMITED, "rate_per_address": _UNLIMITED, **settings,
    }  # fmt: skip
    environment = {
        **kept,
        "XDG_CONFIG_HOME": str(data / "config"),
        **{f"MOORING_{name.upper()}": value for name, value in given.items()},
    }
    command = [sys.executable, "-m", "mooring", "up", "--data", str(data), "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            assert said.startswith("Mooring is up at "), said
            token = (data / "keys" / "admin.token").read_text(encoding="utf-8").strip()
            yield Plane(data=data, url=said.split()[4], token=token, pid=process.pid)
        finally:
            process.terminate()


def processor_seconds(pid: int) -> float:
    """Processor time a process used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
