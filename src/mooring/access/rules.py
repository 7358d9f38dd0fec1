"""The rules: which relation to a resource allows what. Pure data with one predicate each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class PlatformRole(StrEnum):
    ADMIN = "admin"
    MEMBER = "member"
    AUDITOR = "auditor"


class GroupRole(StrEnum):
    OWNER = "owner"
    OPERATOR = "operator"
    VIEWER = "viewer"


class Family(StrEnum):
    """Kinds that follow the same rules."""

    CATALOG = "catalog entry"
    USER = "user"
    TOKEN = "token"  # noqa: S105 - the word, not a token
    GROUP = "group"
    COMPUTE = "compute instance"
    SESSION = "session"
    RUN = "run"
    FILESYSTEM = "filesystem"
    SECRET = "secret"  # noqa: S105 - the word, not a secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What the rules need to know of a resource. `groups` are those it belongs to or was granted to."""

    family: Family
    created_by: str | None = None
    assigned_to: str | None = None
    user: str | None = None
    groups: frozenset[str] = frozenset()


_RANK = {GroupRole.VIEWER: 0, GroupRole.OPERATOR: 1, GroupRole.OWNER: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """What the rules need to know of who asks."""

    user_id: str | None
    role: PlatformRole
    groups: Mapping[str, GroupRole]

    def ranks(self, least: GroupRole, of: Subject) -> frozenset[str]:
        """Those of the resource's groups that give at least this role."""
        shared = of.groups & self.groups.keys()
        return frozenset(group for group in shared if _RANK[self.groups[group]] >= _RANK[least])


class Rule(StrEnum):
    """One way to be allowed, as it is named to people."""

    ADMIN = "an administrator"
    AUDITOR = "an auditor"
    MEMBER = "any member"
    CREATOR = "its creator"
    ASSIGNEE = "its assignee"
    THEMSELVES = "the user themselves"
    VIEWER = "a viewer of its group"
    OPERATOR = "an operator of its group"
    OWNER = "an owner of its group"


_R = Rule
_HOLDS: Mapping[Rule, Callable[[Asker, Subject], bool]] = {
    _R.ADMIN: lambda who, _: who.role is PlatformRole.ADMIN,
    _R.AUDITOR: lambda who, _: who.role is PlatformRole.AUDITOR,
    _R.MEMBER: lambda who, _: who.user_id is not None and who.role is PlatformRole.MEMBER,
    _R.CREATOR: lambda who, of: who.user_id is not None and who.user_id == of.created_by,
    _R.ASSIGNEE: lambda who, of: who.user_id is not None and who.user_id == of.assigned_to,
    _R.THEMSELVES: lambda who, of: who.user_id is not None and who.user_id == of.user,
    _R.VIEWER: lambda who, of: bool(who.ranks(GroupRole.VIEWER, of)),
    _R.OPERATOR: lambda who, of: bool(who.ranks(GroupRole.OPERATOR, of)),
    _R.OWNER: lambda who, of: bool(who.ranks(GroupRole.OWNER, of)),
}

BY_GROUP: Mapping[Rule, GroupRole] = {
    _R.VIEWER: GroupRole.VIEWER,
    _R.OPERATOR: GroupRole.OPERATOR,
    _R.OWNER: GroupRole.OWNER,
}
"""The rules that hold through a group, and the least role they take there."""


def holds(rule: Rule, who: Asker, of: Subject) -> bool:
    """Whether the rule holds between who asks and what is asked for."""
    return _HOLDS[rule](who, of)


RULES: Mapping[Family, Mapping[str, tuple[Rule, ...]]] = {
    Family.CATALOG: {
        "read": (_R.ADMIN, _R.AUDITOR, _R.MEMBER),
        "create": (_R.ADMIN, _R.MEMBER),
        "change": (_R.ADMIN, _R.CREATOR),
    },
    Family.USER: {
        "read": (_R.ADMIN, _R.AUDITOR, _R.MEMBER),
        "create": (_R.ADMIN,),
        "change": (_R.ADMIN,),
    },
    Family.TOKEN: {
        "read": (_R.ADMIN, _R.AUDITOR, _R.THEMSELVES),
        "create": (_R.ADMIN, _R.THEMSELVES),
        "change": (_R.ADMIN, _R.THEMSELVES),
    },
    Family.GROUP: {
        "read": (_R.ADMIN, _R.AUDITOR, _R.VIEWER),
        "create": (_R.ADMIN, _R.MEMBER),
        "change": (_R.ADMIN, _R.OWNER),
        "grant": (_R.ADMIN, _R.OWNER),
    },
    Family.COMPUTE: {
        "read": (_R.ADMIN, _R.AUDITOR, _R.VIEWER),
        "create": (_R.ADMIN, _R.OPERATOR),
        "change": (_R.ADMIN, _R.OPERATOR),
        "operate": (_R.ADMIN, _R.OPERATOR),
    },
    Family.SESSION: {
        "read": (_R.ADMIN, _R.AUDITOR, _R.CREATOR, _R.ASSIGNEE, _R.VIEWER),
        "create": (_R.ADMIN, _R.MEMBER),
        "change": (_R.ADMIN, _R.CREATOR, _R.OPERATOR),
        "operate": (_R.ADMIN, _R.CREATOR, _R.ASSIGNEE, _R.OPERATOR),
    },
    Family.RUN: {
        "read": (_R.ADMIN, _R.AUDITOR, _R.CREATOR, _R.ASSIGNEE, _R.VIEWER),
        "create": (_R.ADMIN, _R.OPERATOR),
        "operate": (_R.ADMIN, _R.CREATOR, _R.ASSIGNEE, _R.OPERATOR),
    },
    Family.FILESYSTEM: {
        "read": (_R.ADMIN, _R.AUDITOR, _R.CREATOR, _R.VIEWER),
        "create": (_R.ADMIN, _R.MEMBER),
        "change": (_R.ADMIN, _R.CREATOR),
        "grant": (_R.ADMIN, _R.CREATOR),
    },
    Family.SECRET: {
        "read": (_R.ADMIN, _R.AUDITOR, _R.CREATOR, _R.VIEWER),
        "create": (_R.ADMIN, _R.MEMBER),
        "change": (_R.ADMIN, _R.CREATOR),
        "grant": (_R.ADMIN, _R.CREATOR),
    },
}
"""Family → permission → the rules that allow it, in the order in which they are named."""
