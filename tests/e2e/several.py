"""Several `moor serve` and `moor work` on one PostgreSQL and one bucket, as on two machines: each killed at will."""

import asyncio
import base64
import contextlib
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from blobs import servers
from blobs.conftest import BUCKET, KEYS, put_object
from e2e.plane import Json, Plane, leftovers
from mooring.base.postgres import EmbeddedPostgres
from mooring.base.unprivileged import process_user

VAULT_KEY = base64.b64encode(bytes(range(32))).decode()


@dataclass
class Part(Plane):
    """One process: `serve` or `work`. The database knows it by its name."""

    name: str = ""
    word: str = "serve"
    token: str = ""
    listen: str = "127.0.0.1:0"

    @property
    def log_file(self) -> Path:
        return self.data / f"{self.name}.log"

    def start_up(self) -> None:
        """Start it; `ready` waits for it."""
        self.begin(self.word, *(("--listen", self.listen) if self.word == "serve" else ()))

    def ready(self) -> None:
        """Return when it says so."""
        said = self.says()
        if self.word == "work":
            assert said == "working\n", self.log()
            return
        assert said.startswith("serving at "), self.log()
        # Whoever knew it before finds it there again.
        self.listen = said.split()[-1].removeprefix("http://")
        self.ask_at(said.split()[-1], self.token)

    def up(self, listen: str = "") -> None:
        del listen
        self.start_up()
        self.ready()

    @property
    def place(self) -> str:
        """The name of its data directory."""
        return (self.data / "keys" / "place").read_bytes().hex()[:16]

    def signal(self, number: signal.Signals) -> None:
        """Send the process a signal that does not end it."""
        assert self.process is not None
        self.process.send_signal(number)


@dataclass
class Installation:
    """Two machines, each with a data directory, a server and a worker."""

    server: EmbeddedPostgres
    serving: Sequence[Part]
    working: Sequence[Part]

    @property
    def parts(self) -> Sequence[Part]:
        return [*self.serving, *self.working]

    def ask(self, sql: str, *args: object) -> list[Any]:
        """Rows, as the database's superuser."""
        return asyncio.run(self._ask(sql, *args))

    async def _ask(self, sql: str, *args: object) -> list[Any]:
        connection = await self.connect()
        try:
            return list(await connection.fetch(sql, *args))
        finally:
            await connection.close()

    @contextlib.contextmanager
    def holding(self, sql: str) -> Generator[None]:
        """A transaction of somebody else that did this and is not at its end."""
        with asyncio.Runner() as runner:
            connection = runner.run(self.connect())
            transaction = connection.transaction()
            runner.run(transaction.start())
            runner.run(connection.execute(sql))
            try:
                yield
            finally:
                runner.run(transaction.rollback())
                runner.run(connection.close())

    def cleared(self) -> None:
        """Return when nothing is left of any run on either machine. Fails after a while, saying what is."""
        deadline = time.monotonic() + 60
        while left := [one for part in self.working for one in leftovers(part.data)]:
            assert time.monotonic() < deadline, left
            pause()

    async def connect(self) -> Any:
        library: Any = asyncpg
        return await library.connect(self.server.url("postgres", "mooring"))

    def stop_database(self) -> None:
        """End it as `pg_ctl stop -m immediate` does."""
        master = int((self.server.cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])
        os.kill(master, signal.SIGQUIT)
        while self.server.running():
            os.sched_yield()

    def start_database(self) -> None:
        asyncio.run(self.server.start())


@contextlib.contextmanager
def installation(directory: Path, **given: str) -> Generator[Installation]:
    """Everything running; ended at the end of the block."""
    server = EmbeddedPostgres(directory=directory / "pg", user=process_user("mooring-db"))
    key = directory / "audit.key"
    key.write_bytes(secrets.token_bytes(32))
    key.chmod(0o600)
    with servers.moto() as bucket:
        put_object(bucket, BUCKET, "made", b"")
        asyncio.run(server.start())
        shared = {
            "audit_key_file": str(key), "vault_key": VAULT_KEY, "seal_seconds": "0.5",
            "s3_bucket": BUCKET, "s3_endpoint": bucket, "s3_style": "path",
            "s3_access_key_id": KEYS[0], "s3_secret_access_key": KEYS[1], **given,
        }  # fmt: skip
        made = _made(directory, server, shared)
        try:
            for part in made.parts:
                part.start_up()
            for part in made.parts:
                part.ready()
            yield made
        finally:
            for part in made.parts:
                part.hang_up()
                if part.process is not None:
                    part.kill()
            server.stop()


def _made(directory: Path, server: EmbeddedPostgres, shared: Mapping[str, str]) -> Installation:
    """The parts, on a migrated database."""
    first = Plane(_data(directory, "a"), {**shared, "database_url": server.url("mooring_owner")})
    command = ["-m", "mooring", "migrate", "--data", str(first.data)]
    subprocess.run([sys.executable, *command], env=first.environment(), check=True, capture_output=True)
    token = (first.data / "keys" / "admin.token").read_text(encoding="utf-8").strip()

    def part(word: str, machine: str) -> Part:
        name = f"{word}-{machine}"
        url = f"{server.url('mooring_owner')}&application_name={name}"
        data = _data(directory, machine)
        return Part(data=data, settings={**shared, "database_url": url}, name=name, word=word, token=token)

    return Installation(
        server=server,
        serving=[part("serve", "a"), part("serve", "b")],
        working=[part("work", "a"), part("work", "b")],
    )


def _data(directory: Path, machine: str) -> Path:
    data = directory / machine
    data.mkdir(exist_ok=True)
    return data


@dataclass
class Caller:
    """Somebody who asks one server and, when it does not answer or not now, the next, as a load balancer would."""

    parts: Sequence[Part]
    at: int = 0

    def ask(self, method: str, path: str, body: Json | None = None, *, key: str | None = None) -> httpx.Response:
        """The first answer that is one. With a key, or for what changes nothing the second time."""
        headers = {} if key is None else {"Idempotency-Key": key}
        while True:
            with contextlib.suppress(httpx.TransportError, RuntimeError):
                answer = self.parts[self.at % len(self.parts)].http.request(method, path, json=body, headers=headers)
                if answer.status_code not in (429, 503):
                    return answer
                assert answer.headers["Retry-After"].isdecimal()
            self.at += 1
            pause()

    def made(self, path: str, body: Json, *, key: str) -> Json:
        """What was made, once, however often it had to be asked for."""
        answer = self.ask("POST", path, body, key=key)
        assert answer.status_code == 201, answer.text
        return answer.json()


@dataclass
class Watcher(threading.Thread):
    """Watches the record at one server, hangs up after `turns` events each, and goes on at the other."""

    parts: Sequence[Part]
    turns: Sequence[int]
    numbers: list[int] = field(default_factory=list[int])
    moved: int = 0
    until: int | None = None

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        while not self._over():
            with contextlib.suppress(httpx.HTTPError, RuntimeError):
                self._listen(self.parts[self.moved % len(self.parts)], self.turns[self.moved % len(self.turns)])
            self.moved += 1
            pause()

    def over(self, last: int) -> list[int]:
        """What it saw, once it saw this number."""
        self.until = last
        self.join(timeout=120)
        assert not self.is_alive(), f"it saw {self.numbers[-1:]}, not {last}"
        return self.numbers

    def _over(self) -> bool:
        return self.until is not None and self.numbers[-1:] >= [self.until]

    def _listen(self, part: Part, most: int) -> None:
        headers = {"Authorization": f"Bearer {part.token}"}
        if self.numbers:
            headers["Last-Event-ID"] = str(self.numbers[-1])
        url = f"http://{part.listen}/api/mooring/v1/resource_events?watch=true&after=0"
        with httpx.stream("GET", url, headers=headers, timeout=2) as answer:
            told: dict[str, str] = {}
            for line in answer.iter_lines():
                name, mark, value = line.partition(": ")
                if mark:
                    told[name] = value
                elif told:
                    # One that was cut off before its end does not count.
                    if told.get("event", "reset") != "reset":
                        self.numbers.append(int(told["id"]))
                        most -= 1
                    told = {}
                if not most or self._over():
                    return


def pause() -> None:
    """As a client lets pass before it asks again."""
    threading.Event().wait(0.02)


def at_once(*work: Callable[[], None]) -> None:
    """Do all of it side by side, and raise what the first of it raised."""
    failed: list[BaseException] = []

    def guarded(one: Callable[[], None]) -> None:
        try:
            one()
        except BaseException as error:  # noqa: BLE001 - raised below
            failed.append(error)

    threads = [threading.Thread(target=guarded, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
