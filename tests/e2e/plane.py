"""A whole Mooring in a process of its own, used over HTTP as anyone would; killed and started again at will."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

BASE = "/api/mooring/v1"
OVER = {"completed", "failed", "cancelled"}
ROOT = Path(__file__).parents[2]
Json = dict[str, Any]


@dataclass
class Plane:
    """`data` is its data directory; `settings` are MOORING_… variables without the prefix."""

    data: Path
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    process: subprocess.Popen[bytes] | None = None
    http: httpx.Client = field(default_factory=httpx.Client)
    clients: list[httpx.Client] = field(default_factory=list[httpx.Client])

    # --- the process ---

    def up(self, listen: str = "127.0.0.1:0") -> None:
        """Start it and wait until it says that it is ready."""
        self.begin("up", "--listen", listen)
        said = self.says()
        assert said.startswith("Mooring is up at "), f"{said}\n{self.log()}"
        self.ask_at(said.split()[4], (self.data / "keys" / "admin.token").read_text(encoding="utf-8").strip())

    def begin(self, *words: str) -> None:
        """Start `moor` with these words."""
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mooring", *words, "--data", str(self.data)],
                env=self.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip

    def says(self) -> str:
        """The next line of its output."""
        assert self.process is not None
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode()

    def ask_at(self, url: str, token: str) -> None:
        """Put every question to this server from now on."""
        self.http = httpx.Client(
            base_url=url + BASE, headers={"Authorization": f"Bearer {token}"}, timeout=httpx.Timeout(90)
        )
        self.clients.append(self.http)

    def hang_up(self) -> None:
        """Close every client there was; another thread may have used an earlier one for a while."""
        for client in self.clients:
            client.close()

    def environment(self) -> dict[str, str]:
        """What the control plane and the command line are started with."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MOORING_")}
        settings = {
            "throw_away": "yes", "allow_file_repositories": "yes", "grace": "0.5", "starts_per_core": "4",
            "log_level": "debug", **self.settings,
        }  # fmt: skip
        return {
            **kept,
            "PYTHONPATH": str(ROOT / "src"),
            "HOME": str(self.data / "home"),
            "XDG_CONFIG_HOME": str(self.data / "home" / ".config"),
            **{f"MOORING_{name.upper()}": value for name, value in settings.items()},
        }

    def kill(self) -> None:
        """End it as a power cut would: SIGKILL, nothing is tidied up; whoever is asking it finds out by asking."""
        self._end(signal.SIGKILL)

    def down(self) -> int:
        """End it as `moor down` does. The exit status."""
        self.hang_up()
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        process, self.process = self.process, None
        assert process is not None
        process.send_signal(number)
        code = process.wait(timeout=60)
        assert process.stdout is not None
        process.stdout.close()
        return code

    @property
    def log_file(self) -> Path:
        """Where its stderr goes."""
        return self.data / "log"

    def log(self) -> str:
        """What it wrote to stderr so far."""
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    # --- the API ---

    def call(self, method: str, path: str, body: object = None, *, status: int | None = None) -> Json:
        """The decoded answer; `status` is what it must be (default: any 2xx)."""
        answer = self.http.request(method, path, json=body)
        good = answer.is_success if status is None else answer.status_code == status
        assert good, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else {}

    def workflow(self, tasks: Sequence[Json | str], skills: Sequence[Json] = (), **agent: object) -> str:
        """A workflow of these tasks; one that is text alone is a script. Its id."""
        made = self.call("POST", "/agents", {"name": "sh", "runtime": "shell", **agent})
        workflow = self.call("POST", "/workflows", {"name": "work", "agent_id": made["id"]})["id"]
        parts: list[Json] = []
        for number, task in enumerate(tasks):
            given: Json = {"prompt": task} if isinstance(task, str) else dict(task)
            goes_on = given.pop("continue_on_failure", False)
            task_id = self.call("POST", "/tasks", {"name": f"task {number}", **given})["id"]
            parts.append({"task_id": task_id, "continue_on_failure": goes_on})
        if parts:
            self.call("PUT", f"/workflows/{workflow}/tasks", {"items": parts})
        if skills:
            ids = [self.call("POST", "/skills", skill)["id"] for skill in skills]
            wanted = [{"skill_id": skill} for skill in ids]
            self.call("PUT", f"/workflows/{workflow}/skills", {"items": wanted})
        return str(workflow)

    def start(self, *tasks: Json | str, skills: Sequence[Json] = (), **session: object) -> str:
        """A session of these tasks, started. Its id."""
        workflow = self.workflow(tasks, skills)
        return str(self.call("POST", "/sessions", {"workflow_id": workflow, "start": True, **session})["id"])

    def run(self, *tasks: Json | str, skills: Sequence[Json] = (), **session: object) -> Json:
        """A session of these tasks, waited for."""
        return self.wait(self.start(*tasks, skills=skills, **session))

    def wait(self, session: str) -> Json:
        """The session, once it is over."""
        for _ in self.follow(session):
            pass
        found = self.call("GET", f"/sessions/{session}")
        assert found["phase"] in OVER, found
        return found

    def follow(self, session: str, after: int = 0) -> Iterator[Json]:
        """The transcript as it grows, until the session is over."""
        with self.stream(session, after) as lines:
            for line in lines:
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))

    @contextlib.contextmanager
    def stream(self, session: str, after: int = 0) -> Generator[Iterator[str]]:
        """The lines of the transcript's event stream."""
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
        with self.http.stream("GET", f"/sessions/{session}/events", headers=headers) as answer:
            assert answer.status_code == 200, answer.read()
            yield answer.iter_lines()

    def until(self, session: str, text: str) -> Json:
        """The first event whose text holds `text`."""
        for event in self.follow(session):
            if text in str(event["data"].get("text", "")):
                return event
        raise AssertionError(f"{text!r} was never said; the session is {self.call('GET', f'/sessions/{session}')}")

    def reach(self, session: str, phase: str, after: int = 0) -> int:
        """Wait until the session says, behind event number `after`, that it is in this phase. That event's number."""
        for event in self.follow(session, after):
            if event["type"] == "session.phase" and event["data"]["phase"] == phase:
                return int(event["number"])
        raise AssertionError(f"it never was {phase}; the session is {self.call('GET', f'/sessions/{session}')}")

    def transcript(self, session: str) -> list[Json]:
        """Every event there is."""
        events: list[Json] = []
        after: int | None = 0
        while after is not None:
            page = self.call("GET", f"/sessions/{session}/events?after={after}&limit=1000")
            events += page["items"]
            after = page["next"]
        return events

    def output(self, session: str) -> str:
        """Everything the tasks printed."""
        said = (event["data"] for event in self.transcript(session) if event["type"] == "log")
        return "".join(data["text"] for data in said if data["stream"] in ("stdout", "stderr"))

    def artifact(self, session: str, name: str) -> bytes:
        """The bytes of an artifact."""
        answer = self.http.get(f"/sessions/{session}/artifacts/{name}")
        assert answer.status_code == 200, answer.text
        return answer.content

    def cleared(self) -> None:
        """Return when nothing is left of any run on this machine."""
        self.until_none(lambda: leftovers(self.data))

    def until_none(self, look: Callable[[], list[str]]) -> None:
        """Return when a look finds nothing. Fails after a while, saying what it found."""
        deadline = time.monotonic() + 30
        while found := look():
            assert time.monotonic() < deadline, found
            self.call("GET", "/runs?size=1")


def leftovers(data: Path) -> list[str]:
    """Directories, processes, mounts and cgroups of runs of this data directory."""
    runs = data / "runs"
    # Other names with a dot are the engine's own.
    found = [f"directory {path}" for pattern in ("[!.]*", ".removed-*") for path in runs.glob(pattern)]
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    found += [f"mount {line}" for line in mounts.splitlines() if str(runs) in line]
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if str(runs) in words:
                found.append(f"process {process.name}: {words}")
    return found
