"""Times, durations and sizes as people read them."""

from datetime import UTC, datetime


def moment(value: object) -> datetime | None:
    """A time as the API writes it; None where there is none."""
    if isinstance(value, datetime):
        return value
    return datetime.fromisoformat(value) if isinstance(value, str) else None


def clock(value: object) -> str:
    """A time to the second, in UTC: 2026-11-23 02:12:49Z."""
    at = moment(value)
    return "-" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


def ago(passed: float) -> str:
    """How long ago, in its largest unit."""
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if passed >= length:
            return f"{passed // length:.0f}{unit}"
    return f"{max(passed, 0):.0f}s"


def since(value: object) -> str:
    """How long ago a time was."""
    at = moment(value)
    return "-" if at is None else ago((datetime.now(UTC) - at).total_seconds())


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


def many(count: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
