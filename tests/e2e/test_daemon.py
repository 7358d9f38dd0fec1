"""The server's commands, as they are typed: up, down, status, serve, work, migrate, doctor."""

import asyncio
import http.client
import json
import re
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree

import httpx
import pytest

from e2e.plane import BASE, Plane
from mooring.base.postgres import EmbeddedPostgres
from mooring.base.unprivileged import process_user

pytestmark = pytest.mark.slow


def moor(plane: Plane, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """`moor` with these words, on the plane's data directory."""
    environment = {**plane.environment(), **{f"MOORING_{name.upper()}": value for name, value in settings.items()}}
    command = [sys.executable, "-m", "mooring", *words, "--data", str(plane.data)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def idle(directory: Path) -> Plane:
    """A data directory in which nothing runs."""
    return Plane(Path(tempfile.mkdtemp(prefix="idle-", dir=directory)))


def test_up_answers_status_tells_and_down_ends_it(idle: Plane) -> None:
    up = moor(idle, "up", "--detach", "--listen", "127.0.0.1:0")
    assert up.returncode == 0, up.stderr
    found = re.search(r"http://127\.0\.0\.1:\d+", up.stdout)
    assert found is not None
    assert httpx.get(found[0] + "/healthz").json() == {"status": "ok"}
    assert httpx.get(found[0] + "/readyz").json() == {"status": "ready"}
    assert found[0] in moor(idle, "status").stdout
    assert moor(idle, "down").returncode == 0
    assert moor(idle, "status").returncode == 3
    with pytest.raises(httpx.ConnectError):
        httpx.get(found[0] + "/healthz")
    down_again = moor(idle, "down")
    assert (down_again.returncode, "nothing runs" in down_again.stdout) == (0, True)


def test_down_signals_nobody_who_has_the_number_of_a_process_that_is_gone(directory: Path, elsewhere: str) -> None:
    plane = apart(directory, elsewhere)
    assert moor(plane, "migrate").returncode == 0
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as stranger, started(plane, "work"):
        # As a `moor up` that was killed leaves it. Another command of ours holds the directory meanwhile.
        (plane.data / "up.json").write_text(json.dumps({"pid": stranger.pid, "url": "http://127.0.0.1:1"}))
        assert moor(plane, "status").returncode == 3
        down = moor(plane, "down")
        assert (down.returncode, "nothing runs" in down.stdout) == (0, True)
        assert stranger.poll() is None
        stranger.communicate()
    assert stranger.returncode == 0


def test_up_that_is_ended_while_it_starts_leaves_no_database_running(idle: Plane) -> None:
    command = [sys.executable, "-m", "mooring", "up", "--data", str(idle.data), "--listen", "127.0.0.1:0"]
    server = EmbeddedPostgres(directory=idle.data / "postgres", user=process_user("mooring-db"))
    with (
        (idle.data / "log").open("ab") as log,
        subprocess.Popen(command, env=idle.environment(), stdout=log, stderr=log) as process,
    ):
        while not server.running():
            assert process.poll() is None, idle.log()
        process.terminate()
        assert process.wait(timeout=60) == 143, idle.log()
    assert not server.running()
    assert "Mooring is up" not in idle.log()


def test_the_administrators_token_is_kept_private_and_is_never_said(new_plane: Callable[..., Plane]) -> None:
    plane = new_plane()
    token_file = plane.data / "keys" / "admin.token"
    token = token_file.read_text(encoding="utf-8").strip()
    profile = plane.data / "home" / ".config" / "mooring" / "config.toml"
    assert stat.S_IMODE(token_file.stat().st_mode) == stat.S_IMODE(profile.stat().st_mode) == 0o600
    assert token in profile.read_text(encoding="utf-8")
    assert token not in plane.log()
    assert plane.call("GET", "/users?size=1")["total"] == 1


def test_the_same_administrator_is_there_after_a_restart(new_plane: Callable[..., Plane]) -> None:
    plane = new_plane()
    before = plane.call("GET", "/users")["items"]
    assert plane.down() == 0
    plane.up()
    assert [user["id"] for user in plane.call("GET", "/users")["items"]] == [user["id"] for user in before]


def test_a_request_that_the_end_cuts_off_is_told_to_come_again(new_plane: Callable[..., Plane]) -> None:
    plane = new_plane()
    base = plane.http.base_url
    with socket.create_connection((base.host, base.port or 80)) as line:
        line.sendall(
            f"PUT {BASE}/uploads/sha256:{'0' * 64} HTTP/1.1\r\nHost: mooring\r\nContent-Length: 9\r\n"
            f"Authorization: {plane.http.headers['Authorization']}\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        # It is read by its handler, which waits for a body that does not come.
        assert line.recv(1 << 10).startswith(b"HTTP/1.1 100 ")
        assert plane.down() == 0
        answer = http.client.HTTPResponse(line)
        answer.begin()
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert "is being stopped" in json.loads(answer.read())["reason"]


def test_a_second_up_on_one_directory_is_refused_and_the_first_goes_on(new_plane: Callable[..., Plane]) -> None:
    plane = new_plane()
    second = moor(plane, "up", "--listen", "127.0.0.1:0")
    assert second.returncode == 7
    assert "another `moor up` already works in" in second.stderr
    assert plane.call("GET", "/users")["total"] == 1


def test_an_address_that_is_taken_is_named_with_the_fix(idle: Plane) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused = moor(idle, "up", "--listen", f"127.0.0.1:{taken.getsockname()[1]}")
    assert refused.returncode == 7
    assert "--listen" in refused.stderr


@pytest.mark.parametrize(
    ("words", "settings", "says"),
    [
        (["up", "--listen", "nowhere"], {}, "HOST:PORT"),
        (["up", "--listen", "127.0.0.1:99999"], {}, "HOST:PORT"),
        (["up", "--listen", "127.0.0.1:" + "9" * 5000], {}, "HOST:PORT"),
        (["up", "--listen", "ä..example:80"], {}, "HOST:PORT"),
        (["up"], {"grace": "soon"}, "MOORING_GRACE"),
        (["up"], {"throw_away": "perhaps"}, "MOORING_THROW_AWAY"),
        (["serve"], {}, "MOORING_DATABASE_URL"),
        (["work"], {}, "MOORING_DATABASE_URL"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(
    idle: Plane, words: list[str], settings: dict[str, str], says: str
) -> None:
    refused = moor(idle, *words, **settings)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: ")
    assert says in refused.stderr


def test_a_data_directory_that_cannot_be_written_is_named_with_the_fix(idle: Plane) -> None:
    (idle.data / "file").write_text("")
    refused = moor(Plane(idle.data / "file"), "up")
    assert refused.returncode == 8
    assert "--data" in refused.stderr


def test_doctor_tries_the_sandbox_and_finds_this_machine_fit(idle: Plane) -> None:
    said = moor(idle, "doctor")
    assert said.returncode == 0, said.stdout
    assert "isolation holds" in said.stdout
    assert "missing" not in said.stdout


def test_doctor_says_what_is_missing_and_how_to_get_it(idle: Plane, tmp_path: Path) -> None:
    (tmp_path / "git").symlink_to("/usr/bin/git")
    said = moor(idle, "doctor", path="")
    assert said.returncode == 0
    environment = {**idle.environment(), "PATH": str(tmp_path)}
    command = [sys.executable, "-m", "mooring", "doctor", "--data", str(idle.data)]
    lacking = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert lacking.returncode == 1
    assert "apt-get install bubblewrap" in lacking.stdout


@pytest.fixture
def elsewhere(directory: Path) -> Generator[str]:
    """A PostgreSQL that is not Mooring's own: where to connect."""
    place = Path(tempfile.mkdtemp(prefix="pg-", dir=directory))
    place.chmod(0o755)
    server = EmbeddedPostgres(directory=place / "pg", user=process_user("mooring-db"), throw_away=True)
    asyncio.run(server.start())
    yield server.url("mooring_owner")
    server.stop()
    rmtree(place)


def apart(directory: Path, url: str, **settings: str) -> Plane:
    """A data directory of its own, on a database elsewhere."""
    return Plane(Path(tempfile.mkdtemp(prefix="apart-", dir=directory)), {"database_url": url, **settings})


def test_a_database_that_was_not_migrated_is_named_with_the_fix(directory: Path, elsewhere: str) -> None:
    refused = moor(apart(directory, elsewhere), "work")
    assert (refused.returncode, "`moor migrate`" in refused.stderr) == (8, True)


def test_who_owns_the_tables_may_be_another_than_who_writes_the_rows(directory: Path, elsewhere: str) -> None:
    writer = elsewhere.replace("//mooring_owner@", "//mooring@")
    plane = apart(directory, writer, database_owner_url=elsewhere)
    assert moor(plane, "migrate").returncode == 0
    with started(plane, "serve", "--listen", "127.0.0.1:0") as said:
        token = (plane.data / "keys" / "admin.token").read_text(encoding="utf-8").strip()
        with httpx.Client(base_url=said.split()[-1] + BASE, headers={"Authorization": f"Bearer {token}"}) as plane.http:
            plane.call("POST", "/skills", {"name": "a"})
            assert plane.call("GET", "/resource_events?resource_type=skill")["total"] == 1


@pytest.mark.parametrize("command", ["serve", "work"])
@pytest.mark.parametrize(
    ("shared", "says"),
    [
        ({"blobs"}, "MOORING_AUDIT_KEY_FILE"),
        ({"keys/audit.key"}, "MOORING_S3_BUCKET"),
    ],
)
def test_a_process_that_does_not_share_what_all_must_does_not_begin(
    directory: Path, elsewhere: str, command: str, shared: set[str], says: str
) -> None:
    first = apart(directory, elsewhere)
    assert moor(first, "migrate").returncode == 0
    with started(first, "serve", "--listen", "127.0.0.1:0"):
        second = apart(directory, elsewhere)
        for name in shared:
            (second.data / name).parent.mkdir(exist_ok=True, mode=0o700)
            (second.data / name).symlink_to(first.data / name)
        refused = moor(second, command)
        assert refused.returncode == 2
        assert (says in refused.stderr, "docs/many-processes.md" in refused.stderr) == (True, True), refused.stderr


@contextmanager
def started(plane: Plane, *words: str) -> Generator[str]:
    """`moor` with these words as a process; yields its first line. It must end well when it is asked to."""
    command = [sys.executable, "-m", "mooring", *words, "--data", str(plane.data)]
    with (plane.data / "log").open("ab") as log:
        process = subprocess.Popen(command, env=plane.environment(), stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    try:
        said = process.stdout.readline()
        assert said, plane.log()
        yield said
    finally:
        process.terminate()
        code = process.wait(timeout=60)
        process.stdout.close()
    assert code == 0, plane.log()


def test_serve_and_work_apart_on_a_database_elsewhere(directory: Path, elsewhere: str) -> None:
    plane = apart(directory, elsewhere)
    migrated = moor(plane, "migrate")
    assert migrated.returncode == 0, migrated.stderr
    token = (plane.data / "keys" / "admin.token").read_text(encoding="utf-8").strip()
    assert token not in migrated.stdout + migrated.stderr
    with (
        started(plane, "work"),
        started(plane, "serve", "--listen", "127.0.0.1:0") as one,
        started(plane, "serve", "--listen", "127.0.0.1:0") as two,
    ):
        headers = {"Authorization": f"Bearer {token}"}
        urls = [said.split()[-1] + BASE for said in (one, two)]
        with httpx.Client(base_url=urls[0], headers=headers, timeout=60) as plane.http:
            session = plane.run("echo here")
        # Asked for at the one, it is answered by the other.
        with httpx.Client(base_url=urls[1], headers=headers, timeout=60) as plane.http:
            assert plane.call("GET", f"/sessions/{session['id']}")["phase"] == "completed"
            assert plane.output(session["id"]) == "here\n"
