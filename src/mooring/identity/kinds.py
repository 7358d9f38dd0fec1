"""The kinds of identity, described."""

from mooring.access.rules import Family
from mooring.audit.kinds import COMMON, Kind, Link, Use
from mooring.base import fields
from mooring.identity.entities import Group, Token, User

USER = Kind(
    name="user",
    table="users",
    prefix="usr",
    entity=User,
    family=Family.USER,
    written=("username", "name", "email", "role", "disabled_at", "oidc_subject"),
    searchable=("username", "name", "email", "role", "disabled_at", "oidc_subject", *COMMON),
    parse={
        "username": fields.username,
        "name": fields.name,
        "email": fields.email,
        "oidc_subject": fields.line,
    },
    used_by=(
        Use(
            table="group_members",
            column="user_id",
            living="EXISTS (SELECT 1 FROM groups AS g WHERE g.id = group_id AND g.deleted_at IS NULL)",
            shows="group_id",
        ),
        Use(
            table="tokens",
            column="user_id",
            living="deleted_at IS NULL AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())",
        ),
        Use(
            table="sessions",
            column="assigned_user_id",
            living="deleted_at IS NULL AND phase NOT IN ('completed', 'failed', 'cancelled')",
        ),
    ),
    label="username",
)

MEMBERS = Link(name="members", table="group_members", owner="group_id", other="user_id", value="role", stay=True)
AVAILABLE_FILESYSTEMS = Link(
    name="available_filesystems", table="group_filesystems", owner="group_id", other="filesystem_id"
)
AVAILABLE_SECRETS = Link(name="available_secrets", table="group_secrets", owner="group_id", other="secret_id")

GROUP = Kind(
    name="group",
    table="groups",
    prefix="grp",
    entity=Group,
    family=Family.GROUP,
    written=("name", "description", "git_credentials"),
    # Whoever was its member when it was deleted sees that it was, and what was before.
    visible="""
        t.id = ANY({groups}) OR (t.deleted_at IS NOT NULL AND EXISTS (
            SELECT 1 FROM group_members AS m WHERE m.group_id = t.id AND m.user_id = {user}
        ))
    """,
    searchable=("name", "description", *COMMON),
    parse={"name": fields.name, "description": fields.text, "git_credentials": fields.credentials},
    groups="SELECT $1::text",
    used_by=(Use(table="compute_instances", column="group_id"),),
    links=(MEMBERS, AVAILABLE_FILESYSTEMS, AVAILABLE_SECRETS),
)

TOKEN = Kind(
    name="token",
    table="tokens",
    prefix="tok",
    entity=Token,
    family=Family.TOKEN,
    written=("user_id", "name", "hash", "scopes", "expires_at", "revoked_at"),
    visible="t.user_id = {user}",
    searchable=("user_id", "name", "expires_at", "revoked_at", *COMMON),
    parse={"name": fields.name},
    refers={"user_id": USER},
    user="user_id",
    hidden=("hash",),
)
