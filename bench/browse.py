"""A million entries: imported with bounded memory, then browsed a page at a time and searched, against a thousand."""

import hashlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Self

import httpx
from report import median, percentile, tell
from stage.plane import API, Plane, control_plane, throw_away

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from archives import make

LARGE, SMALL = 1_000_000, 1_000
PER_DIRECTORY = 1_000
ROUNDS = 200


def archive(out: IO[bytes], count: int) -> None:
    """A plain tar of so many small files, a thousand in a directory."""
    for number in range(count):
        out.write(make.file(f"d{number // PER_DIRECTORY:04}/file-{number:07}.txt", b"%d\n" % number))
    out.write(make.END)


def push(http: httpx.Client, path: Path, name: str) -> str:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with path.open("rb") as file:
        http.put(f"/uploads/sha256:{digest}", content=file).raise_for_status()
    source = {"kind": "upload", "checksum": f"sha256:{digest}"}
    made = http.post("/filesystems", json={"name": name, "source": source}).raise_for_status().json()
    while made["source"] is not None:
        time.sleep(0.2)
        made = http.get(f"/filesystems/{made['id']}").json()
    assert made["phase"] == "ready", made
    return str(made["id"])


class Largest:
    """The most memory that the workers of a process took together, while the block runs. Bytes."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.bytes = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            self.bytes = max(self.bytes, sum(_resident(pid) for pid in _workers(self._pid)))


def _workers(pid: int) -> Iterator[int]:
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in path.read_text(encoding="ascii").split():
            command = Path(f"/proc/{child}/cmdline")
            if command.exists() and b"mooring.files.archive.worker" in command.read_bytes():
                yield int(child)


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def page(http: httpx.Client, filesystem: str, directory: int) -> float:
    """Milliseconds of the first page of a directory."""
    began = time.perf_counter()
    answer = http.get(f"/filesystems/{filesystem}/entries", params={"path": f"d{directory:04}", "size": 100})
    took = (time.perf_counter() - began) * 1000
    assert len(answer.raise_for_status().json()["items"]) == 100
    return took


def search(http: httpx.Client, filesystem: str, text: str, found: int) -> float:
    """Milliseconds of a search of all paths."""
    began = time.perf_counter()
    answer = http.get(f"/filesystems/{filesystem}/entries", params={"search": text, "size": 100})
    took = (time.perf_counter() - began) * 1000
    assert len(answer.raise_for_status().json()["items"]) == found
    return took


def measure(plane: Plane, data: Path) -> None:
    headers = {"Authorization": f"Bearer {plane.token}"}
    with httpx.Client(base_url=plane.url + API, headers=headers, timeout=1200) as http:
        ids: list[str] = []
        for name, count in (("small", SMALL), ("large", LARGE)):
            with (data / f"{name}.tar").open("wb") as out:
                archive(out, count)
            began = time.perf_counter()
            with Largest(plane.pid) as largest:
                ids.append(push(http, data / f"{name}.tar", name))
            took = time.perf_counter() - began
        tell("import of 1,000,000 files, sent and made browsable", took, "s")
        tell("memory of the worker that imports them", largest.bytes / 1e6, "MB")
        small, large = ids
        for _ in range(20):
            page(http, small, 0)
            page(http, large, 500)
        rounds = [(page(http, small, 0), page(http, large, at * 5)) for at in range(ROUNDS)]
        other = median([one for one, _ in rounds])
        mine = [two for _, two in rounds]
        tell("a page of 1,000,000 entries", median(mine), "ms", compared_with="of 1,000 entries", other=other)
        tell("a page of 1,000,000 entries, p95", percentile(mine, 0.95), "ms")
        searches = [search(http, large, f"file-0{at:03}500", 1) for at in range(0, 1000, 100)]
        tell("search of 1,000,000 paths for one", median(searches), "ms")
        tell("search of 1,000,000 paths for many", median([search(http, large, "FILE", 100) for _ in range(5)]), "ms")


def main() -> None:
    with throw_away() as data, control_plane(data, throw_away="yes") as plane:
        measure(plane, data)


main()
