"""`moor apply` of what is made from somewhere: filesystems from a source, secrets from a place in a vault."""

import json
from typing import Any

import pytest

from mooring.app import App
from surfaces.cli.conftest import Moor
from surfaces.people import Asker
from vaults.loopback import WorkOS

FILES = """
kind: instance
name: box
group: team
filesystem: tools
---
kind: group
name: team
filesystems: [tools]
---
kind: filesystem
name: tools
description: compilers
source: {kind: git, repo_url: "https://example.org/tools.git#main"}
"""


def told(said: str) -> list[tuple[str, str, str | None]]:
    return [(row["kind"], row["outcome"], row["changed"]) for row in json.loads(said)]


async def test_a_filesystem_is_made_from_its_source_before_those_who_use_it(moor: Moor, admin: Asker) -> None:
    would = await moor("apply", "-f", "-", "--dry-run", "-o", "json", stdin=FILES)
    assert [row[:2] for row in told(would.out)] == [
        ("filesystem", "would be created"), ("group", "would be created"), ("instance", "would be created"),
    ]  # fmt: skip
    said = await moor("apply", "-f", "-", "-o", "json", stdin=FILES)
    assert (said.err, [row[:2] for row in told(said.out)]) == (
        "", [("filesystem", "created"), ("group", "created"), ("instance", "created")],
    )  # fmt: skip
    [filesystem] = (await admin.get("/filesystems")).json()["items"]
    assert filesystem["source"] == {"kind": "git", "repo_url": "https://example.org/tools.git#main"}
    [instance] = (await admin.get("/compute_instances")).json()["items"]
    assert instance["filesystem_id"] == filesystem["id"]


async def test_a_filesystem_that_is_there_keeps_its_files_whatever_source_is_said(moor: Moor, admin: Asker) -> None:
    made = await admin.made("/filesystems", {"name": "tools", "description": "old"})
    text = "{kind: filesystem, name: tools, source: {kind: s3, bucket: b, key: k}, archive_type: zip}"
    for more in ([], ["--dry-run"]):
        assert told((await moor("apply", "-f", "-", *more, "-o", "json", stdin=text)).out) == [
            ("filesystem", "unchanged", None)
        ]
    other = text.replace("name: tools", "name: tools, description: new")
    assert told((await moor("apply", "-f", "-", "-o", "json", stdin=other)).out) == [
        ("filesystem", "changed", "description")
    ]
    now = (await admin.get(made["href"])).json()
    assert (now["description"], now["source"], now["phase"]) == ("new", None, made["phase"])


async def test_what_lies_in_a_vault_is_registered_once_and_used(
    moor: Moor, admin: Asker, app: App, workos: Any, workos_server: WorkOS
) -> None:
    vaults: Any = app.vaults.vaults
    vaults["workos"] = workos
    workos_server.objects["secret_1"] = {"id": "secret_1", "name": "x", "value": "v", "context": {}, "version": "v1"}
    text = "kind: secret\nname: key\nvault: workos\nvault_id: secret_1\n--- {kind: group, name: team, secrets: [key]}"
    said = await moor("apply", "-f", "-", "-o", "json", stdin=text)
    assert (said.err, [row[:2] for row in told(said.out)]) == ("", [("secret", "created"), ("group", "created")])
    [secret] = (await admin.get("/secrets")).json()["items"]
    assert (secret["vault_id"], secret["registered"]) == ("secret_1", True)
    assert [row[1] for row in told((await moor("apply", "-f", "-", "-o", "json", stdin=text)).out)] == ["unchanged"] * 2
    described = text.replace("name: key", "name: key\ndescription: of the forge")
    assert told((await moor("apply", "-f", "-", "-o", "json", stdin=described)).out)[0] == (
        "secret", "changed", "description",
    )  # fmt: skip
    elsewhere = await moor("apply", "-f", "-", stdin=text.replace("secret_1", "secret_2"))
    assert elsewhere.status == 2
    assert "secret 'key': vault_id: it lies in workos as secret_1" in elsewhere.err


async def test_the_description_of_a_secret_with_a_value_is_declared(moor: Moor) -> None:
    await moor("secret", "set", "key", stdin="a-value-of-it")
    for outcome in ("changed", "unchanged"):
        said = await moor("apply", "-f", "-", "-o", "json", stdin="{kind: secret, name: key, description: d}")
        assert [row[1] for row in told(said.out)] == [outcome]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{kind: secret, name: a, value: hunter22}", "value: no file holds the value of a secret"),
        ("{kind: secret, name: a}", "vault, vault_id: it is not there, and a file can only say"),
        ("{kind: secret, name: a, vault: local, vault_id: x}", "vault, vault_id: it is not there"),
        ("{kind: secret, name: a, vault: attic, vault_id: x}", "vault: Invalid enum value 'attic'"),
        ("{kind: filesystem, name: a, source: {kind: upload, checksum: x}}", "source: what is sent is not declared"),
        ("{kind: filesystem, name: a, source: {kind: git}}", "source: Object missing required field `repo_url`"),
        ("{kind: filesystem, name: a, source: {kind: ftp}}", "source.kind: Invalid value 'ftp'"),
        ("{kind: filesystem, name: a, source: https://example.org/r}", "source: Expected `object | null`, got `str`"),
    ],
)
async def test_what_is_no_declaration_is_refused_before_anything_is_made(moor: Moor, text: str, says: str) -> None:
    for more in ([], ["--dry-run"]):
        said = await moor("apply", "-f", "-", *more, stdin=f"{{kind: user, username: u, name: u}}\n--- {text}")
        assert (said.status, said.out) == (2, "")
        assert says in said.err
        assert "hunter22" not in said.err


async def test_pruning_removes_no_files_and_no_values(moor: Moor, admin: Asker) -> None:
    await admin.made("/filesystems", {"name": "left"})
    await moor("secret", "set", "key", stdin="a-value-of-it")
    text = "{kind: filesystem, name: tools}\n--- {kind: agent, name: a}\n--- {kind: secret, name: key}"
    assert (await moor("apply", "-f", "-", "--prune", "--yes", stdin=text)).status == 0
    assert {row["name"] for row in (await admin.get("/filesystems")).json()["items"]} == {"left", "tools"}
