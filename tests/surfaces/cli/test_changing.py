"""`moor create`, `edit`, `watch`, and what every command has in common."""

import asyncio
import json
from pathlib import Path

import pytest

from mooring.client.kinds import KINDS
from surfaces.cli.conftest import Moor, Screen
from surfaces.people import Asker


async def test_fields_are_taken_as_the_kind_has_them(moor: Moor, tmp_path: Path) -> None:
    (tmp_path / "p.md").write_text("two\nlines\n")
    said = await moor(
        "create", "task", "build", f"prompt=@{tmp_path}/p.md", "check=make test", "max_attempts=3", "timeout=2.5",
        "--reason", "a start", "-o", "json",
    )  # fmt: skip
    assert said.err == ""
    task = json.loads(said.out)
    assert (task["prompt"], task["max_attempts"], task["timeout"]) == ("two\nlines\n", 3, 2.5)
    await moor("create", "agent", "123", 'settings:={"a": [1]}', "model=4")
    agent = json.loads((await moor("get", "agent", "123", "-o", "json")).out)[0]
    assert (agent["settings"], agent["model"]) == ({"a": [1]}, "4")
    await moor("create", "workflow", "w", "agent=123")
    assert json.loads((await moor("get", "wf", "w", "-o", "json")).out)[0]["agent_id"] == agent["id"]


async def test_a_name_is_found_as_it_was_given_though_it_is_kept_without_spaces_around_it(moor: Moor) -> None:
    await moor("create", "skill", " style ")
    [skill] = json.loads((await moor("get", "skill", " style ", "-o", "json")).out)
    assert skill["name"] == "style"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["agent", "a", "colour=red"], "agent: there is no field 'colour'"),
        (["task", "a", "max_attempts=many"], "max_attempts: "),
        (["task", "a", "prompt"], "'prompt' is no field"),
        (["task", "a", "prompt=x", "prompt=y"], "prompt is said twice"),
        (["task", "a", "settings:={}"], "task: there is no field"),
        (["agent", "a", "settings:={"], "settings:= is not JSON"),
        (["agent", "a", "prompt=@/nothing/there"], "cannot be read"),
        (["agent", "a", "name=b"], "name is said twice"),
        (["agent", "name=a", "name=b"], "name is said twice"),
        (["agent", "prompt=x", "model=y"], "it needs a name"),
        (["workflow", "agent=nobody"], "there is no agent named 'nobody'"),
        (["group"], "it needs a name"),
        (["workflow", "a", "agent=nobody"], "there is no agent named 'nobody'"),
        (["secret", "a"], "that is not made here"),
        (["thing", "a"], "'thing' is no kind"),
    ],
)
async def test_a_field_that_cannot_be_meant_makes_nothing(moor: Moor, words: list[str], says: str) -> None:
    said = await moor("create", *words)
    assert (said.status in (2, 6), said.out) == (True, "")
    assert says in said.err


async def test_a_name_is_said_before_the_fields_or_among_them(moor: Moor) -> None:
    for words in (["a"], ["name=b", "model=m"], ["model=m", "name=c"], ["x=1", "model=m"]):
        assert (await moor("create", "agent", *words)).status == 0, words
    assert (await moor("create", "user", "username=builder", "role=member")).status == 0
    agents = json.loads((await moor("get", "agents", "-o", "json")).out)
    assert sorted(agent["name"] for agent in agents) == ["a", "b", "c", "x=1"]
    [user] = json.loads((await moor("get", "user", "builder", "-o", "json")).out)
    assert (user["username"], user["name"]) == ("builder", "builder")


async def test_editing_changes_what_is_said_and_clears_what_is_empty(moor: Moor) -> None:
    await moor("create", "agent", "a", "model=m", "prompt=p")
    said = await moor("edit", "agent", "a", "model=", "runtime=claude")
    assert (said.status, said.out.split(maxsplit=2)[2]) == (0, "changed: model, runtime\n")
    agent = json.loads((await moor("get", "agent", "a", "-o", "json")).out)[0]
    assert (agent["model"], agent["runtime"], agent["prompt"], agent["version"]) == (None, "claude", "p", 2)
    again = await moor("edit", "agent", "a", "runtime=claude")
    assert again.out.split()[2] == "unchanged"


def editor(tmp_path: Path, script: str) -> str:
    """A program that edits: a script that is given the file as $1."""
    path = tmp_path / "editor"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


async def test_an_editor_shows_the_fields_and_only_what_differs_is_sent(
    moor: Moor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await moor("create", "task", "t", "prompt=one\ntwo\n")
    monkeypatch.setenv(
        "EDITOR", editor(tmp_path, f'cp "$1" {tmp_path}/seen; sed -i "s/two/three/; s/^max.*/max_attempts: 4/" "$1"')
    )
    said = await moor("edit", "task", "t")
    assert said.out.split(maxsplit=2)[2] == "changed: prompt, max_attempts\n"
    assert "prompt: |\n  one\n  two\n" in (tmp_path / "seen").read_text()
    task = json.loads((await moor("get", "task", "t", "-o", "json")).out)[0]
    assert (task["prompt"], task["max_attempts"]) == ("one\nthree\n", 4)


async def test_a_key_taken_out_of_a_map_is_gone_whether_it_is_said_or_edited(
    moor: Moor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await moor("create", "agent", "a", "model=m", 'settings:={"keep": 1, "drop": {"x": 2}, "in": {"y": 3, "z": 4}}')
    monkeypatch.setenv("EDITOR", editor(tmp_path, 'sed -i "/drop:/d; /x: 2/d; /z: 4/d" "$1"'))
    said = await moor("edit", "agent", "a")
    assert (said.err, said.out.split(maxsplit=2)[2]) == ("", "changed: settings\n")
    (agent,) = json.loads((await moor("get", "agent", "a", "-o", "json")).out)
    assert (agent["settings"], agent["model"]) == ({"keep": 1, "in": {"y": 3}}, "m")
    said = await moor("edit", "agent", "a", 'settings:={"other": null}', "model=")
    assert (said.err, said.out.split(maxsplit=2)[2]) == ("", "changed: settings, model\n")
    (agent,) = json.loads((await moor("get", "agent", "a", "-o", "json")).out)
    assert (agent["settings"], agent["model"]) == ({"other": None}, None)


@pytest.mark.parametrize(
    ("script", "says"), [("exit 0", "unchanged"), (': > "$1"', "unchanged"), ('echo "[" > "$1"', "not YAML")]
)
async def test_an_editor_that_leaves_nothing_good_changes_nothing(
    moor: Moor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, says: str
) -> None:
    await moor("create", "task", "t")
    monkeypatch.setenv("EDITOR", editor(tmp_path, script))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    said = await moor("edit", "task", "t")
    assert says in said.out + said.err
    assert json.loads((await moor("get", "task", "t", "-o", "json")).out)[0]["version"] == 1


async def test_somebody_elses_change_in_between_is_not_overwritten(
    moor: Moor, admin: Asker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = await admin.made("/tasks", {"name": "t", "prompt": "one"})
    monkeypatch.setenv(
        "EDITOR",
        editor(
            tmp_path,
            f'touch {tmp_path}/open; while [ ! -e {tmp_path}/go ]; do sleep 0.01; done; sed -i "s/one/mine/" "$1"',
        ),
    )

    async def change_it() -> None:
        while not (tmp_path / "open").exists():  # noqa: ASYNC110 - the editor is another process
            await asyncio.sleep(0.01)
        await admin.ask("PATCH", task["href"], {"prompt": "theirs"})
        (tmp_path / "go").touch()

    said, _ = await asyncio.gather(moor("edit", "task", "t"), change_it())
    assert said.status == 7
    assert json.loads((await moor("get", "task", "t", "-o", "json")).out)[0]["prompt"] == "theirs"


async def test_watching_shows_changes_of_a_kind_with_who_and_why(moor: Moor, admin: Asker) -> None:
    screen = Screen()
    watching = asyncio.create_task(moor("watch", "agents", "--after", "0", screen=screen))
    made = await admin.made("/agents", {"name": "a"}, Audit_Reason="because")
    await admin.made("/skills", {"name": "of another kind"})
    await admin.ask("PATCH", made["href"], {"model": "m"})
    await screen.until("model: null > m")
    screen.gone = True
    await admin.ask("PATCH", made["href"], {"model": "n"})
    said = await watching
    assert said.status == 141
    rows = [line.split() for line in said.lines]
    assert [row[2] for row in rows] == ["agent.create", "agent.update"]
    assert [row[4] for row in rows] == ["admin", "admin"]
    assert rows[0][-1] == "(because)"


async def test_what_joins_two_things_is_made_by_its_fields_and_named_by_its_id(moor: Moor) -> None:
    await moor("create", "workflow", "w")
    for noun in ("skill", "task"):
        await moor("create", noun, "s")
        made = json.loads((await moor("create", f"workflow-{noun}", "workflow=w", f"{noun}=s", "-o", "json")).out)
        assert (await moor("get", f"workflow_{noun}s", "-o", "name")).out == f"{made['id']}\n"
        changed = await moor("edit", f"workflow-{noun}", made["id"], "position=4")
        assert changed.out == f"workflow-{noun} {made['id']} changed: position\n"
        shown = await moor("describe", f"workflow-{noun}", made["id"])
        assert (f"w  {made['workflow_id']}" in shown.out, "position" in shown.out) == (True, True)
        assert (await moor("delete", f"workflow-{noun}", made["id"])).status == 0
        assert (await moor("get", f"workflow-{noun}")).out == f"no workflow {noun}s\n"


async def test_a_secrets_exposure_is_made_shown_and_removed_as_a_kind(moor: Moor, admin: Asker) -> None:
    group = await admin.made("/groups", {"name": "team"})
    secret = await admin.made("/secrets", {"name": "key", "value": "hunter22"})
    await admin.made("/compute_instances", {"name": "box", "group_id": group["id"]})
    await admin.ask("PUT", f"/groups/{group['id']}/available_secrets/{secret['id']}")
    said = await moor("create", "exposure", "instance=box", "secret=key", "expose_as_env=KEY")
    assert (said.status, said.err) == (0, "")
    identifier = said.out.split()[1]
    assert "KEY" in (await moor("get", "exposures")).out
    assert (await moor("edit", "exposure", identifier, "expose_as_env=OTHER")).status == 0
    assert (await moor("delete", "exposure", identifier)).out == f"exposure {identifier} deleted\n"


async def test_names_of_secrets_filesystems_and_tokens_are_edited_too(moor: Moor, admin: Asker) -> None:
    await admin.made("/secrets", {"name": "key", "value": "hunter22"})
    await admin.made("/filesystems", {"name": "files"})
    await admin.made("/tokens", {"name": "laptop"})
    for noun, name in (("secret", "key"), ("filesystem", "files"), ("token", "laptop")):
        said = await moor("edit", noun, name, "name=other")
        assert (said.status, said.out.split(maxsplit=2)[2]) == (0, "changed: name\n")
    refused = await moor("edit", "version", f"fsv_{'0' * 27}", "number=2")
    assert (refused.status, "that is never changed" in refused.err) == (2, True)


async def test_every_kind_can_be_listed(moor: Moor) -> None:
    for noun in KINDS:
        for shape in ("table", "wide", "name", "json", "yaml"):
            said = await moor("get", noun, "-o", shape)
            assert (said.status, said.err) == (0, ""), noun


async def test_a_name_that_several_have_is_listed_as_ids_for_a_shell(moor: Moor, admin: Asker) -> None:
    ids = [(await admin.made("/skills", {"name": "same"}))["id"] for _ in range(2)]
    await admin.made("/skills", {"name": "own"})
    assert (await moor("get", "skill", "-o", "name")).out.split() == ["own", *reversed(ids)]


async def test_who_names_no_kind_is_told_which_there_are(moor: Moor) -> None:
    said = await moor("get")
    assert (said.status, "workflow-skill" in said.err, "agent" in said.err) == (2, True, True)


async def test_a_list_of_what_joins_two_things_names_both(moor: Moor, admin: Asker) -> None:
    workflow = await admin.made("/workflows", {"name": "review"})
    task = await admin.made("/tasks", {"name": "look"})
    placed = [{"task_id": task["id"], "continue_on_failure": True}]
    await admin.ask("PUT", f"{workflow['href']}/tasks", {"items": placed})
    assert (await moor("get", "workflow-tasks")).out.splitlines()[1].split()[:3] == ["review", "look", "0"]
    assert "look  continue on failure" in (await moor("describe", "workflow", "review")).out
    newest = (await moor("get", "events")).out.splitlines()[1].split()
    assert newest[2:4] == ["workflow.update", "admin"]
