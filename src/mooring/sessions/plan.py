"""The plan: what exactly a session will do, resolved once and hashed. Pure.

A Request is the catalog as it stood when the session was started; a Plan adds the commits; an assignment is the plan as
the runner gets it (docs/link.md).
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import msgspec

from mooring.base.errors import Unfit
from mooring.base.giturl import GitSource, parse
from mooring.compute.entities import Exposed
from mooring.sessions.entities import SessionTask

ACP_COMMANDS = {
    "opencode": ("opencode", "acp"),
    "claude": ("claude-agent-acp",),
    "codex": ("codex-acp",),
    "gemini": ("gemini", "--acp"),
}
"""Agents known by name: the command that speaks ACP over stdio."""

WORKSPACE, HOME, OUTPUTS = "/workspace", "/home/agent", "/outputs"
_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_LONGEST_SLUG = 64
_LONGEST_DESCRIPTION = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedAgent:
    id: str
    name: str
    runtime: str
    model: str | None = None
    prompt: str | None = None
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    repo_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedSkill:
    id: str
    name: str
    prompt: str | None = None
    repo_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedTask:
    """`id` is None for a task that is the session's prompt alone."""

    id: str | None
    name: str
    prompt: str
    check: str | None = None
    max_attempts: int = 1
    runtime: str | None = None
    timeout: float | None = None
    repo_url: str | None = None
    continue_on_failure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedFilesystem:
    """The version that is the workspace's lower layer."""

    id: str
    version_id: str
    number: int
    checksum: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedInstance:
    """`id` is None for the default instance, which has no group and exposes nothing. Units: cores, bytes, processes,
    bytes, seconds."""

    id: str | None = None
    group_id: str | None = None
    name: str = "default"
    engine: str = "local"
    image: str = "host"
    environment: dict[str, str] = field(default_factory=dict[str, str])
    cpus: float | None = None
    memory: int | None = None
    pids: int | None = None
    disk: int | None = None
    timeout: float | None = None
    network: str = "none"
    network_allow: tuple[str, ...] = ()
    exposures: tuple[Exposed, ...] = ()
    filesystem: AskedFilesystem | None = None
    # Host → the secret its group asks for repositories with.
    git_credentials: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked for, with nothing left to look up in the catalog."""

    workflow_id: str
    workflow: str
    opening: str
    repo_url: str | None
    agent: AskedAgent
    skills: tuple[AskedSkill, ...]
    tasks: tuple[AskedTask, ...]
    instance: AskedInstance
    timeout: float
    idle_timeout: float | None
    interactive: bool
    permission_policy: str
    # Whether what it changes in the instance's filesystem becomes a version.
    capture: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository at one commit. `input` is the number of the bundle that holds it."""

    url: str
    ref: str | None
    path: str
    commit: str
    input: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that will happen, and nothing that may change. Repositories by what they are for."""

    request: Request
    instructions: str
    repository: Repository | None
    skills: tuple[Repository | None, ...]
    tasks: tuple[Repository | None, ...]
    agent: Repository | None


def encode(plan: Plan) -> bytes:
    """The canonical form: JSON with sorted keys."""
    return msgspec.json.encode(plan, order="sorted")


def plan_hash(plan: Plan) -> str:
    """`sha256:` and the hex digest of the canonical form."""
    return f"sha256:{hashlib.sha256(encode(plan)).hexdigest()}"


def check(request: Request) -> None:
    """Whether this can be run at all. Raises Unfit, saying what is missing or wrong, and in what."""
    for runtime in (request.agent.runtime, *(task.runtime for task in request.tasks)):
        if runtime is not None:
            command_of(runtime)
    for task in request.tasks:
        if (task.runtime or request.agent.runtime) == "shell" and not task.prompt.strip():
            raise Unfit(f"the task {task.name!r} has no prompt; for the shell runtime the prompt is the script")
    if not request.tasks:
        raise Unfit("the workflow has no task and the session no prompt: there is nothing to do")
    slugs: set[str] = set()
    for skill in request.skills:
        slug = slug_of(skill)
        if slug in slugs:
            raise Unfit(f"two skills of the workflow would both be installed as {slug!r}; rename one")
        slugs.add(slug)


def command_of(runtime: str) -> tuple[str, ...]:
    """The ACP command of a runtime; empty for `shell`. Raises Unfit for what cannot run here."""
    if runtime == "shell":
        return ()
    if runtime == "llm":
        raise Unfit("runtime: 'llm' is not available in this version; use shell or an ACP command", field="runtime")
    words = ACP_COMMANDS.get(runtime) or tuple(runtime.split())
    if not words:
        raise Unfit("runtime: it is empty; use shell or an ACP command", field="runtime")
    return words


def slug_of(skill: AskedSkill) -> str:
    """The directory a skill is installed in. Raises Unfit when its name gives none."""
    name = skill.name
    if skill.repo_url is not None:
        source = parse(skill.repo_url, allow_file=True)
        name = source.path.rstrip("/").rpartition("/")[2] or repository_name(source.url)
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_LONGEST_SLUG].strip("-")
    if not _SLUG.fullmatch(slug):
        raise Unfit(f"the skill {skill.name!r} needs a name with letters or digits (a-z, 0-9) in it")
    return slug


def repository_name(url: str) -> str:
    """The directory a repository is checked out in: the last part of its address, made harmless."""
    path = urlsplit(url).path if "://" in url else url.partition(":")[2]
    name = path.rstrip("/").rpartition("/")[2].removesuffix(".git")
    return re.sub(r"[^A-Za-z0-9._-]", "-", name).lstrip(".-") or "repository"


def skill_text(skill: AskedSkill) -> str:
    """The SKILL.md of a skill that has no repository. Source: the Agent Skills form."""
    prompt = (skill.prompt or "").strip()
    described = next((line.strip("# ").strip() for line in prompt.splitlines() if line.strip("# ")), skill.name)
    quoted = msgspec.json.encode(described[:_LONGEST_DESCRIPTION]).decode()
    return f"---\nname: {slug_of(skill)}\ndescription: {quoted}\n---\n\n{prompt}\n"


def source_of(repo_url: str | None) -> GitSource | None:
    """A repo_url, taken apart."""
    return None if repo_url is None else parse(repo_url, allow_file=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What an assignment bounds. Units: seconds, bytes, files."""

    grace: float
    line_bytes: int
    task_output_bytes: int
    spool_bytes: int
    artifact_bytes: int
    artifacts: int = 100


def assignment(plan: Plan, session_id: str, bounds: Bounds) -> dict[str, object]:
    """The plan as the runner gets it (docs/link.md); the run's id is added where the run is made."""
    asked = plan.request
    name = repository_name(plan.repository.url) if plan.repository else ""
    workdir = f"{WORKSPACE}/{name}" if name else WORKSPACE
    repositories: list[dict[str, object]] = []
    if plan.repository:
        repositories.append(_checkout(plan.repository, workdir, branch=f"mooring/{session_id}"))
    paths = _beside(plan, {workdir})
    repositories += [
        _checkout(repository, path, branch=None)
        for repository, path in zip(plan.tasks, paths, strict=True)
        if repository and path
    ]
    return {
        "kind": "session",
        "session": session_id,
        "workdir": workdir,
        "home": HOME,
        "outputs": OUTPUTS,
        "environment": asked.instance.environment,
        "repositories": repositories,
        "skills": [_skill(skill, at) for skill, at in zip(asked.skills, plan.skills, strict=True)],
        "instructions": plan.instructions,
        "opening": asked.opening,
        "agent": _agent(asked.agent.runtime, asked.agent),
        "tasks": [_task(number, asked, path) for number, path in enumerate(paths)],
        "timeout": asked.timeout,
        "idle_timeout": asked.idle_timeout,
        "grace": bounds.grace,
        "interactive": asked.interactive,
        "permission_policy": asked.permission_policy,
        "limits": {
            "line_bytes": bounds.line_bytes,
            "task_output_bytes": bounds.task_output_bytes,
            "spool_bytes": bounds.spool_bytes,
            "artifact_bytes": bounds.artifact_bytes,
            "artifacts": bounds.artifacts,
        },
        "command": None,
        "resumed": None,
    }  # fmt: skip


def going_on(before: Mapping[str, Any], tasks: Sequence[SessionTask], seconds: float) -> dict[str, Any]:
    """The assignment of a run that goes on where an earlier one lay still: with these tasks, after so many seconds."""
    done = [_done(task) for task in tasks if task.ended_at is not None]
    attempts = next((task.attempts for task in tasks if task.ended_at is None), 0)
    return {**before, "resumed": {"seconds": seconds, "done": done, "attempts": attempts}}


def _done(task: SessionTask) -> dict[str, object]:
    """A task that is over, as a runner reports it."""
    began, ended = task.started_at, task.ended_at
    return {
        "task": task.number,
        "outcome": task.phase,
        "attempts": task.attempts,
        "exit_code": task.exit_code,
        "reason": task.reason,
        "seconds": (ended - began).total_seconds() if began and ended else 0.0,
    }


def _beside(plan: Plan, taken: set[str]) -> list[str | None]:
    """Where each task's own repository lies: beside the session's, each in a directory of its own."""
    paths: list[str | None] = []
    for repository in plan.tasks:
        if repository is None:
            paths.append(None)
            continue
        path = first = f"{WORKSPACE}/{repository_name(repository.url)}"
        number = 2
        while path in taken:
            path, number = f"{first}-{number}", number + 1
        taken.add(path)
        paths.append(path)
    return paths


def _checkout(repository: Repository, path: str, *, branch: str | None) -> dict[str, object]:
    return {
        "input": repository.input,
        "path": path,
        "commit": repository.commit,
        "branch": branch,
        "origin": repository.url,
        "subpath": repository.path,
        "read_only": branch is None,
    }


def _skill(skill: AskedSkill, at: Repository | None) -> dict[str, object]:
    return {
        "name": slug_of(skill),
        "input": at.input if at else None,
        "commit": at.commit if at else None,
        "subpath": at.path if at else "",
        "text": None if at else skill_text(skill),
    }


def _agent(runtime: str, agent: AskedAgent) -> dict[str, object]:
    command = command_of(runtime)
    kind = "acp" if command else "shell"
    return {"runtime": kind, "command": list(command), "model": agent.model, "settings": agent.settings}


def _task(number: int, asked: Request, path: str | None) -> dict[str, object]:
    task = asked.tasks[number]
    own = task.runtime is not None and task.runtime != asked.agent.runtime
    return {
        "number": number,
        "name": task.name,
        "prompt": task.prompt,
        "check": task.check,
        "max_attempts": task.max_attempts,
        "timeout": task.timeout,
        "continue_on_failure": task.continue_on_failure,
        "agent": _agent(task.runtime, asked.agent) if own and task.runtime else None,
        "path": path,
    }
