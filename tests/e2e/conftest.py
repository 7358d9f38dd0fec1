"""Whole control planes, and repositories for them."""

import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from shutil import rmtree

import pytest

from e2e.plane import Plane


@pytest.fixture(scope="session")
def directory() -> Generator[Path]:
    """A directory that every user of the machine may pass."""
    made = Path(tempfile.mkdtemp(prefix="mooring-e2e-", dir="/tmp"))
    made.chmod(0o755)
    yield made
    rmtree(made, ignore_errors=True)


@pytest.fixture(scope="session")
def plane(directory: Path) -> Generator[Plane]:
    """One control plane for all tests of this worker that leave it as they found it."""
    data = directory / "shared"
    data.mkdir()
    plane = Plane(data)
    plane.up()
    yield plane
    assert plane.down() == 0


@pytest.fixture
def new_plane(directory: Path) -> Generator[Callable[..., Plane]]:
    """Makes control planes of a test's own; what still runs at the end is ended."""
    made: list[Plane] = []

    def make(**settings: str) -> Plane:
        data = Path(tempfile.mkdtemp(prefix="own-", dir=directory))
        plane = Plane(data, settings)
        made.append(plane)
        plane.up()
        return plane

    yield make
    for plane in made:
        plane.hang_up()
        if plane.process is not None:
            plane.down()
        # A long run makes hundreds of them; to remove all at its end would take minutes.
        rmtree(plane.data, ignore_errors=True)
