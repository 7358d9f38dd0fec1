"""An example of every shape, made from its schema. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from mooring.http.errors import BASE

Schema = Mapping[str, Any]


def _id(prefix: str) -> str:
    return f"{prefix}_0ujtsYcgvSTl8PAuAdqWYSMnLOv"


_SUM = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_KINDS: Mapping[str, tuple[str, str]] = {
    "Agent": ("agt", "agents"),
    "Artifact": ("art", f"sessions/{_id('ses')}/artifacts"),
    "ComputeInstance": ("ci", "compute_instances"),
    "Filesystem": ("fs", "filesystems"),
    "FilesystemVersion": ("fsv", "filesystem_versions"),
    "Group": ("grp", "groups"),
    "InstanceSecretMapping": ("ism", "instance_secret_mappings"),
    "KeptSecret": ("sec", "secrets"),
    "MadeToken": ("tok", "tokens"),
    "ResourceEvent": ("rev", "resource_events"),
    "Run": ("run", "runs"),
    "Secret": ("sec", "secrets"),
    "SecretExposure": ("ism", ""),
    "SecretGroup": ("grp", ""),
    "Session": ("ses", "sessions"),
    "Skill": ("skl", "skills"),
    "Task": ("tsk", "tasks"),
    "Token": ("tok", "tokens"),
    "User": ("usr", "users"),
    "VaultRotation": ("vrt", "vault_rotations"),
    "Workflow": ("wf", "workflows"),
    "WorkflowSkill": ("wfs", "workflow_skills"),
    "WorkflowTask": ("wft", "workflow_tasks"),
}
"""Shape → the prefix of its ids, and where it is."""
_REFERENCES: Mapping[str, str] = {
    "actor_id": "usr", "agent_id": "agt", "assigned_user_id": "usr", "compute_instance_id": "ci",
    "created_by_user_id": "usr", "current_version_id": "fsv", "event_id": "rev", "filesystem_id": "fs",
    "filesystem_version_id": "fsv", "forked_from": "ses", "from_version_id": "fsv", "group_id": "grp",
    "output_filesystem_version_id": "fsv", "parent_version_id": "fsv", "resource_id": "wf", "retried_from": "ses",
    "run_id": "run", "secret_id": "sec", "session_id": "ses", "skill_id": "skl", "task_id": "tsk",
    "to_version_id": "fsv", "token_id": "tok", "user_id": "usr", "version_id": "fsv", "workflow_id": "wf",
}  # fmt: skip
"""Field → the prefix of the id it holds."""
_VALUES: Mapping[str, object] = {
    **{field: _id(prefix) for field, prefix in _REFERENCES.items()},
    "action": "workflow.update",
    "allowed_to": ["an operator of its group may"],
    "archive_checksum": f"sha256:{_SUM}",
    "archive_type": "tar.gz",
    "available_filesystems": [_id("fs")],
    "available_secrets": [_id("sec")],
    "because": "an operator of its group may",
    "broken": [],
    "bucket": "archives",
    "chain": ["builder is an operator of the group team"],
    "check": "make test",
    "checksum": f"sha256:{_SUM}",
    "code": "mooring-7",
    "command": "",
    "compute_instance": "box",
    "cpus": 2.0,
    "description": "What it is for",
    "details": {"before": {"name": "review"}, "after": {"name": "look"}},
    "disk": 10_737_418_240,
    "email": "builder@example.org",
    "engine": "local",
    "environment": {"CI": "yes"},
    "expose_as_env": "DEPLOY_KEY",
    "given_checksum": f"sha256:{_SUM}",
    "git_credentials": {"git.example.org": _id("sec")},
    "groups": {_id("grp"): "operator"},
    "hash": _SUM,
    "image_name": "host",
    "key": "archives/tools.tar.gz",
    "manifest_checksum": f"sha256:{_SUM}",
    "max_attempts": 3,
    "memory": 2_147_483_648,
    "model": "small",
    "name": "builder",
    "network_allow": [],
    "oidc_subject": "0a1b2c3d",
    "operation_id": _id("op"),
    "path": "bin/tool",
    "pids": 512,
    "plan_hash": _SUM,
    "position": 0,
    "prompt": "Read it twice, then say what is wrong.",
    "reason": "It is not there, or not for you to see",
    "repo_url": "https://example.org/team/repo.git#main",
    "resource_type": "workflow",
    "root": _SUM,
    "runtime": "shell",
    "s3_archive_bucket": "archives",
    "s3_archive_key": f"blobs/{_SUM}",
    "says": "the event is not the one that was sealed",
    "scopes": ["read", "write"],
    "sha256": _SUM,
    "token": f"mrg_{'0' * 49}",
    "username": "builder",
    "value": "user:password",
    "vault_id": "team/deploy#password",
    "vault_version": "1",
    "warnings": [],
}
"""Field → what could stand in it, where its type does not say enough."""
_NULL = frozenset(
    {
        "disabled_at", "expose_as_file", "forked_from", "next", "reason", "retried_from", "revoked_at", "target",
        "vault_id", "withheld",
    }
)  # fmt: skip
"""Fields that are null in an example wherever they may be."""
_LIKELY = frozenset({"completed", "member", "none", "ready", "run", "succeeded", "text"})
"""Of several words, those that are met most."""
_BY_TYPE: Mapping[str, object] = {
    "array": [], "boolean": False, "integer": 1, "null": None, "number": 60.0, "object": {}, "string": "text",
}  # fmt: skip


def example(schema: Schema, components: Mapping[str, Schema], *, field: str = "", of: str = "") -> Any:  # noqa: ANN401 - JSON
    """What could stand where the schema does: as a `field` of the shape `of`, where it is one."""
    if "$ref" in schema:
        return example(components[schema["$ref"].rpartition("/")[2]], components)
    if "properties" in schema:
        title, inside = str(schema["title"]), schema["properties"]
        return {name: example(inside[name], components, field=name, of=title) for name in inside}
    if schema.get("type") == "array" and "$ref" in schema["items"]:
        return [example(schema["items"], components)]
    for known in _known(schema, field, of):
        return known
    if "anyOf" in schema:
        return example(schema["anyOf"][0], components, field=field, of=of)
    return _BY_TYPE[str(schema.get("type", "object"))]


def _known(schema: Schema, field: str, of: str) -> Iterator[object]:
    """What is known of a value without looking into it, the best first."""
    if "enum" in schema:
        yield from (word for word in schema["enum"] if word in _LIKELY)
        yield schema["enum"][0]
    if field == "kind":
        yield of
    if field in ("id", "href") and of in _KINDS:
        prefix, where = _KINDS[of]
        yield _id(prefix) if field == "id" else f"{BASE}/{where}/{_id(prefix)}"
    if field in _NULL and {"type": "null"} in schema.get("anyOf", ()):
        yield None
    if field in _VALUES:
        yield _VALUES[field]
    if schema.get("format") == "date-time":
        yield "2026-01-31T12:00:00Z"
