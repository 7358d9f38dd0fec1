import asyncio
import json
import os
import shlex
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest

from mooring.base.unprivileged import ProcessUser, process_user
from mooring.compute.drivers.base import Observed, RunId, RunSpec
from mooring.compute.drivers.local.driver import LocalDriver
from mooring.compute.drivers.local.engine import Engine, open_engine
from mooring.compute.drivers.local.place import Place
from mooring.compute.drivers.local.selftest import prove
from mooring.compute.drivers.local.settings import LocalSettings
from mooring.runner.build import build
from runner.plane import TOKEN, Plane, assignment

# What a probe in a sandbox begins with: `tell` says a word to the test over the link's socket.
PRELUDE = """
import os, socket, signal, sys, time
def tell(word):
    with socket.socket(socket.AF_UNIX) as link:
        link.connect("/run/mooring/link.sock")
        link.sendall(str(word).encode())
"""


@pytest.fixture(scope="session")
def data() -> Iterator[Path]:
    """A data directory the run user can walk to; pytest's own are closed to it."""
    path = Path(tempfile.mkdtemp(prefix="mooring-driver-"))
    path.chmod(0o711)
    (path / "link").mkdir(mode=0o755)
    build(path / "runner.pyz")
    (path / "runner.pyz").chmod(0o644)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def run_user() -> ProcessUser:
    return process_user("mooring-run")


@pytest.fixture(scope="session")
def settings(data: Path, run_user: ProcessUser) -> LocalSettings:
    return LocalSettings(root=data / "runs", link_dir=data / "link", runner=data / "runner.pyz", user=run_user)


@pytest.fixture(scope="session")
def engine_once() -> dict[str, Engine]:
    return {}


@pytest.fixture
async def engine(settings: LocalSettings, engine_once: dict[str, Engine]) -> Engine:
    """Opened and proven once for all tests, as a control plane does."""
    if "engine" not in engine_once:
        engine = await open_engine(settings)
        await prove(engine)
        engine_once["engine"] = engine
    return engine_once["engine"]


@pytest.fixture
def fresh() -> Callable[[], RunId]:
    """A run id no other test has."""
    return lambda: RunId(f"run_{token_hex(13)}x")


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """A driver at work on the real machine, with what a test asks of it."""

    engine: Engine
    ids: Callable[[], RunId]
    words: asyncio.Queue[str]

    def driver(self, *program: str, **settings: Any) -> LocalDriver:
        """A driver as after a start of the control plane; its runs are `program`."""
        engine = replace(self.engine, settings=replace(self.engine.settings, program=program or None, **settings))
        return LocalDriver(engine.settings, engine)

    def shell(self, script: str, **settings: Any) -> LocalDriver:
        return self.driver("/bin/sh", "-c", script, **settings)

    def python(self, source: str, **settings: Any) -> LocalDriver:
        return self.driver("/usr/bin/python3", "-I", "-S", "-c", PRELUDE + source, **settings)

    def spec(self, **fields: Any) -> RunSpec:
        whole: dict[str, Any] = {"run": self.ids(), "image": "host", "token": "made-up-token", **fields}
        return RunSpec(**whole)

    async def heard(self) -> str:
        """The next word a run told."""
        async with asyncio.timeout(30):
            return await self.words.get()

    async def over(self, driver: LocalDriver, spec: RunSpec) -> Observed:
        """Start it, wait for its end, and what was seen then."""
        await driver.ensure(spec)
        await driver.ended(spec.run)
        return await self.seen(driver, spec.run)

    async def seen(self, driver: LocalDriver, run: RunId) -> Observed:
        return next(one for one in await driver.list() if one.run == run)

    async def said(self, driver: LocalDriver, spec: RunSpec) -> str:
        """What a run wrote to its log from start to end."""
        seen = await self.over(driver, spec)
        words = driver.place(spec.run).log.read_text()
        assert seen.exit_code == 0, (seen, words)
        return words


@pytest.fixture
async def desk(engine: Engine, fresh: Callable[[], RunId]) -> AsyncIterator[Desk]:
    desk = Desk(engine=engine, ids=fresh, words=asyncio.Queue())

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        desk.words.put_nowait((await reader.read()).decode())
        writer.close()

    socket = engine.settings.link_dir / "link.sock"
    async with await asyncio.start_unix_server(hear, socket):
        socket.chmod(0o666)
        yield desk
        driver = desk.driver()
        for one in await driver.list():
            await driver.stop(one.run, timedelta(0))
            await driver.remove(one.run)
    socket.unlink()


def attack(tokens: dict[str, str], own: str | None = None) -> str:
    """A script that tries these tokens at the link, and with its run's own everything else. It holds none of them as
    they are: finding one is a find."""
    program = (Path(__file__).parent / "attack.py").read_text()
    words = [json.dumps({name: token[::-1] for name, token in tokens.items()}), *([own[::-1]] if own else [])]
    return f"cat > attack.py <<'END'\n{program}\nEND\n/usr/bin/python3 -I -S attack.py {shlex.join(words)}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moored:
    """One whole run: the runner in a sandbox, and the control plane it speaks to."""

    engine: Engine
    driver: LocalDriver
    plane: Plane
    spec: RunSpec

    @property
    def place(self) -> Place:
        return self.driver.place(self.spec.run)

    async def begin(self) -> None:
        await self.driver.ensure(self.spec)

    async def over(self) -> Observed:
        """What is seen of it at its end; it is started where it was not."""
        await self.begin()
        async with asyncio.timeout(120):
            await self.driver.ended(self.spec.run)
        return next(one for one in await self.driver.list() if one.run == self.spec.run)

    async def until(self, word: str) -> None:
        """Return when a task has said `word`."""
        await asyncio.to_thread(self.plane.wait, lambda: word in self.plane.text())


@pytest.fixture
async def moored(engine: Engine, fresh: Callable[[], RunId]) -> AsyncIterator[Moored]:
    plane = Plane(engine.settings.link_dir / "link.sock")
    plane.assignment = assignment(Path("/workspace"), Path("/home/agent"), Path("/outputs"))
    plane.begin()
    moored = Moored(
        engine=engine,
        driver=LocalDriver(engine.settings, engine),
        plane=plane,
        spec=RunSpec(run=fresh(), image="host", token=TOKEN),
    )
    yield moored
    await moored.driver.stop(moored.spec.run, timedelta(0))
    await moored.driver.remove(moored.spec.run)
    plane.go_away()


def traces(place: Place) -> list[str]:
    """Everything on this machine that still carries a run's name: files, groups, mounts, processes."""
    name = place.name
    found = [str(path) for path in (place.path, place.removed) if path.exists()]
    # Other runs come and go meanwhile: what is gone by the time it is looked at is passed over.
    found += [where for where, _, _ in os.walk("/sys/fs/cgroup") if where.endswith(f"/mooring-{name}")]
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and entry.name != str(os.getpid()):
            try:
                seen = (entry / "mountinfo").read_text() + (entry / "cmdline").read_text()
            except OSError:
                continue
            if name in seen:
                found.append(f"process {entry.name}")
    return found


@pytest.fixture
def left() -> Callable[[Place], list[str]]:
    return traces
