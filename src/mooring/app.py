"""What a running process holds. Types only: wiring fills it."""

from dataclasses import dataclass

from mooring.base.clock import Clock
from mooring.base.db import Database
from mooring.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """The parts of one process, opened by wiring and closed by it in reverse."""

    settings: Settings
    database: Database
    clock: Clock
