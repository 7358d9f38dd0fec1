"""The command that was asked, loaded alone; its errors as a person and a script read them."""

import contextlib
import importlib
import io
import os
import sys
from collections.abc import Mapping, Sequence
from typing import ClassVar

import click

from mooring.cli.menu import COMMANDS, COMPLETES
from mooring.cli.plain import plain
from mooring.client.errors import Clash, Denied, Missing, MooringError, NotKnown, Unavailable, Unfit

EXIT: Mapping[type[MooringError], int] = {
    Unfit: 2, NotKnown: 4, Denied: 5, Missing: 6, Clash: 7, Unavailable: 8,
}  # fmt: skip
"""Kind of error → exit status (docs/cli.md)."""
INTERRUPTED = 130
_PIPE_CLOSED = 141


class Lazy(click.Group):
    """Commands by name, each loaded when it is asked for."""

    others: ClassVar[Mapping[str, str]] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return [*self.others, *(name for commands in COMMANDS.values() for name in commands)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name in self.others:
            # Shown by completion; carried out elsewhere.
            return click.Command(cmd_name, help=self.others[cmd_name])
        if not any(cmd_name in commands for commands in COMMANDS.values()):
            return None
        command: click.Command = importlib.import_module(f"mooring.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = self.list_commands(ctx)
        if args[0] in self.others:
            raise click.UsageError(f"{args[0]!r} is a command of the server and stands first: moor {args[0]} …")
        if args[0] not in known:
            # Loaded only for those who mistyped.
            near: list[str] = importlib.import_module("difflib").get_close_matches(args[0], known, n=1)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"there is no command {args[0]!r}{meant}", ctx)
        return super().resolve_command(ctx, args)


def main(argv: Sequence[str], others: Mapping[str, str]) -> int:
    """Carry out a command. The exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What a terminal cannot show must not end a command.
            stream.reconfigure(errors="backslashreplace")
    Lazy.others = others
    try:
        returned = root.main(list(argv), prog_name="moor", complete_var=COMPLETES, standalone_mode=False)
        sys.stdout.flush()
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "moor"
        return _fail(error.format_message(), f"`{path} --help` tells what may stand there", EXIT[Unfit])
    except click.ClickException as error:
        return _fail(error.format_message(), None, EXIT[Unfit])
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read has enough. Python must not find the closed pipe again at its end.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_CLOSED
    except MooringError as error:
        return _fail(error.reason, error.hint, exit_of(error), error.operation_id)
    return returned if isinstance(returned, int) else 0


def exit_of(error: MooringError) -> int:
    """The exit status of a command that ended with this."""
    return next(status for kind, status in EXIT.items() if isinstance(error, kind))


def _fail(reason: str, hint: str | None, status: int, operation_id: str | None = None) -> int:
    lines = [f"error: {plain(reason)}"]
    if hint:
        lines.append(f"  {plain(hint)}")
    if operation_id:
        lines.append(f"  (the server's log has it under {plain(operation_id)})")
    sys.stderr.write("\n".join(lines) + "\n")
    return status


@click.group(cls=Lazy, add_help_option=False, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--server", metavar="URL")
@click.option("--token", metavar="TOKEN")
@click.option("--profile", metavar="NAME")
@click.pass_context
def root(ctx: click.Context, **said: str | None) -> None:
    """Run agents' workflows in isolated compute."""
    ctx.obj = said
