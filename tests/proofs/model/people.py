"""Who sees and may do what, as docs/api.md tells it, over the rows the oracle holds.

Nothing of Mooring is read here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from proofs.model.kinds import KINDS, LINKS

_RANK = {"viewer": 0, "operator": 1, "owner": 2}


@dataclass
class Row:
    """One resource as the oracle holds it; it stays when it is deleted, since events of it are still seen."""

    id: str
    kind: str
    values: dict[str, Any]
    creator: str | None
    version: int = 1
    alive: bool = True

    @property
    def noun(self) -> str:
        return KINDS[self.kind].noun


@dataclass(frozen=True, kw_only=True)
class Who:
    """Someone with a token: its id, whose it is, and whether it may only read."""

    user_id: str
    token_id: str
    reads_only: bool = False


@dataclass
class People:
    """The rows, in the order of their making, and what follows from them for who asks."""

    rows: dict[str, Row] = field(default_factory=dict[str, Row])

    def living(self, kind: str) -> list[Row]:
        return [row for row in self.rows.values() if row.kind == kind and row.alive]

    def at(self, identifier: Any, kind: str) -> Row | None:
        """The living row of this kind, if there is one."""
        row = self.rows.get(identifier) if isinstance(identifier, str) else None
        return row if row is not None and row.kind == kind and row.alive else None

    def let_in(self, who: Who) -> bool:
        token, user = self.rows[who.token_id], self.rows[who.user_id]
        revoked = token.values["revoked_at"] is not None
        return token.alive and not revoked and user.alive and user.values["disabled_at"] is None

    def role(self, who: Who) -> str:
        return self.rows[who.user_id].values["role"]

    def _rank(self, who: Who, groups: Iterable[Any]) -> int:
        """The highest role in any of these groups; -1: in none."""
        found = [self.at(group_id, "groups") for group_id in groups]
        roles: list[Mapping[str, str]] = [group.values["members"] for group in found if group is not None]
        return max((_RANK[members[who.user_id]] for members in roles if who.user_id in members), default=-1)

    def granted_to(self, row: Row) -> list[str]:
        """The groups a filesystem or secret was granted to."""
        link = next(link for link, kind in LINKS.items() if kind == row.kind)
        return [group.id for group in self.living("groups") if row.id in group.values[link]]

    def groups_of(self, row: Row) -> list[Any]:
        """The groups through which one comes to a row. A deleted instance still says whose its things were."""
        match row.kind:
            case "groups":
                return [row.id]
            case "compute_instances":
                return [row.values["group_id"]]
            case "instance_secret_mappings" | "sessions":
                instance = self.rows.get(row.values["compute_instance_id"])
                return [] if instance is None else [instance.values["group_id"]]
            case "filesystems" | "secrets":
                return self.granted_to(row)
            case "filesystem_versions":
                return self.granted_to(self.rows[row.values["filesystem_id"]])
            case _:
                return []

    def sees(self, who: Who, row: Row) -> bool:  # noqa: PLR0911 - one answer a kind
        """Whether one sees the row, or would, were it there still."""
        if self.role(who) in ("admin", "auditor") or KINDS[row.kind].catalog or row.kind == "users":
            return True
        if row.kind == "tokens":
            return row.values["user_id"] == who.user_id
        if self._rank(who, self.groups_of(row)) >= 0:
            return True
        match row.kind:
            case "groups":
                # One that was deleted: who was its member then.
                return not row.alive and who.user_id in row.values["members"]
            case "filesystems" | "secrets":
                return row.creator == who.user_id
            case "filesystem_versions":
                return self.rows[row.values["filesystem_id"]].creator == who.user_id
            case "sessions":
                return who.user_id in (row.creator, row.values["assigned_user_id"])
            case _:
                return False

    def found(self, who: Who, identifier: Any, kind: str) -> Row | None:
        """The living row, if one sees it."""
        row = self.at(identifier, kind)
        return row if row is not None and self.sees(who, row) else None

    def may_make(self, who: Who, kind: str, values: Mapping[str, Any]) -> bool:
        role = self.role(who)
        if who.reads_only:
            return False
        match kind:
            case "users":
                return role == "admin"
            case "tokens":
                return role == "admin" or values["user_id"] == who.user_id
            case "compute_instances":
                return role == "admin" or self._rank(who, [values["group_id"]]) >= 1
            case _:
                return role in ("admin", "member")

    def may_change(self, who: Who, row: Row) -> bool:  # noqa: PLR0911 - one answer a kind
        if who.reads_only:
            return False
        if self.role(who) == "admin":
            return True
        match row.kind:
            case "users":
                return False
            case "tokens":
                return row.values["user_id"] == who.user_id
            case "groups":
                return self._rank(who, [row.id]) >= 2
            case "compute_instances":
                return self._rank(who, [row.values["group_id"]]) >= 1
            case "sessions":
                return row.creator == who.user_id or self._rank(who, self.groups_of(row)) >= 1
            case _:
                return row.creator == who.user_id

    def may_operate(self, who: Who, session: Row) -> bool:
        assigned = not who.reads_only and session.values["assigned_user_id"] == who.user_id
        return assigned or self.may_change(who, session)
