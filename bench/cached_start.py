"""Session create → first output of its task, on a cached filesystem of 10 files and of 100,000, by turns."""

import hashlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import httpx
from report import median, tell
from stage.plane import API, Plane, control_plane, throw_away

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from archives import make

FEW, MANY = 10, 100_000
ROUNDS = 25


def push(http: httpx.Client, count: int) -> dict[str, Any]:
    """A filesystem of so many files, and an instance that starts from it. The instance."""
    files = (make.file(f"d{number // 1000:03}/f{number}", b"%d\n" % number) for number in range(count))
    data = b"".join(files) + make.END
    checksum = f"sha256:{hashlib.sha256(data).hexdigest()}"
    http.put(f"/uploads/{checksum}", content=data).raise_for_status()
    source = {"kind": "upload", "checksum": checksum}
    made = http.post("/filesystems", json={"name": f"{count} files", "source": source}).raise_for_status().json()
    while made["source"] is not None:
        time.sleep(0.1)
        made = http.get(f"/filesystems/{made['id']}").json()
    assert made["phase"] == "ready", made
    group = http.post("/groups", json={"name": f"of {count}"}).json()["id"]
    http.put(f"/groups/{group}/available_filesystems/{made['id']}").raise_for_status()
    body = {"name": "bench", "group_id": group, "filesystem_id": made["id"]}
    return http.post("/compute_instances", json=body).raise_for_status().json()


def workflow(http: httpx.Client) -> str:
    agent = http.post("/agents", json={"name": "sh", "runtime": "shell"}).json()["id"]
    made = http.post("/workflows", json={"name": "bench", "agent_id": agent}).json()["id"]
    task = http.post("/tasks", json={"name": "look", "prompt": "cat /workspace/d000/f1"}).json()["id"]
    http.put(f"/workflows/{made}/tasks", json={"items": [{"task_id": task}]}).raise_for_status()
    return str(made)


def first_output(http: httpx.Client, work: str, instance: str) -> float:
    """Milliseconds from the request that creates the session to what its task read from the filesystem."""
    began = time.perf_counter()
    body = {"workflow_id": work, "compute_instance_id": instance, "start": True}
    session = http.post("/sessions", json=body).raise_for_status().json()["id"]
    took = 0.0
    with http.stream("GET", f"/sessions/{session}/events", headers={"Accept": "text/event-stream"}) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: ") and not took and json.loads(line.removeprefix("data: "))["type"] == "log":
                took = (time.perf_counter() - began) * 1000
    assert took, http.get(f"/sessions/{session}").json()
    return took


def measure(plane: Plane) -> None:
    headers = {"Authorization": f"Bearer {plane.token}"}
    with httpx.Client(base_url=plane.url + API, headers=headers, timeout=600) as http:
        work, few, many = workflow(http), push(http, FEW)["id"], push(http, MANY)["id"]
        # The first of each extracts it.
        cold = [first_output(http, work, one) for one in (few, many)]
        rounds = [(first_output(http, work, few), first_output(http, work, many)) for _ in range(ROUNDS)]
    other = median([one for one, _ in rounds])
    mine = median([two for _, two in rounds])
    tell("start on a cached filesystem of 100,000 files", mine, "ms", compared_with="of 10 files", other=other)
    tell("start on one that is extracted first, 100,000 files", cold[1], "ms", compared_with="10 files", other=cold[0])


def main() -> None:
    with throw_away() as data, control_plane(data) as plane:
        measure(plane)


main()
