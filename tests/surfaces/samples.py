"""One example of every kind: what it takes to make one, and how it may be changed."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from surfaces.people import Asker

Body = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A body for POST (made with its prerequisites), a patch that changes something, what a patch with null gives.

    `unshown`: what is sent and never shown; `once`: what only the answer to POST shows. `needs`: a body must have its
    first field. `settled`: all that is shown is versioned.
    """

    path: str
    kind: str
    body: Callable[[Asker], Awaitable[Body]]
    patch: Body
    cleared: Body = field(default_factory=dict[str, Any])
    unshown: tuple[str, ...] = ()
    once: tuple[str, ...] = ()
    needs: bool = True
    settled: bool = True

    async def made(self, asker: Asker, body: Body | None = None) -> Body:
        """One, as it is read from then on."""
        return self.shown(await asker.made(self.path, body or await self.body(asker)))

    def shown(self, made: Body) -> Body:
        """The answer to POST without what is shown once."""
        return {name: value for name, value in made.items() if name not in self.once}


def _of(**body: Any) -> Callable[[Asker], Awaitable[Body]]:
    async def made(_: Asker) -> Body:
        return dict(body)

    return made


async def _workflow(asker: Asker) -> Body:
    agent = await asker.made("/agents", {"name": "of the workflow"})
    return {"name": "build", "agent_id": agent["id"], "prompt": "go"}


async def _workflow_skill(asker: Asker) -> Body:
    workflow = await asker.made("/workflows", {"name": "of the skill"})
    skill = await asker.made("/skills", {"name": "in the workflow"})
    return {"workflow_id": workflow["id"], "skill_id": skill["id"]}


async def _workflow_task(asker: Asker) -> Body:
    workflow = await asker.made("/workflows", {"name": "of the task"})
    task = await asker.made("/tasks", {"name": "in the workflow"})
    return {"workflow_id": workflow["id"], "task_id": task["id"]}


async def _instance(asker: Asker) -> Body:
    group = await asker.made("/groups", {"name": "of the instance"})
    return {"name": "small", "group_id": group["id"], "environment": {"A": "1", "B": "2"}, "cpus": 2}


async def _exposure(asker: Asker) -> Body:
    group = await asker.made("/groups", {"name": "of the exposure"})
    instance = await asker.made("/compute_instances", {"name": "exposing", "group_id": group["id"]})
    secret = await asker.made("/secrets", {"name": "exposed", "value": "long enough a value"})
    granted = await asker.ask("PUT", f"/groups/{group['id']}/available_secrets/{secret['id']}")
    assert granted.status_code == 200, granted.text
    return {"compute_instance_id": instance["id"], "secret_id": secret["id"], "expose_as_env": "TOKEN"}


SAMPLES = {
    sample.kind: sample
    for sample in (
        Sample(
            path="/users",
            kind="User",
            body=_of(username="author", name="Author", email="author@example.org"),
            patch={"name": "Some Author"},
            cleared={"email": None, "role": "member"},
        ),
        Sample(
            path="/groups",
            kind="Group",
            body=_of(name="builders", description="who build"),
            patch={"name": "makers"},
            cleared={"description": ""},
        ),
        Sample(
            path="/filesystems",
            kind="Filesystem",
            body=_of(name="toolchain", description="compilers"),
            patch={"name": "compilers"},
            cleared={"description": ""},
        ),
        Sample(
            path="/agents",
            kind="Agent",
            body=_of(name="builder", prompt="be careful", settings={"a": 1, "b": {"c": 2}}, model="m"),
            patch={"name": "maker"},
            cleared={"prompt": None, "model": None, "settings": {}, "runtime": "shell"},
        ),
        Sample(
            path="/skills",
            kind="Skill",
            body=_of(name="review", prompt="read twice", repo_url="https://example.org/team/skills.git#main:review"),
            patch={"prompt": "read thrice"},
            cleared={"prompt": None, "repo_url": None},
        ),
        Sample(
            path="/tasks",
            kind="Task",
            body=_of(name="test", prompt="make test", check="make lint", max_attempts=3, timeout=60),
            patch={"max_attempts": 4},
            cleared={"check": None, "timeout": None, "max_attempts": 1},
        ),
        Sample(path="/workflows", kind="Workflow", body=_workflow, patch={"name": "ship"}, cleared={"agent_id": None}),
        Sample(path="/workflow_skills", kind="WorkflowSkill", body=_workflow_skill, patch={"position": 7}),
        Sample(
            path="/workflow_tasks",
            kind="WorkflowTask",
            body=_workflow_task,
            patch={"continue_on_failure": True},
            cleared={"continue_on_failure": False},
        ),
        Sample(
            path="/compute_instances",
            kind="ComputeInstance",
            body=_instance,
            patch={"environment": {"B": None, "C": "3"}},
            cleared={"cpus": None, "environment": {}},
        ),
        Sample(
            path="/secrets",
            kind="Secret",
            body=_of(name="token", value="long enough a value", description="of the forge"),
            patch={"name": "key"},
            cleared={"description": ""},
            unshown=("value",),
            once=("warnings",),
        ),
        Sample(
            path="/instance_secret_mappings",
            kind="InstanceSecretMapping",
            body=_exposure,
            patch={"expose_as_env": "KEY"},
        ),
        Sample(
            path="/sessions",
            kind="Session",
            body=_of(name="fix it", prompt="look", timeout=60, interactive=True),
            patch={"name": "mend it"},
            cleared={"prompt": None, "timeout": None, "interactive": False},
            needs=False,
            settled=False,
        ),
        Sample(
            path="/tokens",
            kind="Token",
            body=_of(name="of a script", scopes=["read"]),
            patch={"name": "of the script"},
            once=("token",),
            settled=False,
        ),
    )
}
