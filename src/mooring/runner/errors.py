"""Why a run ends before its tasks are done."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .words import Outcome


class Unready(Exception):
    """The instance cannot be made ready as the assignment says. The message names what is wrong."""


class Over(Exception):
    """The run ends now."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome: Outcome = outcome
        self.reason = reason


class TaskTimeout(Exception):
    """The task at hand took longer than it may."""
