"""A runner as a driver starts it: the built zipapp under the system's Python, with its descriptors and no paths."""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mooring.runner.build import build
from runner.plane import TOKEN, Json, Plane, assignment

PYTHON = "/usr/bin/python3"
pause = threading.Event()


class Started:
    """A started runner and the three files a shim would hold."""

    def __init__(self, place: Path, process: subprocess.Popen[bytes]) -> None:
        self.place = place
        self.process = process

    def ended(self, seconds: float = 60) -> int:
        return self.process.wait(seconds)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def said(self) -> str:
        """The runner's own log: it must stay empty of anything but its last words."""
        return (self.place / "runner.log").read_text()


class Berth:
    """Where a run happens: its directories, its control plane, and how it is started."""

    def __init__(self, place: Path, zipapp: Path) -> None:
        self.place = place
        self.zipapp = zipapp
        self.home, self.workdir, self.outputs = place / "home", place / "work", place / "outputs"
        for directory in (self.home, self.workdir, self.outputs):
            directory.mkdir()
        self.plane = Plane(place / "link.sock")
        self.plane.assignment = assignment(place / "work", place / "home", place / "outputs")
        self.started: list[Started] = []

    def tasks(self, *tasks: Json) -> None:
        self.plane.tasks(*tasks)

    def assign(self, **changes: object) -> None:
        self.plane.assignment.update(changes)

    def start(self) -> Started:
        """Start the runner with descriptors 0 to 6 as docs/link.md says."""
        read, write = os.pipe()
        os.write(write, TOKEN.encode() + b"\n")
        os.close(write)
        log = os.open(self.place / "runner.log", os.O_RDWR | os.O_CREAT | os.O_APPEND)
        kept = [
            os.open(self.place / name, os.O_RDWR | os.O_CREAT | os.O_APPEND) for name in ("spool", "marker", "exit")
        ]
        process = _spawn(
            [PYTHON, "-I", "-S", str(self.zipapp)],
            [os.open("/dev/null", os.O_RDONLY), log, log, read, *kept],
            {"PATH": "/usr/bin:/bin", "MOORING_LINK": str(self.plane.socket), "MOORING_SCRATCH": str(self.place)},
        )
        self.started.append(Started(self.place, process))
        return self.started[-1]

    def wait_for_file(self, path: Path) -> None:
        self.wait_until(path.exists)

    def wait_until(self, there: Callable[[], bool]) -> None:
        """Until something on disk is so: nobody tells when the control plane is away."""
        deadline = time.monotonic() + 30
        while not there():
            assert time.monotonic() < deadline, self.plane.summary()
            pause.wait(0.02)

    def lead(self) -> int:
        """Start it and wait for its end."""
        return self.start().ended()


def _spawn(command: list[str], descriptors: list[int], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Popen with exactly these descriptors as 0, 1, 2, …: a small shell puts them in their places."""
    high = [os.dup(one) for one in descriptors]
    moves = " ".join(f"{number}<&{one}" if number in (0, 3) else f"{number}>&{one}" for number, one in enumerate(high))
    closes = " ".join(f"{one}<&-" for one in high if one > 6)
    script = f'exec {moves}; exec {closes}; exec "$@"' if closes else f'exec {moves}; exec "$@"'
    # dash reads one digit before <& only, so the higher ones need bash.
    process = subprocess.Popen(["bash", "-c", script, "start", *command], pass_fds=high, env=environment)
    for one in {*descriptors, *high}:
        os.close(one)
    return process


@pytest.fixture(scope="session")
def zipapp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("zipapp") / "runner.pyz"
    build(target)
    return target


@pytest.fixture
def berth(tmp_path: Path, zipapp: Path) -> Iterator[Berth]:
    made = Berth(tmp_path, zipapp)
    made.plane.begin()
    yield made
    for started in made.started:
        if started.process.poll() is None:
            started.kill()
    made.plane.go_away()
