"""How every figure is told: a line for people, a row in bench/results.json for whoever compares runs."""

import json
import statistics
from collections.abc import Sequence
from pathlib import Path

RESULTS = Path(__file__).parent / "results.json"


def tell(figure: str, value: float, unit: str, *, compared_with: str = "", other: float | None = None) -> None:
    """Print a figure and keep it; `other` is the same measured of what it is compared with, in the same run."""
    ratio = None if other is None or other == 0 else value / other
    line = f"{figure:58} {value:10.1f} {unit}"
    if other is not None and ratio is not None:
        line += f"   {compared_with}: {other:.1f} {unit}   ratio {ratio:.2f}"
    print(line, flush=True)
    rows: list[dict[str, object]] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else []
    rows = [row for row in rows if row["figure"] != figure]
    row = {"figure": figure, "value": value, "unit": unit, "compared_with": compared_with, "other": other}
    RESULTS.write_text(json.dumps([*rows, {**row, "ratio": ratio}], indent=1) + "\n", encoding="utf-8")


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def percentile(values: Sequence[float], part: float) -> float:
    """The value that `part` (0 to 1) of all stay below."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]
