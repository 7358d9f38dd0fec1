"""The Agent Client Protocol, version 1, over an agent's stdio. All its words stand in this file and nowhere else."""

from __future__ import annotations

import json
import os
import time

from .errors import Over, TaskTimeout
from .link import packed
from .mask import storable
from .permission import Question
from .shapes import is_map, is_number, is_text
from .tools import Tools
from .workspace import speaks_meta

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .mask import Mask
    from .run import Run
    from .words import Agent

    Message = dict[str, Any]

PROTOCOL = 1
_STARTING_SECONDS = 120.0
_LONGEST_LINE = 8 << 20
_LONGEST_MESSAGE = 65536
# Questions are told whatever the budget says, so there is an end to them.
_MOST_QUESTIONS = 1000
_MOST_OPTIONS, _LONGEST_OPTION = 20, 200
_LARGEST_QUESTION = 250_000
_UNKNOWN_METHOD, _UNFIT = -32601, -32602
_STATES = {"pending": "pending", "in_progress": "running", "completed": "completed", "failed": "failed"}
_GOOD_ENDS = ("end_turn",)


class Words:
    """A kind of text an agent streams: held where a secret may begin, bounded by the task's budget."""

    def __init__(self, run: Run, kind: str) -> None:
        self._run = run
        self._kind = kind
        self._held = ""

    def say(self, text: str, *, last: bool = False) -> str:
        """Tell what may leave of what is held and this; gives all of it, masked, also what the budget leaves out."""
        mask, budget = self._run.transcript.mask, self._run.budget
        text, self._held = mask.split(self._held + storable(text))
        if last:
            text, self._held = text + mask.text(self._held), ""
        encoded = text.encode()
        if not encoded:
            return text
        kept = encoded[: max(0, budget.left)].decode("utf-8", "ignore")
        budget.left -= len(encoded)
        self._run.transcript.text(self._kind, None, kept, len(encoded) - len(kept.encode()))
        return text


class Conversation:
    """One agent process with one session."""

    def __init__(self, run: Run, agent: Agent, place: str) -> None:
        self._run = run
        self._agent = agent
        self._place = place
        self._session: str | None = None
        self._number = 0
        self._answers: dict[int, Message] = {}
        self._line = bytearray()
        self._skipping = False
        self._tools = Tools(run)
        self._asked = 0
        self._words = {kind: Words(run, kind) for kind in ("message", "thought")}
        self._said = ""
        self._new_message = True
        self._questions: list[Question] = []
        self._start()

    def _start(self) -> None:
        theirs_in, self._stdin = os.pipe()
        out, theirs_out = os.pipe()
        error, theirs_error = os.pipe()
        run = self._run
        try:
            self._pid = run.processes.start(
                self._agent["command"], cwd=self._place, environment=run.environment,
                stdio=(theirs_in, theirs_out, theirs_error),
            )  # fmt: skip
        finally:
            for descriptor in (theirs_in, theirs_out, theirs_error):
                os.close(descriptor)
        self._streams = (out, error)
        run.loop.add(out, self._read)
        self._stray, complaints = run.logs()
        run.loop.add(error, complaints)

    def lives(self) -> bool:
        return self._run.processes.code(self._pid) is None

    def prompt(self, text: str, deadline: float | None) -> str | None:
        """One turn. None when the agent ended it well, else why not. Raises Over, TaskTimeout; the agent was told."""
        try:
            if self._session is None:
                failure = self._open(deadline)
                if failure:
                    return failure
            self._said, self._new_message = "", True
            content = [{"type": "text", "text": text}]
            answer = self._ask("session/prompt", {"sessionId": self._session, "prompt": content}, deadline)
        except (Over, TaskTimeout) as ending:
            self._cancel(end=isinstance(ending, TaskTimeout))
            raise
        finally:
            self._hush()
            self._tools.settle()
            self._run.last_message = self._said or self._run.last_message
        failure = self._failure(answer)
        if failure:
            return failure
        reason = _map(answer["result"]).get("stopReason")
        return (
            None
            if reason in _GOOD_ENDS
            else f"the agent ended its turn with {self._run.transcript.mask.cut(str(reason), 100)!r}"
        )

    def _open(self, deadline: float | None) -> str | None:
        """Say hello and begin a session. None, or what stands against it."""
        latest = time.monotonic() + _STARTING_SECONDS
        deadline = latest if deadline is None else min(latest, deadline)
        files = {"readTextFile": False, "writeTextFile": False}
        hello = {
            "protocolVersion": PROTOCOL,
            "clientCapabilities": {"fs": files, "terminal": False},
            "clientInfo": {"name": "mooring", "title": "Mooring", "version": "1"},
        }
        answer = self._ask("initialize", hello, deadline)
        failure = self._failure(answer)
        if failure:
            return failure
        version = _map(answer["result"]).get("protocolVersion")
        if version != PROTOCOL:
            return f"the agent speaks version {version!r} of the protocol, the runner {PROTOCOL}"
        wish: Message = {"cwd": self._place, "mcpServers": []}
        instructions = self._run.assignment["instructions"]
        if instructions and speaks_meta(self._agent):
            wish["_meta"] = {"systemPrompt": {"append": instructions}}
        answer = self._ask("session/new", wish, deadline)
        failure = self._failure(answer)
        if failure:
            return failure
        self._session = _map(answer["result"]).get("sessionId")
        return None if isinstance(self._session, str) else "the agent's answer to session/new names no session"

    def _failure(self, answer: Message) -> str | None:
        if "gone" in answer:
            code = self._run.processes.code(self._pid)
            return f"the agent ended in the middle of its work (exit status {code})"
        if "error" in answer:
            error = answer["error"]
            message = error.get("message") if is_map(error) else error
            return f"the agent answered with an error: {self._run.transcript.mask.cut(str(message), 1000)}"
        return None

    def _ask(self, method: str, parameters: Message, deadline: float | None) -> Message:
        """Send a request and take turns until it is answered; {"gone": …} when the agent is no more."""
        self._number += 1
        number = self._number
        self._send({"id": number, "method": method, "params": parameters})
        while number not in self._answers:
            if not self.lives():
                # What it said last may still be in the pipe.
                self._drop()
                return self._answers.pop(number, {"gone": True})
            self._run.turn(deadline)
            self._ask_people()
        return self._answers.pop(number)

    def _send(self, message: Message) -> None:
        if self.lives():
            self._run.loop.write(self._stdin, packed({"jsonrpc": "2.0", **message}) + b"\n")

    def _cancel(self, *, end: bool) -> None:
        """Tell the agent; when only this task is over, see that it obeys or goes."""
        for question in self._questions:
            self._reply(question.request, {"outcome": {"outcome": "cancelled"}})
        self._questions.clear()
        if self._session is not None:
            self._send({"method": "session/cancel", "params": {"sessionId": self._session}})
        number = self._number
        if not end:
            # The whole run ends: SIGTERM follows, and the agent should have heard why by then.
            self._run.settle(min(1.0, self._run.assignment["grace"] / 10), lambda: number in self._answers)
        elif not self._run.settle(self._run.assignment["grace"], lambda: number in self._answers):
            self._run.end_child(self._pid)
            self._drop()
        self._answers.pop(number, None)

    def _drop(self) -> None:
        for descriptor in self._streams:
            self._run.loop.drop(descriptor)

    def _read(self, piece: bytes) -> None:
        """Lines of JSON; a line that is none, or too long, is passed over."""
        *lines, rest = piece.split(b"\n")
        for line in lines:
            self._line += line
            if not self._skipping:
                self._hear(bytes(self._line))
            self._line.clear()
            self._skipping = False
        self._line += rest
        if len(self._line) > _LONGEST_LINE:
            self._line.clear()
            self._skipping = True
            self._stray(f"a message of the agent over {_LONGEST_LINE} bytes was passed over\n".encode())

    def _hear(self, line: bytes) -> None:
        try:
            message: object = json.loads(line, parse_constant=lambda _: None)
        except (ValueError, RecursionError):
            message = None
        if not is_map(message):
            # Some agents, and what they load, print there: it is shown like any output.
            self._stray(line + b"\n")
            return
        try:
            self._dispatch(message)
        except (ValueError, RecursionError, AttributeError, KeyError, TypeError):
            self._stray(b"not understood: " + line + b"\n")
            if "method" in message and message.get("id") is not None:
                self._send({"id": message["id"], "error": {"code": _UNFIT, "message": "not understood"}})

    def _dispatch(self, message: Message) -> None:
        method, number = message.get("method"), message.get("id")
        if method is None:
            # Only what we asked: an agent's own numbers are another space, and late answers find nobody.
            if type(number) is int and 0 < number <= self._number:
                self._answers[number] = message if "error" in message else {"result": message["result"]}
        elif method == "session/update":
            self._update(message["params"]["update"])
        elif method == "session/request_permission" and number is not None:
            self._permission(number, message["params"])
        elif number is not None:
            self._send({"id": number, "error": {"code": _UNKNOWN_METHOD, "message": f"no such method: {method}"}})

    def _update(self, update: Message) -> None:
        kind = update.get("sessionUpdate")
        if kind == "agent_message_chunk":
            self._message(_text(update["content"]))
        elif kind == "agent_thought_chunk":
            self._words["thought"].say(_text(update["content"]))
        elif kind in ("tool_call", "tool_call_update"):
            self._tool(update)
        elif kind == "plan":
            self._hush()
            self._plan([
                {"content": entry.get("content"), "priority": entry.get("priority"), "state": entry.get("status")}
                for entry in update["entries"]
            ])  # fmt: skip
        elif kind == "usage_update":
            cost = _map(update.get("cost"))
            named = {"used": update.get("used"), "size": update.get("size"), "cost": cost.get("amount")}
            mask = self._run.transcript.mask
            usage = {name: mask.deep(one) for name, one in named.items() if is_number(one)}
            if is_text(cost.get("currency")):
                usage["currency"] = mask.cut(cost["currency"], 8)
            self._run.usage.update(usage)
            self._run.transcript.emit("usage", **usage)

    def _plan(self, entries: list[dict[str, object]]) -> None:
        size = len(packed(entries))
        if size <= self._run.budget.left:
            self._run.budget.left -= size
            self._run.transcript.emit("plan", entries=entries)

    def _message(self, text: str) -> None:
        if self._new_message:
            self._said, self._new_message = "", False
        self._heard(self._words["message"].say(text))

    def _hush(self) -> None:
        """What is held of the text so far cannot go on."""
        self._words["thought"].say("", last=True)
        self._heard(self._words["message"].say("", last=True))

    def _heard(self, masked: str) -> None:
        # The report has no room for more, and the transcript holds it.
        self._said = (self._said + masked)[:_LONGEST_MESSAGE]

    def _tool(self, update: Message) -> dict[str, object]:
        """Create or update, whichever comes first; content that comes replaces what was. Gives all that is known."""
        self._hush()
        self._new_message = True
        changes: dict[str, object] = {name: update[name] for name in ("title", "kind") if is_text(update.get(name))}
        if update.get("status") in _STATES:
            changes["state"] = _STATES[update["status"]]
        if update.get("rawInput") is not None:
            changes["input"] = update["rawInput"]
        if update.get("content") is not None:
            changes["output"] = "".join(_text(part.get("content")) for part in update["content"])
            diffs = [part for part in update["content"] if part.get("type") == "diff"]
            if diffs:
                changes["diff"] = [
                    {"path": d.get("path"), "old": d.get("oldText"), "new": d.get("newText")} for d in diffs
                ]
        elif update.get("rawOutput") is not None:
            changes["output"] = update["rawOutput"]
        delta = _map(_map(update.get("_meta")).get("terminal_output_delta")).get("data")
        return self._tools.change(str(update["toolCallId"]), changes, delta if is_text(delta) else "")

    def _permission(self, request: int | str, parameters: Message) -> None:
        self._asked += 1
        if self._asked > _MOST_QUESTIONS:
            if self._asked == _MOST_QUESTIONS + 1:
                self._run.transcript.emit(
                    "error", reason=f"the agent asked {_MOST_QUESTIONS} times; no more is answered"
                )
            self._reply(request, {"outcome": {"outcome": "cancelled"}})
            return
        known = self._tool(parameters["toolCall"])
        options = _options(parameters["options"], self._run.transcript.mask)
        question = Question(request, f"{self._pid}-{self._asked}", known, options)
        policy = self._run.assignment["permission_policy"]
        if policy != "ask":
            self._answer(question, question.by_policy(policy), "policy")
            return
        shown = question.asked(self._run.transcript.mask)
        if len(packed(shown)) > _LARGEST_QUESTION:
            # Nobody could see what they say yes to.
            self._run.transcript.emit("error", reason="the agent asked about an action too large to be shown")
            self._answer(question, None, "policy")
            return
        self._questions.append(question)
        self._run.transcript.emit("permission.asked", **shown)

    def _ask_people(self) -> None:
        """Give the answers that came to the very questions they are meant for."""
        if self._questions:
            # Somebody is asked: it is not the agent that is idle.
            self._run.touch()
        while self._run.answers:
            answer = self._run.answers.pop(0)
            for question in self._questions:
                if question.fits(answer):
                    self._questions.remove(question)
                    self._answer(question, question.option(answer["option"]), "user")
                    break
            else:
                self._run.transcript.emit(
                    "error", reason="an answer came to a question that is not open, or has changed"
                )

    def _answer(self, question: Question, option: dict[str, str] | None, by: str) -> None:
        if option is None:
            self._reply(question.request, {"outcome": {"outcome": "cancelled"}})
        else:
            self._reply(question.request, {"outcome": {"outcome": "selected", "optionId": option["id"]}})
        chosen = option or {"id": "", "kind": "cancelled"}
        self._run.transcript.emit(
            "permission.answered", question=question.name, option=chosen["id"], kind=chosen["kind"], by=by
        )

    def _reply(self, request: int | str, result: Message) -> None:
        self._send({"id": request, "result": result})


def _map(value: object) -> Message:
    """The value where it is a JSON object, else an empty one."""
    return value if is_map(value) else {}


def _options(options: list[Message], mask: Mask) -> list[dict[str, str]]:
    """Those that can be shown whole."""
    found = [
        {
            "id": str(one["optionId"]),
            "name": mask.cut(str(one.get("name", "")), 200),
            "kind": mask.cut(str(one.get("kind", "")), 50),
        }
        for one in options[:_MOST_OPTIONS]
    ]
    return [one for one in found if len(one["id"]) <= _LONGEST_OPTION]


def _text(content: object) -> str:
    """What of a content block can be read."""
    block = _map(content)
    if not block:
        return ""
    if block.get("type") == "text":
        return str(block.get("text", ""))
    return f"[{block.get('type', 'something')}]"
