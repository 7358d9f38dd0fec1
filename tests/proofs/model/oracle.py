"""What the API must answer to a request, and what must be there and in the record afterwards. Plain Python: nothing of
Mooring is read here but what it answers."""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from proofs.model import fit
from proofs.model.kinds import ANY, KINDS, LINKS, Json
from proofs.model.people import People, Row, Who


@dataclass(frozen=True, kw_only=True)
class Told:
    """One event as it must stand in the record."""

    actor: str | None
    noun: str
    id: str
    verb: str
    details: Json

    @property
    def shown(self) -> Json:
        action = f"{self.noun}.{self.verb}"
        return {"actor_id": self.actor, "resource_type": self.noun, "resource_id": self.id, "action": action,
                "details": self.details}  # fmt: skip


Apply = Callable[[Json], list[Told]]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The statuses that are right. `apply` makes it so here, and says what must be told; None: it is refused.

    `told` is what a refusal leaves in the record; `used_by` what a refused deletion names.
    """

    statuses: frozenset[int]
    apply: Apply | None = None
    told: tuple[Told, ...] = ()
    used_by: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why something is refused, and what of that is told."""

    status: int
    told: tuple[Told, ...] = ()


def refused(*statuses: int) -> Verdict:
    return Verdict(statuses=frozenset(statuses))


def judged(early: list[Reason], late: list[Reason], status: int, apply: Apply) -> Verdict:
    """What is looked at before a row is written may be looked at in any order; what is looked at after it, in this."""
    if early:
        told = early[0].told if len(early) == 1 else ()
        return Verdict(statuses=frozenset(reason.status for reason in early), told=told)
    if late:
        return Verdict(statuses=frozenset({late[0].status}), told=late[0].told)
    return Verdict(statuses=frozenset({status}), apply=apply)


class Oracle(People):
    """The verbs every kind has."""

    # --- what a change must keep ---

    def taken(self, kind: str, values: Mapping[str, Any], *, but: str | None = None) -> bool:
        """Whether a living row has what must be unique."""
        for names in KINDS[kind].unique:
            wanted = [values[name] for name in names]
            if None in wanted:
                continue
            for row in self.living(kind):
                if row.id != but and [row.values[name] for name in names] == wanted:
                    return True
        return False

    def users_of(self, row: Row) -> set[str]:
        """The ids of what hinders its deletion."""
        users: set[str] = set()
        for kind, name in KINDS[row.kind].used_by:
            part = KINDS[kind].part
            users |= {
                other.id if part is None else other.values[part.by]
                for other in self.living(kind)
                if other.values[name] == row.id and self._holds(row, other)
            }
        if row.kind in LINKS.values():
            users |= set(self.granted_to(row))
        if row.kind == "secrets":
            users |= {one.id for one in self.living("groups") if row.id in one.values["git_credentials"].values()}
        if row.kind == "users":
            users |= {one.id for one in self.living("groups") if row.id in one.values["members"]}
            users |= {
                one.id
                for one in self.living("tokens")
                if one.values["user_id"] == row.id and one.values["revoked_at"] is None
            }
            users |= {
                one.id
                for one in self.living("sessions")
                if one.values["assigned_user_id"] == row.id and one.values["phase"] != "cancelled"
            }
        return users

    def _holds(self, row: Row, session: Row) -> bool:
        """What has ended holds nothing; what was started holds its instance, and a plan instead of its workflow."""
        if session.kind != "sessions":
            return True
        return session.values["phase"] in (("created",) if row.kind == "workflows" else ("created", "pending"))

    def last_admin(self, user: Row) -> bool:
        others = [one for one in self.living("users") if one.id != user.id and one.values["disabled_at"] is None]
        return user.values["role"] == "admin" and not any(one.values["role"] == "admin" for one in others)

    def parts(self, owner: str, kind: str) -> list[Row]:
        """The living parts of an owner, in order."""
        part = KINDS[kind].part
        assert part is not None
        found = [row for row in self.living(kind) if row.values[part.by] == owner]
        return sorted(found, key=lambda row: row.values["position"]) if "position" in KINDS[kind].fields else found

    def _unseen(self, who: Who, kind: str, values: Mapping[str, Any]) -> list[str]:
        """The fields that refer to nothing one sees."""
        refers = KINDS[kind].refers.items()
        return [
            name
            for name, other in refers
            if values.get(name) is not None and self.found(who, values[name], other) is None
        ]

    # --- POST ---

    def create(self, who: Who, kind: str, body: Mapping[str, Any]) -> Verdict:
        values = fit.read(kind, body)
        if values is None:
            return refused(400)
        early = [Reason(status=422)] if fit.unfit(values) or fit.clashing(kind, values) else []
        early += self._new(who, kind, values)
        unseen = self._unseen(who, kind, values)
        early += [Reason(status=422, told=self._not_exposed(who, values, name)) for name in unseen]
        owner = self._owner(kind, values)
        part = KINDS[kind].part
        if part is None or part.by not in unseen:
            may = self.may_make(who, kind, values) if owner is None else self.may_change(who, owner)
            early += [] if may else [Reason(status=403)]
        late = [] if early else [Reason(status=409)] if self.taken(kind, values) else []
        late += [] if early else self._late(who, kind, None, values)

        def apply(reply: Json) -> list[Told]:
            kept = deepcopy(dict(KINDS[kind].kept))
            row = Row(id=reply["id"], kind=kind, values={**values, **kept}, creator=who.user_id)
            recorded = dict(row.values)
            if kind == "groups":
                row.values |= {"members": {who.user_id: "owner"}, **{link: [] for link in LINKS}}
                recorded["members"] = {who.user_id: "owner"}
            self.rows[row.id] = row
            if owner is not None:
                return self._of_owner(who, owner, kind, [], [self.shown(row)])
            return [self.told(who, row, "create", {"after": recorded})]

        return judged(early, late, 201, apply)

    def _new(self, who: Who, kind: str, values: Json) -> list[Reason]:
        """What only making one must keep; puts in what is left out."""
        reasons: list[Reason] = []
        match kind:
            case "tokens":
                values["user_id"] = values["user_id"] or who.user_id
                values["scopes"] = sorted(set(values["scopes"]))
                wider = who.reads_only and "write" in values["scopes"]
                reasons += [Reason(status=403)] if wider else []
                reasons += [] if values["scopes"] else [Reason(status=422)]
            case "groups":
                # Nothing can have been granted to it yet.
                reasons += [Reason(status=422)] if values["git_credentials"] else []
            case "sessions":
                workflow = self.found(who, values["workflow_id"], "workflows")
                values["name"] = values["name"] or (workflow.values["name"] if workflow else "session")
            case "workflow_skills" | "workflow_tasks":
                if values["position"] is None:
                    beside = [row.values["position"] for row in self.parts(values["workflow_id"], kind)]
                    values["position"] = max(beside, default=-1) + 1
            case _:
                pass
        return reasons

    # --- PATCH, PUT ---

    def change(
        self, who: Who, kind: str, identifier: str, given: Json, *, whole: bool = False, match: int | None = None
    ) -> Verdict:
        row = self.found(who, identifier, kind)
        if row is None:
            return refused(404)
        if match not in (None, row.version):
            return refused(412)
        new = fit.read(kind, given, patched=True) if whole else fit.patched(kind, row.values, given)
        if new is None:
            return refused(400)
        changed = {name: value for name, value in new.items() if value != row.values[name]}
        after = {**row.values, **new}
        early = [Reason(status=422)] if fit.unfit(new) or (changed and fit.clashing(kind, after)) else []
        part = KINDS[kind].part
        early += [Reason(status=422)] if part is not None and part.by in changed else []
        early += [Reason(status=422)] if self._unseen(who, kind, changed) else []
        started = kind == "sessions" and row.values["phase"] != "created"
        early += [Reason(status=409)] if started and set(changed) - {"name", "assigned_user_id"} else []
        owner = self._owner(kind, row.values)
        early += [] if self.may_change(who, owner or row) else [Reason(status=403)]
        looked = changed and not early
        late = [Reason(status=409)] if looked and self.taken(kind, after, but=row.id) else []
        late += self._late(who, kind, row, after) if looked else []

        def apply(_: Json) -> list[Told]:
            if not changed:
                return []
            before, shown = {name: row.values[name] for name in changed}, self.shown(row)
            row.values.update(changed)
            row.version += 1
            if owner is not None:
                return self._of_owner(who, owner, kind, [shown], [self.shown(row)])
            return [self.told(who, row, "update", {"before": before, "after": changed})]

        return judged(early, late, 200, apply)

    def _late(self, who: Who, kind: str, row: Row | None, after: Mapping[str, Any]) -> list[Reason]:
        """What is looked at once it is written, in this order; `row` is what was there before."""
        match kind:
            case "users":
                demoted = row is not None and after["role"] != "admin" and self.last_admin(row)
                return [Reason(status=409)] if demoted else []
            case "groups":
                before: Json = row.values["git_credentials"] if row is not None else {}
                granted: list[str] = row.values["available_secrets"] if row is not None else []
                added = [one for host, one in after["git_credentials"].items() if before.get(host) != one]
                return [Reason(status=422)] if set(added) - set(granted) else []
            case "compute_instances":
                return list(self._instance(who, row, after))
            case "instance_secret_mappings":
                return list(self._exposure(who, row, after))
            case _:
                return []

    def _instance(self, who: Who, row: Row | None, after: Mapping[str, Any]) -> Iterator[Reason]:
        moved = row is None or row.values["group_id"] != after["group_id"]
        if moved and not self.may_make(who, "compute_instances", after):
            yield Reason(status=403)
        group = self.rows[after["group_id"]]
        files = [(after["filesystem_id"], after["filesystem_version_id"])]
        files += [] if row is None else [(row.values["filesystem_id"], row.values["filesystem_version_id"])]
        if moved or files[0] != files[-1]:
            filesystem, version = files[0]
            fits = filesystem is None or filesystem in group.values["available_filesystems"]
            fits = fits and (version is None or self.rows[version].values["filesystem_id"] == filesystem)
            yield from [] if fits else [Reason(status=422)]
        exposures = [] if row is None else self.parts(row.id, "instance_secret_mappings")
        for exposure in exposures:
            secret = exposure.values["secret_id"]
            if moved and secret not in group.values["available_secrets"]:
                yield Reason(status=403, told=self._not_exposed(who, exposure.values, "secret_id"))
        if any(exposure.values["expose_as_env"] in after["environment"] for exposure in exposures):
            yield Reason(status=409)

    def _exposure(self, who: Who, row: Row | None, after: Mapping[str, Any]) -> Iterator[Reason]:
        instance = self.rows[after["compute_instance_id"]]
        if after["secret_id"] not in self.rows[instance.values["group_id"]].values["available_secrets"]:
            yield Reason(status=403, told=self._not_exposed(who, after, "secret_id"))
        if after["expose_as_env"] in instance.values["environment"]:
            yield Reason(status=409)
        for other in self.parts(instance.id, "instance_secret_mappings"):
            one, two = f"{after['expose_as_file']}/", f"{other.values['expose_as_file']}/"
            if (row is None or other.id != row.id) and one != two and (one.startswith(two) or two.startswith(one)):
                yield Reason(status=409)

    def _not_exposed(self, who: Who, values: Mapping[str, Any], name: str) -> tuple[Told, ...]:
        """What is told of a secret that was not exposed."""
        instance_id = values.get("compute_instance_id")
        if name != "secret_id" or instance_id is None:
            return ()
        details = {"secret_id": values["secret_id"], "reason": ANY}
        return (Told(actor=who.user_id, noun="compute_instance", id=instance_id, verb="refuse", details=details),)

    # --- DELETE ---

    def delete(self, who: Who, kind: str, identifier: str, *, match: int | None = None) -> Verdict:
        row = self.found(who, identifier, kind)
        if row is None:
            return refused(404)
        if match not in (None, row.version):
            return refused(412)
        early = [Reason(status=409)] if kind == "sessions" and row.values["phase"] == "pending" else []
        owner = self._owner(kind, row.values)
        early += [] if self.may_change(who, owner or row) else [Reason(status=403)]
        late = [Reason(status=409)] if self.users_of(row) or (kind == "users" and self.last_admin(row)) else []

        def apply(_: Json) -> list[Told]:
            row.alive = False
            if owner is not None:
                return self._of_owner(who, owner, kind, [self.shown(row)], [])
            told = [self.told(who, row, "delete", {"before": self.recorded(row)})]
            if kind == "users":
                ended = [one for one in self.living("tokens") if one.values["user_id"] == row.id]
                told += [self.told(who, one, "delete", {"before": self.recorded(one)}) for one in ended]
                for one in ended:
                    one.alive = False
            self._bury(row)
            return told

        return replace(judged(early, late, 204, apply), used_by=frozenset(self.users_of(row)))

    def _bury(self, row: Row) -> None:
        """What was the row's own goes with it."""
        for kind, spec in KINDS.items():
            by = "filesystem_id" if kind == "filesystem_versions" else spec.part.by if spec.part else None
            for one in self.living(kind):
                if by is not None and one.values.get(by) == row.id:
                    one.alive = False
        if row.kind == "groups":
            # Its members stay: they see what was.
            row.values |= {link: [] for link in LINKS}

    # --- what is told and shown ---

    def _owner(self, kind: str, values: Mapping[str, Any]) -> Row | None:
        part = KINDS[kind].part
        return None if part is None else self.at(values[part.by], part.of)

    def recorded(self, row: Row) -> Json:
        """The fields that events hold."""
        names = [*KINDS[row.kind].fields, *KINDS[row.kind].kept]
        return {name: deepcopy(row.values[name]) for name in names}

    def shown(self, row: Row) -> Json:
        """A part as the events of its owner hold it."""
        return {"id": row.id, **self.recorded(row)}

    def told(self, who: Who, row: Row, verb: str, details: Json) -> Told:
        return Told(actor=who.user_id, noun=row.noun, id=row.id, verb=verb, details=deepcopy(details))

    def _of_owner(self, who: Who, owner: Row, kind: str, before: list[Json], after: list[Json]) -> list[Told]:
        part = KINDS[kind].part
        assert part is not None
        owner.version += 1
        return [self.told(who, owner, "update", {"before": {part.called: before}, "after": {part.called: after}})]
