"""What the parts of a run share, and the one turn in which everything that can end it is looked at."""

from __future__ import annotations

import json
import os
import threading
import time

from .errors import Over, TaskTimeout
from .link import Answered, Away, Patience, Refused
from .process import signal  # the runner's one set of signals
from .transcript import Budget, Output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .link import Link
    from .loop import Loop, Reader
    from .process import Processes
    from .transcript import Sender, Transcript
    from .words import Assignment, Command, Task, TaskReport

_LONG_POLL_SECONDS = 40.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Run:
    def __init__(
        self,
        assignment: Assignment,
        loop: Loop,
        processes: Processes,
        transcript: Transcript,
        sender: Sender,
        began: float,
    ) -> None:
        self.assignment = assignment
        self.loop = loop
        self.processes = processes
        self.transcript = transcript
        self.environment: dict[str, str] = {}
        self.messages: list[str] = []
        self.answers: list[dict[str, str]] = []
        self.reports: list[TaskReport] = []
        self.usage: dict[str, object] = {}
        self.last_message: str | None = None
        self.budget = Budget(assignment["limits"]["task_output_bytes"])
        self.stopped = False
        # Of an assignment that was made by an older control plane nothing is said.
        self.resumed = assignment.get("resumed")
        self._sender = sender
        self._commands: list[Command] = []
        self._began = began
        self._active = time.monotonic()
        self._refused: str | None = None

    def base_environment(self, secrets: dict[str, str]) -> None:
        """What every child of the run sees: the assignment's variables, the secrets, and the usual ones."""
        assignment = self.assignment
        usual = {"PATH": _PATH, "USER": "agent", "LANG": "C.UTF-8", "TERM": "xterm-256color", "TMPDIR": "/tmp"}  # noqa: S108 - the instance's own
        ours = {"HOME": assignment["home"], "MOORING_RUN": assignment["run"], "MOORING_OUTPUTS": assignment["outputs"]}
        if assignment["session"]:
            ours["MOORING_SESSION"] = assignment["session"]
        self.environment = {**usual, **assignment["environment"], **secrets, **ours}

    def listen(self, link: Link) -> None:
        threading.Thread(target=self._poll_commands, args=(link,), name="commands", daemon=True).start()

    def _poll_commands(self, link: Link) -> None:
        after, patience = 0, Patience()
        while self._refused is None:
            try:
                answer = link.ask("GET", f"/link/v1/commands?after={after}", timeout=_LONG_POLL_SECONDS)
                commands: list[Command] = json.loads(answer)["commands"]
                for command in commands:
                    after = max(after, command["number"])
                self._commands.extend(commands)
                patience = Patience()
            except Refused as refused:
                self._refused = str(refused)
            except (Away, Answered, ValueError, KeyError, TypeError):
                time.sleep(patience.pause())
                continue
            self.loop.wake()

    def turn(self, deadline: float | None = None) -> None:
        """Wait until something happens. Raises Over when the run is to end, TaskTimeout after `deadline`."""
        now = time.monotonic()
        ends = [end for end in (deadline, self._end(), self._idle_end()) if end is not None]
        waits = [end - now for end in ends]
        due = self.transcript.due()
        if due is not None:
            waits.append(due)
        if self.loop.turn(min(waits, default=60.0)):
            self.touch()
        self._look(deadline)

    def _look(self, deadline: float | None) -> None:
        if self.transcript.due() == 0.0:
            self.transcript.flush()
        refused = self._refused or self._sender.refused
        if refused:
            raise Over("failed", refused)
        # First what it was told: whoever does not obey is asked to end, and it may have been told why.
        while self._commands:
            self._obey(self._commands.pop(0))
        if self.processes.asked:
            raise Over("cancelled", "the run was asked to end")
        now = time.monotonic()
        end, idle_end = self._end(), self._idle_end()
        if end is not None and now >= end:
            raise Over("timeout", f"the run took longer than {self.assignment['timeout']:g} s")
        if idle_end is not None and now >= idle_end:
            raise Over("timeout", f"nothing happened for {self.assignment['idle_timeout']:g} s")
        if deadline is not None and now >= deadline:
            raise TaskTimeout

    def _obey(self, command: Command) -> None:
        kind, data = command["type"], command["data"]
        if kind == "cancel":
            raise Over("cancelled", "the session was cancelled")
        if kind == "stop":
            self.stopped = True
            raise Over("cancelled", "the run was stopped")
        if kind == "pause":
            raise Over("paused", "the session was paused")
        if kind == "message":
            self.touch()
            self.messages.append(str(data.get("text", "")))
            self.transcript.emit("user.message", text=self.messages[-1])
        elif kind == "answer":
            self.touch()
            self.answers.append(data)

    def touch(self) -> None:
        """Something happened: the idle time begins anew."""
        self._active = time.monotonic()

    def _end(self) -> float | None:
        seconds = self.assignment["timeout"]
        spent = self.resumed["seconds"] if self.resumed else 0.0
        return None if seconds is None else self._began + seconds - spent

    def _idle_end(self) -> float | None:
        seconds = self.assignment["idle_timeout"]
        return None if seconds is None else self._active + seconds

    def settle(self, seconds: float, until: Callable[[], bool]) -> bool:
        """Let children speak for at most `seconds`, whatever is asked of the run. Whether `until` came true."""
        deadline = time.monotonic() + seconds
        while not until():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self.loop.turn(min(left, 0.05))
        return True

    def end_child(self, pid: int) -> None:
        """SIGTERM to the child's group, SIGKILL after the grace."""
        self.processes.signal_group(pid, signal.SIGTERM)
        self.settle(self.assignment["grace"], lambda: self.processes.code(pid) is not None)
        self.processes.signal_group(pid, signal.SIGKILL)
        self.settle(5.0, lambda: self.processes.code(pid) is not None)

    def end_children(self, seconds: float) -> None:
        """SIGTERM to everything, SIGKILL of what is left after `seconds`; nothing stays."""
        processes = self.processes
        if processes.signal_all(signal.SIGTERM):
            self.settle(seconds, lambda: not processes.signal_all(0))
        if not processes.end_all(time.monotonic() + 10.0):
            self.transcript.note("some processes could not be killed")
        self.loop.drop_all()

    def child(
        self, command: Sequence[str], environment: dict[str, str], cwd: str, readers: tuple[Reader, Reader | None],
        deadline: float | None,
    ) -> int:  # fmt: skip
        """Run a command to its end and give its exit code. Without a second reader both streams go to the first.
        Raises Over (the child is left to `end_children`), TaskTimeout (the child is gone)."""
        empty = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        out, out_writer = os.pipe()
        error, error_writer = os.pipe() if readers[1] else (-1, out_writer)
        try:
            pid = self.processes.start(
                command, cwd=cwd, environment=environment, stdio=(empty, out_writer, error_writer)
            )
        finally:
            for descriptor in {empty, out_writer, error_writer}:
                os.close(descriptor)
        self.loop.add(out, readers[0])
        if readers[1]:
            self.loop.add(error, readers[1])
        try:
            while (code := self.processes.code(pid)) is None:
                self.turn(deadline)
        except TaskTimeout:
            self.end_child(pid)
            raise
        finally:
            if self.processes.code(pid) is not None:
                self.loop.drop(out)
                self.loop.drop(error)
        return code

    def logs(self) -> tuple[Output, Output]:
        """Readers that make a child's two streams `log` events."""
        limits = self.assignment["limits"]
        return (
            Output(self.transcript, "stdout", limits, lambda: self.budget),
            Output(self.transcript, "stderr", limits, lambda: self.budget),
        )

    def place(self, task: Task) -> str:
        return task["path"] or self.assignment["workdir"]
