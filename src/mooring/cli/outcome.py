"""How a session stands, or ended: on one screen."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import msgspec
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from mooring.cli.names import Namer
from mooring.cli.plain import line
from mooring.cli.story import Marks, marks_for
from mooring.cli.tables import STYLES
from mooring.cli.terminal import console
from mooring.cli.units import clock, many, seconds, since, size
from mooring.client.sessions import ENDED
from mooring.wire.sessions import Artifact, Session, SessionTask

PATCH = "changes.patch"
"""The artifact that holds the changes to the repository."""
_LISTED = 12
_COMMITS = 5
# Enough of a hash to compare by eye; `moor session plan` has the whole.
_HASH = len("sha256:") + 16


def show_session(session: Session, artifacts: Sequence[Artifact], namer: Namer) -> None:
    """What it is, how far each task came, what it came to."""
    out = console()
    marks = marks_for(out)
    out.print(Text.assemble(("session ", "dim"), (line(session.name), "bold"), f"  {session.id}"), soft_wrap=True)
    for what, said in _facts(session, namer):
        out.print(Text.assemble((f"  {what:<10}", "dim"), line(said)), soft_wrap=True)
    if session.tasks:
        out.print()
    width = max((cell_len(line(task.name)) for task in session.tasks), default=0)
    for task in session.tasks:
        out.print(_task(marks, task, width), soft_wrap=True)
    out.print()
    tell_end(out, marks, session, artifacts)


def _facts(session: Session, namer: Namer) -> Iterator[tuple[str, str]]:
    for what, identifier in (
        ("workflow", session.workflow_id),
        ("instance", session.compute_instance_id),
        ("assigned", session.assigned_user_id),
        ("made by", session.created_by_user_id),
    ):
        if identifier is not None:
            yield what, namer.name(identifier) or identifier
    if session.repo_url:
        yield "repo", session.repo_url
    yield "created", f"{clock(session.created_at)}  ({since(session.created_at)} ago)"
    if session.plan_hash:
        yield "plan", session.plan_hash[:_HASH]
    if session.retried_from or session.forked_from:
        yield "after", session.retried_from or session.forked_from or ""


def _task(marks: Marks, task: SessionTask, width: int) -> Text:
    mark = {"succeeded": marks.good, "failed": marks.bad, "skipped": marks.gone}.get(task.phase, marks.dot)
    text = Text.assemble(
        (f"  {mark} ", STYLES.get(task.phase, "dim")), f"{task.number + 1}  ", set_cell_size(line(task.name), width)
    )
    if task.started_at and task.ended_at:
        text.append(f"  {seconds((task.ended_at - task.started_at).total_seconds()):>8}", style="dim")
    elif task.phase != "succeeded":
        text.append(f"  {task.phase:>8}", style=STYLES.get(task.phase, "dim"))
    if task.attempts > 1:
        text.append(f"  {task.attempts} attempts", style="yellow")
    if task.reason:
        text.append(f"  {line(task.reason)}", style="red")
    return text


def tell_end(out: Console, marks: Marks, session: Session, artifacts: Sequence[Artifact]) -> None:
    """The phase, why, how long; what changed; what is there to take, and the commands that take it."""
    mark = {"completed": marks.good, "failed": marks.bad, "cancelled": marks.bad}.get(session.phase, marks.dot)
    style = STYLES.get(session.phase, "")
    took = ""
    if session.started_at and session.ended_at:
        took = f" in {seconds((session.ended_at - session.started_at).total_seconds())}"
    out.print(Text.assemble((f"{mark} {session.phase}", f"bold {style}"), (took, "dim")))
    if session.reason:
        out.print(Text(f"  {line(session.reason)}", style=style), soft_wrap=True)
    for said in _changed(session):
        out.print(said, soft_wrap=True)
    if artifacts:
        _tell_left(out, session, artifacts)
    if session.phase == "paused":
        _hint(out, "go on", f"moor session resume {session.id}")
    elif session.phase not in ENDED and session.phase != "created":
        _hint(out, "follow it", f"moor session follow {session.id}")


def _tell_left(out: Console, session: Session, artifacts: Sequence[Artifact]) -> None:
    out.print()
    width = max(cell_len(line(artifact.name)) for artifact in artifacts[:_LISTED])
    for artifact in artifacts[:_LISTED]:
        withheld = f"  kept back: {line(artifact.withheld)}" if artifact.withheld else ""
        named = f"  {set_cell_size(line(artifact.name), width)}  {size(artifact.size):>9}"
        out.print(Text.assemble(named, (withheld, "yellow")), soft_wrap=True)
    if len(artifacts) > _LISTED:
        out.print(Text(f"  and {len(artifacts) - _LISTED} more", style="dim"))
    out.print()
    if any(artifact.name == PATCH for artifact in artifacts):
        _hint(out, "the changes", f"moor session patch {session.id}")
    _hint(out, "the files", f"moor session artifacts {session.id} --to DIR")


def _hint(out: Console, what: str, command: str) -> None:
    out.print(Text.assemble((f"  {what:<13}", "dim"), command), soft_wrap=True)


def _changed(session: Session) -> Iterator[Text]:
    result = session.result or {}
    patch = result.get("patch")
    commits = cast("Sequence[Mapping[str, Any]]", result.get("commits") or ())
    if isinstance(patch, dict):
        counts = msgspec.convert(patch, dict[str, int])
        files, plus, minus = (counts.get(name, 0) for name in ("files", "insertions", "deletions"))
        yield Text(f"  {many(len(commits), 'commit')}, {many(files, 'file')} changed, +{plus} -{minus}")
    for commit in commits[:_COMMITS]:
        yield Text.assemble((f"    {line(str(commit.get('id')))[:10]} ", "dim"), line(str(commit.get("title"))))
    if len(commits) > _COMMITS:
        yield Text(f"    and {len(commits) - _COMMITS} more", style="dim")
