"""What is said about the run: masked, merged where it is text, put into the spool; a thread sends it from there."""

from __future__ import annotations

import codecs
import json
import threading
import time

from .link import Answered, Away, Patience, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .link import Link
    from .mask import Mask
    from .spool import Spool
    from .words import Limits

MERGE_SECONDS = 0.1
_TEXT_PIECE = 32768
# What the runner counts itself. Any other number may be one that an agent or a tool gave.
_COUNTS = frozenset({"task", "attempt", "attempts", "exit_code", "seconds", "cut", "size"})


class Transcript:
    """For the main thread. Text within 100 ms becomes one event; the first after a pause leaves at once."""

    def __init__(self, spool: Spool, mask: Mask) -> None:
        self._spool = spool
        self.mask = mask
        self.task: int | None = None
        self._texts: dict[tuple[str, str | None], list[str]] = {}
        self._cuts: dict[tuple[str, str | None], int] = {}
        self._size = 0
        self._flushed = 0.0

    def emit(self, kind: str, /, **data: object) -> None:
        """One event, after all text that came before it."""
        self.flush()
        self._spool.append(
            kind, {name: self.mask.deep(value, numbers=name not in _COUNTS) for name, value in data.items()}
        )

    def note(self, text: str) -> None:
        """A line of the runner's own."""
        self.emit("log", **self._about(), stream="runner", text=text + "\n")

    def text(self, kind: str, stream: str | None, text: str, cut: int = 0) -> None:
        """Text that is already masked; `cut` bytes were left out of it."""
        key = (kind, stream)
        if any(other[0] != kind for other in self._texts):
            self.flush()
        for start in range(0, max(1, len(text)), _TEXT_PIECE):
            piece = text[start : start + _TEXT_PIECE]
            if self._size + len(piece) > _TEXT_PIECE:
                self.flush()
            self._texts.setdefault(key, []).append(piece)
            self._size += len(piece)
        if cut:
            self._cuts[key] = self._cuts.get(key, 0) + cut
        if self.due() == 0.0:
            self.flush()

    def due(self) -> float | None:
        """Seconds until text has waited long enough; None when there is none."""
        if not self._texts:
            return None
        return max(0.0, self._flushed + MERGE_SECONDS - time.monotonic())

    def flush(self) -> None:
        for (kind, stream), texts in self._texts.items():
            data: dict[str, object] = self._about()
            if stream is not None:
                data["stream"] = stream
            data["text"] = "".join(texts)
            cut = self._cuts.get((kind, stream), 0)
            if cut:
                data["cut"] = cut
            self._spool.append(kind, data)
        if self._texts:
            self._texts, self._cuts, self._size = {}, {}, 0
            self._flushed = time.monotonic()

    def _about(self) -> dict[str, object]:
        return {} if self.task is None else {"task": self.task}


class Output:
    """A child's output as `log` events: decoded, masked, its lines and its sum bounded by the task at hand."""

    def __init__(self, transcript: Transcript, stream: str, limits: Limits, budget: Callable[[], Budget]) -> None:
        self._transcript = transcript
        self._stream = stream
        self._line_bytes = limits["line_bytes"]
        self._budget = budget
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._line = 0
        self._cut = 0

    def __call__(self, piece: bytes) -> None:
        """Take what was read; b"" is the end."""
        text = self._held + self._decoder.decode(piece, final=not piece)
        text = text.replace("\0", "\ufffd")
        if piece:
            text, self._held = self._transcript.mask.split(text)
        else:
            text, self._held = self._transcript.mask.text(text), ""
        if self._budget().left > 0:
            kept = "".join(self._fit(line) for line in _lines(text))
        else:
            kept = ""
            self._cut += len(text.encode())
        if kept or (not piece and self._cut):
            self._transcript.text("log", self._stream, kept, self._cut)
            self._cut = 0

    def _fit(self, line: str) -> str:
        """As much of this piece of a line as its limit and the task's allow; what does not fit is counted."""
        ends = line.endswith("\n")
        encoded = line[:-1].encode() if ends else line.encode()
        budget = self._budget()
        room = max(0, min(self._line_bytes - self._line, budget.left))
        kept = encoded[:room].decode("utf-8", "ignore") if len(encoded) > room else encoded.decode()
        size = len(kept.encode())
        self._cut += len(encoded) - size
        budget.left -= size
        self._line = 0 if ends else self._line + size
        if ends and budget.left > 0:
            budget.left -= 1
            return kept + "\n"
        self._cut += ends
        return kept


def _lines(text: str) -> Iterator[str]:
    """The pieces of `text`, each to the end of its line; a carriage return ends none."""
    *whole, rest = text.split("\n")
    yield from (line + "\n" for line in whole)
    if rest:
        yield rest


class Budget:
    """Bytes of output a task may still put into the transcript."""

    def __init__(self, left: int) -> None:
        self.left = left


class Sender:
    """The thread that brings the spool to the control plane, in order, for as long as the run lives."""

    def __init__(self, link: Link, spool: Spool, wake: Callable[[], None]) -> None:
        self._link = link
        self._spool = spool
        self._wake = wake
        self._hurry = threading.Event()
        self.refused: str | None = None

    def begin(self) -> None:
        threading.Thread(target=self._run, name="sender", daemon=True).start()

    def finish(self, seconds: float) -> bool:
        """Wait until everything is acknowledged. False when `seconds` were not enough or the token is not good."""
        self._hurry.set()
        deadline = time.monotonic() + seconds
        while self.refused is None:
            if self._spool.settled(min(0.2, max(0.0, deadline - time.monotonic()))):
                return True
            if time.monotonic() >= deadline:
                return False
        return False

    def _run(self) -> None:
        patience = Patience()
        while self.refused is None:
            batch, generation = self._spool.unsent(None)
            if not batch:
                continue
            try:
                seq = self._send(batch)
            except Away:
                pause = patience.pause()
                # Whoever waits for the end has a deadline of its own: no long pauses then.
                time.sleep(min(pause, 0.2)) if self._hurry.is_set() else self._hurry.wait(pause)
            except (Refused, Answered) as error:
                self.refused = str(error)
                self._wake()
            else:
                patience = Patience()
                self._spool.acknowledge(batch, generation, seq)

    def _send(self, batch: list[bytes]) -> int:
        body = b'{"events":[' + b",".join(line.rstrip(b"\n") for line in batch) + b"]}"
        answer = self._link.ask("POST", "/link/v1/events", body)
        try:
            return int(json.loads(answer)["acknowledged"])
        except (ValueError, KeyError, TypeError):
            raise Away("the answer to events says nothing") from None
