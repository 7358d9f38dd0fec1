"""One of every kind that belongs to someone, so that others may be kept away from it."""

from dataclasses import dataclass
from typing import Any

from mooring.access.actor import SYSTEM
from mooring.app import App
from mooring.audit import ledger
from mooring.base.ids import new_id
from mooring.files.kinds import FILESYSTEM_VERSION
from mooring.sessions import artifacts
from surfaces.machines import Machine, events
from surfaces.people import Asker, join

Json = dict[str, Any]
NO_SUM = "sha256:" + "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Someone's things: collection → id. `visible` are those that every member may read."""

    owner: Asker
    ids: dict[str, str]
    visible: frozenset[str]
    artifact: str = "changes.patch"

    @property
    def hidden(self) -> dict[str, str]:
        """What another group's member must never come to know of."""
        return {collection: found for collection, found in self.ids.items() if collection not in self.visible}


async def version_of(app: App, filesystem_id: str, creator: str, *, number: int = 1) -> str:
    """A version of a filesystem, as the worker that made it would have written it; its bytes lie nowhere."""
    values: Json = {
        "filesystem_id": filesystem_id, "number": number, "parent_version_id": None, "source": "upload",
        "session_id": None, "s3_archive_bucket": "local", "s3_archive_key": f"archives/{filesystem_id}/{number}",
        "archive_checksum": NO_SUM, "given_checksum": None, "archive_type": "tar.gz", "archive_size": 1,
        "uncompressed_size": 1, "manifest_key": "m", "manifest_checksum": NO_SUM, "blocks_key": "b",
        "blocks_checksum": NO_SUM, "entry_count": 0,
    }  # fmt: skip
    async with app.database.transaction() as tx:
        made = await ledger.insert(tx, SYSTEM, FILESYSTEM_VERSION, values, identifier=new_id("fsv"))
        await tx.run("UPDATE filesystems SET current_version_id = $2 WHERE id = $1", filesystem_id, made.id)
        await tx.run("UPDATE filesystem_versions SET created_by_user_id = $2 WHERE id = $1", made.id, creator)
    return made.id


async def world(app: App, admin: Asker, name: str = "olga") -> World:
    """Someone with a group, and in it one of everything."""
    olga = await join(admin, name)
    group = await olga.made("/groups", {"name": f"of {name}"})
    files = await olga.made("/filesystems", {"name": f"files of {name}"})
    version = await version_of(app, files["id"], olga.id)
    granted = await olga.ask("PUT", f"/groups/{group['id']}/available_filesystems/{files['id']}")
    assert granted.status_code == 200, granted.text
    instance = await olga.made(
        "/compute_instances", {"name": "small", "group_id": group["id"], "filesystem_id": files["id"]}
    )
    machine = Machine(asker=olga, group=group, instance=instance)
    secret = await olga.made("/secrets", {"name": f"secret of {name}", "value": "four and more", "vault": "local"})
    await machine.grant(secret)
    mapping = (await machine.expose(secret, expose_as_env="KEY")).json()
    agent = await olga.made("/agents", {"name": "sh", "runtime": "shell"})
    workflow = await olga.made("/workflows", {"name": "work", "agent_id": agent["id"]})
    skill = await olga.made("/skills", {"name": "review", "prompt": "read"})
    task = await olga.made("/tasks", {"name": "test", "prompt": "true"})
    with_skill = await olga.made("/workflow_skills", {"workflow_id": workflow["id"], "skill_id": skill["id"]})
    with_task = await olga.made("/workflow_tasks", {"workflow_id": workflow["id"], "task_id": task["id"]})
    session = await olga.made("/sessions", {"workflow_id": workflow["id"], "compute_instance_id": instance["id"]})
    started = await olga.ask("POST", f"{session['href']}/start")
    assert started.status_code == 200, started.text
    async with app.database.transaction() as tx:
        await artifacts.keep(tx, session["id"], "changes.patch", size=1, sha256="0" * 64)
    run = await machine.run(app)
    token = await olga.made("/tokens", {"name": "second"})
    return World(
        owner=olga,
        ids={
            "users": olga.id, "groups": group["id"], "filesystems": files["id"], "filesystem_versions": version,
            "compute_instances": instance["id"], "secrets": secret["id"], "instance_secret_mappings": mapping["id"],
            "agents": agent["id"], "workflows": workflow["id"], "skills": skill["id"], "tasks": task["id"],
            "workflow_skills": with_skill["id"], "workflow_tasks": with_task["id"], "sessions": session["id"],
            "runs": run.id, "tokens": token["id"], "resource_events": (await events(olga, group["id"]))[0]["id"],
        },
        visible=frozenset({"users", "agents", "skills", "tasks", "workflows", "workflow_skills", "workflow_tasks"}),
    )  # fmt: skip
