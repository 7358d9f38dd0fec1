"""A filesystem as the workspace of sessions."""

import hashlib
import time
from collections.abc import Callable

import pytest

from archives import make
from e2e.plane import BASE, Json, Plane

pytestmark = pytest.mark.slow

FILES = make.gz(
    make.tar(
        make.file("tools/greet", b"#!/bin/sh\necho hello from below\n", mode=0o755),
        make.file("data/a.txt", b"a\n"),
        make.file("data/old.txt", b"old\n"),
        make.symlink("current", "data"),
    )
)


def push(plane: Plane, data: bytes, name: str) -> Json:
    """A filesystem made of an archive, ready."""
    checksum = f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert plane.http.put(f"/uploads/{checksum}", content=data).status_code == 201
    source = {"kind": "upload", "checksum": checksum}
    filesystem = plane.call("POST", "/filesystems", {"name": name, "source": source})
    return ready(plane, filesystem["id"])


def ready(plane: Plane, identifier: str) -> Json:
    """The filesystem, once what was to come has come."""
    deadline = time.monotonic() + 60
    found: Json = {}
    while time.monotonic() < deadline:
        found = plane.call("GET", f"/filesystems/{identifier}")
        if found["source"] is None:
            assert found["phase"] == "ready", found
            return found
    raise AssertionError(f"not ready: {found}")


def said(plane: Plane, session: str) -> str:
    """What a session's tasks wrote."""
    return "".join(str(event["data"].get("text", "")) for event in plane.transcript(session))


def instance(plane: Plane, filesystem: Json, **fields: object) -> Json:
    """An instance whose workspace it is."""
    group = plane.call("POST", "/groups", {"name": f"of {filesystem['name']} {fields}"})
    plane.call("PUT", f"/groups/{group['id']}/available_filesystems/{filesystem['id']}")
    body = {"name": "ci", "group_id": group["id"], "filesystem_id": filesystem["id"], **fields}
    return plane.call("POST", "/compute_instances", body)


LOOK = """
cd /workspace
./tools/greet
ls -R .
cat current/a.txt
echo changed >> data/a.txt
rm data/old.txt
touch data/new
"""


def test_sessions_start_from_the_version_and_leave_it_as_it_was(plane: Plane) -> None:
    filesystem = push(plane, FILES, "toolbox")
    machine = instance(plane, filesystem)
    for session in [plane.run(LOOK, compute_instance_id=machine["id"]) for _ in range(2)]:
        assert session["phase"] == "completed", session
        told = said(plane, session["id"])
        assert "hello from below" in told
        assert "old.txt" in told
        assert "changed" not in told
        plan = plane.call("GET", f"/sessions/{session['id']}/plan")["plan"]
        assert plan["request"]["instance"]["filesystem"] == {
            "id": filesystem["id"],
            "version_id": filesystem["current_version_id"],
            "number": 1,
            "checksum": filesystem["archive_checksum"],
        }


def test_a_pinned_version_stays_when_the_filesystem_moves_on(plane: Plane) -> None:
    filesystem = push(plane, FILES, "moving")
    pinned = instance(plane, filesystem, filesystem_version_id=filesystem["current_version_id"])
    current = instance(plane, filesystem)
    data = make.gz(make.tar(make.file("second", b"second version\n")))
    checksum = f"sha256:{hashlib.sha256(data).hexdigest()}"
    plane.http.put(f"/uploads/{checksum}", content=data)
    body = {"source": {"kind": "upload", "checksum": checksum}, "parent_version_id": filesystem["current_version_id"]}
    plane.call("POST", f"/filesystems/{filesystem['id']}/versions", body)
    ready(plane, filesystem["id"])
    look = "cat /workspace/second || ls /workspace"
    old, new = plane.run(look, compute_instance_id=pinned["id"]), plane.run(look, compute_instance_id=current["id"])
    assert "tools" in said(plane, old["id"])
    assert "second version" in said(plane, new["id"])


def test_without_the_grant_nothing_starts(plane: Plane) -> None:
    filesystem = push(plane, FILES, "revoked")
    machine = instance(plane, filesystem)
    workflow = plane.workflow(["true"])
    plane.call("DELETE", f"/groups/{machine['group_id']}/available_filesystems/{filesystem['id']}")
    body = {"workflow_id": workflow, "compute_instance_id": machine["id"], "start": True}
    refused = plane.call("POST", "/sessions", body, status=422)
    assert "was not granted the filesystem" in refused["reason"]


def test_a_damaged_cache_is_refused_after_a_restart_and_healed(new_plane: Callable[..., Plane]) -> None:
    plane = new_plane()
    machine = instance(plane, push(plane, FILES, "toolbox"))
    assert plane.run(LOOK, compute_instance_id=machine["id"])["phase"] == "completed"
    [tree] = (plane.data / "cache" / "sha256").glob("*/tree")
    plane.kill()
    (tree / "data" / "a.txt").write_bytes(b"b\n")
    plane.up()
    # Whoever comes first finds it: the scrub at the start, or the session.
    session = plane.run("cat /workspace/data/a.txt", compute_instance_id=machine["id"])
    if session["phase"] == "failed":
        assert "not what was stored" in session["reason"]
        session = plane.run("cat /workspace/data/a.txt", compute_instance_id=machine["id"])
    assert session["phase"] == "completed"
    assert "a\n" in said(plane, session["id"])
    found = plane.call("GET", "/resource_events?action=filesystem_version.damaged")["items"]
    assert len(found) == 1
    assert found[0]["href"].startswith(BASE)


CHANGE = """
cd /workspace
echo more >> data/a.txt
rm data/old.txt
rm -r tools
mkdir -p new/deep
echo made > new/deep/file
chmod 755 new/deep/file
ln -s deep/file new/link
"""


def paths(plane: Plane, filesystem: Json, version: str) -> dict[str, str]:
    """What a version holds: path → type."""
    found = plane.call("GET", f"/filesystems/{filesystem['id']}/entries?recursive=true&version={version}")
    return {entry["path"]: entry["type"] for entry in found["items"]}


def content(plane: Plane, filesystem: Json, path: str) -> bytes:
    return plane.http.get(f"/filesystems/{filesystem['id']}/content", params={"path": path}).content


def test_what_a_session_changes_becomes_a_version(plane: Plane) -> None:
    filesystem = push(plane, FILES, "captured")
    machine = instance(plane, filesystem)
    session = plane.run(CHANGE, compute_instance_id=machine["id"], capture=True)
    assert session["phase"] == "completed", session
    after = plane.call("GET", f"/filesystems/{filesystem['id']}")
    assert after["current_version_number"] == 2
    assert session["output_filesystem_version_id"] == after["current_version_id"]
    version = plane.call("GET", f"/filesystem_versions/{after['current_version_id']}")
    assert (version["source"], version["session_id"]) == ("session", session["id"])
    assert version["parent_version_id"] == filesystem["current_version_id"]
    assert paths(plane, filesystem, "2") == {
        "current": "symlink", "data": "directory", "data/a.txt": "file", "new": "directory", "new/deep": "directory",
        "new/deep/file": "file", "new/link": "symlink",
    }  # fmt: skip
    assert content(plane, filesystem, "data/a.txt") == b"a\nmore\n"
    again = plane.run("cat /workspace/new/link; ls /workspace", compute_instance_id=machine["id"], capture=True)
    assert "made" in said(plane, again["id"])
    assert again["output_filesystem_version_id"] is None, "it changed nothing"
    assert plane.call("GET", f"/filesystems/{filesystem['id']}")["current_version_number"] == 2


def test_what_was_made_of_an_old_version_stands_beside_the_current_one(plane: Plane) -> None:
    filesystem = push(plane, FILES, "raced")
    machine = instance(plane, filesystem)
    first = plane.start("sleep 2; echo slow > /workspace/slow", compute_instance_id=machine["id"], capture=True)
    quick = plane.run("echo quick > /workspace/quick", compute_instance_id=machine["id"], capture=True)
    slow = plane.wait(first)
    after = plane.call("GET", f"/filesystems/{filesystem['id']}")
    outputs = {one["output_filesystem_version_id"] for one in (quick, slow)}
    assert after["current_version_id"] in outputs
    assert len(outputs - {None}) == 2, "nobody's work is lost"
    told = [event for one in (quick, slow) for event in plane.transcript(one["id"]) if event["type"] == "error"]
    assert ["moved on" in str(event["data"]["reason"]) for event in told] == [True]


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("mkfifo /workspace/pipe", "special"),
        ("ln -s /etc/passwd /workspace/link", "link-absolute"),
        ("ln -s ../../x /workspace/link", "link-outward"),
    ],
    ids=["a fifo", "an absolute link", "a link outward"],
)
def test_what_no_version_may_hold_is_not_captured_and_the_session_says_why(
    plane: Plane, script: str, says: str
) -> None:
    filesystem = push(plane, FILES, f"hostile {says}")
    machine = instance(plane, filesystem)
    session = plane.run(script, compute_instance_id=machine["id"], capture=True)
    assert (session["phase"], session["output_filesystem_version_id"]) == ("completed", None)
    told = [event["data"]["reason"] for event in plane.transcript(session["id"]) if event["type"] == "error"]
    assert len(told) == 1
    assert f"({says})" in told[0]
    assert plane.call("GET", f"/filesystems/{filesystem['id']}")["current_version_number"] == 1


def test_a_value_of_a_secret_in_the_workspace_withholds_the_capture(plane: Plane) -> None:
    filesystem = push(plane, FILES, "secretive")
    machine = instance(plane, filesystem)
    secret = plane.call("POST", "/secrets", {"name": "token", "value": "c4nary-value-9913"})
    plane.call("PUT", f"/groups/{machine['group_id']}/available_secrets/{secret['id']}")
    mapping = {"compute_instance_id": machine["id"], "secret_id": secret["id"], "expose_as_env": "TOKEN"}
    plane.call("POST", "/instance_secret_mappings", mapping)
    leaks = 'printf "x%s" "$TOKEN" | base64 > /workspace/leak'
    session = plane.run(leaks, compute_instance_id=machine["id"], capture=True)
    assert session["output_filesystem_version_id"] is None
    told = [event["data"]["reason"] for event in plane.transcript(session["id"]) if event["type"] == "error"]
    assert any("it holds the value of token" in reason for reason in told), told
    clean = plane.run("echo clean > /workspace/fine", compute_instance_id=machine["id"], capture=True)
    assert clean["output_filesystem_version_id"] is not None


def test_without_a_filesystem_nothing_can_be_captured(plane: Plane) -> None:
    workflow = plane.workflow(["true"])
    refused = plane.call("POST", "/sessions", {"workflow_id": workflow, "capture": True, "start": True}, status=422)
    assert refused["details"]["field"] == "capture"
