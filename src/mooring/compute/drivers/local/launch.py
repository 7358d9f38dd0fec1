"""Making a run's directory, and starting its shim exactly once."""

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import stat
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mooring.base.errors import Missing, Unavailable, Unfit
from mooring.compute.drivers.base import Limits, RunSpec
from mooring.compute.drivers.local import cgroups, processes
from mooring.compute.drivers.local.engine import Engine
from mooring.compute.drivers.local.place import DESCRIBED, GIVEN, TAKEN_OVER, Place, read_tail, write_once
from mooring.compute.drivers.local.recipe import command
from mooring.compute.drivers.local.state import Entry, identity_json, spec_hash

# Above every number the shim is given, so that moving one into place never overwrites another.
_ASIDE = 64
DRAFT = ".draft-"
# Fits a pipe's buffer whatever its size, so that writing it never waits.
_TOKEN_BYTES = 4096
# What a shim says that came after another one.
_TAKEN = b"taken"


def prepare(engine: Engine, place: Place, spec: RunSpec, ended: Place | None = None) -> None:
    """Make the run's directory with everything in it, at once; when it is there already, nothing changes.

    What it takes over from `ended` comes after. Raises Missing when that is gone.
    """
    _make(engine, place, spec, [name for name in GIVEN if ended is None or name not in TAKEN_OVER])
    if ended is not None:
        _take_over(place, ended)


def _take_over(place: Place, ended: Place) -> None:
    """Move each directory, as it is, from the one run to the other; what was moved before is where it belongs.

    Nothing in them is looked at: the ended run wrote it.
    """
    for name in TAKEN_OVER:
        theirs, ours = ended.path / name, place.path / name
        if ours.exists():
            continue
        if not theirs.is_dir():
            raise Missing(f"what {ended.name} left in its {name} is not here any more", directory=str(theirs))
        # A run that closed the directory to itself could not begin there again.
        theirs.chmod(stat.S_IMODE(theirs.stat().st_mode) | stat.S_IRWXU)
        theirs.rename(ours)


def _make(engine: Engine, place: Place, spec: RunSpec, given: Sequence[str]) -> None:
    if place.path.exists():
        return
    me = processes.identity_of_self()
    draft = Path(tempfile.mkdtemp(prefix=f"{DRAFT}{me.pid}-{me.start}-", dir=engine.settings.root))
    draft.chmod(0o711)
    user = engine.settings.user
    for name in given:
        (draft / name).mkdir(mode=0o700)
        user.own(draft / name)
    for name in (*DESCRIBED, "log"):
        (draft / name).touch(mode=0o600)
    # The groups are written down before they are made, so that whatever was made can be taken away.
    entry = Entry(run=spec.run, spec_hash=spec_hash(spec), cgroups=cgroups.leaf_of(engine.trees, place.name).paths)
    (draft / "run.json").write_bytes(entry.encode())
    try:
        draft.rename(place.path)
    except OSError:
        shutil.rmtree(draft)
        if not place.path.exists():
            raise


def claim_start(place: Place) -> bool:
    """True for the one caller, of all and for ever, who may start this run; a power cut does not undo it."""
    return write_once(place.path / "started", identity_json(processes.identity_of_self()), lasting=True)


def tidy(root: Path) -> None:
    """Remove what makers that are dead left half made."""
    boot = processes.boot_id()
    for path in root.glob(f"{DRAFT}*"):
        pid, start, _ = path.name.removeprefix(DRAFT).split("-", 2)
        if not processes.alive(processes.Identity(pid=int(pid), start=int(start), boot=boot), boot):
            shutil.rmtree(path)


async def launch(engine: Engine, place: Place, spec: RunSpec, limits: Limits) -> None:
    """Start the shim and return when the program runs, or when another start has the claim.

    Raises Unavailable with what was said when it does neither.
    """
    leaf = await asyncio.to_thread(cgroups.make, engine.trees, place.name, limits)
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        with leaf.doors() as doors:
            _spawn(engine, place, spec, leaf, (reading, writing, *doors))
        os.close(writing)
        writing = -1
        async with asyncio.timeout(engine.settings.start_timeout):
            said = await _first_words(reading)
    except TimeoutError:
        raise Unavailable(
            f"the sandbox did not stand after {engine.settings.start_timeout:g} s", run=spec.run
        ) from None
    finally:
        os.close(reading)
        if writing >= 0:
            os.close(writing)
    if not said.startswith(b"r") and said != _TAKEN:
        words = said.decode(errors="replace").strip() or read_tail(place.log, 2000).strip()
        raise Unavailable(f"the sandbox could not be set up: {words or 'it ended without a word'}", run=spec.run)


def _spawn(engine: Engine, place: Place, spec: RunSpec, leaf: cgroups.Leaf, pipes: tuple[int, ...]) -> None:
    reading, writing, *doors = pipes
    argv = (
        *engine.settings.user.prefix(),
        *("sh", "-c", engine.shim, "shim", str(place.shim), " ".join(str(7 + n) for n in range(len(doors)))),
        *(str(leaf.memory_events), str(leaf.pids_events), str(engine.files / "filter.bpf")),
        *command(engine.host, engine.settings, engine.files, place, spec),
    )
    program = shutil.which(argv[0])
    assert program is not None
    with _token(spec.token) as token, contextlib.ExitStack() as stack:
        described = [_open(stack, place.path / name, os.O_RDWR | os.O_APPEND) for name in DESCRIBED]
        log = _open(stack, place.log, os.O_WRONLY | os.O_APPEND)
        wanted = [reading, log, writing, token, *described, *doors]
        aside = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, _ASIDE) for one in wanted]
        for one in aside:
            stack.callback(os.close, one)
        os.posix_spawn(
            program,
            argv,
            {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
            file_actions=[
                *((os.POSIX_SPAWN_DUP2, one, number) for number, one in enumerate(aside)),
                *((os.POSIX_SPAWN_CLOSE, one) for one in _inherited() if one >= len(aside)),
            ],
            setsid=True,
            setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
            setsigmask=(),
        )


def _inherited() -> list[int]:
    """What a child would get besides its own: descriptors whoever started the control plane left open."""
    found: list[int] = []
    for entry in Path("/proc/self/fd").iterdir():
        # The listing's own descriptor is closed by now.
        with contextlib.suppress(OSError):
            if os.get_inheritable(int(entry.name)):
                found.append(int(entry.name))
    return found


@contextmanager
def _token(token: str) -> Generator[int]:
    """The reading end of a pipe that holds the token and nothing more."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        content = token.encode()
        if len(content) > _TOKEN_BYTES:
            raise Unfit(f"the run's token has {len(content)} bytes, at most {_TOKEN_BYTES} fit", field="token")
        os.write(writing, content)
        os.close(writing)
        writing = -1
        yield reading
    finally:
        os.close(reading)
        if writing >= 0:
            os.close(writing)


def _open(stack: contextlib.ExitStack, path: Path, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)
    stack.callback(os.close, descriptor)
    return descriptor


async def _first_words(descriptor: int) -> bytes:
    """What the pipe says first; empty when everyone who could have written is gone."""
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()
    loop.add_reader(descriptor, lambda: readable.done() or readable.set_result(None))
    try:
        await readable
    finally:
        loop.remove_reader(descriptor)
    return os.read(descriptor, 4096)
