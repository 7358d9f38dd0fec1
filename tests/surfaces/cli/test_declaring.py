"""`moor apply`, `get`, `describe`, `delete`: declared in files, idempotent, named by names."""

import json
from pathlib import Path
from typing import Any

import pytest

from surfaces.cli.conftest import Moor
from surfaces.people import Asker, join

DEMO = str(Path(__file__).parents[3] / "examples" / "demo.yaml")
SMALL = """
kind: agent
name: sh
runtime: shell
---
kind: task
name: greet
prompt: echo hello
---
kind: workflow
name: greeting
agent: sh
tasks: [greet, {task: greet, continue_on_failure: true}]
"""


def outcomes(said: str) -> list[str]:
    return [row["outcome"] for row in json.loads(said)]


async def test_the_example_is_applied_once_and_then_unchanged(moor: Moor) -> None:
    first = await moor("apply", "-f", DEMO, "-o", "json", "--reason", "a first look")
    assert (first.status, first.err) == (0, "")
    assert outcomes(first.out) == ["created"] * 7
    second = await moor("apply", "-f", DEMO, "-o", "json")
    assert outcomes(second.out) == ["unchanged"] * 7
    workflow = json.loads((await moor("get", "workflow", "measure-and-report", "-o", "json")).out)[0]
    assert (len(workflow["skills"]), len(workflow["tasks"])) == (1, 4)
    events = json.loads((await moor("audit", "log", "--resource", workflow["id"], "-o", "json")).out)
    assert [event["action"] for event in events] == ["workflow.create", "workflow.update", "workflow.update"]
    assert {event["reason"] for event in events} == {"a first look"}


async def test_what_differs_is_changed_and_the_rest_is_left(moor: Moor) -> None:
    await moor("apply", "-f", "-", stdin=SMALL)
    changed = SMALL.replace("echo hello", "echo good day").replace("[greet, ", "[greet, greet, ")
    said = await moor("apply", "-f", "-", "-o", "json", stdin=changed)
    assert [(row["kind"], row["outcome"], row["changed"]) for row in json.loads(said.out)] == [
        ("agent", "unchanged", None), ("task", "changed", "prompt"), ("workflow", "changed", "tasks"),
    ]  # fmt: skip
    (workflow,) = json.loads((await moor("get", "wf", "-o", "json")).out)
    assert [task["continue_on_failure"] for task in workflow["tasks"]] == [False, False, True]
    fewer = SMALL.replace("agent: sh\n", "").replace(
        "tasks: [greet, {task: greet, continue_on_failure: true}]", "tasks: []"
    )
    assert outcomes((await moor("apply", "-f", "-", "-o", "json", stdin=fewer)).out)[-1] == "changed"
    (workflow,) = json.loads((await moor("get", "wf", "-o", "json")).out)
    assert workflow["tasks"] == []
    assert workflow["agent_id"] is not None


MAPS: list[tuple[str, str, str, dict[str, Any]]] = [
    ("kind: instance\nname: box\ngroup: team\nenvironment: ", '{A: "1"}', '{B: "2"}', {"B": "2"}),
    ("kind: instance\nname: box\ngroup: team\nenvironment: ", '{A: "1"}', "{}", {}),
    ("kind: agent\nname: a\nsettings: ", "{a: {b: 1, c: {d: 2}}, e: 3}", "{a: {c: {f: 1}}}", {"a": {"c": {"f": 1}}}),
    ("kind: agent\nname: a\nsettings: ", "{a: 1}", "{a: null, b: {c: null}}", {"a": None, "b": {"c": None}}),
    ("kind: group\nname: team\ngit_credentials: ", "{git.example.org: SECRET}", "{}", {}),
]


@pytest.mark.parametrize(("head", "first", "then", "held"), MAPS)
async def test_a_map_becomes_what_the_file_says_at_every_depth(
    moor: Moor, admin: Asker, head: str, first: str, then: str, held: dict[str, Any]
) -> None:
    team = await admin.made("/groups", {"name": "team"})
    secret = await admin.made("/secrets", {"name": "key", "value": "long enough a value"})
    await admin.ask("PUT", f"/groups/{team['id']}/available_secrets/{secret['id']}")
    kind, field = head.split()[1], head.rsplit(maxsplit=1)[-1].removesuffix(":")
    await moor("apply", "-f", "-", stdin=head + first.replace("SECRET", secret["id"]))
    said = await moor("apply", "-f", "-", "-o", "json", stdin=head + then)
    assert (said.err, [(row["outcome"], row["changed"]) for row in json.loads(said.out)]) == ("", [("changed", field)])
    (row,) = json.loads((await moor("get", kind, "-o", "json")).out)
    assert json.dumps(row[field], sort_keys=True) == json.dumps(held, sort_keys=True)
    assert outcomes((await moor("apply", "-f", "-", "-o", "json", stdin=head + then)).out) == ["unchanged"]
    would = await moor("apply", "--dry-run", "-f", "-", "-o", "json", stdin=head + then)
    assert outcomes(would.out) == ["unchanged"]


async def test_a_map_is_put_beside_what_is_cleared_and_leaves_what_is_not_named(moor: Moor) -> None:
    await moor("apply", "-f", "-", stdin="{kind: agent, name: a, model: m, prompt: p, settings: {b: 1}}")
    said = await moor("apply", "-f", "-", stdin="{kind: agent, name: a, model: null, settings: {c: 1}}")
    assert (said.status, said.err) == (0, "")
    (row,) = json.loads((await moor("get", "agent", "-o", "json")).out)
    assert (row["model"], row["prompt"], row["settings"]) == (None, "p", {"c": 1})


async def test_a_dry_run_says_what_would_be_done_and_does_nothing(moor: Moor) -> None:
    said = await moor("apply", "-f", "-", "--dry-run", "-o", "json", stdin=SMALL)
    assert outcomes(said.out) == ["would be created"] * 3
    assert json.loads((await moor("get", "agents", "-o", "json")).out) == []
    await moor("apply", "-f", "-", stdin=SMALL)
    said = await moor("apply", "-f", "-", "--dry-run", stdin=SMALL.replace("echo hello", "echo good day"))
    assert "- prompt: echo hello" in said.out
    assert "+ prompt: echo good day" in said.out
    assert "echo hello" in (await moor("get", "tasks", "-o", "wide")).out


async def test_a_dry_run_shows_a_list_before_and_after_by_name(moor: Moor, admin: Asker) -> None:
    for name in ("look", "report"):
        await admin.made("/tasks", {"name": name})
    declared = "kind: workflow\nname: w\ntasks: [look, report]\n"
    await moor("apply", "-f", "-", stdin=declared)
    other = declared.replace("[look, report]", "[{task: report, continue_on_failure: true}]")
    said = await moor("apply", "-f", "-", "--dry-run", stdin=other)
    assert "- tasks: look, report\n  + tasks: report (continue on failure)\n" in said.out


async def test_an_ambiguous_name_is_refused_with_the_ids_and_an_id_says_which(moor: Moor, admin: Asker) -> None:
    first = await admin.made("/agents", {"name": "sh", "runtime": "shell"})
    second = await admin.made("/agents", {"name": "sh", "runtime": "shell"})
    said = await moor("apply", "-f", "-", stdin=SMALL)
    assert said.status == 2
    assert said.err.startswith("error: standard input:2: 2 agents are named 'sh'")
    assert first["id"] in said.err
    assert second["id"] in said.err
    assert json.loads((await moor("get", "tasks", "-o", "json")).out) == [], "nothing was changed"
    exact = SMALL.replace("name: sh", f"id: {second['id']}\nname: sh").replace("agent: sh", f"agent: {second['id']}")
    assert outcomes((await moor("apply", "-f", "-", "-o", "json", stdin=exact)).out) == [
        "unchanged",
        "created",
        "created",
    ]
    shown = await moor("describe", "agent", "sh")
    assert (shown.status, shown.out) == (2, "")
    assert "say which by its id" in shown.err


async def test_a_reference_to_nothing_is_refused_with_its_place(moor: Moor) -> None:
    said = await moor("apply", "-f", "-", stdin="kind: workflow\nname: a\nagent: nobody")
    assert (said.status, said.out) == (6, "")
    assert said.err.startswith("error: standard input:1: workflow 'a': agent: there is no agent named 'nobody'\n")


async def test_a_field_that_no_kind_has_is_refused_by_the_server_in_its_words(moor: Moor) -> None:
    said = await moor("apply", "-f", "-", stdin="kind: agent\nname: a\nruntim: shell")
    assert said.status == 2
    assert "runtim" in said.err


async def test_files_of_a_directory_are_read_together(moor: Moor, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "b.yaml").write_text("kind: workflow\nname: w\nspec: {agent: a}\n")
    (tmp_path / "x" / "a.json").write_text('{"kind": "Agent", "name": "a"}')
    (tmp_path / "x" / "notes.txt").write_text("not this one")
    said = await moor("apply", "-f", str(tmp_path / "x"), "-o", "json")
    assert outcomes(said.out) == ["created", "created"]
    missing = await moor("apply", "-f", str(tmp_path / "y"))
    assert (missing.status, missing.err) == (2, f"error: {tmp_path}/y cannot be read: No such file or directory\n")


async def test_lists_come_as_table_names_yaml_and_json(moor: Moor) -> None:
    assert (await moor("get", "agents")).out == "no agents\n"
    await moor("apply", "-f", "-", stdin=SMALL)
    table = (await moor("get", "agents")).lines
    assert table[0].split() == ["NAME", "RUNTIME", "MODEL", "ID", "AGE"]
    assert table[1].split()[:3] == ["sh", "shell", "-"]
    assert (await moor("get", "agents", "-o", "name")).out == "sh\n"
    assert "runtime: shell" in (await moor("get", "agents", "-o", "yaml")).out
    described = await moor("describe", "workflow", "greeting")
    assert [line.split()[:2] for line in described.lines if line.startswith("agent")] == [["agent", "sh"]]
    assert "greet  continue on failure" in described.out


async def test_deleting_finds_all_before_it_removes_one_and_names_what_uses_it(moor: Moor) -> None:
    await moor("apply", "-f", "-", stdin=SMALL)
    said = await moor("delete", "task", "greet")
    assert said.status == 7
    assert "still used by" in said.err
    said = await moor("delete", "workflow", "greeting", "nothing")
    assert (said.status, "there is no workflow named 'nothing'" in said.err) == (6, True)
    assert (await moor("get", "wf", "-o", "name")).out == "greeting\n"
    assert (await moor("delete", "workflow", "greeting", "--reason", "over")).status == 0
    assert (await moor("delete", "task", "greet")).status == 0


TEAM = """
kind: user
username: builder
name: The builder
---
kind: group
name: team
members: {admin: owner, builder: operator}
secrets: [key]
---
kind: instance
name: box
group: team
image_name: host
environment: {CI: "yes"}
secrets:
  - {secret: key, env: KEY}
  - {secret: key, file: /run/secrets/key}
"""


async def test_members_grants_and_exposures_are_declared_with_their_owner(moor: Moor) -> None:
    await moor("secret", "set", "key", stdin="value-of-the-key")
    first = await moor("apply", "-f", "-", "-o", "json", stdin=TEAM)
    assert (first.status, first.err) == (0, "")
    assert outcomes(first.out) == ["created"] * 3
    assert outcomes((await moor("apply", "-f", "-", "-o", "json", stdin=TEAM)).out) == ["unchanged"] * 3
    less = TEAM.replace(", builder: operator", "").replace("  - {secret: key, file: /run/secrets/key}\n", "")
    said = await moor("apply", "-f", "-", "-o", "json", stdin=less)
    assert [(row["outcome"], row["changed"]) for row in json.loads(said.out)] == [
        ("unchanged", None), ("changed", "members"), ("changed", "exposures"),
    ]  # fmt: skip
    assert outcomes((await moor("apply", "-f", "-", "-o", "json", stdin=less)).out) == ["unchanged"] * 3
    group = json.loads((await moor("get", "group", "team", "-o", "json")).out)[0]
    assert ([member["role"] for member in group["members"]], len(group["available_secrets"])) == (["owner"], 1)
    promoted = less.replace("admin: owner", "admin: owner, builder: viewer")
    assert outcomes((await moor("apply", "-f", "-", "-o", "json", stdin=promoted)).out)[1] == "changed"


async def test_a_variable_and_a_file_are_given_other_secrets_where_they_are(moor: Moor) -> None:
    for name in ("key", "other"):
        await moor("secret", "set", name, stdin="a-value-of-it")
    both = TEAM.replace("secrets: [key]", "secrets: [key, other]")
    assert (await moor("apply", "-f", "-", stdin=both)).status == 0
    before = json.loads((await moor("get", "instance", "box", "-o", "json")).out)[0]["exposures"]
    swapped = both.replace("secret: key, env", "secret: other, env")
    swapped = swapped.replace("secret: key, file: /run/secrets/key", "secret: other, file: /run/secrets/key")
    would = await moor("apply", "--dry-run", "-f", "-", stdin=swapped)
    assert (would.status, "~ exposures" in would.out) == (0, True)
    said = await moor("apply", "-f", "-", "-o", "json", stdin=swapped)
    assert (said.status, said.err, outcomes(said.out)) == (0, "", ["unchanged", "unchanged", "changed"])
    after = json.loads((await moor("get", "instance", "box", "-o", "json")).out)[0]["exposures"]
    # They are the same exposures: at no time the instance was without the variable.
    assert [entry["id"] for entry in after] == [entry["id"] for entry in before]
    assert {entry["secret_id"] for entry in after}.isdisjoint(entry["secret_id"] for entry in before)
    assert outcomes((await moor("apply", "-f", "-", "-o", "json", stdin=swapped)).out) == ["unchanged"] * 3
    twice = await moor("apply", "-f", "-", stdin=f"{swapped}  - {{secret: key, env: KEY}}\n")
    assert (twice.status, "KEY can hold one secret" in twice.err) == (2, True)


async def test_what_an_instance_exposes_moves_in_one_step_each(moor: Moor) -> None:
    for name in ("key", "other"):
        await moor("secret", "set", name, stdin="a-value-of-it")
    full = TEAM.replace("secrets: [key]", "secrets: [key, other]")
    full += "".join(f"  - {{secret: other, env: OTHER_{number}}}\n" for number in range(98))
    assert (await moor("apply", "-f", "-", stdin=full)).status == 0
    before = json.loads((await moor("get", "instance", "box", "-o", "json")).out)[0]["exposures"]
    assert len(before) == 100
    # A file goes where the old one is in its way; a variable has another name and another secret.
    moved = full.replace("file: /run/secrets/key", "file: /run/secrets/key/of")
    moved = moved.replace("secret: other, env: OTHER_7}", "secret: key, env: NEW}")
    said = await moor("apply", "-f", "-", "-o", "json", stdin=moved)
    assert (said.err, outcomes(said.out)) == ("", ["unchanged", "unchanged", "changed"])
    after = json.loads((await moor("get", "instance", "box", "-o", "json")).out)[0]["exposures"]
    assert {entry["id"] for entry in after} == {entry["id"] for entry in before}
    assert outcomes((await moor("apply", "-f", "-", "-o", "json", stdin=moved)).out) == ["unchanged"] * 3
    assert outcomes((await moor("apply", "-f", "-", "-o", "json", stdin=TEAM)).out)[2] == "changed"
    left = json.loads((await moor("get", "instance", "box", "-o", "json")).out)[0]["exposures"]
    assert sorted(entry["expose_as_env"] or entry["expose_as_file"] for entry in left) == ["/run/secrets/key", "KEY"]


async def test_what_was_done_before_a_failure_is_told_and_the_document_is_named(moor: Moor) -> None:
    many = SMALL.replace("tasks: [greet, {task: greet, continue_on_failure: true}]", f"tasks: [{'greet, ' * 501}]")
    said = await moor("apply", "-f", "-", "-o", "json", stdin=many)
    assert said.status == 2
    # Also that the workflow is there, though its tasks are not in it.
    assert [(row["kind"], row["outcome"]) for row in json.loads(said.out)] == [
        ("agent", "created"), ("task", "created"), ("workflow", "created"),
    ]  # fmt: skip
    assert said.err.startswith("error: standard input:10: workflow 'greeting': items: 501 at once")
    said = await moor("apply", "-f", "-", "-o", "json", stdin=many)
    assert outcomes(said.out) == ["unchanged"] * 3


async def test_what_may_have_been_done_in_part_is_told_as_that(moor: Moor) -> None:
    await moor("secret", "set", "key", stdin="value-of-the-key")
    await moor("apply", "-f", "-", stdin=TEAM)
    more = TEAM.replace("group: team\n", "group: team\ncpus: 1\n") + "  - {secret: key, env: A}\n"
    said = await moor("apply", "-f", "-", "-o", "json", stdin=more + "  - {secret: key, env: PATH}\n")
    assert (said.status, "instance 'box': " in said.err, "PATH is reserved" in said.err) == (2, True, True)
    assert [(row["outcome"], row["changed"]) for row in json.loads(said.out)] == [
        ("unchanged", None), ("unchanged", None), ("changed", "cpus, exposures (perhaps in part)"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kind: workflow\nname: w\nskills: [dd, dd]", "workflow 'w': skills[1]: dd stands there already"),
        ("kind: task\nname: u\ntimeout: 1e2", "task 'u': timeout: Expected `float | null`, got `str`"),
        ("kind: task\nname: u\nmax_attempts: 1000", "task 'u': max_attempts: Expected `int` <= 100"),
        ("kind: agent\nname: a\nruntim: shell", "agent 'a': Object contains unknown field `runtim`"),
        ("kind: agent\nname: a\nmodel: 2026-01-01", "agent 'a': model: Expected `str | null`, got `date`"),
        ("kind: instance\nname: a\nengine: local", "instance 'a': Object missing required field `group_id`"),
        ("kind: instance\nname: a\ngroup: g\nenvironment: {A: 1}", "instance 'a': environment[...]: Expected `str`"),
        ("kind: agent\nname: a\nsettings: {on: x}", "agent 'a': Expected `str`, got `bool` - at `key` in `$.settings`"),
        ("kind: group\nname: a\ngit_credentials: [a]", "group 'a': git_credentials: Expected `object`"),
        ("kind: workflow\nname: w\ntasks: [{task: t, continue_on_failure: 1}]", "tasks[0].continue_on_failure: Exp"),
        ("kind: workflow\nname: w\ntasks: [{task: t, if: x}]", "tasks[0]: Object contains unknown field `if`"),
    ],
)
async def test_what_cannot_be_meant_is_refused_before_anything_is_made_by_a_dry_run_too(
    moor: Moor, text: str, says: str
) -> None:
    beside = "kind: skill\nname: dd\n---\nkind: task\nname: t\n---\nkind: group\nname: g\n---\n"
    for more in ([], ["--dry-run"]):
        said = await moor("apply", "-f", "-", *more, stdin=beside + text)
        assert (said.status, said.out) == (2, "")
        assert said.err.startswith("error: standard input:10: ")
        assert says in said.err
    assert (await moor("get", "skills")).out == "no skills\n"


async def test_what_is_kept_in_another_form_than_it_is_said_is_no_change(moor: Moor) -> None:
    text = "{kind: agent, name: a, runtime: null, settings: {day: 2026-01-31, deep: {2: x}}}\n--- {kind: task, name: t}"
    assert (await moor("apply", "-f", "-", stdin=text)).err == ""
    (agent,) = json.loads((await moor("get", "agents", "-o", "json")).out)
    assert (agent["runtime"], agent["settings"]) == ("shell", {"day": "2026-01-31", "deep": {"2": "x"}})
    for more in ([], ["--dry-run"]):
        assert outcomes((await moor("apply", "-f", "-", *more, "-o", "json", stdin=text)).out) == ["unchanged"] * 2
    cleared = "{kind: agent, name: a, settings: null}"
    assert outcomes((await moor("apply", "-f", "-", "-o", "json", stdin=cleared)).out) == ["changed"]
    assert outcomes((await moor("apply", "-f", "-", "--dry-run", "-o", "json", stdin=cleared)).out) == ["unchanged"]


async def test_pruning_deletes_what_one_made_and_no_longer_declares_and_asks_before(moor: Moor, admin: Asker) -> None:
    other = await join(admin, "other")
    await other.made("/tasks", {"name": "somebody else's"})
    await moor("create", "skill", "of a kind that is not declared")
    await moor("apply", "-f", "-", stdin=SMALL)
    fewer = "kind: agent\nname: sh\n---\nkind: task\nname: rest\n---\nkind: workflow\nname: resting\ntasks: [rest]\n"
    would = await moor("apply", "-f", "-", "--prune", "--dry-run", "-o", "json", stdin=fewer)
    assert [(row["name"], row["outcome"]) for row in json.loads(would.out)][3:] == [
        ("greeting", "would be deleted"), ("greet", "would be deleted"),
    ]  # fmt: skip
    done = await moor("apply", "-f", "-", "--prune", "--yes", "-o", "json", stdin=fewer)
    assert (done.status, done.err) == (0, "")
    assert outcomes(done.out) == ["unchanged", "created", "created", "deleted", "deleted"]
    assert set((await moor("get", "tasks", "-o", "name")).lines) == {"rest", "somebody else's"}
    assert (await moor("get", "skills", "-o", "name")).lines == ["of a kind that is not declared"]
    await moor("create", "task", "one more")
    declined = await moor("apply", "-f", "-", "--prune", stdin=fewer)
    assert declined.status == 130
    assert "one more" in (await moor("get", "tasks", "-o", "name")).lines
