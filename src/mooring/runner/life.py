"""The one life of a run, from its assignment to its exit code."""

from __future__ import annotations

import json
import os
import sys
import time

from .errors import Over, Unready
from .files import Scratch, write_all
from .git import Git
from .link import Answered, Away, Link, Refused, insist, packed
from .loop import Loop
from .main import EXIT, MARKER, SPOOL
from .mask import Mask
from .process import Processes, ending
from .run import Run
from .secrets import deliver
from .shapes import is_map
from .spool import Spool
from .tasks import Tasks
from .transcript import Sender, Transcript
from .workspace import Workspace, remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .words import Assignment, Outcome

    Done = tuple[Outcome, "str | None", "int | None"]

CODES: dict[Outcome, int] = {"succeeded": 0, "failed": 1, "timeout": 124, "cancelled": 143, "paused": 75}
# The runner could not do its work: no assignment, no token, a second start.
UNABLE = 70
# How long the end waits for a control plane that is away. What is not sent by then is in the spool.
FAREWELL_SECONDS = 5.0
HARVEST_SECONDS = 300.0
# Whoever ends a run kills it after the grace: its parts have to do with a share each.
_CHILDREN, _HARVEST, _FAREWELL = 0.4, 0.3, 0.2
_FIRST_SPOOL_BYTES = 1 << 26
# What is taken of a report (docs/link.md). One over it tells fewer commits, and shorter texts (in characters).
_REPORT_BYTES = 1 << 20
_TERSER = ((1000, 65536), (100, 2000), (0, 100))


class Life:
    """The one life of a run."""

    def __init__(self, token: str, link: str, began: float) -> None:
        self._began = began
        self._durations: dict[str, float] = {}
        self._loop = Loop()
        self._processes = Processes(self._loop.wake)
        self._link = Link(link, token)
        self._spool = Spool(SPOOL, _FIRST_SPOOL_BYTES)
        self._transcript = Transcript(self._spool, Mask({}))
        self._sender = Sender(self._link.twin(), self._spool, self._loop.wake)
        self._run: Run | None = None

    def lead(self) -> int:
        self._processes.listen()
        self._sender.begin()
        if os.fstat(MARKER).st_size:
            return self._report_only()
        try:
            assignment = self._assignment()
        except (Answered, Refused, ValueError, KeyError) as error:
            return self._give_up(f"there is no assignment: {error}")
        outcome: Outcome = "failed"
        reason: str | None = None
        code: int | None = None
        try:
            outcome, reason, code = self._work(assignment)
        except Over as over:
            outcome, reason = over.outcome, over.reason
        except (Unready, Answered, Refused) as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the run must end with a report and nothing left
            reason = _failure(error)
        return self._end(assignment, outcome, reason, code)

    def _assignment(self) -> Assignment:
        assignment: Assignment = json.loads(insist(lambda: self._link.ask("GET", "/link/v1/assignment")))
        self._spool.limit(assignment["limits"]["spool_bytes"])
        self._run = Run(assignment, self._loop, self._processes, self._transcript, self._sender, self._began)
        return assignment

    def _work(self, assignment: Assignment) -> Done:
        run = self._ready()
        self._scratch = Scratch(os.environ.get("MOORING_SCRATCH", "/tmp"))  # noqa: S108 - the instance's own
        self._git = Git(self._loop, self._processes, run.environment["PATH"], run.transcript.mask)
        run.listen(self._link.twin())
        Workspace(self._link, self._git, self._scratch).prepare(assignment)
        self._durations["prepare"] = time.monotonic() - self._began
        # From this byte on the agent may have been started: nobody starts it again.
        write_all(MARKER, b"started\n")
        run.touch()
        if assignment["kind"] == "command":
            return self._command(assignment)
        failed = Tasks(run, self._scratch).all()
        return ("failed", failed, 1) if failed else ("succeeded", None, 0)

    def _ready(self) -> Run:
        """The run with its environment. Secrets are acknowledged here, before any child exists."""
        run = self._run
        assert run is not None
        secrets = deliver(self._link)
        run.transcript.mask = Mask(secrets.values)
        run.base_environment(secrets.variables)
        return run

    def _command(self, assignment: Assignment) -> Done:
        run = self._run
        assert run is not None
        words = ("sh", "-c", assignment["command"] or "")
        code = run.child(words, run.environment, assignment["workdir"], run.logs(), None)
        return ("succeeded", None, 0) if code == 0 else ("failed", ending(code), code)

    def _end(self, assignment: Assignment, outcome: Outcome, reason: str | None, code: int | None) -> int:
        """Kill what is left, take what was made, report, and leave."""
        run = self._run
        assert run is not None
        grace, hurry = assignment["grace"], outcome == "cancelled"
        run.end_children(grace * _CHILDREN if hurry else grace)
        self._durations.setdefault("prepare", time.monotonic() - self._began)
        self._durations["tasks"] = time.monotonic() - self._began - self._durations["prepare"]
        if reason and outcome != "paused":
            run.transcript.emit("error", reason=reason)
        harvest_began = time.monotonic()
        commits, patch = [], None
        try:
            # What is paused goes on later with all of it, and takes it home at its end.
            if outcome != "paused":
                commits, patch = self._harvest(assignment, grace * _HARVEST if hurry else HARVEST_SECONDS)
        except Refused as refused:
            run.transcript.note(f"nothing more can be sent: {refused}")
        except Exception as error:  # noqa: BLE001 - what cannot be taken must not cost the report
            run.transcript.emit("error", reason=f"not everything was taken: {_failure(error)}")
        self._durations["harvest"] = time.monotonic() - harvest_began
        exit_code = code if code is not None else CODES[outcome]
        report: dict[str, object] = {
            "outcome": outcome, "reason": reason, "exit_code": exit_code, "last_message": run.last_message,
            "tasks": run.reports, "usage": run.usage, "commits": commits, "patch": patch,
            "durations": {name: round(seconds, 3) for name, seconds in self._durations.items()},
        }  # fmt: skip
        self._report(report, grace * _FAREWELL if hurry else FAREWELL_SECONDS)
        return exit_code if 0 <= exit_code < 256 else 128 - exit_code  # noqa: PLR2004 - a process' exit status

    def _harvest(self, assignment: Assignment, seconds: float) -> tuple[list[dict[str, str]], dict[str, int] | None]:
        from .harvest import Harvest  # noqa: PLC0415 - only the end needs it

        # Nothing was started: there is nothing to take.
        if not os.fstat(MARKER).st_size:
            return [], None
        # What is taken may be large: it goes to the home's disk, not into memory.
        home = assignment["home"]
        os.chmod(home, os.stat(home).st_mode | 0o700)
        scratch = Scratch(home)
        harvest = Harvest(
            self._link, self._git, scratch, self._transcript, assignment["limits"], time.monotonic() + seconds
        )
        writable = [one for one in assignment["repositories"] if not one["read_only"]]
        for number, repository in enumerate(writable):
            try:
                harvest.repository(repository, f"-{number}" if number else "")
            except (Unready, OSError) as error:
                self._transcript.emit("error", reason=f"{repository['path']}: its changes were not taken: {error}")
            # git read what an agent wrote; whatever that started must not meet what comes next.
            self._processes.end_all(time.monotonic() + 10.0)
        remove_tree(scratch.path)
        self._scratch.leave()
        harvest.outputs(assignment["outputs"])
        return harvest.commits, harvest.patch

    def _report(self, report: dict[str, object], seconds: float = FAREWELL_SECONDS) -> None:
        """To the descriptor first: whoever supervises us has it even when nobody answers."""
        # Its numbers are the runner's own; those of an agent's usage were masked as it told them.
        masked = self._transcript.mask.deep(report, numbers=False)
        assert is_map(masked)
        body = fitted(masked)
        self._transcript.flush()
        if not os.fstat(EXIT).st_size:
            write_all(EXIT, body + b"\n")
        deadline = time.monotonic() + seconds
        if not self._sender.finish(seconds):
            print("runner: not all events could be sent; they are in the spool", file=sys.stderr)
        try:
            insist(lambda: self._link.ask("POST", "/link/v1/exit", body, timeout=seconds), deadline)
        except (Answered, Away, Refused) as error:
            print(f"runner: the report could not be sent: {error}", file=sys.stderr)

    def _report_only(self) -> int:
        """A second start. What the first one did is not known here, so nothing is done again."""
        if os.fstat(EXIT).st_size:
            self._sender.finish(FAREWELL_SECONDS)
            return UNABLE
        return self._give_up("the runner was started again: how far the first start came is in the transcript")

    def _give_up(self, reason: str) -> int:
        print(f"runner: {reason}", file=sys.stderr)
        self._report({
            "outcome": "failed", "reason": reason, "exit_code": UNABLE, "last_message": None, "tasks": [], "usage": {},
            "durations": {}, "commits": [], "patch": None,
        })  # fmt: skip
        return UNABLE


def _failure(error: Exception) -> str:
    return f"the runner failed: {type(error).__name__}: {error}"


def fitted(masked: dict[str, Any]) -> bytes:
    """The report as it is sent: all of it, or as much as is taken. It is masked first: half a value would pass."""
    body = b""
    for commits, longest in _TERSER:
        tasks = [{**task, "reason": _cut(task["reason"], longest)} for task in masked["tasks"]]
        texts = {name: _cut(masked[name], longest) for name in ("reason", "last_message")}
        body = packed({**masked, **texts, "tasks": tasks, "commits": masked["commits"][:commits]})
        if len(body) <= _REPORT_BYTES:
            break
    return body


def _cut(text: str | None, longest: int) -> str | None:
    return text[:longest] if text else text
