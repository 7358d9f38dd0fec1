"""Secrets in sessions: given to the runs that may have them, once, and to nothing else."""

import asyncio
import base64
import json
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from shutil import rmtree

import pytest

from e2e.leaks import Place, files, forms, found_in, processes_outside, tables
from e2e.plane import Json, Plane
from githttp import GitHttp, self_signed
from mooring.secrets.vaults.keyring import FileKeys
from repositories import repository
from vaults.loopback import Trouble, WorkOS, running

pytestmark = pytest.mark.slow

CANARY = "s3cr3t-canary-7f1c"


def machine(plane: Plane, name: str, **instance: object) -> tuple[Json, Json]:
    group = plane.call("POST", "/groups", {"name": name})
    return group, plane.call("POST", "/compute_instances", {"name": "small", "group_id": group["id"], **instance})


def secret(
    plane: Plane, name: str, value: bytes, group: Json, instance: Json, *where: str, vault: str = "local"
) -> Json:
    """A secret granted to the group and exposed to its instance: a path is a file, a word a variable."""
    body = {"name": name, "value": base64.b64encode(value).decode(), "encoding": "base64", "vault": vault}
    made = plane.call("POST", "/secrets", body)
    plane.call("PUT", f"/groups/{group['id']}/available_secrets/{made['id']}")
    for one in where:
        exposed = {"expose_as_file" if one.startswith("/") else "expose_as_env": one}
        ids = {"compute_instance_id": instance["id"], "secret_id": made["id"]}
        plane.call("POST", "/instance_secret_mappings", {**ids, **exposed})
    return made


def events(plane: Plane, resource: str, action: str) -> list[Json]:
    found = plane.call("GET", f"/resource_events?resource_id={resource}&size=1000")["items"]
    return [event for event in reversed(found) if event["action"] == action]


def run_of(plane: Plane, session: str) -> Json:
    return plane.call("GET", f"/runs?session_id={session}")["items"][0]


def test_a_session_gets_its_secrets_as_variables_and_files(plane: Plane) -> None:
    group, instance = machine(plane, "gets")
    value = b"line one\nline \xff two \0 end\n"
    text = secret(plane, "text", CANARY.encode(), group, instance, "TOKEN", "API_TOKEN")
    secret(plane, "bytes", b"by\xff\ntes ", group, instance, "BYTES")
    blob = secret(plane, "blob", value, group, instance, "/run/secrets/blob", "/run/secrets/deep/er/blob")
    session = plane.run(
        f"""
        test "$TOKEN" = {CANARY} && test "$API_TOKEN" = {CANARY}
        test "$(printf %s "$BYTES" | od -An -tx1 | tr -d ' ')" = 6279ff0a74657320
        test "$(sha256sum < /run/secrets/blob)" = "$(sha256sum < /run/secrets/deep/er/blob)"
        printf 'line one\\nline \\377 two \\000 end\\n' | cmp - /run/secrets/blob
        test "$(stat -c '%a %F' /run/secrets/blob)" = '400 regular file'
        test "$(stat -f -c %T /run/secrets/blob)" = tmpfs
        """,
        compute_instance_id=instance["id"],
    )
    assert session["phase"] == "completed", plane.transcript(session["id"])
    run = run_of(plane, session["id"])
    for made, names in ((text, ["TOKEN", "API_TOKEN"]), (blob, ["/run/secrets/blob", "/run/secrets/deep/er/blob"])):
        [event] = events(plane, made["id"], "secret.expose")
        told = event["details"]
        assert (told["run_id"], told["session_id"], told["secret_version"]) == (run["id"], session["id"], 1)
        assert told["as"] == names


def test_a_grant_that_was_taken_back_stops_the_next_start_at_once(plane: Plane) -> None:
    group, instance = machine(plane, "revoked")
    made = secret(plane, "revoked", CANARY.encode(), group, instance, "TOKEN")
    plane.call("DELETE", f"/groups/{group['id']}/available_secrets/{made['id']}")
    workflow = plane.workflow(["true"])
    body = {"workflow_id": workflow, "compute_instance_id": instance["id"], "start": True}
    refused = plane.call("POST", "/sessions", body, status=403)
    assert made["id"] in refused["reason"]
    assert events(plane, made["id"], "secret.expose") == []


def test_the_default_instance_gets_nothing(plane: Plane) -> None:
    session = plane.run('test -z "$(env | grep -i token)"; test ! -e /run/secrets')
    assert session["phase"] == "completed"


def test_a_value_no_variable_can_hold_fails_the_run_with_what_to_do(plane: Plane) -> None:
    group, instance = machine(plane, "nul")
    secret(plane, "nul", b"a\0b-canary", group, instance, "TOKEN")
    session = plane.run("true", compute_instance_id=instance["id"])
    assert session["phase"] == "failed"
    assert "holds a NUL byte" in session["reason"]
    assert "expose it as a file" in session["reason"]
    [event] = events(plane, run_of(plane, session["id"])["id"], "run.refuse")
    assert "NUL" in event["details"]["reason"]


def test_sixty_four_kibibytes_fit_into_a_variable_and_a_file(plane: Plane) -> None:
    group, instance = machine(plane, "large")
    secret(plane, "large", b"z" * 65536, group, instance, "LARGE", "/run/secrets/large")
    session = plane.run('test ${#LARGE} = 65536; test "$(wc -c < /run/secrets/large)" = 65536',
                        compute_instance_id=instance["id"])  # fmt: skip
    assert session["phase"] == "completed", plane.transcript(session["id"])


# --- vaults and keys ---


def test_a_run_waits_for_a_vault_that_is_away_goes_on_when_it_is_back_and_fails_when_it_stays_away(
    new_plane: Callable[..., Plane],
) -> None:
    with running(WorkOS) as server:
        plane = new_plane(workos_api_key=WorkOS.KEY, workos_base_url=server.url, vault_wait="8", vault_timeout="1")
        group, instance = machine(plane, "waits")
        secret(plane, "away", CANARY.encode(), group, instance, "TOKEN", vault="workos")
        server.troubles = [Trouble(status=503)] * 1000
        asked = len(server.asked)
        session = plane.start(f'test "$TOKEN" = {CANARY}', compute_instance_id=instance["id"])
        server.wait_for(asked + 5)
        assert plane.call("GET", f"/sessions/{session}")["phase"] == "running"
        server.troubles.clear()
        assert plane.wait(session)["phase"] == "completed"
        server.troubles = [Trouble(status=503)] * 1000
        ended = plane.run("true", compute_instance_id=instance["id"])
        assert ended["phase"] == "failed"
        assert "could not be read for 8 s: WorkOS failed (503)" in ended["reason"]
        server.troubles.clear()
        assert plane.run(f'test "$TOKEN" = {CANARY}', compute_instance_id=instance["id"])["phase"] == "completed"


def test_it_does_not_start_with_a_key_it_must_not_use_or_without_one_it_needs(
    new_plane: Callable[..., Plane],
) -> None:
    plane = new_plane()
    secret(plane, "kept", CANARY.encode(), *machine(plane, "keys"))
    assert plane.down() == 0
    key = plane.data / "keys" / "vault.json"

    def refused() -> str:
        command = [sys.executable, "-m", "mooring", "up", "--data", str(plane.data), "--listen", "127.0.0.1:0"]
        done = subprocess.run(command, env=plane.environment(), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 8
        return done.stderr

    key.chmod(0o644)
    said = refused()
    assert f"chmod 600 {key}" in said
    subprocess.run(["sh", "-c", f"chmod 600 {key}"], check=True)
    right = key.read_bytes()
    key.unlink()
    assert "its keyring is gone; restore the key" in refused()
    assert not key.exists()
    FileKeys(path=key).make()
    assert "is not here" in refused()
    key.write_bytes(right)
    plane.up()
    assert plane.call("GET", "/vaults")["items"][0]["usable"]


# --- private repositories ---


@pytest.fixture
def private(directory: Path) -> Generator[tuple[GitHttp, Path]]:
    """A private repository behind TLS, and the certificate its server is known by."""
    place = directory / "private"
    place.mkdir()
    repository(place / "served" / "private.git", {"README.md": "private\n"})
    certificate, both = self_signed(place)
    with GitHttp(place / "served", both).running() as server:
        server.people["private.git"] = {f"ci:{CANARY}"}
        yield server, certificate
    rmtree(place)


def test_a_groups_sessions_fetch_private_repositories_and_no_others_do(
    private: tuple[GitHttp, Path], new_plane: Callable[..., Plane]
) -> None:
    server, certificate = private
    plane = new_plane(git_hosts="localhost", git_ca_file=str(certificate))
    url = server.url("private.git")
    group, instance = machine(plane, "has")
    other, elsewhere = machine(plane, "has not")
    made = secret(plane, "git", f"ci:{CANARY}".encode(), group, instance)
    host = url.split("/")[2]
    plane.call("PATCH", f"/groups/{group['id']}", {"git_credentials": {host: made["id"]}})
    seen: list[Place] = []
    # What the machine shows of git, of its children and of us while git is at work.
    server.meanwhile = lambda: seen.extend(processes_outside())
    session = plane.run("cat README.md; env; ls -a ~", repo_url=url, compute_instance_id=instance["id"])
    assert session["phase"] == "completed", session
    assert "private\n" in plane.output(session["id"])
    assert CANARY not in json.dumps(plane.transcript(session["id"]))
    [event] = events(plane, made["id"], "secret.fetch")
    assert (event["details"]["session_id"], event["details"]["secret_version"]) == (session["id"], 1)
    for instance_id in (elsewhere["id"], None):
        session = plane.run("true", repo_url=url, compute_instance_id=instance_id)
        assert session["phase"] == "failed"
        assert "needs a user and a password" in session["reason"]
    plane.call("DELETE", f"/groups/{group['id']}/available_secrets/{made['id']}")
    session = plane.run("true", repo_url=url, compute_instance_id=instance["id"])
    assert session["phase"] == "failed"
    assert "may not use" in session["reason"]
    assert other["id"] != group["id"]
    assert any(b"ls-remote" in content for _, content in seen)
    seen += asyncio.run(tables(plane.data))
    assert plane.down() == 0
    seen += files(plane.data)
    assert found_in(seen, [*forms(CANARY.encode()), *forms(f"ci:{CANARY}".encode())]) == []
