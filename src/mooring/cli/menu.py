"""What can be asked for, in one table; the help that shows it; the way to the one command that was asked."""

import importlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence

from mooring import __version__

COMMANDS: Mapping[str, Mapping[str, str]] = {
    "Run": {
        "run": "run a workflow; --follow shows it live",
        "session": "list, follow, pause, cancel; take patch and artifacts",
    },
    "Declare": {
        "apply": "make what files say so: agents, skills, tasks, workflows, …",
        "get": "list what there is of a kind",
        "describe": "everything about one",
        "create": "make one",
        "edit": "change one, by fields or in your editor",
        "delete": "remove one",
        "watch": "changes as they happen",
    },
    "Keep": {
        "fs": "push, pull, ls, tree, cat, diff, log, rm: filesystems",
        "secret": "set, grant, expose, usage: values go in and never come out",
        "vault": "where values lie; status, rotate",
    },
    "People": {
        "group": "members, and what a group may use",
        "token": "create, list, revoke",
        "access": "explain why someone may, or may not",
        "whoami": "who the server takes you for",
    },
    "Know": {
        "audit": "who did what, when and why; verify, export",
        "login": "keep a server's address and your token",
        "profile": "the servers you logged in to",
        "completion": "have your shell complete commands",
    },
}
"""Heading → command → what it does. The command `x` is `mooring.cli.x.command`."""

COMPLETES = "_MOOR_COMPLETE"
"""Set by a shell that wants to know what may stand next."""

OPTIONS: Mapping[str, str] = {
    "--server URL": "the server to ask (or MOORING_SERVER)",
    "--token TOKEN": "your token there (or MOORING_TOKEN)",
    "--profile NAME": "which of the servers you logged in to (or MOORING_PROFILE)",
    "--version": "the version of this program",
    "-h, --help": "this text; `moor COMMAND --help` tells more",
}


def main(argv: Sequence[str], others: Mapping[str, str]) -> int:
    """Carry out one command. `others` are the commands that somebody else carries out: shown, not known."""
    if COMPLETES not in os.environ and (not argv or argv[0] in ("-h", "--help")):
        sys.stdout.write(text(others))
        return 0
    if argv[:1] == ["--version"]:
        sys.stdout.write(f"moor {__version__}\n")
        return 0
    status: int = importlib.import_module("mooring.cli.start").main(argv, others)
    return status


def text(others: Mapping[str, str]) -> str:
    """The help, at most 80 columns wide."""
    parts = ["Run agents' workflows in isolated compute.\n\nUsage: moor COMMAND …\n"]
    for heading, commands in (("The server", others), *COMMANDS.items(), ("Options", OPTIONS)):
        parts.append(f"\n{heading}\n" + "".join(_lines(commands)))
    return "".join(parts)


def _lines(commands: Mapping[str, str]) -> Iterator[str]:
    for name, says in commands.items():
        yield f"  {name:<16}{says}\n"
