"""Agents, skills, tasks and workflows, as they are sent."""

from typing import Annotated, Any

from msgspec import Meta, Struct, field

from mooring.wire.base import Id, Name, Prompt, RepoUrl, Resource, Seconds

Runtime = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=2_000,
        description="shell, llm, opencode, claude, codex, gemini, or a command that speaks ACP",
        examples=["shell"],
    ),
]
Settings = Annotated[dict[str, Any], Meta(description="At most 64 KiB as JSON")]
Attempts = Annotated[int, Meta(ge=1, le=100)]
Position = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class NewAgent(Struct, kw_only=True, forbid_unknown_fields=True):
    """An agent to be. `prompt` is its system prompt."""

    name: Name
    repo_url: RepoUrl | None = None
    prompt: Prompt | None = None
    runtime: Runtime = "shell"
    model: Name | None = None
    settings: Settings = field(default_factory=dict[str, Any])


class Agent(Resource, kw_only=True):
    """Who does it."""

    name: str
    repo_url: str | None
    prompt: str | None
    runtime: str
    model: str | None
    settings: dict[str, Any]


class NewSkill(Struct, kw_only=True, forbid_unknown_fields=True):
    """A skill to be: instructions, or a repository with a SKILL.md."""

    name: Name
    repo_url: RepoUrl | None = None
    prompt: Prompt | None = None


class Skill(Resource, kw_only=True):
    """What an agent knows how to do."""

    name: str
    repo_url: str | None
    prompt: str | None


class NewTask(Struct, kw_only=True, forbid_unknown_fields=True):
    """A task to be. `check` is a command that must exit 0 once it is done. `timeout` in seconds."""

    name: Name
    repo_url: RepoUrl | None = None
    prompt: Prompt | None = None
    check: Prompt | None = None
    max_attempts: Attempts = 1
    runtime: Runtime | None = None
    timeout: Seconds | None = None


class Task(Resource, kw_only=True):
    """What is to be done."""

    name: str
    repo_url: str | None
    prompt: str | None
    check: str | None
    max_attempts: int
    runtime: str | None
    timeout: float | None


class NewWorkflow(Struct, kw_only=True, forbid_unknown_fields=True):
    """A workflow to be; its skills and tasks are put into it afterwards."""

    name: Name
    repo_url: RepoUrl | None = None
    prompt: Prompt | None = None
    agent_id: Id | None = None


class NewWorkflowSkill(Struct, kw_only=True, forbid_unknown_fields=True):
    """A skill for a workflow; behind the others when it names no position (from 0)."""

    workflow_id: Id
    skill_id: Id
    position: Position | None = None


class EditWorkflowSkill(Struct, kw_only=True, forbid_unknown_fields=True):
    """What of it can change."""

    workflow_id: Id
    skill_id: Id
    position: Position


class WorkflowSkill(Resource, kw_only=True):
    """One skill of a workflow."""

    workflow_id: Id
    skill_id: Id
    position: int


class NewWorkflowTask(Struct, kw_only=True, forbid_unknown_fields=True):
    """A task for a workflow; behind the others when it names no position (from 0)."""

    workflow_id: Id
    task_id: Id
    position: Position | None = None
    continue_on_failure: bool = False


class EditWorkflowTask(Struct, kw_only=True, forbid_unknown_fields=True):
    """What of it can change."""

    workflow_id: Id
    task_id: Id
    position: Position
    continue_on_failure: bool = False


class WorkflowTask(Resource, kw_only=True):
    """One task of a workflow."""

    workflow_id: Id
    task_id: Id
    position: int
    continue_on_failure: bool


class PlacedSkill(Struct, kw_only=True, forbid_unknown_fields=True):
    """A skill at its place in the list."""

    skill_id: Id


class PutSkills(Struct, kw_only=True, forbid_unknown_fields=True):
    """All skills of a workflow, in order."""

    items: list[PlacedSkill]


class PlacedTask(Struct, kw_only=True, forbid_unknown_fields=True):
    """A task at its place in the list."""

    task_id: Id
    continue_on_failure: bool = False


class PutTasks(Struct, kw_only=True, forbid_unknown_fields=True):
    """All tasks of a workflow, in order."""

    items: list[PlacedTask]


class WorkflowSkillList(Struct, kw_only=True):
    """Every skill of a workflow, in order."""

    kind: str
    page: int
    size: int
    total: int
    items: list[WorkflowSkill]
    next: str | None = None


class WorkflowTaskList(Struct, kw_only=True):
    """Every task of a workflow, in order."""

    kind: str
    page: int
    size: int
    total: int
    items: list[WorkflowTask]
    next: str | None = None


class Workflow(Resource, kw_only=True):
    """AS an agent, WITH skills, DO tasks."""

    name: str
    repo_url: str | None
    prompt: str | None
    agent_id: Id | None
    skills: list[WorkflowSkill]
    tasks: list[WorkflowTask]
