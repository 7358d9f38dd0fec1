"""Tables for people: they fit the terminal, and what stands in them cannot change it."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mooring.cli.plain import line, plain
from mooring.client.kinds import Kind

Row = Mapping[str, Any]
Cell = Callable[[Row], str]

STYLES: Mapping[str, str] = {
    "running": "cyan", "preparing": "cyan", "starting": "cyan", "waiting": "yellow", "paused": "yellow",
    "completed": "green", "succeeded": "green", "ready": "green",
    "failed": "red", "lost": "red", "cancelled": "yellow", "stopped": "yellow",
}  # fmt: skip
"""Phase → colour. What is not named needs none."""


def _field(name: str) -> Cell:
    def cell(row: Row) -> str:
        value = row.get(name)
        if value is None or value == "":
            return "-"
        return line(value) if isinstance(value, str) else line(json.dumps(value, ensure_ascii=False))

    return cell


def _since(name: str) -> Cell:
    def cell(row: Row) -> str:
        at = moment(row.get(name))
        return "-" if at is None else ago((datetime.now(UTC) - at).total_seconds())

    return cell


def _took(row: Row) -> str:
    start, end = moment(row.get("started_at")), moment(row.get("ended_at"))
    return "-" if start is None else seconds(((end or datetime.now(UTC)) - start).total_seconds())


_COLUMNS: Mapping[str, tuple[tuple[str, Cell], ...]] = {
    "user": (("USERNAME", _field("username")), ("NAME", _field("name")), ("ROLE", _field("role"))),
    "group": (("NAME", _field("name")), ("DESCRIPTION", _field("description"))),
    "filesystem": (("NAME", _field("name")), ("PHASE", _field("phase")), ("MB", _field("uncompressed_size_mb"))),
    "secret": (("NAME", _field("name")), ("VAULT", _field("vault")), ("VERSION", _field("secret_version"))),
    "agent": (("NAME", _field("name")), ("RUNTIME", _field("runtime")), ("MODEL", _field("model"))),
    "skill": (("NAME", _field("name")), ("REPO", _field("repo_url"))),
    "task": (("NAME", _field("name")), ("CHECK", _field("check")), ("ATTEMPTS", _field("max_attempts"))),
    "workflow": (("NAME", _field("name")), ("REPO", _field("repo_url"))),
    "instance": (("NAME", _field("name")), ("ENGINE", _field("engine")), ("IMAGE", _field("image_name"))),
    "session": (("NAME", _field("name")), ("PHASE", _field("phase")), ("TOOK", _took)),
    "run": (
        ("PHASE", _field("phase")),
        ("ENGINE", _field("engine")),
        ("TOOK", _took),
        ("SESSION", _field("session_id")),
    ),
    "event": (
        ("AT", _field("timestamp")),
        ("ACTION", _field("action")),
        ("RESOURCE", _field("resource_id")),
        ("REASON", _field("reason")),
    ),
}
"""Noun → what a table shows of it, before its id and age."""
_WIDE: Mapping[str, tuple[tuple[str, Cell], ...]] = {
    "agent": (("REPO", _field("repo_url")), ("PROMPT", _field("prompt"))),
    "skill": (("PROMPT", _field("prompt")),),
    "task": (("RUNTIME", _field("runtime")), ("TIMEOUT", _field("timeout")), ("PROMPT", _field("prompt"))),
    "workflow": (("AGENT", _field("agent_id")), ("PROMPT", _field("prompt"))),
    "session": (("REASON", _field("reason")), ("REPO", _field("repo_url"))),
    "run": (("REASON", _field("reason")), ("EXIT", _field("exit_code"))),
    "event": (("ACTOR", _field("actor_id")), ("DETAILS", _field("details"))),
}
"""What a wide one shows besides."""


_WHOLE = frozenset({"ID", "AGE", "PHASE", "TOOK", "RESOURCE", "SESSION", "SIZE"})


def console(*, width: int | None = None) -> Console:
    """Where results go. Colours only on a terminal that wants them; nothing is ever read as markup."""
    return Console(markup=False, highlight=False, emoji=False, width=width)


def show(kind: Kind, rows: Sequence[Row], *, wide: bool) -> None:
    """The rows of a kind under each other."""
    columns = [*_COLUMNS[kind.noun], *(_WIDE.get(kind.noun, ()) if wide else ()), ("ID", _field("id"))]
    if kind.noun != "event":
        columns.append(("AGE", _since("created_at")))
    _show(columns, rows, none=f"no {kind.path.replace('_', ' ')}", wide=wide)


def show_rows(rows: Sequence[Row], *, none: str, wide: bool) -> None:
    """Rows of no kind; what is in none of them is no column."""
    names = [name for name in (rows[0] if rows else ()) if any(row[name] is not None for row in rows)]
    _show([(name.upper(), _field(name)) for name in names], rows, none=none, wide=wide)


def _show(columns: Sequence[tuple[str, Cell]], rows: Sequence[Row], *, none: str, wide: bool) -> None:
    """A table; a wide one, or one that no terminal shows, is as wide as it is."""
    out = console()
    if not rows:
        out.print(Text(none, style="dim"))
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading, _ in columns:
        # An id that is cut is of no use; what may be long gives way.
        table.add_column(heading, no_wrap=True, overflow="ellipsis" if heading not in _WHOLE else "ignore")
    for row in rows:
        table.add_row(*(_cell(heading, cell(row)) for heading, cell in columns))
    if out.is_terminal and not wide:
        out.print(table)
        return
    whole = console(width=max(out.width, out.measure(table).maximum))
    with whole.capture() as captured:
        whole.print(table)
    # A program that reads lines wants no spaces at their ends.
    for row in captured.get().splitlines():
        sys.stdout.write(row.rstrip() + "\n")


def _cell(heading: str, text: str) -> Text:
    return Text(text, style=STYLES.get(text, "") if heading == "PHASE" else "")


def describe(kind: Kind, row: Row) -> None:
    """Every field of one, a line each; long text and lists below their name."""
    out = console()
    width = max(len(name) for name in row)
    for name, value in row.items():
        out.print(Text(f"{name:<{width}}  ", style="bold"), _value(name, value, width + 2), sep="", end="\n")
    del kind


def _value(name: str, value: object, indent: int) -> Text:
    if value is None or value in ("", [], {}):
        return Text("-", style="dim")
    if isinstance(value, str):
        text = plain(value).rstrip("\n")
        style = STYLES.get(value, "") if name == "phase" else ""
    else:
        text, style = plain(json.dumps(value, ensure_ascii=False, indent=2)), ""
    return Text(text.replace("\n", "\n" + " " * indent), style=style)


def moment(value: object) -> datetime | None:
    """A time as the API writes it."""
    return datetime.fromisoformat(value) if isinstance(value, str) else None


def ago(passed: float) -> str:
    """How long ago, in its largest unit."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if passed >= size:
            return f"{passed // size:.0f}{unit}"
    return f"{max(passed, 0):.0f}s"


def seconds(passed: float) -> str:
    """A duration: 0.42 s, 12.3 s, 4 min 05 s, 2 h 03 min."""
    if passed < 60:  # noqa: PLR2004 - a minute
        return f"{max(passed, 0):.{2 if passed < 10 else 1}f} s"  # noqa: PLR2004 - three digits say enough
    whole = round(passed)
    if whole < 3_600:  # noqa: PLR2004 - an hour
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3_600} h {whole % 3_600 // 60:02} min"


def size(count: int) -> str:
    """A number of bytes: 12 B, 3.4 kB, 5.6 MB."""
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB"):
        if value < 1000:  # noqa: PLR2004 - the step of the units
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
