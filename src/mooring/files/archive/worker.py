"""The process that touches archives: it is given open files and one order, gives up its rights, and does it.

It says JSON lines on its standard output. Run as `python -m mooring.files.archive.worker` by `workshop.py` alone.
"""

import ctypes
import hashlib
import os
import resource
import signal
import sys
from collections.abc import Iterator
from io import BytesIO
from typing import assert_never

import msgspec

from mooring.files.archive import changes, check, manifest
from mooring.files.archive import zip as zips
from mooring.files.archive.finder import Finder
from mooring.files.archive.ingest import ingest
from mooring.files.archive.jobs import (
    Broke,
    Capture,
    Check,
    Checked,
    Confines,
    Job,
    NotTaken,
    Order,
    Progressed,
    Said,
    Take,
    Taken,
    Unpack,
    Unpacked,
)
from mooring.files.archive.manifest import Head, ManifestWriter
from mooring.files.archive.pack import Outputs, pack
from mooring.files.archive.unpack import unpack
from mooring.files.errors import Damaged, Refused, Rule

# Patterns are forms of secrets' values, which may be long and many.
_MOST_ORDER = 64 << 20
_READ = 1 << 20
_LAST_SECONDS = 5
# Source: linux/prctl.h.
_NO_NEW_PRIVILEGES, _DUMPABLE, _DIE_WITH_PARENT = 38, 4, 1


def confine(confines: Confines) -> None:
    """Give up what the job does not need, with no way back."""
    os.umask(0)
    for limit, value, last in (
        (resource.RLIMIT_AS, confines.memory, confines.memory),
        # Time that is up is told apart from being killed: SIGXCPU comes first.
        (resource.RLIMIT_CPU, confines.seconds, confines.seconds + _LAST_SECONDS),
        (resource.RLIMIT_FSIZE, confines.file, confines.file),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        resource.setrlimit(limit, (value, last))
    if confines.uid is not None and confines.gid is not None:
        if confines.empty is not None:
            os.chroot(confines.empty)
            os.chdir("/")
        os.setgroups([])
        os.setresgid(confines.gid, confines.gid, confines.gid)
        os.setresuid(confines.uid, confines.uid, confines.uid)
    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in ((_NO_NEW_PRIVILEGES, 1), (_DUMPABLE, 0), (_DIE_WITH_PARENT, signal.SIGKILL)):
        if libc.prctl(option, value, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl failed")
    if os.getppid() != confines.parent:
        sys.exit("the process that wanted this is gone")


def say(said: Said) -> None:
    """One line."""
    os.write(1, msgspec.json.encode(said) + b"\n")


def do(job: Job) -> Said:
    """The job. Raises Refused, Damaged, OSError, MemoryError."""
    match job:
        case Take():
            return _take(job)
        case Unpack():
            made = ManifestWriter(BytesIO())
            return Unpacked(manifest_sha256=unpack(job.source, job.root, made, job.limits, _progress))
        case Check():
            entries = manifest.read(_chunks(job.manifest))
            return Checked(difference=check.difference(job.root, entries))
        case Capture():
            return _capture(job)
        case _:
            assert_never(job)


def _take(job: Take) -> Taken:
    with (
        os.fdopen(job.spool, "w+b", buffering=_READ) as spool,
        os.fdopen(job.archive, "wb") as archive,
        os.fdopen(job.manifest, "wb") as made,
        os.fdopen(job.blocks, "wb") as blocks,
    ):
        form, tree = ingest(job.source, spool, job.limits, _progress)
        head = Head(entries=len(tree), uncompressed_size=tree.total)
        contents = ((entry, spool.fileno(), offset) for entry, offset in tree.contents())
        packed = pack(head, contents, Outputs(archive=archive, manifest=made, blocks=blocks))
    return Taken(form=form, packed=packed, warned=tree.warned, warnings=tree.warnings)


def _capture(job: Capture) -> Taken:
    finder = Finder(job.secrets)
    found = changes.changes(job.upper, job.left_out, finder, job.limits)
    tree = changes.laid_over(manifest.read(_chunks(job.base)), found, job.limits)
    head = Head(entries=len(tree), uncompressed_size=tree.total)
    contents = changes.Layers(job.lower, job.upper, found).contents(tree)
    with (
        os.fdopen(job.archive, "wb") as archive,
        os.fdopen(job.manifest, "wb") as made,
        os.fdopen(job.blocks, "wb") as blocks,
    ):
        out = Outputs(archive=archive, manifest=made, blocks=blocks)
        packed = pack(head, contents, out, finder)
    return Taken(form="tar.gz", packed=packed, warned=tree.warned, warnings=tree.warnings)


def _chunks(descriptor: int) -> Iterator[bytes]:
    at = 0
    while chunk := os.pread(descriptor, _READ, at):
        at += len(chunk)
        yield chunk


def _progress(done: int) -> None:
    say(Progressed(done=done))


def main() -> int:
    """Read the order, do it, say what came of it."""
    order = msgspec.json.decode(sys.stdin.buffer.read(_MOST_ORDER), type=Order)
    # Loaded before the root changes: what a first use would look for is out of reach then.
    hashlib.sha256().hexdigest()
    zips.load()
    confine(order.confines)
    try:
        say(do(order.job))
    except Refused as error:
        say(NotTaken(rule=error.rule.value, entry=error.entry, reason=error.says))
    except Damaged as error:
        say(Broke(reason=str(error), errno=None))
    except (MemoryError, RuntimeError) as error:
        # A thread that cannot be started is all that says so otherwise.
        if isinstance(error, RuntimeError) and "thread" not in str(error):
            raise
        say(NotTaken(rule=Rule.MEMORY.value, entry=None, reason="it needs more memory than an import may use"))
    except OSError as error:
        say(Broke(reason=error.strerror or str(error), errno=error.errno))
    return 0


if __name__ == "__main__":
    sys.exit(main())
