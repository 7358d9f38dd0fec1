"""`moor up`, `down`, `status`, `serve`, `work`, `migrate`, `doctor`: what they are told and what they say."""

import argparse
import asyncio
import contextlib
import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import uvloop

from mooring.base import log as logs
from mooring.base.db import Database
from mooring.base.errors import Clash, Denied, Missing, MooringError, NotKnown, Unavailable, Unfit
from mooring.client import profile
from mooring.daemon.agreement import check_agreement
from mooring.daemon.doctor import examine
from mooring.daemon.serving import serve, tcp_socket, url_of
from mooring.identity import users
from mooring.settings import Settings, read_settings
from mooring.wiring import data_directory, database_of, open_app

_EXIT: Mapping[type[MooringError], int] = {
    Unfit: 2, NotKnown: 4, Denied: 5, Missing: 6, Clash: 7, Unavailable: 8,
}  # fmt: skip
_DETACH_SECONDS = 90.0
_DOWN_SECONDS = 60.0
_OPEN_FILES = 65_536


def main(argv: Sequence[str]) -> int:
    """Carry out one of the server's commands. The exit status (see docs/cli.md)."""
    words = _parser().parse_args(argv)
    # Values of secrets and keys are in our memory: none goes to disk when a process dies.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    # The usual 1,024 are soon used up by runs that are watched and clients that listen.
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(files, min(most, _OPEN_FILES)), most))
    try:
        settings = read_settings(os.environ, data=words.data, listen=getattr(words, "listen", None))
        logs.set_up(level=settings.log_level, terminal=sys.stderr.isatty())
        code: int = words.carry_out(settings, words)
    except MooringError as error:
        sys.stderr.write(f"error: {error.reason}\n")
        return next(status for kind, status in _EXIT.items() if isinstance(error, kind))
    except KeyboardInterrupt:
        return 130
    except asyncio.CancelledError:
        return 143
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="moor", description="The server's commands.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, carry_out, says in (
        ("up", _up, "everything on the embedded defaults, in the foreground"),
        ("down", _down, "end what `moor up` started; runs that are under way go on"),
        ("status", _status, "what runs here"),
        ("serve", _serve, "the API alone, on MOORING_DATABASE_URL"),
        ("work", _work, "the loops alone, on MOORING_DATABASE_URL"),
        ("migrate", _migrate, "bring the database to the current schema"),
        ("doctor", _doctor, "what this machine lacks, and the command that fixes it"),
    ):
        command = commands.add_parser(name, help=says, description=says)
        command.add_argument("--data", type=Path, metavar="DIR", help="the data directory")
        command.set_defaults(carry_out=carry_out)
        if name in ("up", "serve"):
            command.add_argument("--listen", metavar="HOST:PORT", help="where the API answers (default 127.0.0.1:7070)")
        if name == "up":
            command.add_argument(
                "--detach", action="store_true", help="return when it is ready; log to DATA/mooring.log"
            )
    return parser


# --- up, down, status ---


def _up(settings: Settings, words: argparse.Namespace) -> int:
    if words.detach:
        return _up_detached(settings)
    _run(_up_here(settings))
    return 0


async def _up_here(settings: Settings) -> None:
    # Told as long as the directory is held: whoever waits for the end waits for the database's, too.
    with data_directory(settings) as data, contextlib.ExitStack() as telling:
        api = tcp_socket(settings.listen)
        async with database_of(settings, migrated=True) as database, open_app(settings, database, works=True) as app:
            await check_agreement(app)
            for driver in app.drivers.values():
                await driver.probe()
            token_file = await _first_administrator(database, data)
            url = url_of(api)

            def ready() -> None:
                telling.enter_context(_told_here(data / "up.json", {"pid": os.getpid(), "url": url}))
                _say_up(url, data, token=_told_to_client(url, token_file), stop="Ctrl-C")

            await serve(app, api, works=True, ready=ready)


@contextlib.contextmanager
def _told_here(path: Path, state: Mapping[str, Any]) -> Generator[None]:
    """Tell it to `moor status` and `moor down`. What tells holds the file: nobody believes one that was left behind."""
    _write_private(path, json.dumps(state))
    with path.open(encoding="utf-8") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _say_up(url: str, data: Path, **more: str) -> None:
    lines = {"data": str(data), **more}
    _say("\n".join([f"Mooring is up at {url}", *(f"  {name:6} {text}" for name, text in lines.items())]))


def _told_to_client(url: str, token_file: Path | None) -> str:
    """Let the command line of this user know the server. Where the token is, for people."""
    if token_file is None:
        return "with whoever made the first administrator"
    return f"in {profile.write(url, token_file.read_text(encoding='utf-8').strip())}"


async def _first_administrator(database: Database, data: Path) -> Path | None:
    """The file of the first administrator's token; None where another data directory has it."""
    token_file = data / "keys" / "admin.token"
    async with database.transaction() as tx:
        first = await users.first_admin(tx)
        if first is not None:
            # Before the commit: an administrator whose token nobody has could never be let in again.
            _write_private(token_file, first[1])
    return token_file if token_file.exists() else None


def _up_detached(settings: Settings) -> int:
    settings.data.mkdir(parents=True, exist_ok=True)
    log = settings.data / "mooring.log"
    with log.open("ab") as output:
        start = output.tell()
        command = [sys.executable, "-m", "mooring", "up", "--data", str(settings.data), "--listen", settings.listen]
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    deadline = time.monotonic() + _DETACH_SECONDS
    while time.monotonic() < deadline:
        if child.poll() is not None:
            sys.stderr.write(log.read_bytes()[start:].decode(errors="replace"))
            return child.returncode or 1
        known = _living(settings)
        if known is not None and known["pid"] == child.pid:
            _say_up(known["url"], settings.data, log=str(log), stop=f"moor down --data {settings.data}")
            return 0
        time.sleep(0.05)
    raise Unavailable(f"it was not ready after {_DETACH_SECONDS:g} s; see {log}")


def _down(settings: Settings, _: argparse.Namespace) -> int:
    known = _living(settings)
    if known is None:
        _say(f"nothing runs in {settings.data}")
        return 0
    os.kill(known["pid"], signal.SIGTERM)
    deadline = time.monotonic() + _DOWN_SECONDS
    while _living(settings) is not None:
        if time.monotonic() > deadline:
            raise Unavailable(f"process {known['pid']} did not end in {_DOWN_SECONDS:g} s; see its log")
        time.sleep(0.05)
    _say("Mooring is down; runs that were under way go on and are taken up by the next `moor up`")
    return 0


def _status(settings: Settings, _: argparse.Namespace) -> int:
    known = _living(settings)
    if known is None:
        _say(f"down (data: {settings.data})")
        return 3
    _say(f"up at {known['url']} (process {known['pid']}, data: {settings.data})")
    return 0


def _living(settings: Settings) -> dict[str, Any] | None:
    """What `moor up` tells, as long as the process that tells it lives."""
    with contextlib.suppress(FileNotFoundError), (settings.data / "up.json").open(encoding="utf-8") as told:
        try:
            fcntl.flock(told, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            found: dict[str, Any] = json.load(told)
            return found
    return None


def _write_private(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)


# --- the parts ---


def _serve(settings: Settings, _: argparse.Namespace) -> int:
    return _part(settings, api=True)


def _work(settings: Settings, _: argparse.Namespace) -> int:
    return _part(settings, api=False)


def _part(settings: Settings, *, api: bool) -> int:
    if settings.database_url is None:
        raise Unfit("MOORING_DATABASE_URL is not set; the embedded database belongs to `moor up` alone")
    _run(_part_here(settings, api=api))
    return 0


async def _part_here(settings: Settings, *, api: bool) -> None:
    listening = tcp_socket(settings.listen) if api else None
    # Any number serve from one directory; what makes runs in it is one alone.
    with data_directory(settings, alone=not api):
        async with (
            database_of(settings, migrated=False) as database,
            open_app(settings, database, works=not api) as app,
        ):
            await check_agreement(app)
            for driver in app.drivers.values():
                await driver.probe()
            says = f"serving at {url_of(listening)}" if listening else "working"
            await serve(app, listening, works=not api, ready=lambda: _say(says))


def _migrate(settings: Settings, _: argparse.Namespace) -> int:
    async def here(data: Path) -> None:
        async with database_of(settings, migrated=True) as database:
            token_file = await _first_administrator(database, data)
        where = f"; the first administrator's token is in {token_file}" if token_file is not None else ""
        _say(f"the database is at the current schema{where}")

    with data_directory(settings, alone=settings.database_url is None) as data:
        _run(here(data))
    return 0


def _doctor(settings: Settings, _: argparse.Namespace) -> int:
    return 0 if _run(examine(settings, _say)) else 1


def _run(work: Any) -> Any:  # noqa: ANN401 - whatever the coroutine returns
    """Carry it out. SIGTERM ends it in order from the beginning on: what was started must not be left behind."""

    async def ended_in_order() -> Any:  # noqa: ANN401
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(ended_in_order())


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
