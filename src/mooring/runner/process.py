"""Children: each in a session of its own, with nothing but stdio; whoever dies below us is reaped; all end together."""

from __future__ import annotations

import os
import signal
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

SHELL = "/bin/sh"
# The child changes its own directory: the runner's must not depend on what an agent does to it.
_ENTER = 'cd -- "$0" && exec "$@"'
_SI_USER = 0
_HEARD = (signal.SIGTERM, signal.SIGCHLD)
# What Python ignores or handles itself must be as a program expects it.
_DEFAULTS = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, *_HEARD)


def hold_signals() -> None:
    """Block what we listen for, before any thread is made. SIGINT goes back to its default: process 1 of a namespace
    is then deaf to it, while Python's own handler would let a child interrupt us."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)


def from_outside(info: signal.struct_siginfo) -> bool:
    """Whether whoever supervises us sent this. A sender in an outer namespace shows as 0, which one inside can only
    forge by sigqueue; that has another code. Where we have no namespace of our own, our parent speaks for it."""
    if info.si_code != _SI_USER:
        return False
    return info.si_pid == 0 or (os.getpid() != 1 and info.si_pid == os.getppid())


class Processes:
    """Everything below us. `asked` is set once SIGTERM came from outside; `wake` is called when something happened."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._known: set[int] = set()
        self._codes: dict[int, int] = {}
        self.asked = False

    def listen(self) -> None:
        threading.Thread(target=self._hear, name="signals", daemon=True).start()

    def _hear(self) -> None:
        while True:
            info = signal.sigwaitinfo(_HEARD)
            if info.si_signo == signal.SIGCHLD:
                self._reap()
            elif from_outside(info):
                self.asked = True
            self._wake()

    def _reap(self) -> None:
        with self._lock:
            while True:
                try:
                    pid, status = os.waitpid(-1, os.WNOHANG)
                except ChildProcessError:
                    return
                if pid == 0:
                    return
                if pid in self._known:
                    self._known.discard(pid)
                    self._codes[pid] = os.waitstatus_to_exitcode(status)

    def start(
        self,
        command: Sequence[str],
        *,
        cwd: str,
        environment: Mapping[str, str],
        stdio: tuple[int, int, int],
    ) -> int:
        """Start `command` (looked up in its own PATH) and give its pid, which is also its session's. Raises OSError."""
        actions = [(os.POSIX_SPAWN_DUP2, descriptor, number) for number, descriptor in enumerate(stdio)]
        # The lock: whoever ends before we have noted it must not be reaped as a stranger.
        with self._lock:
            pid = os.posix_spawn(
                SHELL,
                [SHELL, "-c", _ENTER, cwd, *command],
                dict(environment),
                file_actions=actions,
                setsid=True,
                setsigmask=[],
                setsigdef=_DEFAULTS,
            )
            self._known.add(pid)
        return pid

    def code(self, pid: int) -> int | None:
        """The exit code of a child we started (negative: the signal), None while it lives."""
        with self._lock:
            return self._codes.get(pid)

    def signal_group(self, pid: int, number: int) -> bool:
        """Signal the group a child leads. False when nobody is left in it."""
        try:
            os.killpg(pid, number)
        except ProcessLookupError:
            return False
        except PermissionError:
            # Only a member that changed its user can refuse; the end of the run takes it.
            return False
        return True

    def signal_all(self, number: int) -> bool:
        """Signal everything below us. False when there is nothing."""
        if os.getpid() == 1:
            try:
                os.kill(-1, number)
            except ProcessLookupError:
                return False
            return True
        found = list(_descendants())
        for pid in found:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
        return bool(found)

    def end_all(self, deadline: float) -> bool:
        """Kill everything below us and wait until it is gone. False when the deadline (monotonic) came first."""
        while self.signal_all(signal.SIGKILL):
            self._reap()
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        self._reap()
        return True


def ending(code: int) -> str:
    return f"exit status {code}" if code >= 0 else f"killed by signal {-code}"


def _descendants() -> Iterator[int]:
    """Every living process below us: the way without a namespace of our own, where we adopt orphans."""
    parents: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as stat:
                state, parent = stat.read().rpartition(b")")[2].split()[:2]
        except OSError:
            continue
        if state != b"Z":
            parents.setdefault(int(parent), []).append(int(name))
    waiting = [os.getpid()]
    while waiting:
        children = parents.get(waiting.pop(), [])
        waiting += children
        yield from children
