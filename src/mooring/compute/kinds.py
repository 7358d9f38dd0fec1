"""The kinds of compute, described."""

from collections.abc import Mapping
from typing import Any

from mooring.access.rules import Family
from mooring.audit.kinds import COMMON, Kind, Owner, Use
from mooring.base import fields
from mooring.base.errors import Unfit
from mooring.compute.entities import ComputeInstance, InstanceSecretMapping, Network
from mooring.compute.phases import Run
from mooring.files.kinds import FILESYSTEM, FILESYSTEM_VERSION
from mooring.identity.kinds import GROUP
from mooring.secrets.kinds import SECRET


def _check_instance(values: Mapping[str, Any]) -> None:
    if (values["network"] == Network.ALLOW_LIST) != bool(values["network_allow"]):
        raise Unfit("network_allow: name the hosts when network is allow-list, and only then", field="network_allow")
    if values["filesystem_version_id"] is not None and values["filesystem_id"] is None:
        says = "filesystem_version_id: name its filesystem_id too, or leave both out"
        raise Unfit(says, field="filesystem_version_id")


COMPUTE_INSTANCE = Kind(
    name="compute_instance",
    table="compute_instances",
    prefix="ci",
    entity=ComputeInstance,
    family=Family.COMPUTE,
    written=(
        "name", "description", "image_name", "command", "environment", "group_id", "filesystem_id",
        "filesystem_version_id", "engine", "cpus", "memory", "pids", "disk", "timeout", "network", "network_allow",
    ),
    visible="t.group_id = ANY({groups})",
    searchable=(
        "name", "description", "image_name", "command", "group_id", "filesystem_id", "filesystem_version_id", "engine",
        "cpus", "memory", "pids", "disk", "timeout", "network", *COMMON,
    ),
    parse={
        "name": fields.name,
        "description": fields.text,
        "image_name": fields.name,
        "command": fields.text,
        "environment": fields.environment,
        "engine": fields.slug,
        "network_allow": fields.hosts,
    },
    check=_check_instance,
    refers={"group_id": GROUP, "filesystem_id": FILESYSTEM, "filesystem_version_id": FILESYSTEM_VERSION},
    groups="SELECT group_id FROM compute_instances WHERE id = $1",
    group="group_id",
    used_by=(
        Use(
            table="sessions",
            column="compute_instance_id",
            living="deleted_at IS NULL AND phase NOT IN ('completed', 'failed', 'cancelled')",
        ),
        Use(
            table="runs",
            column="compute_instance_id",
            living="deleted_at IS NULL AND phase IN ('pending', 'starting', 'running', 'stopping')",
        ),
    ),
    parts=(("instance_secret_mappings", "compute_instance_id"),),
)  # fmt: skip


def _check_mapping(values: Mapping[str, Any]) -> None:
    if (values["expose_as_env"] is None) == (values["expose_as_file"] is None):
        raise Unfit("expose_as_env: name either a variable or a file (expose_as_file)", field="expose_as_env")


INSTANCE_SECRET_MAPPING = Kind(
    name="instance_secret_mapping",
    table="instance_secret_mappings",
    prefix="ism",
    entity=InstanceSecretMapping,
    family=Family.COMPUTE,
    written=("compute_instance_id", "secret_id", "expose_as_env", "expose_as_file"),
    visible="""
        EXISTS (SELECT 1 FROM compute_instances c WHERE c.id = t.compute_instance_id AND c.group_id = ANY({groups}))
    """,
    searchable=("compute_instance_id", "secret_id", "expose_as_env", "expose_as_file", *COMMON),
    parse={"expose_as_env": fields.secret_variable, "expose_as_file": fields.secret_file},
    check=_check_mapping,
    refers={"compute_instance_id": COMPUTE_INSTANCE, "secret_id": SECRET},
    groups="""
        SELECT c.group_id FROM instance_secret_mappings m JOIN compute_instances c ON c.id = m.compute_instance_id
        WHERE m.id = $1
    """,
    owner=Owner(kind=COMPUTE_INSTANCE, column="compute_instance_id", name="exposures"),
    label="expose_as_env",
)

RUN = Kind(
    name="run",
    table="runs",
    prefix="run",
    entity=Run,
    family=Family.RUN,
    written=(
        "compute_instance_id", "session_id", "engine", "phase", "wanted", "reason", "exit_code", "started_at",
        "ended_at", "spec",
    ),
    # A run is seen by those who see its session or its instance.
    visible="""
        EXISTS (SELECT 1 FROM compute_instances c WHERE c.id = t.compute_instance_id AND c.group_id = ANY({groups}))
        OR EXISTS (SELECT 1 FROM sessions s
            WHERE s.id = t.session_id AND {user} IN (s.created_by_user_id, s.assigned_user_id))
        OR t.created_by_user_id = {user}
    """,
    searchable=(
        "engine", "phase", "session_id", "compute_instance_id", "started_at", "ended_at", "id", "created_at",
        "updated_at", "version", "created_by_user_id",
    ),
    groups="""
        SELECT c.group_id FROM runs r LEFT JOIN sessions s ON s.id = r.session_id
        JOIN compute_instances c ON c.id = coalesce(r.compute_instance_id, s.compute_instance_id) WHERE r.id = $1
    """,
    held_by="""
        SELECT coalesce(s.created_by_user_id, r.created_by_user_id) AS created_by, s.assigned_user_id AS assigned_to
        FROM runs r LEFT JOIN sessions s ON s.id = r.session_id WHERE r.id = $1
    """,
    label="id",
)  # fmt: skip
