"""What a driver is: our code for one kind of engine. It makes and observes; the rows decide."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import NewType, Protocol, runtime_checkable

RunId = NewType("RunId", str)


class Network(StrEnum):
    NONE = "none"
    ALLOW_LIST = "allow-list"
    FULL = "full"


class State(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    EXITED = "exited"
    LOST = "lost"


class Ending(StrEnum):
    """Why a run is over."""

    EXIT = "exit"
    OUT_OF_MEMORY = "oom"
    TOO_MANY_PROCESSES = "pids"
    TIMEOUT = "timeout"
    KILLED = "killed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Hard limits; None asks for none. Units: cores, bytes, processes, bytes."""

    cpus: float | None = None
    memory: int | None = None
    pids: int | None = None
    disk: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """Everything a driver needs to make one run. The program is always our runner; what it runs comes over its link."""

    run: RunId
    image: str
    token: str = field(repr=False)
    inputs: tuple[Path, ...] = ()
    lower: Path | None = None
    limits: Limits = Limits()
    network: Network = Network.NONE
    labels: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What is really there of a run."""

    run: RunId
    spec_hash: str
    state: State
    reference: str
    exit_code: int | None = None
    ending: Ending | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What is enforced here, and one sentence for each thing that is not: what is missing and what installs it."""

    limits: frozenset[str] = frozenset()
    networks: frozenset[Network] = frozenset({Network.NONE})
    images: frozenset[str] = frozenset({"host"})
    # Whether a run's workspace can be laid over a filesystem.
    filesystems: bool = True
    missing: tuple[str, ...] = ()


class Driver(Protocol):
    """Where runs live. Every method may be called again after a crash."""

    async def probe(self) -> Capabilities:
        """What is enforced here. Raises Unavailable with the fix when isolation does not hold."""
        ...

    async def ensure(self, spec: RunSpec) -> Observed:
        """Create and start once. Same id again: no-op. Raises Clash (same id, other spec), Unfit (asks for more than
        is enforced here), Unavailable (the engine cannot start it)."""
        ...

    async def stop(self, run: RunId, grace: timedelta) -> None:
        """End every process of the run: SIGTERM, then SIGKILL after `grace`. A run that is absent is fine."""
        ...

    async def list(self) -> list[Observed]:
        """Every run of this engine that is there, in any state."""
        ...

    async def remove(self, run: RunId) -> None:
        """Leave nothing of an ended run: no process, mount, cgroup, socket or file. A run that is absent is fine."""
        ...


@runtime_checkable
class CanWatch(Protocol):
    """An engine that can say at once when something ended."""

    async def ended(self, run: RunId) -> None:
        """Return as soon as the run is over (or absent)."""
        ...


@runtime_checkable
class Recognises(Protocol):
    """An engine whose runs reach this process by a unix socket, where the kernel says who calls."""

    def recognises(self, run: RunId, process: int) -> bool:
        """Whether `process` (a number as seen here) is the runner of that very run, alive. Nothing the run does makes
        another process the one."""
        ...


@runtime_checkable
class Changes(Protocol):
    """An engine that keeps what a run changed apart from what it began with."""

    def changed(self, run: RunId) -> Path | None:
        """The directory that holds, after the run's end, what it changed in its workspace, as an overlay's upper layer
        does; None when there is none."""
        ...


@runtime_checkable
class Resumes(Protocol):
    """An engine where a new run can go on with what an ended one left. Until that one is removed it is kept."""

    async def resume(self, spec: RunSpec, ended: RunId) -> Observed:
        """As `ensure`, and the run finds workspace, home and outputs as `ended` left them. Raises Missing where they
        are gone; then nothing is started."""
        ...


@runtime_checkable
class Leaves(Protocol):
    """An engine whose runs leave what they said where this process can read it, also when nobody listened."""

    def report(self, run: RunId) -> bytes | None:
        """The exit report (docs/link.md), at most 1 MiB; None when there is none."""
        ...

    def spool(self, run: RunId) -> Path | None:
        """The file of every event the runner made, a JSON object a line; None when there is none."""
        ...
