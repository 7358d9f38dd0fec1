"""The kinds of the catalog, described."""

from mooring.access.rules import Family
from mooring.audit.kinds import COMMON, Kind, Owner, Use
from mooring.base import fields
from mooring.catalog.entities import Agent, Skill, Task, Workflow, WorkflowSkill, WorkflowTask
from mooring.catalog.source import repo_url

AGENT = Kind(
    name="agent",
    table="agents",
    prefix="agt",
    entity=Agent,
    family=Family.CATALOG,
    written=("name", "repo_url", "prompt", "runtime", "model", "settings"),
    searchable=("name", "repo_url", "prompt", "runtime", "model", *COMMON),
    parse={
        "name": fields.name,
        "repo_url": repo_url,
        "prompt": fields.text,
        "runtime": fields.command,
        "model": fields.name,
        "settings": fields.mapping,
    },
    used_by=(Use(table="workflows", column="agent_id"),),
)

SKILL = Kind(
    name="skill",
    table="skills",
    prefix="skl",
    entity=Skill,
    family=Family.CATALOG,
    written=("name", "repo_url", "prompt"),
    searchable=("name", "repo_url", "prompt", *COMMON),
    parse={"name": fields.name, "repo_url": repo_url, "prompt": fields.text},
    used_by=(Use(table="workflow_skills", column="skill_id", shows="workflow_id"),),
)

TASK = Kind(
    name="task",
    table="tasks",
    prefix="tsk",
    entity=Task,
    family=Family.CATALOG,
    written=("name", "repo_url", "prompt", "check", "max_attempts", "runtime", "timeout"),
    searchable=("name", "repo_url", "prompt", "check", "max_attempts", "runtime", "timeout", *COMMON),
    parse={
        "name": fields.name,
        "repo_url": repo_url,
        "prompt": fields.text,
        "check": fields.text,
        "runtime": fields.command,
    },
    used_by=(Use(table="workflow_tasks", column="task_id", shows="workflow_id"),),
)

WORKFLOW = Kind(
    name="workflow",
    table="workflows",
    prefix="wf",
    entity=Workflow,
    family=Family.CATALOG,
    written=("name", "repo_url", "prompt", "agent_id"),
    searchable=("name", "repo_url", "prompt", "agent_id", *COMMON),
    parse={"name": fields.name, "repo_url": repo_url, "prompt": fields.text},
    refers={"agent_id": AGENT},
    # One that was started holds its own plan; one that was not would have nothing to start.
    used_by=(
        Use(table="sessions", column="workflow_id", living="deleted_at IS NULL AND phase = 'created'"),
    ),
    parts=(("workflow_skills", "workflow_id"), ("workflow_tasks", "workflow_id")),
)  # fmt: skip

WORKFLOW_SKILL = Kind(
    name="workflow_skill",
    table="workflow_skills",
    prefix="wfs",
    entity=WorkflowSkill,
    family=Family.CATALOG,
    written=("workflow_id", "skill_id", "position"),
    searchable=("workflow_id", "skill_id", "position", *COMMON),
    refers={"workflow_id": WORKFLOW, "skill_id": SKILL},
    owner=Owner(kind=WORKFLOW, column="workflow_id", name="skills"),
    label="id",
)

WORKFLOW_TASK = Kind(
    name="workflow_task",
    table="workflow_tasks",
    prefix="wft",
    entity=WorkflowTask,
    family=Family.CATALOG,
    written=("workflow_id", "task_id", "position", "continue_on_failure"),
    searchable=("workflow_id", "task_id", "position", "continue_on_failure", *COMMON),
    refers={"workflow_id": WORKFLOW, "task_id": TASK},
    owner=Owner(kind=WORKFLOW, column="workflow_id", name="tasks"),
    label="id",
)
