"""Processes of the host, told apart from later ones with the same number, watched and ended by descriptor."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One process of one boot. Units: `start` in clock ticks since the boot."""

    pid: int
    start: int
    boot: str


def boot_id() -> str:
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


def identity_of_self() -> Identity:
    stat = _stat(os.getpid())
    assert stat is not None
    return Identity(pid=os.getpid(), start=stat[2], boot=boot_id())


def alive(process: Identity, boot: str) -> bool:
    """Whether that very process still runs. One that ended and was ours is taken off the process table on the way."""
    if process.boot != boot:
        return False
    stat = _stat(process.pid)
    if stat is None or stat[2] != process.start:
        return False
    if stat[0] in "ZX":
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)
        return False
    return True


@contextmanager
def held(process: Identity, boot: str) -> Generator[int | None]:
    """A pidfd of that very process, or None when it is gone."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        yield None
        return
    try:
        # Looked at after opening: the number cannot be given to another process in between.
        yield descriptor if alive(process, boot) else None
    finally:
        os.close(descriptor)


async def gone(descriptor: int) -> None:
    """Return when the process behind a pidfd has ended."""
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()

    def notice() -> None:
        if not over.done():
            over.set_result(None)

    # The loop watches a descriptor once, and several may wait for one process: each watches its own.
    own = os.dup(descriptor)
    loop.add_reader(own, notice)
    try:
        await over
    finally:
        loop.remove_reader(own)
        os.close(own)


def tell(descriptor: int, number: signal.Signals) -> None:
    """Send a signal to the process behind a pidfd; one that is gone is fine."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(descriptor, number)


def parent(pid: int) -> int | None:
    stat = _stat(pid)
    return None if stat is None else stat[1]


def user_of(pid: int) -> int | None:
    """The real uid of a process, or None when it is gone."""
    try:
        text = (_PROC / f"{pid}/status").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Uid:"))


def children(pid: int) -> list[int]:
    try:
        return [int(word) for word in (_PROC / f"{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def seeing(name: str) -> list[int]:
    """Every process in whose mounts `name` is a directory: what a run's processes share, whoever their parent is.
    Those we may not look into are not ours."""
    wanted = f"/{name}/".encode()
    found: list[int] = []
    for entry in _PROC.iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            mounts = (entry / "mountinfo").read_bytes()
        except OSError:
            continue
        if wanted in mounts:
            found.append(int(entry.name))
    return found


async def end_all(pids: Iterable[int]) -> None:
    """SIGKILL each and return when all are gone."""
    descriptors: list[int] = []
    try:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                descriptors.append(os.pidfd_open(pid))
        for descriptor in descriptors:
            tell(descriptor, signal.SIGKILL)
        for descriptor in descriptors:
            await gone(descriptor)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _stat(pid: int) -> tuple[str, int, int] | None:
    """State letter, parent, start time. Source: proc(5), fields 3, 4 and 22; the name before them may hold anything."""
    try:
        text = (_PROC / f"{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[1]), int(fields[19])
