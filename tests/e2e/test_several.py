"""Several servers and workers on one database: the same answers from each, and one that dies takes nothing with it."""

import contextlib
import json
import os
import random
import signal
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

import httpx
import pytest

from e2e.plane import Json
from e2e.several import Caller, Installation, Part, Watcher, at_once, installation, pause
from e2e.test_endings import runner_of
from mooring.base.ids import new_id
from repositories import repository

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

LINES = 20
SCRIPT = f"for i in $(seq 1 {LINES}); do echo $i; sleep 0.1; done"
SAID = "".join(f"{number}\n" for number in range(1, LINES + 1))


@pytest.fixture(scope="module")
def two() -> Generator[Installation]:
    """Two machines that each test leaves as it found them: everything runs."""
    directory = Path(tempfile.mkdtemp(prefix="mooring-several-", dir="/tmp"))
    directory.chmod(0o755)
    with installation(directory) as made:
        yield made
    rmtree(directory, ignore_errors=True)


# --- the same answers ---


def test_what_one_server_made_the_other_answers_with_the_same_tag_and_key(two: Installation) -> None:
    one, other = (part.http for part in two.serving)
    body = {"name": "a", "prompt": "p"}
    made = one.post("/skills", json=body, headers={"Idempotency-Key": "made once"})
    again = other.post("/skills", json=body, headers={"Idempotency-Key": "made once"})
    assert (made.status_code, again.status_code, again.headers["Idempotent-Replayed"]) == (201, 201, "true")
    assert again.json() == made.json()
    assert other.post("/skills", json={"name": "b"}, headers={"Idempotency-Key": "made once"}).status_code == 422
    path = f"/skills/{made.json()['id']}"
    read = other.get(path)
    assert (read.json(), read.headers["ETag"]) == (made.json(), made.headers["ETag"])
    assert other.get(path, headers={"If-None-Match": made.headers["ETag"]}).status_code == 304
    changed = other.patch(path, json={"prompt": "q"}, headers={"If-Match": made.headers["ETag"]})
    assert changed.status_code == 200
    assert one.patch(path, json={"prompt": "r"}, headers={"If-Match": made.headers["ETag"]}).status_code == 412
    assert one.get(path).headers["ETag"] == changed.headers["ETag"] != made.headers["ETag"]


def test_a_list_begun_at_one_server_goes_on_at_the_other(two: Installation) -> None:
    one, other = two.serving
    names = [f"page {number}" for number in range(5)]
    for name in names:
        one.call("POST", "/tasks", {"name": name, "prompt": "p"})
    found: list[str] = []
    cursor = ""
    for server in (one, other, one):
        page = server.call("GET", f"/tasks?search=name like 'page %25'&orderBy=name asc&size=2&after={cursor}")
        found += [item["name"] for item in page["items"]]
        cursor = page.get("next") or ""
    assert (found, cursor) == (names, "")


def test_one_key_asked_for_at_both_servers_at_once_makes_one(two: Installation) -> None:
    answers: list[Json] = []
    barrier = threading.Barrier(8)

    def ask(part: Part) -> None:
        barrier.wait()
        answers.append(Caller([part]).made("/agents", {"name": "once", "runtime": "shell"}, key="at both"))

    at_once(*(lambda part=part: ask(part) for part in [*two.serving] * 4))
    assert len({answer["id"] for answer in answers}) == 1
    assert two.serving[0].call("GET", "/agents?search=name = 'once'")["total"] == 1


def test_a_secret_an_archive_and_an_artifact_are_the_same_everywhere(two: Installation) -> None:
    one, other = two.serving
    secret = one.call("POST", "/secrets", {"name": "shared", "value": "the value of it"})
    group = other.call("POST", "/groups", {"name": "builders"})
    other.call("PUT", f"/groups/{group['id']}/available_secrets/{secret['id']}")
    machine = one.call("POST", "/compute_instances", {"name": "small", "group_id": group["id"]})
    exposed = {"compute_instance_id": machine["id"], "secret_id": secret["id"], "expose_as_env": "SHARED"}
    other.call("POST", "/instance_secret_mappings", exposed)
    # Enough that both workers take some.
    script = 'test "$SHARED" = "the value of it"; echo left > /outputs/left'
    workflow = one.workflow([script])
    body = {"workflow_id": workflow, "compute_instance_id": machine["id"], "start": True}
    sessions = [two.serving[number % 2].call("POST", "/sessions", body)["id"] for number in range(8)]
    assert {other.wait(session)["phase"] for session in sessions} == {"completed"}
    assert {part.artifact(session, "outputs/left") for part in two.serving for session in sessions} == {b"left\n"}
    runs = "SELECT DISTINCT place FROM run_links JOIN runs ON runs.id = run_id WHERE session_id = ANY($1)"
    assert {row[0] for row in two.ask(runs, sessions)} == {part.place for part in two.working}


# --- one of two dies ---


class Work:
    """Changes and sessions that go on while parts are killed; every promise about them is looked at in `over`."""

    def __init__(self, two: Installation, *, writers: int, changes: int, sessions: int) -> None:
        self.two = two
        self.tag = new_id("op")
        self.changes = changes
        self.made: list[str] = []
        self.writers = [threading.Thread(target=self._write, args=(number,)) for number in range(writers)]
        workflow = two.serving[0].workflow([SCRIPT])
        self.sessions = [
            Caller(two.serving, at=number).made(
                "/sessions", {"workflow_id": workflow, "start": True}, key=f"{self.tag} session {number}"
            )["id"]
            for number in range(sessions)
        ]
        self.watchers = [Watcher(two.serving[::turn], turns) for turns in ([10_000], [7, 40, 3]) for turn in (1, -1)]
        for thread in (*self.watchers, *self.writers):
            thread.start()

    def _write(self, writer: int) -> None:
        caller = Caller(self.two.serving, at=writer)
        for number in range(self.changes):
            name = f"{self.tag} {writer} {number}"
            made = caller.made("/skills", {"name": name}, key=name)
            self.made.append(made["id"])
            assert caller.ask("PATCH", f"/skills/{made['id']}", {"prompt": name}).status_code == 200

    def until(self, made: int) -> None:
        """Return when so many skills were made, or all."""
        while len(self.made) < made and any(writer.is_alive() for writer in self.writers):
            pause()

    def over(self) -> None:
        """Everything ended once, was recorded once, numbered without a gap, told once and in order; the seals hold."""
        for writer in self.writers:
            writer.join(timeout=200)
        assert len(set(self.made)) == len(self.writers) * self.changes == len(self.made)
        for number, session in enumerate(self.sessions):
            self._ended(self.two.serving[number % 2], session)
        events = record(self.two)
        numbers = [event["number"] for event in events]
        assert numbers == list(range(1, len(numbers) + 1))
        told = Counter((event["resource_id"], event["action"]) for event in events)
        assert {told[skill, action] for skill in self.made for action in ("skill.create", "skill.update")} == {1}
        for watcher in self.watchers:
            assert watcher.over(numbers[-1])[: len(numbers)] == numbers
        for part in self.two.serving:
            sealed(part, numbers[-1])

    def _ended(self, part: Part, session: str) -> None:
        assert part.wait(session)["phase"] == "completed"
        transcript = part.transcript(session)
        assert [event["number"] for event in transcript] == list(range(1, len(transcript) + 1))
        assert part.output(session) == SAID
        assert phases(part, session) == ["created", "pending", "preparing", "running", "completed"]
        assert part.call("GET", f"/runs?session_id={session}")["total"] == 1


def phases(part: Part, session: str) -> list[str]:
    """The phases of a session as the record has them."""
    page = part.call("GET", f"/resource_events?resource_id={session}&orderBy=number asc&size=1000")
    sides: list[Json] = [event["details"].get("after") or {} for event in page["items"]]
    return [side["phase"] for side in sides if "phase" in side]


def record(two: Installation) -> list[Json]:
    """Every event there is, in the order of the numbers."""
    while two.ask("SELECT 1 FROM event_outbox LIMIT 1"):
        pause()
    answer = two.serving[0].http.get("/record/export?after=0")
    return [json.loads(line) for line in answer.text.splitlines()]


def sealed(part: Part, number: int) -> None:
    """Return when the record is sealed so far; it must be whole."""
    while part.call("GET", "/record")["sealed_to"] < number:
        pause()
    verdict = part.call("POST", "/record/verify")
    assert verdict["intact"], verdict


def kill_who_numbers(two: Installation) -> None:
    """Kill the process that gives out numbers, in the middle of it; the others go on."""
    with two.holding("LOCK TABLE event_numbers IN EXCLUSIVE MODE"):
        found: list[str] = []
        while not found:
            found = [
                row[0]
                for row in two.ask(
                    "SELECT application_name FROM pg_stat_activity JOIN pg_locks USING (pid) "
                    "WHERE locktype = 'advisory' AND granted AND application_name <> ''"
                )
            ]
        (part,) = [part for part in two.parts if part.name == found[0]]
        part.kill()
    part.up()


def restarted(part: Part) -> Callable[[Installation], None]:
    def kill(_: Installation) -> None:
        part.kill()
        part.up()

    return kill


def test_a_server_a_worker_and_who_numbers_are_killed_and_nothing_is_lost(two: Installation) -> None:
    work = Work(two, writers=2, changes=45, sessions=4)
    kills: Sequence[Callable[[Installation], None]] = [
        restarted(two.serving[0]), restarted(two.working[0]), kill_who_numbers, restarted(two.working[1]),
    ]  # fmt: skip
    for number, kill in enumerate(kills):
        work.until(10 + 20 * number)
        kill(two)
    work.over()
    two.cleared()


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_thirty_kills_and_nothing_is_lost(two: Installation) -> None:
    work = Work(two, writers=3, changes=600, sessions=40)
    chance = random.Random(2026)  # noqa: S311 - repeatable, no secret
    kills = [*(restarted(part) for part in two.parts), kill_who_numbers]
    for _ in range(30):
        work.until(len(work.made) + chance.randint(1, 40))
        chance.choice(kills)(two)
    work.over()
    two.cleared()


def test_a_database_that_dies_and_comes_back_costs_a_wait(two: Installation) -> None:
    work = Work(two, writers=2, changes=40, sessions=4)
    for made in (10, 50):
        work.until(made)
        two.stop_database()
        for part in two.serving:
            answer = part.http.get("/skills")
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
            assert httpx.get(f"http://{part.listen}/readyz").status_code == 503
            assert httpx.get(f"http://{part.listen}/healthz").status_code == 200
        two.start_database()
    work.over()
    two.cleared()
    assert [part.name for part in two.parts if part.process is None or part.process.poll() is not None] == []


# --- one that was away, and one that never comes back ---


class Gate:
    """A repository that whoever fetches it waits at, until it is opened."""

    def __init__(self, directory: Path) -> None:
        self.url = repository(directory, {"a": "a"})
        self._config = directory / ".git" / "config"
        self._kept = self._config.rename(self._config.with_name("kept"))
        # git reads its configuration before anything else, and this one only ends when the gate is opened.
        os.mkfifo(self._config)
        self._config.chmod(0o644)

    def wait(self) -> None:
        """Return when somebody waits."""
        while True:
            with contextlib.suppress(OSError):
                self._held = os.open(self._config, os.O_WRONLY | os.O_NONBLOCK)
                return
            pause()

    def open(self) -> None:
        """Let everybody in, now and from now on."""
        self._kept.rename(self._config)
        os.close(self._held)


@pytest.fixture
def gate(two: Installation) -> Gate:
    return Gate(two.parts[0].data.parent / "gate")


def test_what_ran_on_a_machine_that_is_gone_ends_when_its_place_is_taken_over(two: Installation) -> None:
    session = two.serving[0].start("echo ready; sleep 600")
    two.serving[0].until(session, "ready")
    place = "SELECT place FROM run_links JOIN runs ON runs.id = run_id WHERE session_id = $1"
    [(name,)] = two.ask(place, session)
    (worker,) = [part for part in two.working if part.place == name]
    (lost,) = [part for part in two.serving if part.data == worker.data]
    (survivor,) = [part for part in two.serving if part is not lost]
    for part in (lost, worker):
        part.kill()
    os.kill(runner_of(worker.data), signal.SIGKILL)
    data = worker.data.with_name("gone")
    (data / "keys").mkdir(parents=True)
    (data / "keys" / "place").write_bytes(bytes.fromhex(name) + bytes(24))
    heir = replace(worker, data=data, name="work-heir")
    heir.up()
    try:
        assert survivor.wait(session)["phase"] == "failed"
    finally:
        assert heir.down() == 0
    [run] = survivor.call("GET", f"/runs?session_id={session}")["items"]
    assert run["phase"] == "lost"
    # The machine is set up anew, under another name.
    rmtree(worker.data)
    worker.data.mkdir()
    for part in (lost, worker):
        part.up()
    assert worker.place != name


def test_a_worker_that_stood_still_past_its_lease_writes_nothing(two: Installation, gate: Gate) -> None:
    server = two.serving[0]
    workflow = server.workflow(["cat a"])
    body = {"workflow_id": workflow, "repo_url": gate.url, "start": True}
    session = server.call("POST", "/sessions", body)["id"]
    held = "SELECT holder FROM leases WHERE resource_id = $1 AND token IS NOT NULL"
    gate.wait()
    [(place,)] = two.ask(held, session)
    (halted,) = [part for part in two.working if part.place == place]
    halted.signal(signal.SIGSTOP)
    try:
        two.ask("UPDATE leases SET until = now() - interval '1 second' WHERE holder = $1", place)
        while two.ask(held, session) in ([], [(place,)]):
            pause()
        gate.open()
        assert server.wait(session)["phase"] == "completed"
    finally:
        halted.signal(signal.SIGCONT)
    while "lease lost, nothing written" not in halted.log():
        pause()
    assert phases(server, session) == ["created", "pending", "preparing", "running", "completed"]
    [run] = server.call("GET", f"/runs?session_id={session}")["items"]
    assert [row[0] for row in two.ask("SELECT place FROM run_links WHERE run_id = $1", run["id"])] != [place]
    plans = server.call("GET", f"/resource_events?resource_id={session}&action=session.plan")
    assert plans["total"] == 1
    assert server.output(session) == "a"
