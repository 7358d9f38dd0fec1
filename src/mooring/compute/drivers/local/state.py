"""What the files of a run say, and what that means."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from mooring.compute.drivers.base import Ending, Observed, RunId, RunSpec, State
from mooring.compute.drivers.local.place import Place, read_bounded, read_tail
from mooring.compute.drivers.local.processes import Identity, alive, boot_id

_LIMIT = 1 << 16
_KILLED = 128 + 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """run.json: written before anything is started."""

    run: RunId
    spec_hash: str
    cgroups: tuple[Path, ...]

    def encode(self) -> bytes:
        whole = {"run": self.run, "spec_hash": self.spec_hash, "cgroups": [str(path) for path in self.cgroups]}
        return json.dumps(whole).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """exit.json: bubblewrap's status, and what the limits did."""

    status: int
    oom_kills: int
    forks_refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Everything known about a run at one moment. `inner` is the exit code of the program itself, told by bubblewrap
    only when the program was really started; `first` its process id on the host."""

    entry: Entry
    started: bool
    starter_alive: bool
    stopping: bool
    # The claim was taken by someone who is not a shim, so that no shim can take it any more.
    barred: bool
    # And that is known to be so: a claim that a shim made before a power cut might not be on disk.
    never_began: bool
    shim: Identity | None
    shim_alive: bool
    same_boot: bool
    exit: Exit | None
    inner: int | None
    first: int | None
    last_words: str


def spec_hash(spec: RunSpec) -> str:
    """What makes two specs the same run. The token is not part of it: a control plane that restarted has another."""
    whole = [
        spec.run,
        spec.image,
        [str(path) for path in spec.inputs],
        str(spec.lower),
        [spec.limits.cpus, spec.limits.memory, spec.limits.pids, spec.limits.disk],
        spec.network.value,
        sorted(spec.labels.items()),
    ]
    return hashlib.sha256(json.dumps(whole).encode()).hexdigest()


def identity_json(identity: Identity) -> bytes:
    return json.dumps({"pid": identity.pid, "start": identity.start, "boot": identity.boot}).encode()


def look(place: Place) -> Seen | None:
    """Read a run's files; None where there is no run. The exit is read last: a shim seen dead before has written it."""
    entry = _entry(place)
    if entry is None:
        return None
    boot = boot_id()
    starter = _identity(read_bounded(place.path / "started", _LIMIT))
    starter_alive = starter is not None and alive(starter, boot)
    # Read once: a shim may take it while we look.
    claim = read_bounded(place.shim / "claim", _LIMIT)
    shim = _identity(claim)
    shim_alive = shim is not None and alive(shim, boot)
    status = _status(place)
    stopping = (place.path / "stopping").exists()
    barred = claim is not None and shim is None
    ours = barred and (_object(claim) or {}).get("barred") is True
    return Seen(
        entry=entry,
        started=(place.path / "started").exists(),
        starter_alive=starter_alive,
        stopping=stopping,
        barred=barred,
        never_began=ours and not stopping and starter is not None and starter.boot == boot,
        shim=shim,
        shim_alive=shim_alive,
        same_boot=shim is None or shim.boot == boot,
        exit=_exit(place),
        inner=_number(status, "exit-code"),
        first=_number(status, "child-pid"),
        last_words=read_tail(place.log, 2000).strip(),
    )


def undecided(seen: Seen) -> bool:
    """Whether a shim may or may not be about to begin, and nobody is left who knows."""
    return seen.started and seen.shim is None and not seen.barred and not seen.starter_alive


def conclude(seen: Seen) -> Observed:
    """What is really there of a run, from what its files and processes show."""
    state, ending, detail = _state(seen)
    return Observed(
        run=seen.entry.run,
        spec_hash=seen.entry.spec_hash,
        state=state,
        reference=f"shim {seen.shim.pid}" if seen.shim else "",
        exit_code=seen.inner if state is State.EXITED else None,
        ending=ending,
        detail=detail,
    )


def _state(seen: Seen) -> tuple[State, Ending | None, str]:
    if not seen.started or seen.never_began:
        return State.PENDING, None, ""
    if seen.exit is not None and not seen.shim_alive:
        ending, detail = _ending(seen, seen.exit)
        return State.EXITED, ending, detail
    if seen.shim_alive:
        return State.RUNNING, None, ""
    if seen.shim is None and seen.starter_alive and not seen.barred:
        return State.PENDING, None, ""
    return State.LOST, None, _loss(seen)


def _loss(seen: Seen) -> str:
    if seen.shim is None and seen.stopping:
        return "it was stopped before it began"
    if seen.shim is None:
        return "the machine was restarted while this run was started; whether it began cannot be told"
    if not seen.same_boot:
        return "the machine was restarted while this run was running"
    return "the shim that watched this run was killed from outside; the sandbox died with it"


def _ending(seen: Seen, record: Exit) -> tuple[Ending, str]:
    said: list[str] = []
    if record.oom_kills:
        said.append(f"the memory limit was reached and {record.oom_kills} of its processes killed")
    if record.forks_refused:
        said.append(f"the process limit was reached and {record.forks_refused} new processes refused")
    if seen.stopping:
        said.append("it was asked to stop")
    detail = "; ".join(said)
    if seen.inner == 0:
        return Ending.EXIT, detail
    if record.oom_kills:
        return Ending.OUT_OF_MEMORY, detail
    if record.forks_refused:
        return Ending.TOO_MANY_PROCESSES, detail
    if seen.inner is None and not seen.stopping:
        why = "it was killed from outside" if record.status == _KILLED else "it could not be set up"
        words = f": {seen.last_words[-500:]}" if seen.last_words else ""
        return Ending.KILLED, f"the sandbox ended before its program did ({why}, status {record.status}){words}"
    if seen.inner is None or seen.inner == _KILLED:
        return Ending.KILLED, detail or "its first process was killed"
    return Ending.EXIT, detail


def _entry(place: Place) -> Entry | None:
    whole = _object(read_bounded(place.path / "run.json", _LIMIT))
    if whole is None:
        return None
    return Entry(
        run=RunId(str(whole["run"])),
        spec_hash=str(whole["spec_hash"]),
        cgroups=tuple(Path(path) for path in cast("list[str]", whole["cgroups"])),
    )


def _identity(content: bytes | None) -> Identity | None:
    whole = _object(content)
    pid, start = _number(whole, "pid"), _number(whole, "start")
    if whole is None or pid is None or start is None:
        return None
    return Identity(pid=pid, start=start, boot=str(whole.get("boot")))


def _exit(place: Place) -> Exit | None:
    whole = _object(read_bounded(place.shim / "exit.json", _LIMIT))
    status = _number(whole, "status")
    if status is None:
        return None
    oom, refused = _number(whole, "oom_kills") or 0, _number(whole, "forks_refused") or 0
    return Exit(status=status, oom_kills=oom, forks_refused=refused)


def _status(place: Place) -> dict[str, object]:
    """Bubblewrap's words: JSON objects, one after the other, each with some of the facts."""
    words: dict[str, object] = {}
    for line in (read_bounded(place.shim / "status.json", _LIMIT) or b"").splitlines():
        words.update(_object(line) or {})
    return words


def _object(content: bytes | None) -> dict[str, object] | None:
    """What lies in the run user's reach may be anything: whatever is no JSON object says nothing."""
    try:
        whole: object = json.loads(content or b"")
    except ValueError:
        return None
    return cast("dict[str, object]", whole) if isinstance(whole, dict) else None


def _number(whole: Mapping[str, object] | None, key: str) -> int | None:
    value = whole.get(key) if whole else None
    return value if type(value) is int and value >= 0 else None
