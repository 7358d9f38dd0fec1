"""Who acts: a token became an Actor once; everything else asks it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fnmatch import fnmatchcase

from mooring.access.rules import BY_GROUP, RULES, Asker, Family, GroupRole, PlatformRole, Rule, Subject, holds
from mooring.base.errors import Denied, Unfit


class Permission(StrEnum):
    """What an actor may do with a resource."""

    READ = "read"
    CREATE = "create"
    CHANGE = "change"
    OPERATE = "operate"
    GRANT = "grant"


def rules_of(permission: Permission, family: Family) -> tuple[Rule, ...]:
    """The rules that allow it, in the order in which they are named."""
    return RULES[family].get(permission.value, ())


READ_SCOPE, WRITE_SCOPE = "read", "write"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What an actor sees in a list: everything, or what it made, is assigned, or its groups have."""

    everything: bool
    user_id: str | None
    group_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A user in one request: role, group roles, what the token allows, and the reason given for what is done."""

    user_id: str | None
    role: PlatformRole
    groups: Mapping[str, GroupRole] = field(default_factory=dict[str, GroupRole])
    scopes: frozenset[str] = frozenset({READ_SCOPE, WRITE_SCOPE})
    reason: str | None = None
    # Actions (patterns such as `secret.*`) that this installation wants a reason for.
    owes_reasons: tuple[str, ...] = ()

    def because(self, reason: str) -> "Actor":
        """The same actor with a reason for what it does next."""
        return replace(self, reason=reason)

    @property
    def sees(self) -> Sight:
        """What to bind in the lists."""
        everything = self.role in (PlatformRole.ADMIN, PlatformRole.AUDITOR)
        return Sight(everything=everything, user_id=self.user_id, group_ids=tuple(self.groups))

    def why(self, permission: Permission, *, of: Subject) -> Rule | None:
        """The first rule that allows it, or None."""
        if permission is not Permission.READ and WRITE_SCOPE not in self.scopes:
            return None
        return next((rule for rule in rules_of(permission, of.family) if holds(rule, self._asker, of)), None)

    def through(self, rule: Rule, *, of: Subject) -> frozenset[str]:
        """The groups through which a rule holds; none for rules that ask no group."""
        least = BY_GROUP.get(rule)
        return frozenset() if least is None else self._asker.ranks(least, of)

    @property
    def _asker(self) -> Asker:
        return Asker(user_id=self.user_id, role=self.role, groups=self.groups)

    def may(self, permission: Permission, *, of: Subject) -> bool:
        """Whether it is allowed."""
        return self.why(permission, of=of) is not None

    def require_reason(self, action: str) -> None:
        """Return when a reason was given, or none is wanted for the action. Raises Unfit."""
        if self.reason is None and any(fnmatchcase(action, pattern) for pattern in self.owes_reasons):
            says = f"Audit-Reason: {action} is done for a reason here; say it in this header (`--reason`)"
            raise Unfit(says, field="Audit-Reason", action=action)

    def require(self, permission: Permission, *, of: Subject) -> None:
        """Return when it is allowed. Raises Denied, naming what is missing."""
        if self.may(permission, of=of):
            return
        if permission is not Permission.READ and WRITE_SCOPE not in self.scopes:
            raise Denied("this token may only read; use one with the scope 'write'")
        allowed = ", ".join(rules_of(permission, of.family)) or "nobody"
        raise Denied(f"you may not {permission.value} this {of.family.value}; allowed: {allowed}")


SYSTEM = Actor(user_id=None, role=PlatformRole.ADMIN)
"""The loops: what they write has no user."""

__all__ = ["SYSTEM", "Actor", "Family", "GroupRole", "Permission", "PlatformRole", "Sight", "Subject"]
