"""What an agent does with its tools, as the transcript shows it: one entry a tool, told again when it changes."""

from __future__ import annotations

from .link import packed
from .mask import storable
from .shapes import is_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .run import Run

_MOST = 10_000
_OVER = ("completed", "failed")
_DETAILS = ("input", "output", "diff")
_LONGEST = {"tool": 200, "title": 1000, "kind": 50}
# What an event costs besides its details.
_EVENT = 200


class Tools:
    """Bounded like all output of a task: past its budget, details are left out and only ends are told."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._known: dict[str, dict[str, object]] = {}
        # Of whose output the end was held back: it may be the beginning of a value.
        self._held: set[str] = set()

    def change(self, tool: str, changes: dict[str, object], more: str = "") -> dict[str, object]:
        """Make or change what is known of `tool`, `more` output added to it, and tell it. Gives the whole."""
        mask = self._run.transcript.mask
        tool = mask.cut(tool, _LONGEST["tool"])
        if tool not in self._known and len(self._known) >= _MOST:
            del self._known[next(iter(self._known))]
        fresh: dict[str, object] = {"tool": tool, "title": "", "kind": "other", "state": "pending"}
        known = self._known.setdefault(tool, fresh)
        before = known["state"]
        known.update(changes)
        if more:
            known["output"] = f"{known.get('output', '')}{more}"
        for name, longest in _LONGEST.items():
            known[name] = mask.cut(str(known[name]), longest)
        self._shorten(known)
        over = known["state"] in _OVER
        self._tell(known, ended=over and known["state"] != before, whole=over)
        return known

    def settle(self) -> None:
        """Tell what was held back of outputs that do not go on."""
        for tool in sorted(self._held):
            if tool in self._known:
                self._tell(self._known[tool], ended=False, whole=True)
        self._held.clear()

    def _hold(self, tool: str, details: dict[str, object]) -> None:
        """Leave out the end of an output that goes on, where it may be the beginning of a value."""
        output = details.get("output")
        if is_text(output):
            details["output"], rest = self._run.transcript.mask.split(storable(output))
            if rest:
                self._held.add(tool)

    def _shorten(self, known: dict[str, object]) -> None:
        """Keep the end of a long output, and count the bytes left out before it."""
        limit = self._run.assignment["limits"]["line_bytes"]
        output = known.get("output")
        if isinstance(output, str) and len(output) > limit:
            # Masked before anything of it is left out: no value is cut in two.
            output = self._run.transcript.mask.text(storable(output))
            known["output"] = output[-limit:]
            known["cut"] = int(str(known.get("cut", 0))) + max(0, len(output) - limit)

    def _tell(self, known: dict[str, object], *, ended: bool, whole: bool) -> None:
        budget, transcript = self._run.budget, self._run.transcript
        event = {name: value for name, value in known.items() if name not in _DETAILS}
        details = {name: known[name] for name in _DETAILS if name in known}
        self._held.discard(str(known["tool"]))
        if not whole:
            self._hold(str(known["tool"]), details)
        size = len(packed(details))
        if size <= budget.left:
            event.update(details)
            budget.left -= size + _EVENT
        elif budget.left > 0 or ended:
            event["cut"] = int(str(event.get("cut", 0))) + size
            budget.left = min(0, budget.left)
        else:
            return
        transcript.emit("tool", **({} if transcript.task is None else {"task": transcript.task}), **event)
