"""`moor completion`: what a shell has to load to complete commands."""

import click
from click.shell_completion import get_completion_class

from mooring.cli.menu import COMPLETES
from mooring.client.errors import Unfit


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print what a SHELL has to load so that it completes `moor`'s commands, options and kinds.

    \b
    bash   eval "$(moor completion bash)"          in ~/.bashrc
    zsh    eval "$(moor completion zsh)"           in ~/.zshrc
    fish   moor completion fish | source           in ~/.config/fish/config.fish
    """  # noqa: D301 - the character itself: click leaves the lines that follow as they are
    found = get_completion_class(shell)
    if found is None:
        raise Unfit(f"there is no completion for {shell}")
    click.echo(found(click.Command("moor"), {}, "moor", COMPLETES).source())
