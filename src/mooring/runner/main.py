"""The first instructions: nothing comes before the protection."""

from __future__ import annotations

import ctypes
import os
import time

LINK = "/run/mooring/link.sock"
TOKEN, SPOOL, MARKER, EXIT = 3, 4, 5, 6
_PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 4, 36


def protect() -> None:
    """From here on a child of our user can neither read our memory and descriptors nor trace us. Raises OSError."""
    library = ctypes.CDLL(None, use_errno=True)
    for option, value in ((_PR_SET_DUMPABLE, 0), (_PR_SET_CHILD_SUBREAPER, 1)):
        if library.prctl(option, value, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl was refused: the runner cannot protect itself")


def main() -> int:
    """Do what the assignment says. Gives the exit code; everything a person must know is in the transcript."""
    protect()
    began = time.monotonic()
    token = os.read(TOKEN, 65536).decode("ascii").strip()
    os.close(TOKEN)
    for descriptor in (SPOOL, MARKER, EXIT):
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - Python's own signature
    # Loaded only now: the protection stands before anything else of ours runs.
    from .life import Life  # noqa: PLC0415
    from .process import hold_signals  # noqa: PLC0415

    hold_signals()
    return Life(token, os.environ.get("MOORING_LINK", LINK), began).lead()
