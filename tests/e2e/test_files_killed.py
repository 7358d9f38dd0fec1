"""kill -9 of the control plane in the middle of what it does with archives: nothing half stays, all goes on."""

import contextlib
import hashlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from archives import make
from e2e.plane import Json, Plane
from e2e.test_filesystem import instance, ready

pytestmark = pytest.mark.slow

SEED = random.Random(2026)  # noqa: S311 - chooses when to kill


def archive(size: int = 24 << 20, count: int = 600) -> bytes:
    """An archive that takes a while: half of it noise, so that it stays large."""
    noise = os.urandom(size // count // 2)
    parts = [make.file(f"d{at % 40}/f{at}", noise + bytes(size // count // 2) + b"%d" % at) for at in range(count)]
    return make.tar(*parts)


DATA = archive()
CHECKSUM = f"sha256:{hashlib.sha256(DATA).hexdigest()}"
SOURCE = {"kind": "upload", "checksum": CHECKSUM}
ENTRIES = 640


def killed(plane: Plane, after: float, act: Callable[[], object]) -> None:
    """Do something that takes a while, kill the control plane meanwhile, and start it again."""
    timer = threading.Timer(after, plane.kill)
    timer.start()
    # It may be killed while it answers.
    with contextlib.suppress(httpx.HTTPError, AssertionError):
        act()
    timer.join()
    plane.up()


def stray(plane: Plane) -> list[str]:
    """What no part of Mooring would know any more."""
    found = [*(plane.data / "blobs" / "incoming").iterdir(), *(plane.data / "cache" / "fresh").iterdir()]
    found += [path for path in (plane.data / "tmp").iterdir() if path.name != "empty"]
    return [str(path.relative_to(plane.data)) for path in found]


def nothing_strays(plane: Plane) -> None:
    """Return when there is nothing stray: what is just being stored, as seals are at any time, is in its place soon."""
    plane.until_none(lambda: stray(plane))


def upload(plane: Plane) -> None:
    assert plane.http.put(f"/uploads/{CHECKSUM}", content=DATA).status_code == 201


def whole(plane: Plane, filesystem: Json) -> None:
    """Exactly one version, with everything in it."""
    found = ready(plane, filesystem["id"])
    assert (found["current_version_number"], found["entry_count"]) == (1, ENTRIES)
    versions = plane.call("GET", f"/filesystems/{filesystem['id']}/versions")["items"]
    assert [version["number"] for version in versions] == [1]
    last = f"/filesystems/{filesystem['id']}/content?path=d39/f599"
    assert plane.http.get(last).content.endswith(b"599")
    assert plane.call("GET", f"/filesystems/{filesystem['id']}/entries?size=1000&recursive=true")["items"][-1]
    nothing_strays(plane)


def upload_killed(plane: Plane, after: float) -> None:
    killed(plane, after, lambda: upload(plane))
    nothing_strays(plane)
    upload(plane)
    whole(plane, plane.call("POST", "/filesystems", {"name": f"u{after}", "source": SOURCE}))


def import_killed(plane: Plane, after: float) -> None:
    upload(plane)
    filesystem = plane.call("POST", "/filesystems", {"name": f"i{after}", "source": SOURCE})
    killed(plane, after, lambda: ready(plane, filesystem["id"]))
    whole(plane, filesystem)


def extract_killed(plane: Plane, after: float) -> None:
    upload(plane)
    filesystem = ready(plane, plane.call("POST", "/filesystems", {"name": f"x{after}", "source": SOURCE})["id"])
    machine = instance(plane, filesystem)
    session = plane.start("ls /workspace/d39 | wc -l", compute_instance_id=machine["id"])
    killed(plane, after, lambda: plane.wait(session))
    assert plane.wait(session)["phase"] == "completed"
    trees = list((plane.data / "cache" / "sha256").glob("*/tree"))
    assert [len(list(tree.rglob("*"))) for tree in trees] == [ENTRIES]
    nothing_strays(plane)
    plane.cleared()


def workers(plane: Plane) -> list[int]:
    """The processes at work on archives."""
    assert plane.process is not None
    found: list[int] = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            ours = f"PPid:\t{plane.process.pid}\n" in (process / "status").read_text()
            if ours and b"mooring.files.archive.worker" in (process / "cmdline").read_bytes():
                found.append(int(process.name))
    return found


def capture_killed(plane: Plane, after: float) -> None:
    upload(plane)
    filesystem = ready(plane, plane.call("POST", "/filesystems", {"name": f"c{after}", "source": SOURCE})["id"])
    machine = instance(plane, filesystem)
    script = "cp -r /workspace/d0 /workspace/copy"
    session = plane.start(script, compute_instance_id=machine["id"], capture=True)
    killed(plane, 1 + after, lambda: plane.wait(session))
    over = plane.wait(session)
    assert over["phase"] == "completed"
    versions = plane.call("GET", f"/filesystems/{filesystem['id']}/versions")["items"]
    assert [version["number"] for version in versions] == [2, 1]
    assert over["output_filesystem_version_id"] == versions[0]["id"]
    assert versions[0]["entry_count"] == ENTRIES + 16
    nothing_strays(plane)
    plane.cleared()


KILLS = {"upload": upload_killed, "import": import_killed, "extract": extract_killed, "capture": capture_killed}


@pytest.fixture
def lasting(new_plane: Callable[..., Plane]) -> Plane:
    """A control plane whose database survives being killed."""
    return new_plane(throw_away="no")


@pytest.mark.parametrize("kill", KILLS.values(), ids=KILLS.keys())
def test_what_was_killed_goes_on_and_leaves_nothing_half(lasting: Plane, kill: Callable[[Plane, float], None]) -> None:
    kill(lasting, round(SEED.uniform(0.05, 0.5), 3))


@pytest.mark.long
@pytest.mark.parametrize("kill", KILLS.values(), ids=KILLS.keys())
@pytest.mark.parametrize("number", range(50))
def test_fifty_times(new_plane: Callable[..., Plane], kill: Callable[[Plane, float], None], number: int) -> None:
    del number
    kill(new_plane(throw_away="no"), round(SEED.uniform(0.0, 2.0), 3))


def test_a_capture_whose_worker_is_killed_is_made_again(plane: Plane) -> None:
    upload(plane)
    filesystem = ready(plane, plane.call("POST", "/filesystems", {"name": "w", "source": SOURCE})["id"])
    machine = instance(plane, filesystem)
    script = "cp -r /workspace/d0 /workspace/copy; echo all written"
    session = plane.start(script, compute_instance_id=machine["id"], capture=True)
    plane.until(session, "all written")
    deadline = time.monotonic() + 30
    while not (found := workers(plane)):
        assert time.monotonic() < deadline
        plane.call("GET", "/runs?size=1")
    os.kill(found[0], signal.SIGKILL)
    over = plane.wait(session)
    assert over["phase"] == "completed"
    made, _ = plane.call("GET", f"/filesystems/{filesystem['id']}/versions")["items"]
    assert (over["output_filesystem_version_id"], made["entry_count"]) == (made["id"], ENTRIES + 16)
    assert "ended with -9" in plane.log()
    nothing_strays(plane)
    plane.cleared()
