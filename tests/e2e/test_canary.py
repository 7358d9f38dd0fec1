"""Known values through everything, and none found: in no answer, log, record, row, blob, argument or variable."""

import asyncio
import base64
import json
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.leaks import Place, files, forms, found_in, processes_outside, tables
from e2e.plane import Json, Plane
from e2e.test_secrets import events, machine, secret
from repositories import repository
from vaults.loopback import Trouble, WorkOS, running
from written import written

pytestmark = pytest.mark.slow

# Every form of them is another one. The second has lines; the third is no text.
TOKEN = "cAn4ry \"7f+1c=9e&ü <it's> $x\\tAi1-9q"
KEY = "-----BEGIN CANARY-----\nQ2FuYXJ5S2V5TGluZU9uZQ\nc2Vjb25kTGluZU9mQ2FuYXJ5\n-----END CANARY-----\n"
BLOB = bytes(128 + (number * number * 37 + 11 * number) % 127 for number in range(40))
# What Mooring itself is trusted with: in its own variables, and nowhere else.
VAULT_KEY = base64.b64encode(bytes(range(7, 39))).decode()
KEY_LINES = [line for line in KEY.splitlines() if "CANARY" not in line]

PRINTS = """
env
set -x
echo "$TOKEN"; echo "$TOKEN" >&2
export -p; printenv
bash -xc 'true "$TOKEN"; export -p; declare -p TOKEN; printf "%q\\n" "$TOKEN"'
cat /run/secrets/key
printf %s "$TOKEN" | base64
printf 'before %s' "$TOKEN" | base64
printf %s "$TOKEN" | python3 -c 'import html, json, sys, time, urllib.parse as u; t = sys.stdin.read()
print(u.quote(t), u.quote_plus(t), json.dumps(t), json.dumps(t, ensure_ascii=False), json.dumps(json.dumps(t)))
print(repr(t), repr(t.encode()), html.escape(t), {"token": t})
sys.stdout.write(t[:9]); sys.stdout.flush(); time.sleep(0.2); print(t[9:])
raise ValueError(t)' || true
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


FORMS = [
    *forms(TOKEN.encode()), *forms(BLOB), *forms(KEY.encode()),
    # Its ends tell a value that was written in any other way.
    b"cAn4ry", b"tAi1-9q",
    *(line.encode() for line in (*KEY_LINES, VAULT_KEY, WorkOS.KEY)),
]  # fmt: skip


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


def refusals(plane: Plane, workos: WorkOS) -> list[Place]:
    """What is answered when a vault fails and repeats what it was told, and when a body cannot be meant."""
    seen: list[Place] = []
    echo = json.dumps({"message": TOKEN, "errors": [TOKEN]}).encode()
    for status in (422, 500, 200):
        workos.troubles = [Trouble(status=status, body=echo)] * 50
        answer = plane.http.post("/secrets", json={"name": "elsewhere", "value": TOKEN, "vault": "workos"})
        assert answer.status_code == 503
        seen.append(("a failing vault's answer", answer.content))
    for body in ({"name": "x", "value": TOKEN, "more": TOKEN}, {"name": "x" * 300, "value": TOKEN}, [TOKEN], TOKEN):
        answer = plane.http.post("/secrets", json=body)
        assert answer.status_code in (400, 422)
        seen.append(("a refusal", answer.content))
    return seen


def test_no_value_is_found_anywhere_outside_the_sandbox(watched: tuple[Plane, WorkOS], directory: Path) -> None:
    plane, workos = watched
    token, instance = set_up(plane)
    url = repository(directory / "canary", {"README.md": "read me"})
    on: dict[str, Any] = {"compute_instance_id": instance["id"], "repo_url": url}
    seen: list[Place] = []

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
    listed = plane.call("GET", f"/sessions/{left['id']}/artifacts")["items"]
    assert {one["name"] for one in listed if one["sha256"]} == {"outputs/harmless.txt"}
    assert {one["name"]: one["withheld"] for one in listed if not one["sha256"]} == holds

    # A run that crashes.
    crash = plane.run('echo "$TOKEN"; kill -9 -1', **on)
    assert crash["phase"] == "failed"
    seen += refusals(plane, workos)

    lists = ("/secrets", "/resource_events?size=1000", "/sessions", "/runs", "/compute_instances", "/vaults")
    of_one = (f"/secrets/{token['id']}", f"/secrets/{token['id']}/usage", f"/compute_instances/{instance['id']}")
    for path in (*lists, *of_one, "/record/export"):
        answer = plane.http.get(path)
        assert answer.status_code == 200, path
        seen.append((path, answer.content))
    for one in (session, left["id"], crash["id"]):
        seen.append((f"transcript of {one}", json.dumps(plane.transcript(one), ensure_ascii=False).encode()))
        seen.append((f"session {one}", plane.http.get(f"/sessions/{one}").content))
        seen.append((f"plan of {one}", plane.http.get(f"/sessions/{one}/plan").content))
    plane.cleared()
    seen += asyncio.run(tables(plane.data))
    assert len(events(plane, token["id"], "secret.expose")) == 3
    assert plane.down() == 0
    seen.append(("the log", plane.log().encode()))
    seen += files(plane.data)
    assert len(seen) > 100
    assert found_in(seen, FORMS) == []


# --- that it would be found ---

PLANTED = TOKEN.replace("cAn4ry", "pl4nTd")


@pytest.mark.parametrize("form", [*written(PLANTED), base64.b64encode(b"ab:" + PLANTED.encode()).decode()])
def test_a_value_is_found_however_it_is_written(form: str) -> None:
    assert found_in([("there", form.encode())], forms(PLANTED.encode()))


@pytest.mark.parametrize("where", ["cmdline", "environ"])
def test_a_value_in_an_argument_or_a_variable_is_found(where: str) -> None:
    words = [sys.executable, "-c", "print(flush=True); input()", *([PLANTED] if where == "cmdline" else [])]
    given = {"KEPT": PLANTED} if where == "environ" else {}
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=given) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = found_in(processes_outside(), forms(PLANTED.encode()))
        process.communicate(b"\n")
    assert {place for place, _ in found} == {f"/proc/{process.pid}/{where}"}


def test_a_value_in_a_row_an_artifact_or_an_archive_is_found(plane: Plane) -> None:
    group = plane.call("POST", "/groups", {"name": "planted", "description": PLANTED})
    coded = base64.b64encode(PLANTED.encode()).decode()
    left = plane.run(f"echo {coded} | base64 -d > /outputs/leak; tar -czf /outputs/leak.tar.gz -C /outputs leak")
    assert left["phase"] == "completed"
    places = {where for where, _ in found_in(asyncio.run(tables(plane.data)), forms(PLANTED.encode()))}
    assert {"the table groups", "the table resource_events"} <= places
    kept = {where for where, _ in found_in(files(plane.data / "blobs"), forms(PLANTED.encode()))}
    assert len(kept) == 2
    assert sum(where.endswith(", unpacked") for where in kept) == 1
    plane.call("DELETE", f"/groups/{group['id']}")


def test_a_control_plane_that_dies_leaves_no_core_file(new_plane: Callable[..., Plane]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    try:
        plane = new_plane()
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    assert plane.process is not None
    limits = Path(f"/proc/{plane.process.pid}/limits").read_text(encoding="utf-8").splitlines()
    [core] = [line.split() for line in limits if line.startswith("Max core file size")]
    assert core[4] == "0"
