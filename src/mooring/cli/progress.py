"""How far something is: a bar on a terminal, nothing elsewhere. It goes to stderr, results go to stdout."""

import contextlib
import sys
from collections.abc import Callable, Generator


@contextlib.contextmanager
def bar(says: str, total: int | None) -> Generator[Callable[[int], None]]:
    """A bar that what is yielded moves on, by bytes; without a total it only shows that something is done."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    # A third of the time a command takes to start, and only people see it.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn  # noqa: PLC0415

    shown = [TextColumn("{task.description}"), BarColumn() if total else SpinnerColumn(), DownloadColumn()]
    with Progress(*shown, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(says, total=total)
        yield lambda count: progress.advance(task, count)
