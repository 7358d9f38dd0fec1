"""Structured logs: readable at a terminal, JSON lines elsewhere."""

import logging
import sys

import structlog
from structlog.typing import Processor


def set_up(*, level: str, terminal: bool) -> None:
    """Send every log line to standard error, from `level` (a name of the standard library's levels) on."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # No local variables in tracebacks: they are where a value would be shown.
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    last: Processor = plain if terminal else structlog.processors.JSONRenderer()
    ends: list[Processor] = [last] if terminal else [structlog.processors.format_exc_info, last]
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, *ends],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(
        stream=sys.stderr, level=max(number, logging.WARNING), format="%(levelname)s %(name)s %(message)s"
    )
