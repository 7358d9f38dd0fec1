"""People, groups and tokens, as they are sent."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from mooring.wire.base import Id, Moment, Name, Prompt, Resource

Role = Literal["admin", "member", "auditor"]
GroupRole = Literal["owner", "operator", "viewer"]
Scope = Literal["read", "write"]
Username = Annotated[str, Meta(min_length=1, max_length=220, description="A-Z, a-z, 0-9 with . _ @ + - inside")]
Credentials = Annotated[dict[str, Id], Meta(description="At most 100 hosts")]
Email = Annotated[str, Meta(min_length=3, max_length=220)]


class NewUser(Struct, kw_only=True, forbid_unknown_fields=True):
    """A user to be."""

    username: Username
    name: Name
    email: Email | None = None
    role: Role = "member"
    # Whom the single sign-on means (the sub of its tokens), where the user comes by it.
    oidc_subject: Annotated[str, Meta(min_length=1, max_length=255)] | None = None


class User(Resource, kw_only=True):
    """A person or a service."""

    username: str
    name: str
    email: str | None
    role: Role
    disabled_at: Moment | None
    oidc_subject: str | None


class Who(Struct, kw_only=True):
    """Who asks, and what its token allows. `token_id` is null for one of the single sign-on. `groups`: id → role."""

    kind: str
    user: User
    token_id: Id | None
    scopes: list[Scope]
    groups: dict[str, GroupRole]


class NewGroup(Struct, kw_only=True, forbid_unknown_fields=True):
    """A group to be; who makes it is its first owner."""

    name: Name
    description: Prompt = ""
    # Host → id of a secret granted to the group, whose value is user:password, or a token.
    git_credentials: Credentials = field(default_factory=dict[str, str])


class Member(Struct, kw_only=True):
    """A user in a group."""

    user_id: Id
    role: GroupRole


class PutMember(Struct, kw_only=True, forbid_unknown_fields=True):
    """The role of a member."""

    role: GroupRole


class MemberList(Struct, kw_only=True):
    """Every member of a group."""

    kind: str
    page: int
    size: int
    total: int
    items: list[Member]
    next: str | None = None


class Group(Resource, kw_only=True):
    """People who use the same instances, files and secrets."""

    name: str
    description: str
    members: list[Member]
    available_filesystems: list[Id]
    available_secrets: list[Id]
    git_credentials: dict[str, Id]


class NewToken(Struct, kw_only=True, forbid_unknown_fields=True):
    """A token to be; of the asker's own when it names no user."""

    name: Name
    user_id: Id | None = None
    scopes: list[Scope] = field(default_factory=lambda: ["read", "write"])
    expires_at: Moment | None = None


class EditToken(Struct, kw_only=True, forbid_unknown_fields=True):
    """What of a token can change."""

    name: Name


class Token(Resource, kw_only=True):
    """A token; its text was shown once, when it was made."""

    user_id: Id
    name: str
    scopes: list[Scope]
    expires_at: Moment | None
    revoked_at: Moment | None
    last_used_at: Moment | None


class MadeToken(Token, kw_only=True):
    """A token that was just made, with its text, which is shown this once."""

    token: str
