"""Routes of agents, skills, tasks and workflows."""

from collections.abc import Sequence

from mooring.access.actor import Actor
from mooring.base.db import Tx
from mooring.catalog import workflows
from mooring.catalog.catalog import AGENTS, SKILLS, TASKS
from mooring.catalog.entities import Workflow
from mooring.http.call import Call, etag
from mooring.http.listing import whole
from mooring.http.resource import Resource, routes, values_of
from mooring.http.route import Answer, Route
from mooring.wire import catalog as wire
from mooring.wire.base import WholeQuery

WORKFLOW_SKILL = Resource(
    verbs=workflows.WORKFLOW_SKILLS,
    reply=wire.WorkflowSkill,
    new=wire.NewWorkflowSkill,
    edit=wire.EditWorkflowSkill,
    create=workflows.add_skill,
)
WORKFLOW_TASK = Resource(
    verbs=workflows.WORKFLOW_TASKS,
    reply=wire.WorkflowTask,
    new=wire.NewWorkflowTask,
    edit=wire.EditWorkflowTask,
    create=workflows.add_task,
)


async def _parts(tx: Tx, actor: Actor, rows: Sequence[Workflow]) -> list[dict[str, object]]:
    ids = [row.id for row in rows]
    skills, tasks = await workflows.skills(tx, ids), await workflows.tasks(tx, ids)
    return [
        {
            "skills": await WORKFLOW_SKILL.show(tx, actor, skills[workflow_id]),
            "tasks": await WORKFLOW_TASK.show(tx, actor, tasks[workflow_id]),
        }
        for workflow_id in ids
    ]


WORKFLOW = Resource(verbs=workflows.WORKFLOWS, reply=wire.Workflow, new=wire.NewWorkflow, more=_parts)


async def _list_skills(call: Call) -> Answer:
    async with call.app.database.reading() as tx:
        workflow = await workflows.WORKFLOWS.read(tx, call.actor, call.path["id"])
        return await _skills(tx, call, workflow)


async def _skills(tx: Tx, call: Call, workflow: Workflow) -> Answer:
    rows = (await workflows.skills(tx, [workflow.id]))[workflow.id]
    shown = await WORKFLOW_SKILL.show(tx, call.actor, rows)
    return Answer(body=whole(call, wire.WorkflowSkillList, shown), headers={"ETag": etag(workflow.version)})


async def _put_skills(call: Call) -> Answer:
    given = await call.decode(wire.PutSkills)
    async with call.app.database.transaction() as tx:
        before = await workflows.WORKFLOWS.read(tx, call.actor, call.path["id"], lock=True)
        call.check_match(before.version)
        wanted = [values_of(item) for item in given.items]
        return await _skills(tx, call, await workflows.put_skills(tx, call.actor, before.id, wanted))


async def _list_tasks(call: Call) -> Answer:
    async with call.app.database.reading() as tx:
        workflow = await workflows.WORKFLOWS.read(tx, call.actor, call.path["id"])
        return await _tasks(tx, call, workflow)


async def _tasks(tx: Tx, call: Call, workflow: Workflow) -> Answer:
    rows = (await workflows.tasks(tx, [workflow.id]))[workflow.id]
    shown = await WORKFLOW_TASK.show(tx, call.actor, rows)
    return Answer(body=whole(call, wire.WorkflowTaskList, shown), headers={"ETag": etag(workflow.version)})


async def _put_tasks(call: Call) -> Answer:
    given = await call.decode(wire.PutTasks)
    async with call.app.database.transaction() as tx:
        before = await workflows.WORKFLOWS.read(tx, call.actor, call.path["id"], lock=True)
        call.check_match(before.version)
        wanted = [values_of(item) for item in given.items]
        return await _tasks(tx, call, await workflows.put_tasks(tx, call.actor, before.id, wanted))


ROUTES: list[Route] = [
    *routes(Resource(verbs=AGENTS, reply=wire.Agent, new=wire.NewAgent)),
    *routes(Resource(verbs=SKILLS, reply=wire.Skill, new=wire.NewSkill)),
    *routes(Resource(verbs=TASKS, reply=wire.Task, new=wire.NewTask)),
    *routes(WORKFLOW),
    *routes(WORKFLOW_SKILL),
    *routes(WORKFLOW_TASK),
    Route(
        method="GET", path="/workflows/{id}/skills", operation="listSkillsOfWorkflow", tag="workflows",
        says="The skills of a workflow, in order", handle=_list_skills, answer=wire.WorkflowSkillList, refuses=(404,),
        query=WholeQuery,
    ),
    Route(
        method="PUT", path="/workflows/{id}/skills", operation="putSkillsOfWorkflow", tag="workflows",
        says="Give a workflow exactly these skills, in this order", handle=_put_skills, body=wire.PutSkills,
        answer=wire.WorkflowSkillList, refuses=(404, 409, 412, 422), headers=("If-Match", "Audit-Reason"),
    ),
    Route(
        method="GET", path="/workflows/{id}/tasks", operation="listTasksOfWorkflow", tag="workflows",
        says="The tasks of a workflow, in order", handle=_list_tasks, answer=wire.WorkflowTaskList, refuses=(404,),
        query=WholeQuery,
    ),
    Route(
        method="PUT", path="/workflows/{id}/tasks", operation="putTasksOfWorkflow", tag="workflows",
        says="Give a workflow exactly these tasks, in this order", handle=_put_tasks, body=wire.PutTasks,
        answer=wire.WorkflowTaskList, refuses=(404, 409, 412, 422), headers=("If-Match", "Audit-Reason"),
    ),
]  # fmt: skip
