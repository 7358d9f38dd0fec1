"""What work is described with: agents, skills, tasks, and the workflows that order them. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NewType

AgentId = NewType("AgentId", str)
SkillId = NewType("SkillId", str)
TaskId = NewType("TaskId", str)
WorkflowId = NewType("WorkflowId", str)
WorkflowSkillId = NewType("WorkflowSkillId", str)
WorkflowTaskId = NewType("WorkflowTaskId", str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """Who does it: a runtime, its model and its system prompt."""

    id: AgentId
    created_at: datetime
    updated_at: datetime
    version: int
    created_by_user_id: str | None
    name: str
    repo_url: str | None
    prompt: str | None
    runtime: str
    model: str | None
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """What it knows how to do: instructions, or a directory with a SKILL.md."""

    id: SkillId
    created_at: datetime
    updated_at: datetime
    version: int
    created_by_user_id: str | None
    name: str
    repo_url: str | None
    prompt: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is to be done; `check` is a command that must then exit 0. `timeout` in seconds."""

    id: TaskId
    created_at: datetime
    updated_at: datetime
    version: int
    created_by_user_id: str | None
    name: str
    repo_url: str | None
    prompt: str | None
    check: str | None
    max_attempts: int
    runtime: str | None
    timeout: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """AS an agent, WITH skills, DO tasks."""

    id: WorkflowId
    created_at: datetime
    updated_at: datetime
    version: int
    created_by_user_id: str | None
    name: str
    repo_url: str | None
    prompt: str | None
    agent_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowSkill:
    """One skill of a workflow; positions count from 0."""

    id: WorkflowSkillId
    created_at: datetime
    updated_at: datetime
    version: int
    created_by_user_id: str | None
    workflow_id: str
    skill_id: str
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowTask:
    """One task of a workflow; the same task may stand at several positions, which count from 0."""

    id: WorkflowTaskId
    created_at: datetime
    updated_at: datetime
    version: int
    created_by_user_id: str | None
    workflow_id: str
    task_id: str
    position: int
    continue_on_failure: bool
