"""A transcript as a person reads it: events in, finished lines out. Asks nothing, waits for nothing."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.cells import cell_len, chop_cells
from rich.console import Console
from rich.text import Text

from mooring.cli.plain import line, plain
from mooring.cli.tables import STYLES
from mooring.cli.units import seconds
from mooring.client.sessions import ENDED
from mooring.wire.sessions import SessionEvent

# Where durations end on a line; wider than this is not easier to read.
_RIGHT = 80
_ORDER = {"created": 0, "pending": 1, "preparing": 2, "running": 3}
# An escape sequence that is not whole yet: the rest of it comes with the next piece.
_UNFINISHED = re.compile("\x1b[^\x1b]{0,32}$")
_LONGEST_PARTIAL = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """The signs at the beginning of lines."""

    good: str = "✓"
    bad: str = "✗"
    gone: str = "–"  # noqa: RUF001 - a dash
    out: str = "│"
    err: str = "╎"
    tool: str = "◆"
    dot: str = "·"
    ask: str = "?"


ASCII = Marks(good="+", bad="x", gone="-", out="|", err=":", tool="*", dot="-")


def marks_for(out: Console) -> Marks:
    """The signs this terminal can show."""
    return Marks() if out.encoding.lower().startswith("utf") else ASCII


@dataclass(slots=True)
class _Held:
    """Text whose line has not ended yet."""

    text: str
    gutter: str
    style: str


class Story:
    """Tells a session. `width` is the terminal's; None where there is none, and nothing is folded then."""

    def __init__(self, tasks: list[str], *, width: int | None, marks: Marks) -> None:
        self._tasks = tasks
        self._width = width
        self._marks = marks
        self._held: dict[tuple[str, str], _Held] = {}
        self._phase: str = ""
        self._began: datetime | None = None
        self._ended: datetime | None = None
        self._error: str | None = None
        self._plan: Mapping[str, str] = {}
        self._tellers: Mapping[str, Callable[[Mapping[str, Any]], Iterator[Text]]] = {
            "session.phase": self._phases,
            "task.started": self._task_started,
            "task.finished": self._task_finished,
            "check.output": self._check,
            "tool": self._tool,
            "plan": self._plans,
            "permission.asked": self._asked,
            "permission.answered": self._answered,
            "user.message": self._user,
            "error": self._errors,
            "artifact": self._artifact,
        }
        self.now = "waiting for the server"
        self.outcome: str | None = None
        self.reason: str | None = None

    @property
    def took(self) -> float:
        """Seconds from the first event to the last, as the server's clock has it."""
        return (self._ended - self._began).total_seconds() if self._began and self._ended else 0.0

    def tell(self, event: SessionEvent) -> Iterator[Text]:
        """The lines this event finishes."""
        self._began = self._began or event.at
        self._ended = event.at
        if event.type in ("log", "message", "thought"):
            yield from self._error_was_not_last()
            yield from self._text(event)
            return
        yield from self.rest()
        if event.type not in ("error", "session.phase", "artifact", "usage"):
            yield from self._error_was_not_last()
        teller = self._tellers.get(event.type)
        if teller is not None:
            yield from teller(event.data)

    def partial(self) -> Text | None:
        """The line that is being written now."""
        if not self._held:
            return None
        held = list(self._held.values())[-1]
        return self._lines(_UNFINISHED.sub("", held.text), held.gutter, held.style)[-1]

    def rest(self) -> Iterator[Text]:
        """The lines that nobody will finish any more."""
        for held in self._held.values():
            if held.text:
                yield from self._lines(held.text, held.gutter, held.style)
        self._held.clear()

    # --- text as it comes ---

    def _text(self, event: SessionEvent) -> Iterator[Text]:
        data, marks = event.data, self._marks
        stream = str(data.get("stream", ""))
        if event.type == "message":
            gutter, style = "", ""
        elif event.type == "thought":
            gutter, style = "", "dim italic"
        elif stream == "runner":
            gutter, style = marks.dot, "dim"
        else:
            gutter, style = (marks.err, "yellow") if stream == "stderr" else (marks.out, "")
        key = (event.type, stream)
        if any(other[0] != event.type for other in self._held):
            yield from self.rest()
        held = self._held.pop(key, None)
        *whole, rest = ((held.text if held else "") + str(data.get("text", ""))).split("\n")
        for text in whole:
            yield from self._lines(text, gutter, style)
        cut = data.get("cut")
        if rest and (cut or len(rest) > _LONGEST_PARTIAL):
            yield from self._lines(rest, gutter, style)
        elif rest:
            self._held[key] = _Held(text=rest, gutter=gutter, style=style)
        if cut:
            yield from self._lines(f"[{cut:,} bytes are left out here]", gutter, "dim")

    def _lines(self, text: str, gutter: str, style: str) -> list[Text]:
        """One line of text behind its gutter, folded to the width; what a carriage return overwrote is gone."""
        shown = plain(text.rstrip("\r").rpartition("\r")[2]).expandtabs(8)
        head = f"  {gutter} " if gutter else "  "
        pieces = [shown] if self._width is None else chop_cells(shown, max(20, self._width - len(head))) or [""]
        return [Text.assemble((head, "dim"), (piece, style)) for piece in pieces]

    def _block(self, text: str, gutter: str, style: str) -> Iterator[Text]:
        for part in text.rstrip("\n").split("\n"):
            yield from self._lines(part, gutter, style)

    def _line(self, *parts: str | tuple[str, str], right: str = "") -> Text:
        found = Text.assemble(*parts)
        if right:
            room = min(self._width or _RIGHT, _RIGHT) - cell_len(found.plain) - len(right)
            found.append(" " * max(2, room) + right, style="dim")
        return found

    # --- what happens ---

    def _phases(self, data: Mapping[str, Any]) -> Iterator[Text]:
        phase: str = line(str(data.get("phase", "")))
        if phase in ENDED:
            self.outcome = phase
            reason = plain(str(data.get("reason") or "")) or (self._error if phase != "completed" else None)
            if self._error and self._error not in (reason or ""):
                yield from self._error_was_not_last()
            self.reason, self._error = reason, None
            return
        # The control plane and the runner both say where they are; what was passed is not said again.
        again = self._phase == "paused"
        if phase == self._phase or (_ORDER.get(phase, 9) < _ORDER.get(self._phase, -1) and not again):
            return
        self._phase, self.now = phase, phase
        style = STYLES.get(phase, "") if phase in ("waiting", "paused") else "dim"
        yield self._line((f"{self._marks.dot} {phase}", style), right=seconds(self.took) if self.took else "")

    def _task_started(self, data: Mapping[str, Any]) -> Iterator[Text]:
        number, attempt = _count(data, "task", 0), _count(data, "attempt", 1)
        name = line(str(data.get("name", "")))
        place = f"{number + 1}/{max(len(self._tasks), number + 1)}"
        again = f", attempt {attempt}" if attempt > 1 else ""
        self.now = f"task {place} {name}{again}"
        if attempt == 1:
            yield Text("")
        yield self._line((f"{place}  ", "bold cyan"), (name, "bold"), (again, "yellow"))

    def _task_finished(self, data: Mapping[str, Any]) -> Iterator[Text]:
        marks, outcome = self._marks, str(data.get("outcome", ""))
        attempts = _count(data, "attempts", 1)
        if outcome == "skipped":
            number = _count(data, "task", 0)
            name = line(self._tasks[number]) if number < len(self._tasks) else ""
            yield Text("")
            yield self._line((f"{number + 1}/{len(self._tasks)}  {name}", "dim"), ("  skipped", "dim"))
            return
        took = seconds(float(data.get("seconds", 0.0)))
        tries = f" after {attempts} attempts" if attempts > 1 else ""
        self.now = "between tasks"
        if outcome == "succeeded":
            yield self._line((f"  {marks.good} done{tries}", "green"), right=took)
        else:
            why = line(str(data.get("reason") or "no reason given"))
            yield self._line((f"  {marks.bad} failed{tries}: {why}", "red"), right=took)

    def _check(self, data: Mapping[str, Any]) -> Iterator[Text]:
        marks, passed = self._marks, bool(data.get("passed"))
        said = str(data.get("output", "")).strip("\n")
        if data.get("cut"):
            yield from self._lines(f"[{data['cut']:,} bytes are left out here]", marks.err, "dim")
        if said:
            yield from self._block(said, marks.err, "dim" if passed else "")
        if passed:
            yield self._line((f"  {marks.good} check passed", "green"))
        else:
            yield self._line((f"  {marks.bad} check failed (exit status {data.get('exit_code')})", "yellow"))

    def _tool(self, data: Mapping[str, Any]) -> Iterator[Text]:
        marks, state = self._marks, data.get("state")
        title = line(str(data.get("title") or data.get("kind") or "a tool"))
        if state in ("pending", "running"):
            self.now = title
            return
        mark, style = (marks.tool, "cyan") if state == "completed" else (marks.bad, "red")
        yield self._line((f"  {mark} ", style), title)
        output = data.get("output")
        if state == "failed" and isinstance(output, str):
            yield from self._block(output, marks.err, "dim")

    def _plans(self, data: Mapping[str, Any]) -> Iterator[Text]:
        entries = {
            line(str(entry.get("content", ""))): str(entry.get("state", "")) for entry in data.get("entries", ())
        }
        for content, state in entries.items():
            if self._plan.get(content) != state and (state == "completed" or content not in self._plan):
                mark, style = (self._marks.good, "green") if state == "completed" else (self._marks.dot, "dim")
                yield self._line((f"  {mark} ", style), (content, "dim"))
        self._plan = entries

    def _asked(self, data: Mapping[str, Any]) -> Iterator[Text]:
        self.now = "waiting for an answer"
        yield self._line((f"  {self._marks.ask} ", "bold yellow"), (line(str(data.get("title", ""))), "yellow"))
        action = data.get("action")
        if action is not None:
            yield from self._block(action if isinstance(action, str) else str(action), self._marks.out, "")

    def _answered(self, data: Mapping[str, Any]) -> Iterator[Text]:
        by = "by the session's policy" if data.get("by") == "policy" else "by a person"
        yield self._line((f"  {self._marks.dot} {line(str(data.get('kind', 'answered')))} {by}", "dim"))

    def _user(self, data: Mapping[str, Any]) -> Iterator[Text]:
        yield from self._block(str(data.get("text", "")), ">", "bold")

    def _errors(self, data: Mapping[str, Any]) -> Iterator[Text]:
        yield from self._error_was_not_last()
        # Most often the session ends with it, and says it again: then once is enough.
        self._error = plain(str(data.get("reason", "")))

    def _error_was_not_last(self) -> Iterator[Text]:
        if self._error:
            yield self._line((f"  {self._marks.bad} {self._error}", "red"))
        self._error = None

    def _artifact(self, data: Mapping[str, Any]) -> Iterator[Text]:
        # Those that were taken are listed at the end.
        name = line(str(data.get("name", "")))
        self.now = f"taking {name}"
        if data.get("withheld"):
            yield self._line((f"  {self._marks.bad} {name} is kept back: {line(str(data['withheld']))}", "yellow"))


def _count(data: Mapping[str, Any], name: str, usual: int) -> int:
    value = data.get(name)
    return value if isinstance(value, int) else usual
