"""`moor run`: make a session of a workflow and start it."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mooring.cli import follow, shapes
from mooring.cli.asked import Shape, reach, reaching, shaped, writing
from mooring.client.errors import Unfit
from mooring.client.kinds import KINDS

if TYPE_CHECKING:
    from mooring.client.mooring import Mooring

_REMOTE = re.compile(r"[a-z]+://|[^/]+@[^/]+:")


@click.command()
@click.argument("workflow")
@click.option("--repo", metavar="URL", help="The repository to work on, URL[#ref[:path]]; or a directory here.")
@click.option("--prompt", metavar="TEXT", help="What to say besides the workflow's own prompt.")
@click.option("--prompt-file", type=click.Path(path_type=Path), help="The same, from a file.")
@click.option("--instance", metavar="NAME", help="Where to run it (default: the local engine, no files, no network).")
@click.option("--name", metavar="NAME", help="What to call the session (default: the workflow's name).")
@click.option("--assign", metavar="USER", help="Who answers its questions.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="End it after this.")
@click.option("--capture", is_flag=True, help="Keep what it changes in the instance's filesystem as a version.")
@click.option("--follow", "follows", is_flag=True, help="Show what happens, until it is over.")
@click.option("--wait", "waits", is_flag=True, help="Say nothing until it is over.")
@shaped
@writing
@reaching
def command(workflow: str, *, follows: bool, waits: bool, shape: Shape, reason: str | None, **said: Any) -> int:  # noqa: ANN401 - click's
    """Run a WORKFLOW, named or by id.

    With --follow or --wait the exit status is the session's: 0 completed, 1 failed, 3 cancelled. Ctrl-C leaves the
    session going.
    """
    with reach() as mooring:
        new = _session(mooring, workflow, said)
        session = mooring.sessions.create(new, reason=reason)
        if follows:
            tell = follow.follow_as_json if shape == "json" else follow.follow
            return tell(mooring, session)
        if waits:
            session = follow.wait(mooring, session)
        row = mooring.of("session").get(session.id)
        if shape == "table" and not waits:
            click.echo(f"session {session.id} is {session.phase}\n  follow it  moor session follow {session.id}")
        else:
            shapes.show(KINDS["session"], [row], shape)
        return follow.EXIT[session.phase] if waits else 0


def _session(mooring: "Mooring", workflow: str, said: dict[str, Any]) -> dict[str, Any]:
    found = mooring.of("workflow").find(workflow)
    instance, assignee = said["instance"], said["assign"]
    return {
        "name": said["name"] or found["name"],
        "workflow_id": found["id"],
        "repo_url": repository(said["repo"]) if said["repo"] else None,
        "prompt": _prompt(said["prompt"], said["prompt_file"]),
        "compute_instance_id": mooring.of("instance").find(instance)["id"] if instance else None,
        "assigned_user_id": mooring.of("user").find(assignee)["id"] if assignee else None,
        "timeout": said["timeout"],
        "capture": said["capture"],
        "start": True,
    }


def repository(text: str) -> str:
    """A repository's URL; a directory of this machine as one. Raises Unfit when it is neither."""
    if _REMOTE.match(text):
        return text
    path, mark, rest = text.partition("#")
    place = Path(path).expanduser()
    if not place.is_dir():
        raise Unfit(
            f"{text!r} is neither a URL nor a directory here", hint="write it like https://host/team/repo.git#main"
        )
    return place.resolve().as_uri() + mark + rest


def _prompt(text: str | None, file: Path | None) -> str | None:
    if text is not None and file is not None:
        raise Unfit("--prompt and --prompt-file exclude each other")
    if file is None:
        return text
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Unfit(f"{file} cannot be read: {error}") from error
