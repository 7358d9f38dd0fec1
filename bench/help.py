"""`moor --help` against the bare start of Python, by turns."""

import subprocess
import sys
import time
from pathlib import Path

from report import median, tell

ROUNDS = 40


def took(*command: str) -> float:
    """Milliseconds from asking for the program to its end."""
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - began) * 1000


def main() -> None:
    moor = str(Path(sys.executable).with_name("moor"))
    for _ in range(3):
        took(moor, "--help")
    pairs = [(took(moor, "--help"), took(sys.executable, "-c", "pass")) for _ in range(ROUNDS)]
    ours, bare = (median([pair[part] for pair in pairs]) for part in range(2))
    tell("moor --help", ours, "ms", compared_with="python -c pass", other=bare)


main()
