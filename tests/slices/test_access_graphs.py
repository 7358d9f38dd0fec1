"""Lists, single reads and the rules agree with a reckoning of its own, over random people, groups and grants."""

import contextlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, LiteralString

import pytest

from mooring.access.actor import Actor, GroupRole, Permission, PlatformRole
from mooring.audit import ledger, lists
from mooring.audit.kinds import Kind
from mooring.audit.verbs import subject
from mooring.base.db import Database, Tx
from mooring.base.errors import Missing
from mooring.base.ids import new_id
from mooring.base.page import Wanted
from mooring.catalog.kinds import AGENT
from mooring.compute.kinds import COMPUTE_INSTANCE, RUN
from mooring.files.kinds import FILESYSTEM, FILESYSTEM_VERSION
from mooring.identity import users
from mooring.identity.kinds import GROUP, TOKEN
from mooring.secrets.kinds import SECRET
from mooring.sessions.kinds import ARTIFACT, SESSION

KINDS: tuple[Kind[Any], ...] = (
    AGENT, TOKEN, GROUP, COMPUTE_INSTANCE, FILESYSTEM, FILESYSTEM_VERSION, SECRET, SESSION, RUN, ARTIFACT,
)  # fmt: skip
RANK = {"viewer": 0, "operator": 1, "owner": 2}


@dataclass
class Thing:
    """A resource as the reckoning sees it: of which kind, whose, in which groups."""

    id: str
    kind: str
    maker: str | None = None
    assignee: str | None = None
    groups: set[str] = field(default_factory=set[str])


@dataclass
class Graph:
    """Who is what where."""

    roles: dict[str, str]
    members: dict[tuple[str, str], str]
    things: list[Thing]
    rows: dict[str, list[tuple[object, ...]]]


def draw(seed: int) -> Graph:
    """People, groups, grants and resources, by chance."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, no secret
    people = [new_id("usr") for _ in range(3)]
    roles = {person: chance.choice(["admin", "member", "member", "member", "auditor"]) for person in people}
    groups = [new_id("grp") for _ in range(2)]
    pairs = [(group, person) for group in groups for person in people]
    members = {pair: chance.choice(list(RANK)) for pair in pairs if chance.random() < 0.4}
    graph = Graph(roles=roles, members=members, things=[], rows={})
    graph.rows["users"] = [(person, person, roles[person]) for person in people]
    graph.rows["groups"] = [(group, group) for group in groups]
    graph.rows["group_members"] = [(*pair, role) for pair, role in members.items()]
    graph.things += [Thing(group, "group", groups={group}) for group in groups]
    _owned(graph, chance, people)
    instances = _instances(graph, chance, groups)
    _files(graph, chance, people, groups)
    _work(graph, chance, people, instances)
    return graph


def _owned(graph: Graph, chance: random.Random, people: list[str]) -> None:
    agent, token, maker = new_id("agt"), new_id("tok"), chance.choice(people)
    graph.rows["agents"] = [(agent, maker)]
    graph.things.append(Thing(agent, "agent", maker))
    whose = chance.choice(people)
    graph.rows["tokens"] = [(token, whose, chance.choice(people), chance.randbytes(32))]
    graph.things.append(Thing(token, "token", maker=None, assignee=whose))


def _instances(graph: Graph, chance: random.Random, groups: list[str]) -> dict[str, str]:
    instances = {new_id("ci"): chance.choice(groups) for _ in range(2)}
    graph.rows["compute_instances"] = [(instance, instance, group) for instance, group in instances.items()]
    graph.things += [Thing(instance, "compute_instance", groups={group}) for instance, group in instances.items()]
    return instances


def _files(graph: Graph, chance: random.Random, people: list[str], groups: list[str]) -> None:
    for kind, prefix, column in (("filesystem", "fs", "filesystems"), ("secret", "sec", "secrets")):
        identifier, maker = new_id(prefix), chance.choice(people)
        granted = {group for group in groups if chance.random() < 0.4}
        graph.rows[column] = [(identifier, identifier, maker)]
        graph.rows[f"group_{column}"] = [(group, identifier) for group in granted]
        graph.things.append(Thing(identifier, kind, maker, groups=granted))
        if kind == "filesystem":
            version = new_id("fsv")
            graph.rows["filesystem_versions"] = [(version, identifier, chance.choice(people))]
            graph.things.append(Thing(version, "filesystem_version", maker, groups=granted))


def _work(graph: Graph, chance: random.Random, people: list[str], instances: dict[str, str]) -> None:
    maker, assignee = chance.choice(people), chance.choice([None, *people])
    instance = chance.choice([None, *instances])
    session, run, artifact = new_id("ses"), new_id("run"), new_id("art")
    within = {instances[instance]} if instance else set[str]()
    graph.rows["sessions"] = [(session, maker, assignee, instance)]
    graph.rows["artifacts"] = [(artifact, session)]
    graph.things.append(Thing(session, "session", maker, assignee, within))
    graph.things.append(Thing(artifact, "artifact", maker, assignee, within))
    of_session = chance.random() < 0.5
    starter, machine = chance.choice(people), chance.choice(list(instances))
    if of_session:
        graph.rows["runs"] = [(run, None, instance, session)]
        graph.things.append(Thing(run, "run", maker, assignee, within))
    else:
        graph.rows["runs"] = [(run, starter, machine, None)]
        graph.things.append(Thing(run, "run", starter, None, {instances[machine]}))


INSERTS: dict[str, LiteralString] = {
    "users": "INSERT INTO users (id, username, name, role) VALUES ($1, $2, $2, $3)",
    "groups": "INSERT INTO groups (id, name) VALUES ($1, $2)",
    "group_members": "INSERT INTO group_members (group_id, user_id, role) VALUES ($1, $2, $3)",
    "agents": "INSERT INTO agents (id, name, created_by_user_id) VALUES ($1, 'a', $2)",
    "tokens": "INSERT INTO tokens (id, user_id, created_by_user_id, name, hash) VALUES ($1, $2, $3, 't', $4)",
    "compute_instances": "INSERT INTO compute_instances (id, name, group_id) VALUES ($1, $2, $3)",
    "filesystems": "INSERT INTO filesystems (id, name, created_by_user_id) VALUES ($1, $2, $3)",
    "group_filesystems": "INSERT INTO group_filesystems (group_id, filesystem_id) VALUES ($1, $2)",
    "secrets": """
        INSERT INTO secrets (id, name, created_by_user_id, vault, vault_id, vault_version)
        VALUES ($1, $2, $3, 'local', $2, '1')
    """,
    "group_secrets": "INSERT INTO group_secrets (group_id, secret_id) VALUES ($1, $2)",
    "filesystem_versions": """
        INSERT INTO filesystem_versions (id, filesystem_id, created_by_user_id, number, source, s3_archive_bucket,
            s3_archive_key, archive_checksum, archive_size, uncompressed_size, manifest_key, manifest_checksum,
            blocks_key, blocks_checksum, entry_count)
        VALUES ($1, $2, $3, 1, 'upload', 'b', 'k', 'sha256:' || repeat('0', 64), 0, 0, 'm',
            'sha256:' || repeat('0', 64), 'l', 'sha256:' || repeat('0', 64), 0)
    """,
    "sessions": """
        INSERT INTO sessions (id, name, created_by_user_id, assigned_user_id, compute_instance_id)
        VALUES ($1, 's', $2, $3, $4)
    """,
    "artifacts": """
        INSERT INTO artifacts (id, session_id, name, size, sha256, blob_key)
        VALUES ($1, $2, 'a', 0, repeat('0', 64), 'k')
    """,
    "runs": """
        INSERT INTO runs (id, created_by_user_id, compute_instance_id, session_id, engine, spec)
        VALUES ($1, $2, $3, $4, 'local', '{}')
    """,
}


def allowed(graph: Graph, person: str, thing: Thing, permission: str) -> bool:
    """What docs/api.md says, reckoned anew."""
    role = graph.roles[person]
    if role == "admin":
        return True
    if role == "auditor" and permission == "read":
        return True
    rank = max(
        (RANK[held] for (group, who), held in graph.members.items() if who == person and group in thing.groups),
        default=-1,
    )
    made, assigned, member = thing.maker == person, thing.assignee == person, role == "member"
    rules: dict[str, dict[str, bool]] = {
        "agent": {"read": member, "change": made},
        "token": {"read": assigned, "change": assigned},
        "group": {"read": rank >= 0, "change": rank >= 2, "grant": rank >= 2},
        "compute_instance": {"read": rank >= 0, "change": rank >= 1, "operate": rank >= 1},
        "filesystem": {"read": made or rank >= 0, "change": made, "grant": made},
        "filesystem_version": {"read": made or rank >= 0, "change": made, "grant": made},
        "secret": {"read": made or rank >= 0, "change": made, "grant": made},
        "session": {
            "read": made or assigned or rank >= 0,
            "change": made or rank >= 1,
            "operate": made or assigned or rank >= 1,
        },
        "artifact": {
            "read": made or assigned or rank >= 0,
            "change": made or rank >= 1,
            "operate": made or assigned or rank >= 1,
        },
        "run": {"read": made or assigned or rank >= 0, "operate": made or assigned or rank >= 1},
    }
    return rules[thing.kind].get(permission, False)


class _UndoneError(Exception):
    pass


async def agrees(tx: Tx, graph: Graph) -> None:
    """Every list, every read and every rule, for every person and resource of the graph."""
    for table, rows in graph.rows.items():
        await tx.run_each(INSERTS[table], rows)
    for person in graph.roles:
        actor = (await users.stand(tx, person)).actor
        assert actor.groups == {group: GroupRole(role) for (group, who), role in graph.members.items() if who == person}
        for kind in KINDS:
            things = [thing for thing in graph.things if thing.kind == kind.name]
            await _listed(tx, graph, actor, kind, things)
            for thing in things:
                await _ruled(tx, graph, actor, kind, thing)


async def _listed(tx: Tx, graph: Graph, actor: Actor, kind: Kind[Any], things: Sequence[Thing]) -> None:
    person = str(actor.user_id)
    seen = {thing.id for thing in things if allowed(graph, person, thing, "read")}
    page = await lists.page(tx, actor, kind, Wanted(size=1000))
    assert ({row.id for row in page.items}, page.total) == (seen, len(seen)), kind.name


async def _ruled(tx: Tx, graph: Graph, actor: Actor, kind: Kind[Any], thing: Thing) -> None:
    person = str(actor.user_id)
    try:
        row, found = await ledger.read(tx, actor, kind, thing.id), True
    except Missing:
        row, found = await ledger.read(tx, Actor(user_id=None, role=PlatformRole.ADMIN), kind, thing.id), False
    assert found == allowed(graph, person, thing, "read"), kind.name
    of = await subject(tx, kind, row)
    for permission in (Permission.READ, Permission.CHANGE, Permission.OPERATE, Permission.GRANT):
        if graph.roles[person] == "admin" and actor.why(permission, of=of) is None:
            continue  # Nobody can do this to the kind: a run is never changed.
        assert actor.may(permission, of=of) == allowed(graph, person, thing, permission), (kind.name, permission)


@pytest.mark.parametrize("count", [60, pytest.param(10_000, marks=[pytest.mark.long, pytest.mark.timeout(3600)])])
async def test_random_graphs_agree(database: Database, count: int) -> None:
    for seed in range(count):
        with contextlib.suppress(_UndoneError):
            async with database.transaction() as tx:
                await agrees(tx, draw(seed))
                raise _UndoneError
