"""Tables for people: they fit the terminal, and what stands in them cannot change it."""

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.cells import cell_len, set_cell_size

from mooring.cli.columns import COLUMNS, Column, Row, field
from mooring.client.kinds import Kind

STYLES: Mapping[str, str] = {
    "running": "cyan", "preparing": "cyan", "starting": "cyan", "checking": "cyan",
    "waiting": "yellow", "paused": "yellow", "cancelled": "yellow", "stopped": "yellow",
    "completed": "green", "succeeded": "green", "ready": "green",
    "failed": "red", "lost": "red",
}  # fmt: skip
"""Phase → colour. What is not named needs none."""
_GAP = 2
_NARROWEST = 6


def show(kind: Kind, rows: Sequence[Row], *, wide: bool, without: frozenset[str] = frozenset()) -> None:
    """The rows of a kind under each other; `without` some columns."""
    columns = [column for column in COLUMNS[kind.noun] if column.heading not in without]
    _show(columns, rows, none=f"no {kind.noun.replace('-', ' ')}s", wide=wide)


def show_rows(rows: Sequence[Row], *, none: str, wide: bool, whole: frozenset[str] = frozenset()) -> None:
    """Rows of no kind; what is in none of them is no column. Fields in `whole` are never cut."""
    names = [name for name in (rows[0] if rows else ()) if any(row[name] is not None for row in rows)]
    _show([field(name, gives=name not in whole, heading=name.upper()) for name in names], rows, none=none, wide=wide)


def _show(columns: Sequence[Column], rows: Sequence[Row], *, none: str, wide: bool) -> None:
    terminal = importlib.import_module("mooring.cli.terminal") if _may_be_terminal() else None
    out = terminal.console() if terminal is not None else None
    if out is not None and not out.is_terminal:
        out = None
    shown = [column for column in columns if wide or not column.wide]
    cells = [[column.cell(row) for column in shown] for row in rows]
    widths = [max(cell_len(row[at]) for row in [[c.heading for c in shown], *cells]) for at in range(len(shown))]
    # A program reads whole lines; a person asked for wide ones reads them so.
    if out is not None and not wide:
        widths = _fitted(shown, widths, out.width)
    lines = [[(_cell(column.heading, width), "bold") for column, width in zip(shown, widths, strict=True)]]
    for row in cells:
        styles = [
            STYLES.get(cell, "") if column.heading == "PHASE" else "" for column, cell in zip(shown, row, strict=True)
        ]
        lines.append([(_cell(cell, width), style) for cell, width, style in zip(row, widths, styles, strict=True)])
    if not rows:
        lines = [[(none, "dim")]]
    if out is not None and terminal is not None:
        terminal.show(out, lines, _GAP)
    else:
        sys.stdout.writelines((" " * _GAP).join(cell for cell, _ in line).rstrip() + "\n" for line in lines)


def _may_be_terminal() -> bool:
    """Whether it is worth asking more closely: a terminal, or an environment that says it is one."""
    return sys.stdout.isatty() or any(os.environ.get(name) for name in ("FORCE_COLOR", "TTY_COMPATIBLE"))


def _fitted(columns: Sequence[Column], widths: Sequence[int], width: int) -> list[int]:
    """Widths that fit, if need be by narrowing the widest of those that give way."""
    fitted = list(widths)
    excess = sum(fitted) + _GAP * (len(fitted) - 1) - width
    while excess > 0:
        giving = [at for at, column in enumerate(columns) if column.gives and fitted[at] > _NARROWEST] or [
            at for at, column in enumerate(columns) if column.last and fitted[at] > _NARROWEST
        ]
        if not giving:
            break
        widest = max(giving, key=lambda at: fitted[at])
        fitted[widest] -= 1
        excess -= 1
    return fitted


def _cell(text: str, width: int) -> str:
    return set_cell_size(text, width) if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"


def terminal_rows(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Small rows inside something larger: aligned, each one line."""
    if not rows:
        return []
    columns = [field(name) for name in rows[0]]
    cells = [[column.cell(row) for column in columns] for row in rows]
    widths = [max(cell_len(row[at]) for row in cells) for at in range(len(columns))]
    return [
        "  ".join(set_cell_size(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    ]
