"""`moor doctor`: every requirement, whether it is met, and the command that meets it."""

import contextlib
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mooring.base import postgres
from mooring.base.errors import MooringError
from mooring.base.unprivileged import process_user
from mooring.settings import Settings
from mooring.wiring import drivers_of

_OLDEST_PYTHON, _OLDEST_GIT = (3, 9), (2, 30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One requirement. `fix` is empty where it is met."""

    what: str
    says: str
    fix: str = ""


async def examine(settings: Settings, say: Callable[[str], None]) -> bool:
    """Say what is found, a line each. Whether Mooring can run here."""
    findings = [*_system(), _database(settings), *await _engine(settings)]
    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        state = "missing" if finding.fix else "ok" if finding.what else "note"
        say(f"{state:8}{finding.what:{width}}  {finding.says}")
        if finding.fix:
            say(f"{'':8}{'':{width}}  fix: {finding.fix}")
    return not any(finding.fix for finding in findings)


def _system() -> Iterator[Finding]:
    yield Finding(what="system", says=f"{platform.system()} {platform.release()} {platform.machine()}")
    yield _version("python in the sandbox", ["/usr/bin/python3", "--version"], _OLDEST_PYTHON, "python3")
    yield _version("git", ["git", "--version"], _OLDEST_GIT, "git")
    for program, package in (("bwrap", "bubblewrap"), ("unshare", "util-linux"), ("setpriv", "util-linux")):
        found = shutil.which(program)
        yield Finding(what=program, says=found or "not found", fix="" if found else f"apt-get install {package}")
    for name in ("mooring-db", "mooring-run"):
        user = process_user(name)
        says = f"uid {user.uid}" if user.demotes else f"not needed: everything runs as uid {user.uid}"
        yield Finding(what=f"user {name}", says=says)


def _version(what: str, command: list[str], oldest: tuple[int, int], package: str) -> Finding:
    wanted = ".".join(map(str, oldest))
    fix = f"apt-get install {package} ({wanted} or newer)"
    if shutil.which(command[0]) is None:
        return Finding(what=what, says=f"{command[0]} not found", fix=fix)
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    found = re.search(r"(\d+)\.(\d+)", said)
    good = found is not None and (int(found[1]), int(found[2])) >= oldest
    return Finding(what=what, says=said, fix="" if good else fix)


def _database(settings: Settings) -> Finding:
    if settings.database_url is not None:
        return Finding(what="database", says="MOORING_DATABASE_URL")
    if postgres.supported():
        return Finding(what="database", says=f"embedded PostgreSQL {postgres.MAJOR} in {settings.data}")
    return Finding(what="database", says="no embedded PostgreSQL for this machine", fix="set MOORING_DATABASE_URL")


@contextlib.contextmanager
def _thrown_away() -> Generator[Path]:
    with tempfile.TemporaryDirectory(prefix="mooring-doctor-") as name:
        directory = Path(name)
        directory.chmod(0o711)
        yield directory


async def _engine(settings: Settings) -> list[Finding]:
    """The local engine's own self-test: the isolation is tried, not assumed; in a directory that is thrown away."""
    with _thrown_away() as directory:
        try:
            able = await drivers_of(replace(settings, data=directory))["local"].probe()
        except MooringError as error:
            return [Finding(what="engine local", says="refused", fix=error.reason)]
    enforced = ", ".join(sorted(able.limits)) or "none"
    first = Finding(what="engine local", says=f"isolation holds; limits enforced: {enforced}")
    return [first, *(Finding(what="", says=missing) for missing in able.missing)]
