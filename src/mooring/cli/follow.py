"""Following a session: its story on the terminal as it happens, and how it ended."""

import sys
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Self

import click
import msgspec
from rich.cells import cell_len
from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from mooring.cli.plain import line
from mooring.cli.story import ASCII, Marks, Story
from mooring.cli.tables import STYLES, console, seconds, size
from mooring.client.mooring import Mooring
from mooring.wire.sessions import Artifact, Session

EXIT: Mapping[str, int] = {"completed": 0, "failed": 1, "cancelled": 3}
"""How a session ended → the exit status of who waited for it (docs/cli.md)."""
PATCH = "changes.patch"
"""The artifact that holds the changes to the repository."""
_LISTED = 12
_NARROWEST = 40
_FRAMES_A_SECOND = 8


def follow(mooring: Mooring, session: Session, *, after: int = 0) -> int:
    """Tell the session to its end. The exit status."""
    out = console()
    marks = Marks() if (out.encoding or "").lower().startswith("utf") else ASCII
    width = max(_NARROWEST, out.width) if out.is_terminal else None
    story = Story([task.name for task in session.tasks], width=width, marks=marks)
    out.print(Text.assemble(("session ", "dim"), (line(session.name), "bold"), f"  {session.id}"), soft_wrap=True)
    with _leaving(session.id), _Screen(out, story) as screen:
        for event in mooring.sessions.events(session.id, after=after, interrupted=screen.interrupted):
            screen.show(story.tell(event))
        screen.show(story.rest())
    ended = mooring.sessions.get(session.id)
    _tell_end(out, marks, story, ended, mooring.sessions.artifacts(session.id))
    return EXIT[ended.phase]


def follow_as_json(mooring: Mooring, session: Session, *, after: int = 0) -> int:
    """The same as a line of JSON per event, for programs."""
    with _leaving(session.id):
        for event in mooring.sessions.events(session.id, after=after, interrupted=_say_interrupted):
            sys.stdout.write(msgspec.json.encode(event).decode() + "\n")
            sys.stdout.flush()
    return EXIT[mooring.sessions.get(session.id).phase]


def wait(mooring: Mooring, session: Session) -> Session:
    """Wait for the session's end, and say nothing meanwhile."""
    with _leaving(session.id):
        for _ in mooring.sessions.events(session.id, interrupted=_say_interrupted):
            pass
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


def _say_interrupted(reason: str | None) -> None:
    said = f"the line to the server broke ({reason}); trying again" if reason else "the server is back"
    click.echo(said, err=True)


class _Screen:
    """Finished lines above; on a terminal, below them the line being written and what goes on now."""

    def __init__(self, out: Console, story: Story) -> None:
        self._out = out
        self._story = story
        self._away: str | None = None
        self._began = time.monotonic()
        self._spinner = Spinner("dots" if (out.encoding or "").lower().startswith("utf") else "line", style="cyan")
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


def _tell_end(out: Console, marks: Marks, story: Story, ended: Session, artifacts: Sequence[Artifact]) -> None:
    took = story.took
    if ended.started_at and ended.ended_at:
        took = (ended.ended_at - ended.started_at).total_seconds()
    mark = marks.good if ended.phase == "completed" else marks.bad
    style = STYLES.get(ended.phase, "")
    out.print()
    out.print(Text.assemble((f"{mark} {ended.phase}", f"bold {style}"), (f" in {seconds(took)}", "dim")))
    if ended.reason:
        out.print(Text(f"  {line(ended.reason)}", style=style), soft_wrap=True)
    changed = _changed(ended)
    if changed:
        out.print(Text(f"  {changed}"))
    if artifacts:
        _tell_left(out, ended, artifacts)


def _tell_left(out: Console, ended: Session, artifacts: Sequence[Artifact]) -> None:
    """What is there to take, and the commands that take it."""
    out.print()
    width = max(cell_len(line(artifact.name)) for artifact in artifacts)
    for artifact in artifacts[:_LISTED]:
        name = line(artifact.name)
        withheld = f"  kept back: {line(artifact.withheld)}" if artifact.withheld else ""
        padded = f"  {name}{' ' * (width - cell_len(name))}  {size(artifact.size):>9}"
        out.print(Text.assemble(padded, (withheld, "yellow")), soft_wrap=True)
    if len(artifacts) > _LISTED:
        out.print(Text(f"  and {len(artifacts) - _LISTED} more", style="dim"))
    out.print()
    if any(artifact.name == PATCH for artifact in artifacts):
        _hint(out, "the changes", f"moor session patch {ended.id}")
    _hint(out, "the files", f"moor session artifacts {ended.id} --to DIR")


def _hint(out: Console, what: str, command: str) -> None:
    out.print(Text.assemble((f"  {what:<13}", "dim"), command), soft_wrap=True)


def _changed(ended: Session) -> str | None:
    result = ended.result or {}
    patch, commits = result.get("patch"), result.get("commits") or ()
    if not isinstance(patch, dict):
        return None
    counts = msgspec.convert(patch, dict[str, int])
    return (
        f"{_many(len(commits), 'commit')}, {_many(counts.get('files', 0), 'file')} changed, "
        f"+{counts.get('insertions', 0)} -{counts.get('deletions', 0)}"
    )


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
