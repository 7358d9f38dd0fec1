"""`moor group`, `token`, `access`, `profile`: who may do what, and why."""

import json
import stat
from pathlib import Path

import pytest

from surfaces.cli.conftest import Moor, Served
from surfaces.people import Asker


async def test_members_and_grants_are_given_and_taken(moor: Moor) -> None:
    await moor("create", "user", "builder", "name=The builder")
    await moor("create", "group", "team")
    await moor("secret", "set", "key", stdin="secret-value")
    assert (
        await moor("group", "add-member", "team", "builder", "--role", "operator")
    ).out == "builder is operator of team\n"
    assert (await moor("group", "grant", "team", "secret", "key")).out == "team may use the secret key\n"
    rows = json.loads((await moor("group", "members", "team", "-o", "json")).out)
    assert [(row["what"], row["name"], row["role"]) for row in rows] == [
        ("member", "admin", "owner"), ("member", "builder", "operator"), ("secret", "key", None),
    ]  # fmt: skip
    assert (await moor("group", "revoke", "team", "secret", "key", "--reason", "over")).status == 0
    assert (await moor("group", "remove-member", "team", "builder")).status == 0
    assert (await moor("group", "remove-member", "team", "builder")).status == 6
    rows = json.loads((await moor("group", "members", "team", "-o", "json")).out)
    assert [row["name"] for row in rows] == ["admin"]


async def test_a_token_is_printed_once_alone_and_opens_until_it_is_revoked(
    moor: Moor, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await moor("token", "create", "ci", "--scope", "read", "--expires", "30d")
    assert made.status == 0
    assert made.lines == [made.out.strip()]
    assert made.out.startswith("mrg_")
    (row,) = json.loads((await moor("get", "tokens", "--search", "name = 'ci'", "-o", "json")).out)
    assert (row["scopes"], row["expires_at"] is None) == (["read"], False)
    with monkeypatch.context() as patched:
        patched.setenv("MOORING_TOKEN", made.out.strip())
        assert json.loads((await moor("whoami", "-o", "json")).out)["may"] == "read"
        refused = await moor("create", "agent", "a")
        assert refused.status == 5
    assert (await moor("token", "revoke", "ci")).status == 0
    with monkeypatch.context() as patched:
        patched.setenv("MOORING_TOKEN", made.out.strip())
        shut_out = await moor("whoami")
        assert shut_out.status == 4
        assert "moor login" in shut_out.err
    assert made.out.strip() not in (await moor("audit", "log", "-o", "json")).out


@pytest.mark.parametrize("when", ["soon", "2027-01-31T12:00:00", "30", "-1d"])
async def test_an_end_that_is_no_time_is_refused(moor: Moor, when: str) -> None:
    said = await moor("token", "create", "x", "--expires", when)
    assert (said.status, said.out) == (2, "")
    assert "--expires" in said.err


async def test_access_is_explained_step_by_step(moor: Moor) -> None:
    await moor("create", "user", "builder")
    await moor("create", "group", "team")
    await moor("create", "instance", "box", "group=team")
    denied = await moor("access", "explain", "instance/box", "--action", "operate", "--user", "builder")
    assert denied.status == 1
    assert denied.lines[0].startswith("not allowed: operate compute_instance ci_")
    await moor("group", "add-member", "team", "builder", "--role", "operator")
    allowed = await moor("access", "explain", "instance/box", "--action", "operate", "--user", "builder")
    assert allowed.status == 0
    assert any(line.startswith("  - builder is an operator of the group team") for line in allowed.lines)
    assert (await moor("access", "explain", "nothing")).status == 2


async def test_a_login_is_kept_privately_and_used(
    moor: Moor, served: Served, admin: Asker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MOORING_SERVER")
    monkeypatch.delenv("MOORING_TOKEN")
    nobody = await moor("whoami")
    assert (nobody.status, nobody.out) == (4, "")
    assert "moor up" in nobody.err
    said = await moor("login", served.url, "--name", "here", stdin=admin.token + "\n")
    assert said.status == 0
    assert admin.token not in said.out + said.err
    assert stat.S_IMODE((tmp_path / "config/mooring/config.toml").stat().st_mode) == 0o600
    assert json.loads((await moor("whoami", "-o", "json")).out)["username"] == "admin"
    assert (await moor("whoami", "--profile", "there")).status == 4
    assert (await moor("--server", "http://127.0.0.1:1", "whoami")).status == 4, "its token goes nowhere else"
    (row,) = json.loads((await moor("profile", "list", "-o", "json")).out)
    assert (row["name"], row["current"]) == ("here", "*")
    assert (await moor("profile", "forget", "here")).status == 0
    assert (await moor("whoami")).status == 4


async def test_a_login_that_the_server_refuses_is_not_kept(
    moor: Moor, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MOORING_SERVER")
    monkeypatch.delenv("MOORING_TOKEN")
    said = await moor("login", served.url, stdin="mrg_wrong\n")
    assert said.status == 4
    assert not (tmp_path / "config").exists()


async def test_the_record_is_verified_and_exported(moor: Moor) -> None:
    await moor("create", "agent", "a")
    said = await moor("audit", "verify")
    assert (said.status, said.err) == (0, "")
    assert said.out.startswith("the record is intact: ")
    exported = [json.loads(line) for line in (await moor("audit", "export")).lines]
    assert [event["number"] for event in exported] == list(range(1, len(exported) + 1))
    assert "agent.create" in {event["action"] for event in exported}


async def test_what_nobody_does_is_said_to_be_so(moor: Moor, admin: Asker) -> None:
    agent = await admin.made("/agents", {"name": "a"})
    await admin.made("/users", {"username": "author", "name": "Author"})
    said = await moor("access", "explain", agent["id"], "--action", "grant", "--user", "author")
    assert (said.status, "no rule allows anyone to grant this" in said.out) == (1, True)
