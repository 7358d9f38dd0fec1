"""`moor secret` and `moor vault`, as a person and a script use them."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mooring.app import App
from mooring.secrets.loop import Secrets
from mooring.secrets.store import rotations
from surfaces.cli.conftest import Moor
from surfaces.machines import given, machine, over, value_of
from surfaces.people import Asker

pytestmark = pytest.mark.slow

CANARY = "s3cr3t-canary-7f1c"


async def one(admin: Asker, name: str = "token") -> dict[str, Any]:
    [found] = [secret for secret in (await admin.get("/secrets")).json()["items"] if secret["name"] == name]
    return found


@pytest.mark.parametrize(
    ("piped", "kept"),
    [(f"{CANARY}\n", CANARY), (CANARY, CANARY), (f"{CANARY}\r\n", CANARY), ("a\nb\n\n", "a\nb\n"), ("ü", "ü")],
)
async def test_what_is_piped_in_is_kept_without_its_last_line_end(
    moor: Moor, admin: Asker, app: App, piped: str, kept: str
) -> None:
    said = await moor("secret", "set", "token", stdin=piped)
    assert said.status == 0, said.err
    assert said.out.startswith("secret token: version 1 in local  sec_")
    assert await value_of(app, await one(admin)) == kept.encode()
    assert CANARY not in said.out + said.err


async def test_a_file_is_kept_byte_for_byte(moor: Moor, admin: Asker, app: App, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"\x00\xff binary\n")
    assert (await moor("secret", "set", "token", "--file", str(file))).status == 0
    assert await value_of(app, await one(admin)) == b"\x00\xff binary\n"


async def test_set_again_is_a_new_version_and_rotate_needs_one(moor: Moor, admin: Asker, app: App) -> None:
    missing = await moor("secret", "rotate", "token", stdin="x")
    assert (missing.status, "secret" in missing.err) == (6, True)
    await moor("secret", "set", "token", stdin="first value")
    said = await moor("secret", "set", "token", "--reason", "it leaked", stdin="second value")
    assert "version 2" in said.out
    assert "version 3" in (await moor("secret", "rotate", "token", stdin="third value")).out
    assert await value_of(app, await one(admin)) == b"third value"
    log = await moor("audit", "log", "--resource", "secret/token")
    assert "it leaked" in log.out


@pytest.mark.parametrize(
    ("argv", "piped", "says"),
    [
        (("secret", "set", "token"), "", "empty"),
        (("secret", "set", "token"), "z" * 65537, "65536 bytes"),
        (("secret", "set", "token", "--file", "/nowhere"), "", "cannot read /nowhere"),
        (("secret", "set", "token", CANARY), "x", "unexpected extra argument"),
        (("secret", "set", "token", "--value", CANARY), "x", "--value"),
        (("secret", "set", "token", "--vault", "workos"), "x", "there is no vault 'workos' here"),
        (("secret", "expose", "token", "--instance", "i"), "", "as what?"),
    ],
)
async def test_what_cannot_be_meant_is_told_and_nothing_is_kept(
    moor: Moor, admin: Asker, argv: tuple[str, ...], piped: str, says: str
) -> None:
    said = await moor(*argv, stdin=piped)
    assert said.status == 2
    assert says in said.err
    assert (await admin.get("/secrets")).json()["total"] == 0


async def test_a_short_value_is_kept_with_a_warning(moor: Moor) -> None:
    said = await moor("secret", "set", "pin", stdin="123")
    assert (said.status, "cannot be masked" in said.err) == (0, True)
    said = await moor("secret", "rotate", "pin", stdin="ab\ncd\nef\ngh")
    assert (said.status, "warning: each of the value's 4 lines has under 4 characters" in said.err) == (0, True)


async def test_granted_exposed_shown_and_taken_back(moor: Moor, admin: Asker, app: App) -> None:
    small = await machine(admin)
    await moor("secret", "set", "token", stdin=CANARY)
    refused = await moor("secret", "expose", "token", "--instance", "small", "--env", "TOKEN")
    assert (refused.status, "was not granted" in refused.err) == (5, True)
    assert (await moor("secret", "grant", "token", "--group", "builders")).status == 0
    said = await moor(
        "secret", "expose", "token", "--instance", "small", "--env", "TOKEN", "--env", "API", "--path", "/run/secrets/t"
    )
    assert [line.rpartition(" ")[2] for line in said.lines] == ["TOKEN", "API", "/run/secrets/t"]
    reserved = await moor("secret", "expose", "token", "--instance", "small", "--env", "PATH")
    assert (reserved.status, "reserved" in reserved.err) == (2, True)
    run = await small.run(app)
    used = (await moor("secret", "usage", "token")).out
    assert "builders" in used
    assert "API" in used
    assert run.id not in used
    assert (await moor("secret", "unexpose", "token", "--instance", "small", "--as", "API")).status == 0
    assert (await moor("secret", "unexpose", "token", "--instance", "small")).status == 0
    nothing = await moor("secret", "unexpose", "token", "--instance", "small")
    assert (nothing.status, "does not expose" in nothing.err) == (6, True)
    used = await moor("delete", "secret", "token")
    assert (used.status, small.group["id"] in used.err) == (7, True)
    assert (await moor("secret", "revoke", "token", "--group", "builders")).status == 0
    assert (await moor("delete", "secret", "token")).status == 0


async def test_who_still_holds_a_secret_is_told_though_many_runs_got_it_since(
    moor: Moor, admin: Asker, app: App
) -> None:
    small = await machine(admin)
    secret = await small.secret("token", CANARY)
    run = await given(app, small)
    assert "left out" not in (await moor("secret", "usage", "token")).err
    await over(app, secret, 1_001)
    used = await moor("secret", "usage", "token")
    assert run.id in used.out
    assert "older runs, all of them over, are left out" in used.err
    revoked = await moor("secret", "revoke", "token", "--group", "builders")
    assert revoked.err.splitlines() == [f"these runs still hold it: {run.id}"]


async def test_no_command_ever_shows_a_value(moor: Moor, admin: Asker) -> None:
    await moor("secret", "set", "token", stdin=CANARY)
    assert (await one(admin))["name"] == "token"
    for argv in (
        ("get", "secret", "-o", "json"), ("describe", "secret", "token"), ("secret", "usage", "token", "-o", "yaml"),
        ("audit", "log", "--resource", "secret/token", "-o", "json"), ("secret", "check", "token"),
        ("get", "secret", "-o", "wide"), ("vault", "status", "-o", "json"),
    ):  # fmt: skip
        said = await moor(*argv)
        assert said.status == 0, said.err
        assert CANARY not in said.out + said.err


async def test_where_a_value_lies_is_described_as_vault_and_id(moor: Moor) -> None:
    await moor("secret", "set", "token", stdin=CANARY)
    told = [line.split("  ")[0] for line in (await moor("describe", "secret", "token")).lines]
    assert told[3:5] == ["vault", "vault id"]


@pytest.mark.parametrize("field", ["value", "encoding"])
async def test_a_document_has_no_place_for_a_value_and_one_that_has_it_is_not_quoted(
    moor: Moor, tmp_path: Path, field: str
) -> None:
    path = tmp_path / "secret.yaml"
    path.write_text(f"kind: Secret\nname: token\n{field}: {CANARY}\n", encoding="utf-8")
    for words in (("--dry-run",), ()):
        said = await moor("apply", "-f", str(path), *words)
        assert said.status != 0
        assert CANARY not in said.out + said.err
    assert (await moor("get", "secret", "-o", "name")).out == ""


async def test_the_vaults_key_is_changed_and_waited_for(moor: Moor, app: App) -> None:
    await moor("secret", "set", "token", stdin=CANARY)
    before = await moor("vault", "status")
    assert "local" in before.out
    loops = Secrets(database=app.database, vaults=app.vaults)
    rotating = asyncio.create_task(moor("vault", "rotate", "--reason", "a key holder left"))
    running: list[str] = []
    while not running:
        await asyncio.sleep(0)
        async with app.database.reading() as tx:
            running = await tx.values(str, rotations.RUNNING)
    applied = await loops.rotate(running[0])
    assert applied.write is not None
    async with app.database.transaction() as tx:
        await applied.write(tx)
    said = await rotating
    assert said.status == 0, said.err
    assert said.lines[1] == "1 values were moved to it"
    assert said.lines[0].split()[2] in (await moor("vault", "status")).out
