"""The kinds of sessions, described."""

from mooring.access.rules import Family
from mooring.audit.kinds import Kind
from mooring.base import fields
from mooring.catalog.kinds import WORKFLOW
from mooring.catalog.source import repo_url
from mooring.compute.kinds import COMPUTE_INSTANCE
from mooring.identity.kinds import USER
from mooring.sessions.entities import Artifact, Session

SESSION = Kind(
    name="session",
    table="sessions",
    prefix="ses",
    entity=Session,
    family=Family.SESSION,
    written=(
        "name", "repo_url", "prompt", "assigned_user_id", "workflow_id", "compute_instance_id", "phase", "wanted",
        "reason", "plan_hash", "timeout", "idle_timeout", "interactive", "permission_policy", "capture", "retried_from",
        "forked_from", "result", "output_filesystem_version_id", "started_at", "ended_at",
    ),
    visible="""
        {user} IN (t.created_by_user_id, t.assigned_user_id)
        OR EXISTS (SELECT 1 FROM compute_instances c WHERE c.id = t.compute_instance_id AND c.group_id = ANY({groups}))
    """,
    searchable=(
        "name", "repo_url", "assigned_user_id", "workflow_id", "compute_instance_id", "phase", "wanted",
        "retried_from", "forked_from", "started_at", "ended_at", "id", "created_at", "updated_at", "version",
        "created_by_user_id",
    ),
    parse={"name": fields.name, "repo_url": repo_url, "prompt": fields.text},
    refers={"workflow_id": WORKFLOW, "compute_instance_id": COMPUTE_INSTANCE, "assigned_user_id": USER},
    groups="SELECT c.group_id FROM sessions s JOIN compute_instances c ON c.id = s.compute_instance_id WHERE s.id = $1",
    assigned="assigned_user_id",
)  # fmt: skip

ARTIFACT = Kind(
    name="artifact",
    table="artifacts",
    prefix="art",
    entity=Artifact,
    family=Family.SESSION,
    written=("session_id", "name", "size", "sha256", "blob_key", "withheld"),
    # An artifact is seen by those who see its session.
    visible="""
        EXISTS (
            SELECT 1 FROM sessions s LEFT JOIN compute_instances c ON c.id = s.compute_instance_id
            WHERE s.id = t.session_id
                AND ({user} IN (s.created_by_user_id, s.assigned_user_id) OR c.group_id = ANY({groups}))
        )
    """,
    groups="""
        SELECT c.group_id FROM artifacts a JOIN sessions s ON s.id = a.session_id
        JOIN compute_instances c ON c.id = s.compute_instance_id WHERE a.id = $1
    """,
    held_by="""
        SELECT s.created_by_user_id AS created_by, s.assigned_user_id AS assigned_to
        FROM artifacts a JOIN sessions s ON s.id = a.session_id WHERE a.id = $1
    """,
)
