"""`moor run`, `session`, `audit`: sessions started, followed, ended and taken from, on the real application."""

import asyncio
import hashlib
import io
import json
from pathlib import Path

import pytest

from mooring.app import App
from mooring.sessions import artifacts, sessions, transcript
from mooring.sessions.entities import SessionPhase
from mooring.sessions.prepare import prepare
from mooring.sessions.store import sessions as store
from surfaces.cli.conftest import Moor, Screen, Served

WORK = """
kind: agent
name: sh
---
kind: task
name: greet
prompt: echo hello
---
kind: workflow
name: greeting
agent: sh
tasks: [greet]
"""


@pytest.fixture
async def session(moor: Moor) -> str:
    """A session that was started, and that nobody works on. Its id."""
    await moor("apply", "-f", "-", stdin=WORK)
    started = await moor("run", "greeting", "-o", "name")
    assert started.err == ""
    return started.out.strip()


async def prepared(app: App, session: str) -> None:
    """Make its plan, as the loop does."""
    async with app.database.transaction() as tx:
        request = await store.request(tx, session)
    assert request is not None
    made = await prepare(request, app.mirrors)
    async with app.database.transaction() as tx:
        await sessions.planned(tx, session, made.plan)


async def go(app: App, session: str, *phases: SessionPhase, reason: str | None = None) -> None:
    for phase in phases:
        if phase is SessionPhase.RUNNING:
            await prepared(app, session)
        async with app.database.transaction() as tx:
            await sessions.go(tx, session, phase, reason=reason)


async def say(app: App, session: str, word: str, **data: object) -> None:
    async with app.database.transaction() as tx:
        await transcript.say(tx, session, word, data)


async def left(app: App, session: str, name: str, content: bytes) -> None:
    """Keep an artifact as the link does."""
    sha256 = hashlib.sha256(content).hexdigest()
    await app.blobs.put_file(artifacts.blob_key(sha256), io.BytesIO(content))
    async with app.database.transaction() as tx:
        await artifacts.keep(tx, session, name, size=len(content), sha256=sha256)


RUNNING = (SessionPhase.PREPARING, SessionPhase.RUNNING)


async def test_running_makes_and_starts_a_session_with_the_reason_in_the_record(moor: Moor, tmp_path: Path) -> None:
    await moor("apply", "-f", "-", stdin=WORK)
    said = await moor("run", "greeting", "--repo", str(tmp_path), "--prompt", "be quick", "--reason", "to try it")
    assert said.status == 0
    assert "is pending\n  follow it  moor session follow ses_" in said.out
    (session,) = json.loads((await moor("session", "list", "-o", "json")).out)
    assert (session["name"], session["repo_url"], session["prompt"]) == ("greeting", tmp_path.as_uri(), "be quick")
    events = json.loads((await moor("audit", "log", "--resource", session["id"], "-o", "json")).out)
    assert [(event["action"], event["reason"]) for event in events] == [
        ("session.create", "to try it"), ("session.start", "to try it"),
    ]  # fmt: skip


async def test_running_what_is_not_there_or_not_a_repository_starts_nothing(moor: Moor) -> None:
    assert (await moor("run", "nothing")).status == 6
    await moor("apply", "-f", "-", stdin=WORK)
    said = await moor("run", "greeting", "--repo", "./nowhere")
    assert (said.status, "neither a URL nor a directory" in said.err) == (2, True)
    assert json.loads((await moor("session", "list", "-o", "json")).out) == []


@pytest.mark.parametrize(
    ("phase", "status"), [(SessionPhase.COMPLETED, 0), (SessionPhase.FAILED, 1), (SessionPhase.CANCELLED, 3)]
)
async def test_the_exit_status_is_the_sessions(
    moor: Moor, session: str, served: Served, phase: SessionPhase, status: int
) -> None:
    await go(served.app, session, *RUNNING, phase, reason=None if status == 0 else "because")
    followed = await moor("session", "follow", session)
    assert followed.status == status
    assert f"{phase} in " in followed.lines[-1 if status == 0 else -2]
    assert (followed.lines[-1] == "  because") is (status != 0)


async def test_a_follower_sees_what_happens_as_it_happens_and_survives_a_restart_of_the_server(
    moor: Moor, session: str, served: Served
) -> None:
    screen = Screen()
    following = asyncio.create_task(moor("session", "follow", session, screen=screen))
    await go(served.app, session, *RUNNING)
    await say(served.app, session, "task.started", task=0, name="greet", attempt=1)
    await say(served.app, session, "log", task=0, stream="stdout", text="first\nsec")
    await screen.until("│ first")
    await served.down()
    await screen.until("the line to the server broke")
    await say(served.app, session, "log", task=0, stream="stdout", text="ond\nthird\n")
    await served.up()
    await screen.until("│ third")
    await say(served.app, session, "task.finished", task=0, outcome="succeeded", attempts=1, seconds=0.5)
    await go(served.app, session, SessionPhase.COMPLETED)
    said = await following
    assert said.status == 0
    shown = [line for line in said.lines if "│" in line or "server" in line]
    assert shown == [
        "  │ first", "  the line to the server broke; trying again", "  the server is back", "  │ second", "  │ third",
    ]  # fmt: skip


async def test_events_come_as_lines_of_json_for_programs(moor: Moor, session: str, served: Served) -> None:
    await go(served.app, session, *RUNNING, SessionPhase.COMPLETED)
    said = await moor("session", "follow", session, "-o", "json", "--after", "2")
    events = [json.loads(line) for line in said.lines]
    assert [event["number"] for event in events] == [3, 4, 5]
    assert [event["data"]["phase"] for event in events] == ["preparing", "running", "completed"]


async def test_waiting_says_nothing_until_it_is_over(moor: Moor, served: Served) -> None:
    await moor("apply", "-f", "-", stdin=WORK)

    async def fail_it() -> None:
        """Once it is there: the application's own hint says when."""
        with served.app.database.hints.waiting("sessions") as hint:
            await hint.wait()
        async with served.app.database.reading() as tx:
            (session,) = await tx.values(str, "SELECT id FROM sessions")
        await go(served.app, session, *RUNNING, SessionPhase.FAILED, reason="because")

    said, _ = await asyncio.gather(moor("run", "greeting", "--wait", "-o", "json"), fail_it())
    assert said.status == 1
    assert [row["phase"] for row in json.loads(said.out)] == ["failed"]


async def test_a_session_is_shown_on_one_screen(moor: Moor, session: str, served: Served) -> None:
    await go(served.app, session, *RUNNING)
    await say(served.app, session, "log", text="x")
    await left(served.app, session, "changes.patch", b"patch")
    shown = await moor("session", "show", session)
    assert shown.status == 0
    assert shown.lines[0] == f"session greeting  {session}"
    assert [line.split()[:2] for line in shown.lines[1:4]] == [
        ["workflow", "greeting"], ["made", "by"], ["created", shown.lines[3].split()[1]],
    ]  # fmt: skip
    assert "  · 1  greet   pending" in shown.lines
    assert f"  the changes  moor session patch {session}" in shown.lines
    assert all(len(line) <= 80 for line in shown.lines)


async def test_cancelling_says_so_and_is_recorded(moor: Moor, session: str) -> None:
    said = await moor("session", "cancel", session, "--reason", "enough")
    assert (said.status, said.out) == (0, f"session {session} is being cancelled\n")
    events = json.loads((await moor("audit", "log", "--action", "session.cancel", "-o", "json")).out)
    assert [(event["resource_id"], event["reason"]) for event in events] == [(session, "enough")]


async def test_pausing_and_resuming_say_so_and_wait_if_asked(moor: Moor, session: str, served: Served) -> None:
    refused = await moor("session", "pause", session)
    assert (refused.status, "the session is pending; only one that is running" in refused.err) == (7, True)
    await go(served.app, session, *RUNNING)
    said = await moor("session", "pause", session, "--reason", "lunch")
    assert (said.status, said.out) == (0, f"session {session} is being paused\n")
    waiting = asyncio.create_task(moor("session", "pause", session, "--wait"))
    await go(served.app, session, SessionPhase.PAUSING, SessionPhase.PAUSED)
    said = await waiting
    assert (said.status, said.out) == (0, f"session {session} is paused\n")
    shown = await moor("session", "show", session)
    assert f"  go on        moor session resume {session}" in shown.lines
    events = json.loads((await moor("audit", "log", "--action", "session.pause", "-o", "json")).out)
    assert [event["reason"] for event in events] == ["lunch"]


async def test_a_follower_sees_a_pause_and_what_comes_after(moor: Moor, session: str, served: Served) -> None:
    await go(served.app, session, *RUNNING, SessionPhase.PAUSING, SessionPhase.PAUSED, *RUNNING, SessionPhase.COMPLETED)
    followed = await moor("session", "follow", session)
    assert followed.status == 0
    told = [line.split()[1] for line in followed.lines if line.startswith("·")]
    assert told == ["created", "pending", "preparing", "running", "pausing", "paused", "preparing", "running"]


PATCH = b"""diff --git a/a.py b/a.py
index 1..2 100644
--- a/a.py
+++ b/a.py
@@ -1,2 +1,3 @@
 one
-two
+2
+diff --git a/not b/not
diff --git a/b.bin b/b.bin
GIT binary patch
literal 3
"""


async def test_a_patch_comes_byte_for_byte_and_its_stat_counts_what_is_in_it(
    moor: Moor, session: str, served: Served
) -> None:
    await left(served.app, session, "changes.patch", PATCH)
    assert (await moor("session", "patch", session)).raw == PATCH
    stat = await moor("session", "patch", session, "--stat")
    assert stat.lines == [" a.py  |     3 ++-", " b.bin | binary", " 2 files changed, +2 -1"]


async def test_without_a_patch_it_says_what_there_is(moor: Moor, session: str) -> None:
    said = await moor("session", "patch", session)
    assert (said.status, said.raw) == (6, b"")
    assert "left no 'changes.patch'" in said.err
    assert (await moor("session", "artifacts", session)).out == "this session left nothing\n"


async def test_artifacts_are_kept_below_the_directory_and_whole(
    moor: Moor, session: str, served: Served, tmp_path: Path
) -> None:
    content = bytes(range(256)) * 1000
    await left(served.app, session, "outputs/a b/c.bin", content)
    await left(served.app, session, "x", b"x")
    names = (await moor("session", "artifacts", session, "-o", "name")).lines
    assert names == ["outputs/a b/c.bin", "x"]
    assert (await moor("session", "artifacts", session, "--to", str(tmp_path / "out"))).status == 0
    assert (tmp_path / "out/outputs/a b/c.bin").read_bytes() == content
    assert (await moor("session", "artifacts", session, "x")).raw == b"x"
    assert sorted(path.name for path in (tmp_path / "out").rglob("*") if path.is_file()) == ["c.bin", "x"]


async def test_what_is_kept_back_is_listed_and_named(moor: Moor, session: str, served: Served, tmp_path: Path) -> None:
    await left(served.app, session, "outputs/x", b"x")
    kept_back = {"name": "outputs/key", "size": 5, "withheld": "it holds the value of KEY"}
    async with served.app.database.transaction() as tx:
        await artifacts.hold_back(tx, session, kept_back)
    rows = (await moor("session", "artifacts", session)).lines
    assert "it holds the value of KEY" in next(row for row in rows if row.startswith("outputs/key"))
    said = await moor("session", "artifacts", session, "--to", str(tmp_path / "out"))
    assert (said.status, said.err) == (0, "outputs/key is kept back: it holds the value of KEY\n")
    assert [path.name for path in (tmp_path / "out").rglob("*") if path.is_file()] == ["x"]
    for words in (("outputs/key",), ("outputs/key", "--to", str(tmp_path / "named"))):
        said = await moor("session", "artifacts", session, *words)
        assert (said.status, said.raw) == (5, b"")
        assert "kept back: it holds the value of KEY" in said.err
    assert not (tmp_path / "named").exists()


async def test_a_link_in_the_directory_leads_nowhere_else(
    moor: Moor, session: str, served: Served, tmp_path: Path
) -> None:
    await left(served.app, session, "outputs/x", b"x")
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "outputs").symlink_to(tmp_path / "elsewhere")
    said = await moor("session", "artifacts", session, "--to", str(tmp_path / "out"))
    assert said.status == 2
    assert "leads out of" in said.err
    assert list((tmp_path / "elsewhere").iterdir()) == []


async def test_the_record_names_who_did_what(moor: Moor, session: str, served: Served) -> None:
    await go(served.app, session, *RUNNING)
    rows = (await moor("audit", "log", "--resource", session)).lines
    assert rows[0].split() == ["AT", "ACTION", "WHO", "CHANGE"]
    assert [row.split()[2:4] for row in rows[1:]] == [
        ["session.create", "admin"], ["session.start", "admin"], ["session.phase", "mooring"],
        ["session.plan", "mooring"], ["session.phase", "mooring"],
    ]  # fmt: skip
    assert "phase: pending > preparing" in rows[3]
