"""The kind of secrets, described. Exposures belong to an instance: see compute/kinds.py."""

from mooring.access.rules import Family
from mooring.audit.kinds import COMMON, Kind, Use
from mooring.base import fields
from mooring.secrets.entities import Secret, VaultRotation

SECRET = Kind(
    name="secret",
    table="secrets",
    prefix="sec",
    entity=Secret,
    family=Family.SECRET,
    written=(
        "name", "description", "vault", "vault_id", "vault_version", "secret_version", "registered", "moves", "phase",
        "reason",
    ),
    # The record has each move as an event.
    hidden=("moves",),
    visible="""
        t.created_by_user_id = {user}
        OR EXISTS (SELECT 1 FROM group_secrets g WHERE g.secret_id = t.id AND g.group_id = ANY({groups}))
    """,
    searchable=(
        "name", "description", "vault", "vault_id", "secret_version", "registered", "phase", "reason", *COMMON,
    ),
    parse={"name": fields.name, "description": fields.text},
    groups="SELECT group_id FROM group_secrets WHERE secret_id = $1",
    used_by=(
        Use(table="instance_secret_mappings", column="secret_id", shows="compute_instance_id"),
        Use(table="group_secrets", column="secret_id", living="TRUE", shows="group_id"),
        # Behind the grants: who names a secret holds its grant, so whoever saw it revoked sees what it was named for.
        Use(
            table="groups, jsonb_each_text(groups.git_credentials) AS named",
            column="named.value",
            living="groups.deleted_at IS NULL",
            shows="groups.id",
        ),
    ),
)  # fmt: skip

VAULT_ROTATION = Kind(
    name="vault_rotation",
    table="vault_rotations",
    prefix="vrt",
    entity=VaultRotation,
    family=Family.SECRET,
    written=("key_id", "phase", "done", "broken", "ended_at"),
    # Seen by who sees everything.
    visible="FALSE",
    searchable=("key_id", "phase", "done", "ended_at", *COMMON),
    label="key_id",
)
