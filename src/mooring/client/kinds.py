"""Every kind by the words a person uses for it. Loads nothing."""

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kind:
    """A kind: its noun, its collection in the API, the prefix of its ids, the field that names one of it.

    `refers` are the fields that hold the id of another kind, by that kind's noun.
    """

    noun: str
    path: str
    prefix: str
    label: str | None = "name"
    short: tuple[str, ...] = ()
    refers: Mapping[str, str]

    @property
    def words(self) -> tuple[str, ...]:
        """What may be said for it."""
        return (self.noun, self.path, self.path.replace("_", "-"), *self.short)


def _kind(noun: str, path: str, prefix: str, *short: str, label: str | None = "name", **refers: str) -> Kind:
    return Kind(noun=noun, path=path, prefix=prefix, short=short, label=label, refers=refers)


KINDS: Mapping[str, Kind] = {
    kind.noun: kind
    for kind in (
        _kind("user", "users", "usr", label="username"),
        _kind("group", "groups", "grp"),
        _kind("token", "tokens", "tok", user_id="user"),
        _kind("filesystem", "filesystems", "fs", "fs"),
        _kind("secret", "secrets", "sec"),
        _kind("agent", "agents", "agt"),
        _kind("skill", "skills", "skl"),
        _kind("task", "tasks", "tsk"),
        _kind("workflow", "workflows", "wf", "wf", agent_id="agent"),
        _kind(
            "instance",
            "compute_instances",
            "ci",
            "ci",
            "instances",
            "compute_instance",
            "computeinstance",
            group_id="group",
            filesystem_id="filesystem",
        ),
        _kind(
            "session",
            "sessions",
            "ses",
            workflow_id="workflow",
            compute_instance_id="instance",
            assigned_user_id="user",
        ),
        _kind("run", "runs", "run", label=None, compute_instance_id="instance", session_id="session"),
        _kind(
            "workflow-skill",
            "workflow_skills",
            "wfs",
            "wfs",
            "workflow_skill",
            label=None,
            workflow_id="workflow",
            skill_id="skill",
        ),
        _kind(
            "workflow-task",
            "workflow_tasks",
            "wft",
            "wft",
            "workflow_task",
            label=None,
            workflow_id="workflow",
            task_id="task",
        ),
        _kind(
            "exposure",
            "instance_secret_mappings",
            "ism",
            "exposures",
            "instance_secret_mapping",
            label=None,
            compute_instance_id="instance",
            secret_id="secret",  # noqa: S106 - a noun
        ),
        _kind(
            "version",
            "filesystem_versions",
            "fsv",
            "versions",
            "filesystem_version",
            "filesystem-version",
            label=None,
            filesystem_id="filesystem",
            session_id="session",
        ),
        _kind("rotation", "vault_rotations", "vrt", "rotations", "vault_rotation", label=None),
        _kind("event", "resource_events", "rev", "events", "audit", label=None, actor_id="user"),
    )
}
"""Noun → kind."""

_BY_WORD = {word: kind for kind in KINDS.values() for word in kind.words}
_ID = re.compile(r"([a-z]+)_[0-9A-Za-z]{27}")


def kind_named(word: str) -> Kind | None:
    """The kind a word stands for: `agent`, `agents`, `Agent`, `compute-instances`."""
    return _BY_WORD.get(word.lower())


def kind_of_id(identifier: str) -> Kind | None:
    """The kind whose ids look like this."""
    found = _ID.fullmatch(identifier)
    return next((kind for kind in KINDS.values() if found and kind.prefix == found[1]), None)


def is_id(text: str, kind: Kind) -> bool:
    """Whether this is an id of the kind, and no name."""
    return kind_of_id(text) is kind
