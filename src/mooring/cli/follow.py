"""Following a session: its story on the terminal as it happens, and how it ended."""

import sys
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

import click
import msgspec
from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from mooring.cli.outcome import tell_end
from mooring.cli.plain import line
from mooring.cli.story import ASCII, Story, marks_for
from mooring.cli.terminal import console
from mooring.cli.units import seconds
from mooring.wire.sessions import Session

if TYPE_CHECKING:
    from mooring.client.mooring import Mooring

EXIT: Mapping[str, int] = {"completed": 0, "failed": 1, "cancelled": 3}
"""How a session ended → the exit status of who waited for it (docs/cli.md)."""
_NARROWEST = 40
_FRAMES_A_SECOND = 8


def follow(mooring: "Mooring", session: Session, *, after: int = 0) -> int:
    """Tell the session to its end. The exit status."""
    out = console()
    marks = marks_for(out)
    width = max(_NARROWEST, out.width) if out.is_terminal else None
    story = Story([task.name for task in session.tasks], width=width, marks=marks)
    out.print(Text.assemble(("session ", "dim"), (line(session.name), "bold"), f"  {session.id}"), soft_wrap=True)
    with _leaving(session.id), _Screen(out, story) as screen:
        for event in mooring.sessions.events(session.id, after=after, interrupted=screen.interrupted):
            screen.show(story.tell(event))
        screen.show(story.rest())
    ended = mooring.sessions.get(session.id)
    out.print()
    tell_end(out, marks, ended, mooring.sessions.artifacts(session.id))
    return EXIT[ended.phase]


def follow_as_json(mooring: "Mooring", session: Session, *, after: int = 0) -> int:
    """The same as a line of JSON per event, for programs."""
    with _leaving(session.id):
        for event in mooring.sessions.events(session.id, after=after, interrupted=say_interrupted):
            sys.stdout.write(msgspec.json.encode(event).decode() + "\n")
            sys.stdout.flush()
    return EXIT[mooring.sessions.get(session.id).phase]


def wait(mooring: "Mooring", session: Session) -> Session:
    """Wait for the session's end, and say nothing meanwhile."""
    with _leaving(session.id):
        for _ in mooring.sessions.events(session.id, interrupted=say_interrupted):
            pass
    return mooring.sessions.get(session.id)


def reach(mooring: "Mooring", session: Session, phase: str) -> Session:
    """Wait until the session is in this phase, or over, and say nothing meanwhile."""
    with _leaving(session.id):
        for event in mooring.sessions.events(session.id, interrupted=say_interrupted):
            # What was said long ago may not be so any more.
            if event.type == "session.phase" and mooring.sessions.get(session.id).phase in (phase, *EXIT):
                break
    return mooring.sessions.get(session.id)


@contextmanager
def _leaving(identifier: str) -> Generator[None]:
    """Ctrl-C leaves the session going, and says how to come back."""
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write(
            f"\nThe session goes on.\n  come back  moor session follow {identifier}\n"
            f"  end it     moor session cancel {identifier}\n"
        )
        raise


def say_interrupted(reason: str | None) -> None:
    """Tell on stderr that the line broke, or stands again."""
    said = f"the line to the server broke ({reason}); trying again" if reason else "the server is back"
    click.echo(said, err=True)


class _Screen:
    """Finished lines above; on a terminal, below them the line being written and what goes on now."""

    def __init__(self, out: Console, story: Story) -> None:
        self._out = out
        self._story = story
        self._away: str | None = None
        self._began = time.monotonic()
        self._spinner = Spinner("line" if marks_for(out) is ASCII else "dots", style="cyan")
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._out.is_terminal and not self._out.is_dumb_terminal:
            self._live = Live(
                get_renderable=self._foot,
                console=self._out,
                transient=True,
                refresh_per_second=_FRAMES_A_SECOND,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, lines: Iterator[Text]) -> None:
        told = list(lines)
        if told and self._live is not None:
            # First the foot: what is finished now must not stand there any more.
            self._live.refresh()
        if told:
            self._out.print(Text("\n").join(told), soft_wrap=True)

    def interrupted(self, reason: str | None) -> None:
        self._away = reason
        said = "the line to the server broke; trying again" if reason else "the server is back"
        self._out.print(Text(f"  {said}", style="yellow"), soft_wrap=True)

    def _foot(self) -> Group:
        """What is there but not finished: at most two lines."""
        passed = seconds(time.monotonic() - self._began)
        doing = Text(self._story.now if self._away is None else "the server is away", style="dim", no_wrap=True)
        doing.truncate(max(10, self._out.width - len(passed) - 6), overflow="ellipsis")
        self._spinner.update(text=Text.assemble(doing, (f"  {passed}", "dim")))
        partial = self._story.partial()
        return Group(self._spinner) if partial is None else Group(partial, self._spinner)
