"""From references to a Request: what the catalog says at the moment a session is started."""

from mooring.access.actor import Actor, Permission
from mooring.audit.verbs import require
from mooring.base.db import Tx
from mooring.base.errors import Unfit
from mooring.catalog import workflows
from mooring.catalog.catalog import AGENTS, SKILLS, TASKS
from mooring.catalog.entities import Agent, Skill, Task
from mooring.compute import deliveries
from mooring.compute import exposures as exposed
from mooring.compute.entities import ComputeInstance, Exposed
from mooring.compute.instances import INSTANCES, files_of
from mooring.identity import groups
from mooring.sessions.entities import PermissionPolicy, Session
from mooring.sessions.plan import AskedAgent, AskedFilesystem, AskedInstance, AskedSkill, AskedTask, Request


async def resolve(tx: Tx, actor: Actor, session: Session, *, longest: float) -> Request:
    """Everything the session refers to. Raises Unfit, naming what is missing."""
    if session.workflow_id is None:
        raise Unfit("workflow_id: a session needs a workflow before it can start", field="workflow_id")
    workflow = await workflows.WORKFLOWS.read(tx, actor, session.workflow_id)
    if workflow.agent_id is None:
        raise Unfit(f"the workflow {workflow.name!r} has no agent; set its agent_id", field="agent_id")
    agent = await AGENTS.read(tx, actor, workflow.agent_id)
    known = (await workflows.skills(tx, [workflow.id]))[workflow.id]
    skilled = [await SKILLS.read(tx, actor, part.skill_id) for part in known]
    asked = [
        _task(await TASKS.read(tx, actor, part.task_id), part.continue_on_failure)
        for part in (await workflows.tasks(tx, [workflow.id]))[workflow.id]
    ]
    if session.permission_policy is PermissionPolicy.ASK:
        raise Unfit(
            "permission_policy: 'ask' is not available in this version; use allow or deny", field="permission_policy"
        )
    if not asked and session.prompt:
        # The session's prompt is the one task then, and no opening beside it.
        asked = [AskedTask(id=None, name=session.name, prompt=session.prompt)]
        opening = [workflow.prompt]
    else:
        opening = [workflow.prompt, session.prompt]
    instance = await _instance(tx, actor, session)
    if session.capture and instance.filesystem is None:
        says = (
            "capture: the session's instance has no filesystem to keep a version of; give it one, or leave capture out"
        )
        raise Unfit(says, field="capture")
    return Request(
        workflow_id=workflow.id,
        workflow=workflow.name,
        opening="\n\n".join(text for text in opening if text),
        repo_url=session.repo_url or workflow.repo_url,
        agent=_agent(agent),
        skills=tuple(_skill(skill) for skill in skilled),
        tasks=tuple(asked),
        instance=instance,
        timeout=min(limit for limit in (session.timeout, instance.timeout, longest) if limit is not None),
        idle_timeout=session.idle_timeout,
        interactive=session.interactive,
        permission_policy=session.permission_policy,
        capture=session.capture,
    )


def _agent(agent: Agent) -> AskedAgent:
    return AskedAgent(
        id=agent.id,
        name=agent.name,
        runtime=agent.runtime,
        model=agent.model,
        prompt=agent.prompt,
        settings=dict(agent.settings),
        repo_url=agent.repo_url,
    )


def _skill(skill: Skill) -> AskedSkill:
    return AskedSkill(id=skill.id, name=skill.name, prompt=skill.prompt, repo_url=skill.repo_url)


def _task(task: Task, continue_on_failure: bool) -> AskedTask:  # noqa: FBT001 - one of a pair
    return AskedTask(
        id=task.id,
        name=task.name,
        prompt=task.prompt or "",
        check=task.check,
        max_attempts=task.max_attempts,
        runtime=task.runtime,
        timeout=task.timeout,
        repo_url=task.repo_url,
        continue_on_failure=continue_on_failure,
    )


async def _instance(tx: Tx, actor: Actor, session: Session) -> AskedInstance:
    """The instance the session runs on; the default one when it names none. Raises Denied, Missing, Withheld."""
    if session.compute_instance_id is None:
        return AskedInstance()
    found = await INSTANCES.read(tx, actor, session.compute_instance_id)
    await require(tx, actor, Permission.OPERATE, INSTANCES.kind, found)
    exposures = [
        Exposed(secret_id=one.secret_id, expose_as_env=one.expose_as_env, expose_as_file=one.expose_as_file)
        for one in (await exposed.of(tx, [found.id]))[found.id]
    ]
    await deliveries.check(tx, found.id, exposures)
    return AskedInstance(
        id=found.id,
        group_id=found.group_id,
        name=found.name,
        engine=found.engine,
        image=found.image_name,
        environment=dict(found.environment),
        cpus=found.cpus,
        memory=found.memory,
        pids=found.pids,
        disk=found.disk,
        timeout=found.timeout,
        network=found.network,
        network_allow=tuple(found.network_allow),
        exposures=tuple(exposures),
        filesystem=await _filesystem(tx, found),
        git_credentials=dict(await groups.git_credentials(tx, found.group_id)),
    )


async def _filesystem(tx: Tx, instance: ComputeInstance) -> AskedFilesystem | None:
    found = await files_of(tx, instance)
    if found is None:
        return None
    return AskedFilesystem(
        id=found.filesystem_id, version_id=found.id, number=found.number, checksum=found.archive_checksum
    )
