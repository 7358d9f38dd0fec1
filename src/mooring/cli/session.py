"""`moor session`: look at sessions, follow them, pause and end them, take what they left."""

import hashlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import click

from mooring.cli import follow as following
from mooring.cli import shapes
from mooring.cli.asked import Shape, reach, reaching, shaped, writing
from mooring.cli.names import Namer
from mooring.cli.outcome import PATCH, show_session
from mooring.cli.patch import show_patch
from mooring.cli.plain import line
from mooring.client.errors import Denied, Missing, Unavailable, Unfit
from mooring.client.kinds import KINDS
from mooring.wire.sessions import Artifact, Session

if TYPE_CHECKING:
    from mooring.client.mooring import Mooring

_SESSION = KINDS["session"]
_WHOLE = frozenset({"name", "size"})


@click.group()
def command() -> None:
    """Look at sessions, follow them, pause and end them, take what they left. A SESSION is named by its id or name."""


@command.command("list")
@click.option("--phase", metavar="PHASE", multiple=True, help="Only those in this phase; may be repeated.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most this many.")
@shaped
@reaching
def list_(phase: tuple[str, ...], limit: int, shape: Shape) -> None:
    """List sessions, newest first."""
    with reach() as mooring:
        found: list[shapes.Row] = []
        for row in mooring.of("session").list():
            if not phase or row["phase"] in phase:
                found.append(row)
            if len(found) == limit:
                break
        shapes.show(_SESSION, found, shape)


@command.command()
@click.argument("session")
@shaped
@reaching
def show(session: str, shape: Shape) -> None:
    """Show a session: its phase, its tasks, what it came to."""
    with reach() as mooring:
        found = _found(mooring, session)
        if shape in ("table", "wide"):
            show_session(found, mooring.sessions.artifacts(found.id), Namer(mooring))
        else:
            shapes.show_one(_SESSION, mooring.of("session").get(found.id), shape)


@command.command()
@click.argument("session")
@click.option("--after", type=click.IntRange(min=0), default=0, metavar="NUMBER", help="Begin after this event.")
@shaped
@reaching
def follow(session: str, after: int, shape: Shape) -> int:
    """Show what a session did and does, until it is over. The exit status is the session's.

    With -o json a line of JSON per event. Ctrl-C leaves the session going.
    """
    with reach() as mooring:
        tell = following.follow_as_json if shape == "json" else following.follow
        return tell(mooring, _found(mooring, session), after=after)


@command.command()
@click.argument("session")
@click.option("-o", "--output", "shape", type=click.Choice(["yaml", "json"]), default="yaml", help="How to show it.")
@reaching
def plan(session: str, shape: Shape) -> None:
    """Show exactly what a session does: everything it was resolved to when it was prepared, and the hash of that."""
    with reach() as mooring:
        shapes.show_one(_SESSION, mooring.sessions.plan(_found(mooring, session).id), shape)


@command.command()
@click.argument("sessions", metavar="SESSION…", nargs=-1, required=True)
@writing
@reaching
def cancel(sessions: tuple[str, ...], reason: str | None) -> None:
    """End sessions, with every process of theirs. One that is over stays as it ended."""
    with reach() as mooring:
        for found in [_found(mooring, session) for session in sessions]:
            after = mooring.sessions.cancel(found.id, reason=reason)
            over = after.phase in following.EXIT
            click.echo(f"session {found.id} {f'is {after.phase}' if over else 'is being cancelled'}")


@command.command()
@click.argument("session")
@click.option("--wait", "waits", is_flag=True, help="Say nothing until it is paused.")
@writing
@reaching
def pause(session: str, *, waits: bool, reason: str | None) -> int:
    """Have a session lie still, with everything it has done: `moor session resume` goes on.

    A task that is under way is interrupted, and done again then.
    """
    with reach() as mooring:
        after = mooring.sessions.pause(_found(mooring, session).id, reason=reason)
        return _told(following.reach(mooring, after, "paused") if waits else after, "paused", "being paused")


@command.command()
@click.argument("session")
@click.option("--wait", "waits", is_flag=True, help="Say nothing until it runs again.")
@writing
@reaching
def resume(session: str, *, waits: bool, reason: str | None) -> int:
    """Go on with a session that is paused, by the same plan."""
    with reach() as mooring:
        after = mooring.sessions.resume(_found(mooring, session).id, reason=reason)
        return _told(following.reach(mooring, after, "running") if waits else after, "running", "being resumed")


def _told(session: Session, wanted: str, asked: str) -> int:
    """Say that the session is where it is wanted, or over; else what it was asked to. The exit status."""
    there = session.phase in (wanted, *following.EXIT)
    click.echo(f"session {session.id} is {session.phase if there else asked}")
    return following.EXIT.get(session.phase, 0)


@command.command()
@click.argument("session")
@click.option("--stat", is_flag=True, help="Only which files changed, and by how much.")
@reaching
def patch(session: str, *, stat: bool) -> None:
    """Print the changes a session made to its repository, as a patch: `moor session patch ID | git apply`."""
    with reach() as mooring:
        found = _found(mooring, session)
        content = b"".join(_pieces(mooring, found, _artifact(mooring, found, PATCH)))
    show_patch(content, stat=stat)


@command.command()
@click.argument("session")
@click.argument("names", metavar="[NAME]…", nargs=-1)
@click.option("--to", "directory", type=click.Path(path_type=Path), metavar="DIR", help="Keep them in this directory.")
@shaped
@reaching
def artifacts(session: str, names: tuple[str, ...], directory: Path | None, shape: Shape) -> None:
    """List what a session left, or take it: all or those NAMEd, with --to; a single one without goes to the output."""
    with reach() as mooring:
        found = _found(mooring, session)
        there = mooring.sessions.artifacts(found.id)
        chosen = [_named(there, name) for name in names] or there
        if directory is not None:
            for artifact in chosen:
                if artifact.withheld:
                    click.echo(f"{line(artifact.name)} is kept back: {line(artifact.withheld)}", err=True)
                    continue
                path = _keep(directory, artifact, _pieces(mooring, found, artifact))
                click.echo(f"{path}  ({artifact.size:,} bytes)")
        elif names:
            if len(chosen) > 1:
                raise Unfit("several files do not fit into one output", hint="name one, or keep them with --to DIR")
            for piece in _pieces(mooring, found, chosen[0]):
                sys.stdout.buffer.write(piece)
        else:
            shapes.show_rows([_row(one) for one in chosen], shape, none="this session left nothing", whole=_WHOLE)


def _row(artifact: Artifact) -> dict[str, object]:
    return {
        "name": artifact.name,
        "size": artifact.size,
        "withheld": artifact.withheld,
        "sha256": artifact.sha256,
    }


def _found(mooring: "Mooring", name: str) -> Session:
    resources = mooring.sessions
    return resources.get(resources.find(name).id)


def _artifact(mooring: "Mooring", session: Session, name: str) -> Artifact:
    return _named(mooring.sessions.artifacts(session.id), name)


def _named(there: Iterable[Artifact], name: str) -> Artifact:
    for artifact in there:
        if artifact.name == name:
            if artifact.withheld:
                raise Denied(f"{line(name)} is kept back: {line(artifact.withheld)}")
            return artifact
    raise Missing(f"this session left no {name!r}", hint="`moor session artifacts SESSION` lists what it left")


def _pieces(mooring: "Mooring", session: Session, artifact: Artifact) -> Iterable[bytes]:
    """The bytes of an artifact; what came is what was kept, or Unavailable is raised at the end."""
    digest = hashlib.sha256()
    for piece in mooring.sessions.artifact(session.id, artifact.name):
        digest.update(piece)
        yield piece
    if digest.hexdigest() != artifact.sha256:
        raise Unavailable(f"{artifact.name} came damaged: its checksum is not {artifact.sha256}", hint="ask again")


def _keep(directory: Path, artifact: Artifact, pieces: Iterable[bytes]) -> Path:
    """Write below `directory`, whatever the name says, and complete or not at all."""
    parts = PurePosixPath(artifact.name).parts
    if not parts or artifact.name.startswith("/") or ".." in parts or "\0" in artifact.name:
        raise Unfit(f"the name {line(artifact.name)!r} leads out of {directory}", hint="take it by name, without --to")
    place = directory.joinpath(*parts)
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.parent.resolve().is_relative_to(directory.resolve()):
        raise Unfit(f"{place.parent} is a link that leads out of {directory}")
    fresh = place.with_name(f".{place.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    try:
        with fresh.open("xb") as file:
            for piece in pieces:
                file.write(piece)
        fresh.replace(place)
    finally:
        fresh.unlink(missing_ok=True)
    return place
