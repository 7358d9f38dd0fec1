"""Session create → first output of its task, warm, against a bare sandbox that runs the same script; a burst; and what
the control plane costs at rest. The database is durable; the control plane is a process of its own, asked over HTTP."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from report import median, percentile, tell
from stage.plane import API, Plane, control_plane, processor_seconds, throw_away

ROUNDS = 40
BURST = 100
REST_SECONDS = 10
SCRIPT = "echo here"


def asked(plane: Plane) -> httpx.Client:
    """A client of the control plane."""
    return httpx.Client(base_url=plane.url + API, headers={"Authorization": f"Bearer {plane.token}"}, timeout=120)


def workflow(http: httpx.Client) -> str:
    """A workflow of the one script. Its id."""
    agent = http.post("/agents", json={"name": "sh", "runtime": "shell"}).json()["id"]
    made = http.post("/workflows", json={"name": "bench", "agent_id": agent}).json()["id"]
    task = http.post("/tasks", json={"name": "script", "prompt": SCRIPT}).json()["id"]
    http.put(f"/workflows/{made}/tasks", json={"items": [{"task_id": task}]}).raise_for_status()
    return str(made)


def events(http: httpx.Client, session: str) -> Iterator[dict[str, Any]]:
    """The transcript as it grows."""
    headers = {"Accept": "text/event-stream"}
    with http.stream("GET", f"/sessions/{session}/events", headers=headers) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))


def create(http: httpx.Client, work: str) -> str:
    """A session, started. Its id."""
    return str(http.post("/sessions", json={"workflow_id": work, "start": True}).json()["id"])


def first_output(http: httpx.Client, work: str) -> float:
    """Milliseconds from the request that creates the session to the first byte its task wrote, as a client sees it."""
    began = time.perf_counter()
    session = create(http, work)
    took = 0.0
    for event in events(http, session):
        if event["type"] == "log" and not took:
            took = (time.perf_counter() - began) * 1000
    return took


def bare_sandbox() -> float:
    """Milliseconds until the same script, in bubblewrap alone, wrote its first byte."""
    binds = [word for path in ("/usr", "/bin", "/lib", "/lib64") for word in ("--ro-bind-try", path, path)]
    command = ["bwrap", "--unshare-all", "--die-with-parent", *binds, "--proc", "/proc", "--dev", "/dev"]
    began = time.perf_counter()
    with subprocess.Popen([*command, "sh", "-eu", "-c", SCRIPT], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        return (time.perf_counter() - began) * 1000


def burst(http: httpx.Client, work: str) -> None:
    """Many sessions at once: all must end well."""
    began = time.perf_counter()
    sessions = [create(http, work) for _ in range(BURST)]
    for session in sessions:
        *_, last = events(http, session)
        assert last["data"].get("phase") == "completed", last
    tell(f"burst: {BURST} sessions at once, all completed", time.perf_counter() - began, "s")


def at_rest(pid: int) -> None:
    """Resident memory and processor time of the control plane without PostgreSQL and runs."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    tell("control plane, resident memory after all of this", resident / 1024, "MiB")
    before = processor_seconds(pid)
    time.sleep(REST_SECONDS)
    tell("control plane at rest, share of a core", (processor_seconds(pid) - before) / REST_SECONDS * 100, "%")


def main() -> None:
    with throw_away() as data, control_plane(data) as plane, asked(plane) as http:
        work = workflow(http)
        for _ in range(5):
            first_output(http, work)
        pairs = [(first_output(http, work), bare_sandbox()) for _ in range(ROUNDS)]
        ours, bare = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        name = "session create → first output"
        tell(f"{name}, p50", median(ours), "ms", compared_with="bare bubblewrap", other=median(bare))
        tell(
            f"{name}, p95", percentile(ours, 0.95), "ms", compared_with="bare bubblewrap", other=percentile(bare, 0.95)
        )
        burst(http, work)
        at_rest(plane.pid)


main()
