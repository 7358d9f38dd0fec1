"""Known values through everything, and none found: in no answer, log, record, row, blob, argument or variable."""

import asyncio
import base64
import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest

from e2e.plane import Json, Plane
from e2e.test_secrets import events, machine, secret
from mooring.base.postgres import EmbeddedPostgres
from mooring.base.unprivileged import process_user
from repositories import repository
from vaults.loopback import Trouble, WorkOS, running

pytestmark = pytest.mark.slow

# Every form of them is another one. The second has lines; the third is no text.
TOKEN = 'cAn4ry "7f+1c=9e&ü'
KEY = "-----BEGIN CANARY-----\nQ2FuYXJ5S2V5TGluZU9uZQ\nc2Vjb25kTGluZU9mQ2FuYXJ5\n-----END CANARY-----\n"
BLOB = bytes(128 + (number * number * 37 + 11 * number) % 127 for number in range(40))
# What Mooring itself is trusted with: in its own variables, and nowhere else.
VAULT_KEY = base64.b64encode(bytes(range(7, 39))).decode()
KEY_LINES = [line for line in KEY.splitlines() if "CANARY" not in line]

PRINTS = """
env
set -x
echo "$TOKEN"; echo "$TOKEN" >&2
cat /run/secrets/key
printf %s "$TOKEN" | base64
printf 'before %s' "$TOKEN" | base64
printf %s "$TOKEN" | python3 -c 'import sys, json, urllib.parse as u; t = sys.stdin.read()
print(u.quote(t), u.quote_plus(t), json.dumps(t), json.dumps(t, ensure_ascii=False))'
printf %s "${TOKEN%??????????}"; sleep 0.2; printf '%s\\n' "${TOKEN#????????}"
python3 -c 'import os, sys, time
for c in os.environ["TOKEN"]: sys.stdout.write(c); sys.stdout.flush(); time.sleep(0.01)'
"""
LEAVES = """
printf %s "$TOKEN" > /outputs/plain.txt
printf 'x%s' "$TOKEN" | base64 > /outputs/coded.txt
cp /run/secrets/blob /outputs/blob.bin
head -c 300000 /dev/zero > /outputs/large.bin; printf %s "$TOKEN" >> /outputs/large.bin
touch "/outputs/named $TOKEN"
echo harmless > /outputs/harmless.txt
git config user.name agent; git config user.email agent@localhost
printf %s "$TOKEN" > committed.txt; git add committed.txt; git commit -qm "holds $TOKEN"
git rm -q committed.txt; git commit -qm gone
cp /run/secrets/blob uncommitted.bin
"""


def forms() -> list[bytes]:
    """How a value might stand somewhere."""
    found: list[bytes] = [TOKEN.encode(), BLOB]
    found += [quote(TOKEN, safe="").encode(), quote(TOKEN).replace("%20", "+").encode()]
    found += [json.dumps(TOKEN)[1:-1].encode(), json.dumps(TOKEN, ensure_ascii=False)[1:-1].encode()]
    found += [line.encode() for line in (*KEY_LINES, VAULT_KEY, WorkOS.KEY)]
    for value in (TOKEN.encode(), BLOB, KEY.encode()):
        for shift in range(3):
            coded = base64.b64encode(b"\0" * shift + value)
            core = coded[4:-4] if shift else coded.rstrip(b"=")[:-1]
            found += [core, core.replace(b"+", b"-").replace(b"/", b"_")]
    return found


FORMS = forms()


def found_in(content: bytes) -> list[bytes]:
    return [form for form in FORMS if form in content]


def processes_outside() -> Iterator[tuple[str, bytes]]:
    """Arguments and variables of every process that is in no sandbox."""
    ours = Path("/proc/self/ns/pid").readlink()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "ns/pid").readlink() == ours:
                for name in ("cmdline", "environ"):
                    yield f"{process}/{name}", (process / name).read_bytes()


async def _tables(data: Path) -> dict[str, bytes]:
    """Every row of the control plane's database, as PostgreSQL dumps it."""
    server = EmbeddedPostgres(directory=data / "postgres", user=process_user("mooring-db"), throw_away=True)
    # asyncpg has no type information.
    library: Any = asyncpg
    connection = await library.connect(server.url("postgres", "mooring"))
    tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    dumped: dict[str, bytes] = {}
    for (table,) in tables:
        pieces: list[bytes] = []

        async def take(piece: bytes, pieces: list[bytes] = pieces) -> None:
            pieces.append(piece)

        await connection.copy_from_table(table, output=take, format="binary")
        dumped[table] = b"".join(pieces)
    await connection.close()
    return dumped


def files(data: Path) -> Iterator[tuple[str, bytes]]:
    """Every file of the data directory but the keys."""
    for path in data.rglob("*"):
        if path.is_file() and not path.is_symlink() and "keys" not in path.relative_to(data).parts[:1]:
            yield str(path), path.read_bytes()


@pytest.fixture
def watched(new_plane: Callable[..., Plane]) -> Iterator[tuple[Plane, WorkOS]]:
    """A control plane at debug logging with a vault that will fail."""
    with running(WorkOS) as server:
        given = {"workos_api_key": WorkOS.KEY, "workos_base_url": server.url, "vault_key": VAULT_KEY}
        yield new_plane(log_level="debug", **given), server


def set_up(plane: Plane) -> tuple[Json, Json]:
    """The secret that is a variable, and the instance that exposes all."""
    group, instance = machine(plane, "canaries")
    token = secret(plane, "token", TOKEN.encode(), group, instance, "TOKEN", "/run/secrets/token")
    secret(plane, "key", KEY.encode(), group, instance, "/run/secrets/key")
    secret(plane, "blob", BLOB, group, instance, "/run/secrets/blob")
    return token, instance


def withheld(plane: Plane, session: str) -> dict[str, str | None]:
    told = (event["data"] for event in plane.transcript(session) if event["type"] == "artifact")
    return {data["name"]: data.get("withheld") for data in told}


def test_no_value_is_found_anywhere_outside_the_sandbox(watched: tuple[Plane, WorkOS], directory: Path) -> None:
    plane, workos = watched
    token, instance = set_up(plane)
    url = repository(directory / "canary", {"README.md": "read me"})
    on: dict[str, Any] = {"compute_instance_id": instance["id"], "repo_url": url}
    seen: list[tuple[str, bytes]] = []

    # Printed in every form, whole and split, while the host's processes are looked at.
    session = plane.start(f"{PRINTS}\necho ready; sleep 1", {"prompt": "true", "check": 'echo "$TOKEN"; false'}, **on)
    plane.until(session, "ready")
    assert plane.process is not None
    own = f"/proc/{plane.process.pid}/environ"
    seen += ((where, content) for where, content in processes_outside() if where != own)
    assert plane.wait(session)["phase"] == "failed"
    output = plane.output(session)
    assert "***TOKEN***" in output
    assert "***secrets/key***" in output

    # Left in files, names, commits and work that was not committed.
    left = plane.run(LEAVES, **on)
    assert left["phase"] == "completed", plane.transcript(left["id"])
    holds = withheld(plane, left["id"])
    assert holds.pop("outputs/harmless.txt") is None
    assert holds.keys() == {
        "changes.patch", "commits.bundle", "outputs/plain.txt", "outputs/coded.txt", "outputs/blob.bin",
        "outputs/large.bin",
    }  # fmt: skip
    assert all(reason and "holds the value of" in reason for reason in holds.values()), holds
    assert any("its name holds" in str(one["data"].get("text")) for one in plane.transcript(left["id"]))
    kept = {one["name"] for one in plane.call("GET", f"/sessions/{left['id']}/artifacts")["items"]}
    assert kept == {"outputs/harmless.txt"}

    # A run that crashes, an agent that is none, a vault that fails and repeats what it was told.
    crash = plane.run('echo "$TOKEN"; kill -9 -1', **on)
    assert crash["phase"] == "failed"
    echo = json.dumps({"message": TOKEN, "errors": [TOKEN]}).encode()
    for status in (422, 500, 200):
        workos.troubles = [Trouble(status=status, body=echo)] * 50
        answer = plane.http.post("/secrets", json={"name": "elsewhere", "value": TOKEN, "vault": "workos"})
        assert answer.status_code == 503
        seen.append(("a failing vault's answer", answer.content))
    for body in ({"name": "x", "value": TOKEN, "more": TOKEN}, {"name": TOKEN * 20, "value": TOKEN}, [TOKEN], TOKEN):
        answer = plane.http.post("/secrets", json=body)
        assert answer.status_code in (400, 422)
        seen.append(("a refusal", answer.content.replace(json.dumps(TOKEN * 20)[1:60].encode(), b"")))

    for path in ("/secrets", "/resource_events?size=1000", "/sessions", "/runs", "/compute_instances"):
        seen.append((path, plane.http.get(path).content))
    for one in (session, left["id"], crash["id"]):
        seen.append((f"transcript of {one}", json.dumps(plane.transcript(one), ensure_ascii=False).encode()))
        seen.append((f"session {one}", plane.http.get(f"/sessions/{one}").content))
        seen.append((f"plan of {one}", plane.http.get(f"/sessions/{one}/plan").content))
    plane.cleared()
    seen += asyncio.run(_tables(plane.data)).items()
    assert len(events(plane, token["id"], "secret.expose")) == 3
    assert plane.down() == 0
    seen.append(("the log", plane.log().encode()))
    seen += files(plane.data)
    assert len(seen) > 100
    assert [(where, form) for where, content in seen for form in found_in(content)] == []
