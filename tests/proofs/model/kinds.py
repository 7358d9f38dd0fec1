"""What there is, as the documents tell it: the fields of every kind, what must be unique, and what hinders deletion.

Written down anew: nothing of Mooring is read here, so that a mistake made there is not made here too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


class _Anything:
    """Equal to whatever the server chose."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class _Needed:
    """A field that must be given."""


ANY: Any = _Anything()
NEEDED: Any = _Needed()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Of which kind it is a part, by which field, and what the owner calls them."""

    of: str
    by: str
    called: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """`fields` are what a body may name and what each is when left out; `kept` what the server keeps beside them.

    `edits`: those of the fields that may change; None: all. `unseen`: kept and recorded, but shown to nobody.
    """

    noun: str
    fields: Mapping[str, Any]
    kept: Mapping[str, Any] = field(default_factory=dict[str, Any])
    edits: tuple[str, ...] | None = None
    refers: Mapping[str, str] = field(default_factory=dict[str, str])
    unique: tuple[tuple[str, ...], ...] = ()
    part: Part | None = None
    # What hinders its deletion: kind and field.
    used_by: tuple[tuple[str, str], ...] = ()
    catalog: bool = False

    @property
    def editable(self) -> tuple[str, ...]:
        return tuple(self.fields) if self.edits is None else self.edits


_CATALOG: Json = {"name": NEEDED, "repo_url": None, "prompt": None}

KINDS: Mapping[str, Kind] = {
    "users": Kind(
        noun="user",
        fields={"username": NEEDED, "name": NEEDED, "email": None, "role": "member", "oidc_subject": None},
        kept={"disabled_at": None},
        unique=(("username",), ("oidc_subject",)),
    ),
    "groups": Kind(
        noun="group",
        fields={"name": NEEDED, "description": "", "git_credentials": {}},
        unique=(("name",),),
        used_by=(("compute_instances", "group_id"),),
    ),
    "tokens": Kind(
        noun="token",
        fields={"name": NEEDED, "user_id": None, "scopes": ["read", "write"], "expires_at": None},
        kept={"revoked_at": None},
        edits=("name",),
        refers={"user_id": "users"},
    ),
    "filesystems": Kind(
        noun="filesystem",
        fields={"name": NEEDED, "description": ""},
        kept={"phase": "pending", "reason": None, "source": None, "archive_type": "tar.gz", "current_version_id": None},
        unique=(("name",),),
        used_by=(("compute_instances", "filesystem_id"),),
    ),
    "filesystem_versions": Kind(noun="filesystem_version", fields={"filesystem_id": NEEDED, "number": NEEDED}),
    "secrets": Kind(
        noun="secret",
        fields={"name": NEEDED, "description": ""},
        kept={
            "vault": "local", "vault_id": ANY, "vault_version": ANY, "secret_version": 1, "registered": False,
            "phase": "ready", "reason": None,
        },
        unique=(("name",),),
        used_by=(("instance_secret_mappings", "secret_id"),),
    ),
    "agents": Kind(
        noun="agent",
        fields={**_CATALOG, "runtime": "shell", "model": None, "settings": {}},
        used_by=(("workflows", "agent_id"),),
        catalog=True,
    ),
    "skills": Kind(noun="skill", fields=_CATALOG, used_by=(("workflow_skills", "skill_id"),), catalog=True),
    "tasks": Kind(
        noun="task",
        fields={**_CATALOG, "check": None, "max_attempts": 1, "runtime": None, "timeout": None},
        used_by=(("workflow_tasks", "task_id"),),
        catalog=True,
    ),
    "workflows": Kind(
        noun="workflow",
        fields={**_CATALOG, "agent_id": None},
        refers={"agent_id": "agents"},
        used_by=(("sessions", "workflow_id"),),
        catalog=True,
    ),
    "workflow_skills": Kind(
        noun="workflow_skill",
        fields={"workflow_id": NEEDED, "skill_id": NEEDED, "position": None},
        refers={"workflow_id": "workflows", "skill_id": "skills"},
        unique=(("workflow_id", "skill_id"), ("workflow_id", "position")),
        part=Part(of="workflows", by="workflow_id", called="skills"),
        catalog=True,
    ),
    "workflow_tasks": Kind(
        noun="workflow_task",
        fields={"workflow_id": NEEDED, "task_id": NEEDED, "position": None, "continue_on_failure": False},
        refers={"workflow_id": "workflows", "task_id": "tasks"},
        unique=(("workflow_id", "position"),),
        part=Part(of="workflows", by="workflow_id", called="tasks"),
        catalog=True,
    ),
    "compute_instances": Kind(
        noun="compute_instance",
        fields={
            "name": NEEDED, "group_id": NEEDED, "description": "", "image_name": "host", "command": "",
            "environment": {}, "filesystem_id": None, "filesystem_version_id": None, "engine": "local", "cpus": None,
            "memory": None, "pids": None, "disk": None, "timeout": None, "network": "none", "network_allow": [],
        },
        refers={
            "group_id": "groups", "filesystem_id": "filesystems", "filesystem_version_id": "filesystem_versions",
        },
        unique=(("group_id", "name"),),
        used_by=(("sessions", "compute_instance_id"),),
    ),
    "instance_secret_mappings": Kind(
        noun="instance_secret_mapping",
        fields={"compute_instance_id": NEEDED, "secret_id": NEEDED, "expose_as_env": None, "expose_as_file": None},
        refers={"compute_instance_id": "compute_instances", "secret_id": "secrets"},
        unique=(("compute_instance_id", "expose_as_env"), ("compute_instance_id", "expose_as_file")),
        part=Part(of="compute_instances", by="compute_instance_id", called="exposures"),
    ),
    "sessions": Kind(
        noun="session",
        fields={
            "name": None, "repo_url": None, "prompt": None, "assigned_user_id": None, "workflow_id": None,
            "compute_instance_id": None, "timeout": None, "idle_timeout": None, "interactive": False,
            "permission_policy": "allow", "capture": False,
        },
        kept={
            "phase": "created", "wanted": "run", "reason": None, "plan_hash": None, "retried_from": None,
            "forked_from": None, "result": None, "output_filesystem_version_id": None, "started_at": None,
            "ended_at": None,
        },
        refers={
            "workflow_id": "workflows", "compute_instance_id": "compute_instances", "assigned_user_id": "users",
        },
    ),
}  # fmt: skip

LINKS = {"available_filesystems": "filesystems", "available_secrets": "secrets"}
"""What is granted to groups: what the group calls it, and the kind."""

MADE = tuple(kind for kind in KINDS if kind != "filesystem_versions")
"""The kinds that are made by POST alone."""

PATCHED_NEEDS = {"sessions": ("name",), "workflow_skills": ("position",), "workflow_tasks": ("position",)}
"""What a change cannot clear although POST may leave it out."""
