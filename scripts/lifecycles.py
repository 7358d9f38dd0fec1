"""Write docs/lifecycles.md from the tables the code obeys; with --check, only say whether it is current."""

import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from mooring.compute.phases import NEXT as RUN
from mooring.sessions.entities import NEXT as SESSION
from mooring.sessions.entities import TASK_NEXT as TASK

Phase = TypeVar("Phase", bound=StrEnum)

PAGE = Path(__file__).parent.parent / "docs" / "lifecycles.md"
HEAD = """\
# Lifecycles

Written by `make docs` from the tables in the code. A phase changes by an update of a locked row whose phase allows it;
what does not follow is refused. Phases in **bold** are terminal: nothing follows.
"""


def drawn(title: str, following: Mapping[Phase, frozenset[Phase]], says: str) -> str:
    """One lifecycle as a diagram and a table, in the order of its table."""
    order = list(following)
    arrows = [f"    {phase} --> {after}" for phase in order for after in sorted(following[phase], key=order.index)]
    ends = [f"    {phase} --> [*]" for phase in order if not following[phase]]
    rows = [
        f"| {phase if following[phase] else f'**{phase}**'} | "
        f"{', '.join(sorted(following[phase], key=order.index)) or '—'} |"
        for phase in order
    ]
    diagram = "\n".join(["```mermaid", "stateDiagram-v2", f"    [*] --> {order[0]}", *arrows, *ends, "```"])
    table = "\n".join(["| phase | may be followed by |", "|---|---|", *rows])
    return f"\n## {title}\n{says}\n\n{diagram}\n\n{table}\n"


def page() -> str:
    """The whole page."""
    parts = (
        drawn(
            "Session",
            SESSION,
            "`waiting` means it needs a person. A cancel leads to `cancelled` from anywhere.\n"
            "What was `pausing` and had finished before it heard of it is `completed`.",
        ),
        drawn(
            "Task in a session",
            TASK,
            "`checking` goes back to `running` for the next attempt. A pause makes what is under way `pending`.",
        ),
        drawn("Run", RUN, "`lost`: the instance is gone and nothing says how it ended. It is never made again."),
    )
    return HEAD + "".join(parts)


def main() -> int:
    """The exit status: 1 when --check finds another page."""
    if "--check" in sys.argv:
        return int(not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page())
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
