"""Where archives are worked on: worker processes of the unprivileged user, each with its own limits. A contact."""

import asyncio
import contextlib
import errno
import os
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec
import structlog

import mooring
from mooring.base.errors import Unavailable
from mooring.base.unprivileged import ProcessUser
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
    Secret,
    Take,
    Taken,
    Unpack,
    Unpacked,
)
from mooring.files.archive.limits import Limits
from mooring.files.errors import Crashed, Damaged, Refused, Rule

log = structlog.stdlib.get_logger("mooring.files")

# Of an answer: at most 20 warnings of some 300 characters, or a refusal that names two paths.
_MOST_LINE = 64 << 10
_MOST_SAID = 4_000
# What a system says that is short of something, or has trouble with a disk; all else comes of what is worked on.
_PASSING = {errno.EAGAIN, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.ETIMEDOUT}
_SOURCE = Path(mooring.__file__).parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """An archive that was made, as open files at their begin."""

    taken: Taken
    archive: IO[bytes]
    manifest: IO[bytes]
    blocks: IO[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """Two open directories, and the manifest of the lower one. No changed file may hold any of the `secrets`."""

    lower: int
    upper: int
    base: IO[bytes]
    left_out: Sequence[str]
    secrets: Sequence[Secret]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """`directory` is for scratch files, which have no names. Units: bytes of memory, seconds."""

    directory: Path
    user: ProcessUser
    limits: Limits
    memory: int
    seconds: float

    @contextlib.contextmanager
    def scratch(self) -> Generator[IO[bytes]]:
        """An open file without a name. Raises Unavailable."""
        try:
            file = tempfile.TemporaryFile(dir=self.directory)  # noqa: SIM115 - closed below
        except OSError as error:
            raise Unavailable(f"cannot write in {self.directory}: {error.strerror}") from error
        with file:
            yield file

    @contextlib.asynccontextmanager
    async def taken(
        self, source: IO[bytes], *, limits: Limits | None = None, progress: Callable[[int], None] = lambda _: None
    ) -> AsyncGenerator[Made]:
        """An archive of ours from `source`. Raises Refused, Crashed, Damaged, Unavailable."""
        with self.scratch() as spool, self.scratch() as archive, self.scratch() as manifest, self.scratch() as blocks:
            job = Take(
                source=source.fileno(),
                spool=spool.fileno(),
                archive=archive.fileno(),
                manifest=manifest.fileno(),
                blocks=blocks.fileno(),
                limits=limits or self.limits,
            )
            files = (source, spool, archive, manifest, blocks)
            said = await self._done(job, [file.fileno() for file in files], progress)
            if not isinstance(said, Taken):
                raise _odd(said)
            for file in (archive, manifest, blocks):
                file.seek(0)
            yield Made(taken=said, archive=archive, manifest=manifest, blocks=blocks)

    @contextlib.asynccontextmanager
    async def captured(self, layers: Layers) -> AsyncGenerator[Made]:
        """An archive of ours of what lies in the upper layer over the lower.

        Raises Refused, Crashed, Damaged, Unavailable.
        """
        with self.scratch() as archive, self.scratch() as manifest, self.scratch() as blocks:
            job = Capture(
                lower=layers.lower,
                upper=layers.upper,
                base=layers.base.fileno(),
                archive=archive.fileno(),
                manifest=manifest.fileno(),
                blocks=blocks.fileno(),
                left_out=list(layers.left_out),
                secrets=list(layers.secrets),
                limits=self.limits,
            )
            files = [layers.lower, layers.upper, *(one.fileno() for one in (layers.base, archive, manifest, blocks))]
            said = await self._done(job, files, lambda _: None)
            if not isinstance(said, Taken):
                raise _odd(said)
            for file in (archive, manifest, blocks):
                file.seek(0)
            yield Made(taken=said, archive=archive, manifest=manifest, blocks=blocks)

    async def unpack(self, source: IO[bytes], root: int, *, progress: Callable[[int], None] = lambda _: None) -> str:
        """Write the archive of ours in `source` below the open directory `root`, which belongs to the user.

        The SHA-256 of the manifest of what was written. Raises Refused, Crashed, Damaged, Unavailable; what stands
        there then is to be removed.
        """
        job = Unpack(source=source.fileno(), root=root, limits=self.limits)
        said = await self._done(job, [source.fileno(), root], progress)
        if not isinstance(said, Unpacked):
            raise _odd(said)
        return said.manifest_sha256

    async def difference(self, root: int, manifest: IO[bytes]) -> str | None:
        """What below the open directory `root` is not as the manifest says, or None.

        Raises Crashed, Damaged, Unavailable.
        """
        said = await self._done(Check(root=root, manifest=manifest.fileno()), [root, manifest.fileno()], lambda _: None)
        if not isinstance(said, Checked):
            raise _odd(said)
        return said.difference

    async def _done(self, job: Job, files: Sequence[int], progress: Callable[[int], None]) -> Said:
        """What the worker came to. Raises Refused, Crashed, Damaged, Unavailable."""
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-s", "-m", "mooring.files.archive.worker",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
                pass_fds=tuple(files), start_new_session=True, limit=_MOST_LINE, cwd="/",
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "PYTHONPATH": str(_SOURCE)},
            )  # fmt: skip
        except OSError as error:
            raise Unavailable(f"no worker on archives can be started now: {error.strerror}") from error
        try:
            async with asyncio.timeout(self.seconds):
                return await self._talk(process, job, progress)
        except TimeoutError as error:
            raise Refused(Rule.TIME, f"it took longer than {self.seconds:g} s") from error
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()

    async def _talk(self, process: asyncio.subprocess.Process, job: Job, progress: Callable[[int], None]) -> Said:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        with contextlib.suppress(ConnectionError):
            process.stdin.write(msgspec.json.encode(Order(job=job, confines=self._confines())))
            process.stdin.close()
        last = await _answer(process.stdout, progress)
        complaint = await _end(process.stderr)
        code = await process.wait()
        if code == -signal.SIGXCPU:
            raise Refused(Rule.TIME, f"it took more than {self.seconds:g} s of processor time")
        if last is None or code:
            log.error("worker on archives crashed", code=code, complaint=complaint)
            raise Crashed(f"the worker on archives ended with {code}")
        return checked(last)

    def _confines(self) -> Confines:
        # A root with nothing in it; only root can be put there.
        empty = self.directory / "empty"
        empty.mkdir(exist_ok=True, mode=0o555)
        return Confines(
            parent=os.getpid(),
            uid=self.user.uid if self.user.demotes else None,
            gid=self.user.gid if self.user.demotes else None,
            empty=str(empty) if self.user.demotes else None,
            memory=self.memory,
            seconds=int(self.seconds) + 1,
            # A tar is larger than its files by a header for each.
            file=self.limits.total + self.limits.entries * 4096 + (1 << 30),
        )


async def _answer(lines: asyncio.StreamReader, progress: Callable[[int], None]) -> Said | None:
    """The last that the worker says, which is what it came to. Raises Crashed (it is not said as it must be)."""
    last: Said | None = None
    try:
        async for line in lines:
            said = msgspec.json.decode(line, type=Said)
            if isinstance(said, Progressed):
                progress(said.done)
            else:
                last = said
    except (msgspec.DecodeError, ValueError) as error:
        # A ValueError is the reader's: a line is longer than any answer may be.
        raise Crashed(f"the worker on archives cannot be understood: {error}") from error
    return last


async def _end(complaint: asyncio.StreamReader) -> str:
    """The end of what the worker complains of: there it says why."""
    held = b""
    while piece := await complaint.read(_MOST_SAID):
        held = (held + piece)[-_MOST_SAID:]
    return held.decode(errors="replace").strip()


def checked(said: Said) -> Said:
    """The answer. Raises what it says."""
    match said:
        case NotTaken(rule=rule, entry=entry, reason=reason):
            raise Refused(Rule(rule), reason, shown=entry)
        case Broke(errno=errno.ENOSPC | errno.EDQUOT):
            raise Unavailable("the disk is full while working on an archive; free some space and try again")
        case Broke(errno=errno.EFBIG):
            raise Refused(Rule.TOTAL, "it comes to more than an import may write")
        case Broke(reason=reason, errno=number) if number in _PASSING:
            raise Unavailable(f"an archive could not be worked on now: {reason}")
        case Broke(reason=reason):
            raise Damaged(f"an archive could not be worked on: {reason}")
        case _:
            return said


def _odd(said: Said) -> Damaged:
    return Damaged(f"the worker on archives answered something else: {type(said).__name__}")
