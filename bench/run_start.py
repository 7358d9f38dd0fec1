"""Asking the local engine for a run → the first byte its task wrote arrives, against bare bubblewrap with the same
command, by turns; and the memory of a run that waits. The driver, the sandbox and the runner are the real ones; the
other end of the link is a few lines here."""

import asyncio
import json
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from secrets import token_hex
from typing import Any

from report import median, percentile, tell

from mooring.base.unprivileged import process_user
from mooring.compute.drivers.base import RunId, RunSpec
from mooring.compute.drivers.local.driver import LocalDriver
from mooring.compute.drivers.local.settings import LocalSettings
from mooring.runner.build import build

ROUNDS = 40
SCRIPT = "echo here"
_LIMITS = {
    "line_bytes": 65536, "task_output_bytes": 8 << 20, "spool_bytes": 64 << 20, "artifact_bytes": 256 << 20,
    "artifacts": 100,
}  # fmt: skip


def assignment(script: str) -> dict[str, Any]:
    """A session of one script."""
    task = {
        "number": 0, "name": "script", "prompt": script, "check": None, "max_attempts": 1, "timeout": None,
        "continue_on_failure": False, "agent": None, "path": None,
    }  # fmt: skip
    return {
        "run": "run_bench", "kind": "session", "session": "ses_bench", "workdir": "/workspace", "home": "/home/agent",
        "outputs": "/outputs", "environment": {}, "repositories": [], "skills": [], "instructions": "", "opening": "",
        "agent": {"runtime": "shell", "command": [], "model": None, "settings": {}}, "tasks": [task], "timeout": None,
        "idle_timeout": None, "grace": 1.0, "interactive": False, "permission_policy": "allow", "limits": _LIMITS,
        "command": None,
    }  # fmt: skip


@dataclass(slots=True)
class Link:
    """The control plane as far as a run needs one: it answers at once, and notes when output came."""

    script: str
    heard: asyncio.Event
    at: float = 0.0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        while head := await reader.readline():
            size = 0
            while (line := await reader.readline()).strip():
                if line.lower().startswith(b"content-length:"):
                    size = int(line.split(b":")[1])
            body = await reader.readexactly(size)
            if b"/commands" in head:
                continue  # Held back, as when there is nothing to say.
            answer = json.dumps(self.answer(head, body)).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))
        writer.close()

    def answer(self, head: bytes, body: bytes) -> dict[str, Any]:
        """What this request is answered with."""
        if b"/assignment" in head:
            return assignment(self.script)
        if b"/events" not in head:
            return {"variables": {}, "files": {}}
        events = json.loads(body)["events"]
        if not self.heard.is_set() and any(event["type"] == "log" for event in events):
            self.at = time.perf_counter()
            self.heard.set()
        return {"acknowledged": events[-1]["seq"]}


async def measured(driver: LocalDriver, link: Link) -> float:
    """Milliseconds from asking for a run to its first output; the run is over and gone afterwards."""
    link.heard.clear()
    spec = RunSpec(run=RunId(f"run_{token_hex(12)}"), image="host", token="made-up")
    began = time.perf_counter()
    await driver.ensure(spec)
    await link.heard.wait()
    took = (link.at - began) * 1000
    await driver.stop(spec.run, timedelta(seconds=2))
    await driver.remove(spec.run)
    return took


async def sandbox_alone(driver: LocalDriver) -> float:
    """Milliseconds from asking for a run to its program running, without our runner in it."""
    spec = RunSpec(run=RunId(f"run_{token_hex(12)}"), image="host", token="made-up")
    began = time.perf_counter()
    await driver.ensure(spec)
    took = (time.perf_counter() - began) * 1000
    await driver.ended(spec.run)
    await driver.remove(spec.run)
    return took


def bare() -> float:
    """Milliseconds until the same script, in bubblewrap alone, wrote its first byte."""
    binds = [word for path in ("/usr", "/bin", "/lib", "/lib64") for word in ("--ro-bind-try", path, path)]
    command = ["bwrap", "--unshare-all", "--die-with-parent", *binds, "--proc", "/proc", "--dev", "/dev"]
    began = time.perf_counter()
    with subprocess.Popen([*command, "sh", "-eu", "-c", SCRIPT], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        return (time.perf_counter() - began) * 1000


def proportional(pid: int) -> float:
    """MiB of memory that are this process's, what it shares divided by those who share it."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1024


def descent(shim: int) -> list[int]:
    """The shim, bubblewrap and the runner."""
    line = [shim]
    for _ in range(2):
        below = Path(f"/proc/{line[-1]}/task/{line[-1]}/children").read_text(encoding="utf-8")
        line.append(int(below.split()[0]))
    return line


async def idle(driver: LocalDriver, link: Link) -> None:
    """The memory of a run that waits for its task: its shim, bubblewrap and the runner."""
    link.heard.clear()
    link.script = "echo here; exec sleep 600"
    spec = RunSpec(run=RunId(f"run_{token_hex(12)}"), image="host", token="made-up")
    await driver.ensure(spec)
    await link.heard.wait()
    [seen] = await driver.list()
    shim, bubblewrap, runner = (proportional(pid) for pid in descent(int(seen.reference.split()[1])))
    print(f"  shim {shim:.1f}, bubblewrap {bubblewrap:.1f}, runner {runner:.1f} MiB")
    tell("idle run, memory (PSS of shim, bubblewrap and runner)", shim + bubblewrap + runner, "MiB")
    await driver.stop(spec.run, timedelta(seconds=2))
    await driver.remove(spec.run)


async def measure(data: Path) -> None:
    """All of it, in this directory."""
    (data / "link").mkdir(mode=0o755)
    build(data / "runner.pyz")
    (data / "runner.pyz").chmod(0o644)
    settings = LocalSettings(
        root=data / "runs", link_dir=data / "link", runner=data / "runner.pyz", user=process_user("mooring-run")
    )
    driver, empty = LocalDriver(settings), LocalDriver(replace(settings, program=("/bin/true",)))
    link = Link(SCRIPT, asyncio.Event())
    async with await asyncio.start_unix_server(link.serve, data / "link" / "link.sock"):
        (data / "link" / "link.sock").chmod(0o666)
        await empty.probe()
        for _ in range(3):
            await measured(driver, link)
        rounds = [(await measured(driver, link), bare(), await sandbox_alone(empty)) for _ in range(ROUNDS)]
        ours, bares, sandboxes = ([one[part] for one in rounds] for part in range(3))
        told = {"compared_with": "bare bubblewrap"}
        tell("run start, ensure → first byte, p50", median(ours), "ms", other=median(bares), **told)
        tell("run start, ensure → first byte, p95", percentile(ours, 0.95), "ms", other=percentile(bares, 0.95), **told)
        tell("run start, the sandbox alone, p50", median(sandboxes), "ms", other=median(bares), **told)
        tell("run start, over bare bubblewrap, p50 (goal: 80)", median(ours) - median(bares), "ms")
        await idle(driver, link)


def main() -> None:
    data = Path(tempfile.mkdtemp(prefix="mooring-bench-", dir="/var/tmp"))
    data.chmod(0o711)
    asyncio.run(measure(data))
    shutil.rmtree(data)


main()
