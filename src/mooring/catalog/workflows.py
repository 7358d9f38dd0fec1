"""The verbs of workflows and of what stands in them, in order."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from mooring.access.actor import Actor, Permission
from mooring.audit import ledger, parts
from mooring.audit.kinds import Kind
from mooring.audit.verbs import Verbs, require
from mooring.base.db import Tx
from mooring.base.errors import Unfit
from mooring.catalog import store
from mooring.catalog.entities import Workflow, WorkflowSkill, WorkflowTask
from mooring.catalog.kinds import WORKFLOW, WORKFLOW_SKILL, WORKFLOW_TASK

WORKFLOWS = Verbs(kind=WORKFLOW)
WORKFLOW_SKILLS = Verbs(kind=WORKFLOW_SKILL)
WORKFLOW_TASKS = Verbs(kind=WORKFLOW_TASK)

MOST_PARTS = 500


class _Placed(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def position(self) -> int: ...


P = TypeVar("P", bound=_Placed)


async def skills(tx: Tx, workflow_ids: Sequence[str]) -> dict[str, list[WorkflowSkill]]:
    """The skills of each workflow, in order."""
    return await parts.of(tx, WORKFLOW_SKILL, workflow_ids, by="position")


async def tasks(tx: Tx, workflow_ids: Sequence[str]) -> dict[str, list[WorkflowTask]]:
    """The tasks of each workflow, in order."""
    return await parts.of(tx, WORKFLOW_TASK, workflow_ids, by="position")


async def add_skill(tx: Tx, actor: Actor, values: Mapping[str, object]) -> WorkflowSkill:
    """A skill at its position, at the end when it names none.

    Raises Denied, Unfit (also where the workflow is full), Clash (taken, or there already).
    """
    return await _add(tx, actor, WORKFLOW_SKILLS, values, store.next_position_of_skill)


async def add_task(tx: Tx, actor: Actor, values: Mapping[str, object]) -> WorkflowTask:
    """A task at its position, at the end when it names none.

    Raises Denied, Unfit (also where the workflow is full), Clash (taken).
    """
    return await _add(tx, actor, WORKFLOW_TASKS, values, store.next_position_of_task)


async def _add(
    tx: Tx,
    actor: Actor,
    verbs: Verbs[P],
    values: Mapping[str, object],
    next_position: Callable[[Tx, str], Awaitable[int]],
) -> P:
    position = values.get("position")
    if position is None:
        # The workflow is locked before its last position is read: two who append get two positions.
        workflow = await ledger.refer(tx, actor, WORKFLOW, str(values["workflow_id"]), field="workflow_id", alone=True)
        position = await next_position(tx, workflow.id)
    made = await verbs.create(tx, actor, {**values, "position": position})
    # Looked at behind it: what made it holds the workflow.
    there = await parts.of(tx, verbs.kind, [str(values["workflow_id"])], by="position")
    if sum(map(len, there.values())) > MOST_PARTS:
        assert verbs.kind.owner is not None
        raise Unfit(f"a workflow has at most {MOST_PARTS} {verbs.kind.owner.name}", field="workflow_id")
    return made


async def put_skills(tx: Tx, actor: Actor, workflow_id: str, wanted: Sequence[Mapping[str, object]]) -> Workflow:
    """The workflow with exactly these skills, in this order. Raises Denied, Missing, Unfit."""
    named = [row["skill_id"] for row in wanted]
    if len(set(named)) < len(named):
        raise Unfit("items: a skill stands in a workflow once; name each once", field="items")
    return await _put(tx, actor, WORKFLOW_SKILL, workflow_id, wanted, "skill_id")


async def put_tasks(tx: Tx, actor: Actor, workflow_id: str, wanted: Sequence[Mapping[str, object]]) -> Workflow:
    """The workflow with exactly these tasks, in this order. Raises Denied, Missing, Unfit."""
    return await _put(tx, actor, WORKFLOW_TASK, workflow_id, wanted, "task_id")


async def _put(
    tx: Tx, actor: Actor, kind: Kind[P], workflow_id: str, wanted: Sequence[Mapping[str, object]], names: str
) -> Workflow:
    """One change of the workflow: what stays keeps its id, the rest goes, what is new comes."""
    if len(wanted) > MOST_PARTS:
        raise Unfit(f"items: {len(wanted)} at once, at most {MOST_PARTS}", field="items")
    workflow = await WORKFLOWS.read(tx, actor, workflow_id, lock=True)
    await require(tx, actor, Permission.CHANGE, WORKFLOW, workflow)
    there = (await parts.of(tx, kind, [workflow_id], by="position", lock=True))[workflow_id]
    staying: defaultdict[str, list[P]] = defaultdict(list)
    for part in there:
        staying[getattr(part, names)].append(part)
    after: list[P] = []
    for position, row in enumerate(wanted):
        values = {**row, "workflow_id": workflow_id, "position": position}
        same = staying[str(row[names])]
        after.append(await _placed(tx, actor, kind, same.pop(0) if same else None, values, names))
    for part in there:
        if part.id not in {kept.id for kept in after}:
            await parts.remove(tx, kind, part)
    return await _told(tx, actor, kind, workflow, there, after)


async def _placed(tx: Tx, actor: Actor, kind: Kind[P], part: P | None, values: Mapping[str, object], names: str) -> P:
    if part is None:
        await ledger.refer(tx, actor, kind.refers[names], str(values[names]), field=names)
        return await parts.make(tx, actor, kind, values)
    changes = {column: values[column] for column in kind.written if values[column] != getattr(part, column)}
    return await parts.alter(tx, kind, part, changes) if changes else part


async def _told(
    tx: Tx, actor: Actor, kind: Kind[Any], workflow: Workflow, before: Sequence[object], after: Sequence[object]
) -> Workflow:
    if list(before) == list(after):
        return workflow
    assert kind.owner is not None
    details = {
        "before": {kind.owner.name: [parts.shown(kind, part) for part in before]},
        "after": {kind.owner.name: [parts.shown(kind, part) for part in after]},
    }
    return await ledger.change(tx, actor, WORKFLOW, workflow, {}, details=details)
