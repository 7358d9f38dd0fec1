"""`moor`: the server's commands go to the daemon, everything else to the command line. Only the one asked is loaded."""

import importlib
import sys
from collections.abc import Mapping, Sequence

SERVER: Mapping[str, str] = {
    "up": "start everything on the embedded defaults",
    "down": "end what `moor up` started; runs under way go on",
    "status": "what runs here",
    "doctor": "what this machine lacks, and the command that fixes it",
    "serve": "the API alone, on MOORING_DATABASE_URL",
    "work": "the loops alone, on MOORING_DATABASE_URL",
    "migrate": "bring the database to the current schema",
}
"""The daemon's commands, with what each does."""


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command. The exit status (docs/cli.md)."""
    words = sys.argv[1:] if argv is None else list(argv)
    if words and words[0] in SERVER:
        status: int = importlib.import_module("mooring.daemon").main(words)
    else:
        status = importlib.import_module("mooring.cli").main(words, SERVER)
    return status


if __name__ == "__main__":
    sys.exit(main())
