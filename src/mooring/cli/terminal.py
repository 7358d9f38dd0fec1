"""How results are shown on a terminal. Loaded only where there may be one: it takes a while."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text


class _Console(Console):
    def on_broken_pipe(self) -> None:
        # As everywhere else: `cli/start.py` ends the command.
        raise BrokenPipeError


def console() -> Console:
    """Where results go. Colours only on a terminal that wants them; nothing is ever read as markup."""
    return _Console(markup=False, highlight=False, emoji=False)


def show(out: Console, lines: Sequence[Sequence[tuple[str, str]]], gap: int) -> None:
    """Lines of cells, each with its style, so far from each other."""
    for line in lines:
        text = Text()
        for cell, style in line:
            text.append(cell, style=style)
            text.append(" " * gap)
        text.rstrip()
        out.print(text, soft_wrap=True)
