"""The tasks in their order, each with its attempts and its check."""

from __future__ import annotations

import codecs
import time

from .errors import Over, TaskTimeout
from .link import packed
from .mask import storable
from .process import ending
from .transcript import Budget

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .acp import Conversation
    from .files import Scratch
    from .mask import Mask
    from .run import Run
    from .words import Agent, Task, TaskOutcome, TaskReport


class Failed(Exception):
    """An attempt that did not do it."""

    def __init__(self, reason: str, exit_code: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.exit_code = exit_code


class CheckOutput:
    """The end of what a check says, for the transcript and for the next attempt. It is masked before anything of it is
    left out: no value is cut in two."""

    def __init__(self, limit: int, mask: Mask) -> None:
        self._limit = limit
        self._mask = mask
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._kept = bytearray()
        self._sum = 0

    def __call__(self, piece: bytes) -> None:
        text, self._held = self._mask.split(self._held + storable(self._decoder.decode(piece)))
        self._keep(text)

    def _keep(self, text: str) -> None:
        encoded = text.encode()
        self._kept += encoded
        self._sum += len(encoded)
        if len(self._kept) > 4 * self._limit:
            del self._kept[: -2 * self._limit]

    def end(self) -> tuple[str, int]:
        """The last part, and the bytes left out before it."""
        self._keep(self._mask.text(self._held + self._decoder.decode(b"", final=True)))
        text = self._kept[-self._limit :].decode("utf-8", "ignore")
        return text, self._sum - len(text.encode())


class Tasks:
    def __init__(self, run: Run, scratch: Scratch) -> None:
        self._run = run
        self._scratch = scratch
        self._conversations: dict[tuple[bytes, str], Conversation] = {}
        self._opened = False
        self._goes_on = False
        resumed = run.resumed
        self._done = {report["task"]: report for report in resumed["done"]} if resumed else {}
        self._attempts = resumed["attempts"] if resumed else 0

    def all(self) -> str | None:
        """Do them. Gives what failed, None when all succeeded. Raises Over; then every task has its report, unless the
        run is to pause: what is not done then is done later."""
        failed: str | None = None
        over: Over | None = None
        for task in self._run.assignment["tasks"]:
            if over or (failed and not self._goes_on):
                self._finish(task, "skipped", 0, 0.0)
                continue
            try:
                reason = self._before(task) if task["number"] in self._done else self._one(task)
            except Over as ending:
                if ending.outcome == "paused":
                    raise
                over = ending
            else:
                if reason:
                    failed = f"task {task['number'] + 1} ({task['name']}) failed: {reason}"
                    self._goes_on = task["continue_on_failure"]
        if over:
            raise over
        if failed is None and self._run.assignment["interactive"]:
            self._converse()
        return failed

    def _before(self, task: Task) -> str | None:
        """What a task came to before the session was paused: None, or why it failed."""
        report = self._done[task["number"]]
        self._run.reports.append(report)
        return None if report["outcome"] == "succeeded" else report["reason"] or report["outcome"]

    def _one(self, task: Task) -> str | None:
        run = self._run
        run.transcript.task = task["number"]
        run.budget = Budget(run.assignment["limits"]["task_output_bytes"])
        began = time.monotonic()
        deadline = None if task["timeout"] is None else began + task["timeout"]
        attempt, failure, feedback = self._attempts, Failed("it has no attempt"), None
        self._attempts = 0
        try:
            while attempt < max(1, task["max_attempts"]):
                attempt += 1
                run.transcript.emit("task.started", task=task["number"], name=task["name"], attempt=attempt)
                try:
                    self._attempt(task, attempt, feedback, deadline)
                    feedback = self._check(task, attempt, deadline)
                    if feedback is None:
                        self._finish(task, "succeeded", attempt, time.monotonic() - began, exit_code=0)
                        return None
                    failure = Failed("its check failed")
                except Failed as reason:
                    failure, feedback = reason, None
        except TaskTimeout:
            failure = Failed(f"it took longer than {task['timeout']:g} s")
        except Over as over:
            if over.outcome == "paused":
                raise
            self._finish(task, "failed", attempt, time.monotonic() - began, over.reason)
            raise
        self._finish(task, "failed", attempt, time.monotonic() - began, failure.reason, failure.exit_code)
        return failure.reason

    def _finish(
        self, task: Task, outcome: TaskOutcome, attempts: int, seconds: float, reason: str | None = None,
        exit_code: int | None = None,
    ) -> None:  # fmt: skip
        report: TaskReport = {
            "task": task["number"], "outcome": outcome, "attempts": attempts, "exit_code": exit_code,
            "reason": reason, "seconds": round(seconds, 3),
        }  # fmt: skip
        self._run.reports.append(report)
        self._run.transcript.emit("task.finished", **report)
        self._run.transcript.task = None

    def _attempt(self, task: Task, attempt: int, feedback: str | None, deadline: float | None) -> None:
        agent = task["agent"] or self._run.assignment["agent"]
        if agent["runtime"] == "shell":
            self._script(task, attempt, feedback, deadline)
        else:
            self._prompt(task, agent, feedback, deadline)

    def _environment(self, task: Task, attempt: int) -> dict[str, str]:
        return {**self._run.environment, "MOORING_TASK": str(task["number"]), "MOORING_ATTEMPT": str(attempt)}

    def _script(self, task: Task, attempt: int, feedback: str | None, deadline: float | None) -> None:
        """Runtime shell: the prompt is the script."""
        run = self._run
        environment = self._environment(task, attempt)
        script, descriptor = self._scratch.file(task["prompt"].encode(), suffix=".sh")
        files = [(script, descriptor)]
        if feedback is not None:
            files.append(self._scratch.file(feedback.encode(), suffix=".txt"))
            environment["MOORING_CHECK_OUTPUT"] = files[1][0]
        try:
            out, error = run.logs()
            code = run.child(("sh", "-eu", script), environment, run.place(task), (out, error), deadline)
        finally:
            for path, opened in files:
                self._scratch.close(path, opened)
        if code != 0:
            raise Failed(ending(code), code)
        for _ in run.messages:
            run.transcript.note("a script reads no messages: nobody took the last one")
        run.messages.clear()

    def _prompt(self, task: Task, agent: Agent, feedback: str | None, deadline: float | None) -> None:
        """Runtime acp: the prompt is a turn; what the user said meanwhile are further turns."""
        run = self._run
        conversation = self._conversation(agent, run.place(task))
        text = task["prompt"] if feedback is None else _FEEDBACK.format(feedback)
        said = [self._introduced(text)]
        while said:
            reason = conversation.prompt(said.pop(0), deadline)
            if reason:
                raise Failed(reason)
            said += run.messages
            run.messages.clear()

    def _introduced(self, text: str) -> str:
        """A prompt, behind what the first one of the run begins with."""
        parts = [] if self._opened else [self._run.assignment["opening"], self._so_far()]
        self._opened = True
        return "\n\n".join([*filter(None, parts), text])

    def _so_far(self) -> str:
        """What an agent has to know that was not there before the pause; nothing where there was none."""
        if not self._run.resumed:
            return ""
        names = {task["number"]: task["name"] for task in self._run.assignment["tasks"]}
        done = [f"- {names[number]}: {report['outcome']}" for number, report in self._done.items()]
        return "\n".join([_RESUMED, *(done or ["- none yet"])])

    def _conversation(self, agent: Agent, place: str) -> Conversation:
        from .acp import Conversation  # noqa: PLC0415 - scripts need none of it

        key = (packed(agent), place)
        conversation = self._conversations.get(key)
        if conversation is None or not conversation.lives():
            conversation = self._conversations[key] = Conversation(self._run, agent, place)
        return conversation

    def _check(self, task: Task, attempt: int, deadline: float | None) -> str | None:
        """None when the task is done; else what its check said."""
        if task["check"] is None:
            return None
        run = self._run
        output = CheckOutput(run.assignment["limits"]["line_bytes"], run.transcript.mask)
        script, descriptor = self._scratch.file(task["check"].encode(), suffix=".sh")
        code: int | None = None
        try:
            environment = self._environment(task, attempt)
            code = run.child(("sh", "-eu", script), environment, run.place(task), (output, None), deadline)
        finally:
            self._scratch.close(script, descriptor)
            # Also of one that was not waited for: what it said so far tells why.
            text, cut = output.end()
            run.transcript.emit(
                "check.output",
                task=task["number"], attempt=attempt, passed=code == 0, exit_code=code, output=text, cut=cut,
            )  # fmt: skip
        return None if code == 0 else text

    def _converse(self) -> None:
        """The tasks are done and somebody may have more to say, until the run is stopped."""
        run = self._run
        while True:
            try:
                run.turn()
            except Over:
                if run.stopped:
                    return
                raise
            if run.messages and run.assignment["agent"]["runtime"] == "acp":
                run.budget = Budget(run.assignment["limits"]["task_output_bytes"])
                conversation = self._conversation(run.assignment["agent"], run.assignment["workdir"])
                reason = conversation.prompt(self._introduced(run.messages.pop(0)), None)
                if reason:
                    run.transcript.emit("error", reason=reason)


_FEEDBACK = "The check of this task failed. Correct your work so that it passes. It said:\n\n{}"
_RESUMED = (
    "This work was paused and goes on now. Workspace and home are as they were left, also by a task that was "
    "interrupted: look at what is there before you go on. Tasks that are done:"
)
