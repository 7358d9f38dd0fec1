"""The assignment as it comes over the link (docs/link.md). For the type checker alone: never imported at run time."""

from typing import Literal, TypedDict

Outcome = Literal["succeeded", "failed", "cancelled", "timeout", "paused"]
TaskOutcome = Literal["succeeded", "failed", "skipped"]


class Agent(TypedDict):
    runtime: Literal["shell", "acp"]
    command: list[str]
    model: "str | None"
    settings: dict[str, object]


class Repository(TypedDict):
    input: int
    path: str
    commit: str
    branch: "str | None"
    origin: "str | None"
    subpath: str
    read_only: bool


class Skill(TypedDict):
    name: str
    input: "int | None"
    commit: "str | None"
    subpath: str
    text: "str | None"


class Task(TypedDict):
    number: int
    name: str
    prompt: str
    check: "str | None"
    max_attempts: int
    timeout: "float | None"
    continue_on_failure: bool
    agent: "Agent | None"
    path: "str | None"


class Limits(TypedDict):
    line_bytes: int
    task_output_bytes: int
    spool_bytes: int
    artifact_bytes: int
    artifacts: int


class TaskReport(TypedDict):
    task: int
    outcome: TaskOutcome
    attempts: int
    exit_code: "int | None"
    reason: "str | None"
    seconds: float


class Resumed(TypedDict):
    """What an earlier run of the session came to before it was paused: `seconds` it had; the tasks that are done; the
    `attempts` that the next one has used up."""

    seconds: float
    done: list[TaskReport]
    attempts: int


class Assignment(TypedDict):
    run: str
    kind: Literal["session", "command"]
    session: "str | None"
    workdir: str
    home: str
    outputs: str
    environment: dict[str, str]
    repositories: list[Repository]
    skills: list[Skill]
    instructions: str
    opening: str
    agent: Agent
    tasks: list[Task]
    timeout: "float | None"
    idle_timeout: "float | None"
    grace: float
    interactive: bool
    permission_policy: Literal["ask", "allow", "deny"]
    limits: Limits
    command: "str | None"
    resumed: "Resumed | None"


class Command(TypedDict):
    number: int
    type: str
    data: dict[str, str]
