"""Limits by control groups, version 2 (one tree) or 1 (one tree per controller), whichever this machine lets us write.

One leaf per run and tree, made by the control plane; the run's first process enters through descriptors the control
plane opened, so the run user needs no right on them. Source: the kernel's admin-guide/cgroup-v2 and cgroup-v1.
"""

import contextlib
import errno
import os
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mooring.base.errors import Unfit
from mooring.compute.drivers.base import Limits

# Controller → the name of the limit it enforces.
CONTROLLERS = {"memory": "memory", "pids": "pids", "cpu": "cpus"}
_PERIOD = 100_000
# Below this the runner itself does not start, which would look like a failure of the work.
_LEAST_MEMORY, _LEAST_PIDS, _LEAST_CPUS = 32 << 20, 8, 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Trees:
    """Where leaves may be made: controller → parent directory. Unified is version 2, with the same parent for all."""

    unified: bool = True
    parents: Mapping[str, Path] = field(default_factory=dict[str, Path])

    @property
    def limits(self) -> frozenset[str]:
        return frozenset(CONTROLLERS[name] for name in self.parents)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """The control groups of one run: controller → directory."""

    unified: bool
    directories: Mapping[str, Path]

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(dict.fromkeys(self.directories.values()))

    @property
    def memory_events(self) -> Path:
        name = "memory.events" if self.unified else "memory.oom_control"
        return self.directories["memory"] / name if "memory" in self.directories else Path("/dev/null")

    @property
    def pids_events(self) -> Path:
        return self.directories["pids"] / "pids.events" if "pids" in self.directories else Path("/dev/null")

    @contextmanager
    def doors(self) -> Generator[tuple[int, ...]]:
        """The leaf's cgroup.procs, open for writing: who writes 0 there is in."""
        with contextlib.ExitStack() as stack:
            doors: list[int] = []
            for path in self.paths:
                door = os.open(path / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
                stack.callback(os.close, door)
                doors.append(door)
            yield tuple(doors)


def check(limits: Limits) -> None:
    """Raises Unfit for a limit nothing can run under."""
    for name, value, least in (
        ("memory", limits.memory, _LEAST_MEMORY),
        ("pids", limits.pids, _LEAST_PIDS),
        ("cpus", limits.cpus, _LEAST_CPUS),
    ):
        if value is not None and value < least:
            raise Unfit(f"{name} {value} is too little to start anything: ask for at least {least}", field=name)


def writes(limits: Limits, *, unified: bool) -> list[tuple[str, str, str, bool]]:
    """What to write for these limits: controller, file, value, and whether the file may be missing."""
    out: list[tuple[str, str, str, bool]] = []
    if limits.memory is not None:
        memory = str(limits.memory)
        out += (
            [
                ("memory", "memory.max", memory, False),
                # Without swap accounting there is no such file, and then nothing is swapped on this group's account.
                ("memory", "memory.swap.max", "0", True),
                ("memory", "memory.oom.group", "1", True),
            ]
            if unified
            else [
                ("memory", "memory.limit_in_bytes", memory, False),
                ("memory", "memory.memsw.limit_in_bytes", memory, True),
            ]
        )
    if limits.pids is not None:
        out.append(("pids", "pids.max", str(limits.pids), False))
    if limits.cpus is not None:
        quota = str(int(limits.cpus * _PERIOD))
        out += (
            [("cpu", "cpu.max", f"{quota} {_PERIOD}", False)]
            if unified
            else [("cpu", "cpu.cfs_period_us", str(_PERIOD), False), ("cpu", "cpu.cfs_quota_us", quota, False)]
        )
    return out


def leaf_of(trees: Trees, name: str) -> Leaf:
    """Where the groups of one run are, made or not."""
    return Leaf(
        unified=trees.unified,
        directories={controller: parent / f"mooring-{name}" for controller, parent in trees.parents.items()},
    )


def make(trees: Trees, name: str, limits: Limits) -> Leaf:
    """The leaf of one run with its limits set; made again, it is the same leaf."""
    leaf = leaf_of(trees, name)
    for path in leaf.paths:
        path.mkdir(exist_ok=True)
    for controller, file, value, may_miss in writes(limits, unified=trees.unified):
        path = leaf.directories[controller] / file
        if not (may_miss and not path.exists()):
            path.write_text(value)
    return leaf


def members(paths: tuple[Path, ...]) -> list[int]:
    """Every process in these groups."""
    found: set[int] = set()
    for path in paths:
        with contextlib.suppress(FileNotFoundError, OSError):
            found.update(int(word) for word in (path / "cgroup.procs").read_text().split())
    return sorted(found)


def remove(paths: tuple[Path, ...]) -> bool:
    """Take away the groups of a run; False when one still has processes."""
    clear = True
    for path in paths:
        try:
            path.rmdir()
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            clear = False
    return clear


def find() -> Trees:
    """The trees this process may make leaves in; none of them where it may not."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    own = dict(_own(Path("/proc/self/cgroup").read_text()))
    first = {
        name: Path(where)
        for _, where, kind, options, *_ in mounts
        if kind == "cgroup"
        for name in CONTROLLERS
        if name in options.split(",")
    }
    if first:
        return Trees(unified=False, parents={name: path for name, path in first.items() if _may_make(path)})
    second = [Path(where) for _, where, kind, *_ in mounts if kind == "cgroup2"]
    return _find_second(second[0], own.get("", "/")) if second else Trees()


def _own(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        _, names, path = line.split(":", 2)
        for name in names.split(","):
            yield name, path


def _find_second(mount: Path, own: str) -> Trees:
    here = mount / own.lstrip("/")
    # The top of the tree is where an engine run by root keeps its groups; a user has what was delegated to it.
    candidates = ([mount] if os.geteuid() == 0 else []) + [here, here.parent]
    for base in candidates:
        names = [name for name in CONTROLLERS if name in _words(base / "cgroup.controllers")]
        if names and _enable(base, names, leave=base == here) and _may_make(base):
            return Trees(unified=True, parents=dict.fromkeys(names, base))
    return Trees()


def _enable(base: Path, names: list[str], *, leave: bool) -> bool:
    """Hand the controllers down to `base`'s children. A group that holds processes cannot (except the top), so we first
    leave it for a child of it where it is our own."""
    wanted = [name for name in names if name not in _words(base / "cgroup.subtree_control")]
    if not wanted:
        return True
    order = " ".join(f"+{name}" for name in wanted)
    try:
        (base / "cgroup.subtree_control").write_text(order)
    except OSError as error:
        if error.errno != errno.EBUSY or not leave:
            return False
    else:
        return True
    try:
        control = base / "control"
        control.mkdir(exist_ok=True)
        for pid in members((base,)):
            (control / "cgroup.procs").write_text(str(pid))
        (base / "cgroup.subtree_control").write_text(order)
    except OSError:
        return False
    return True


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


def _may_make(parent: Path) -> bool:
    trial = parent / f"mooring-trial-{os.getpid()}"
    try:
        trial.mkdir()
        trial.rmdir()
    except OSError:
        return False
    return True
