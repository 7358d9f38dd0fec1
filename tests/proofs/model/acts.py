"""What one does with some kinds beside making, changing and deleting them, as the oracle sees it."""

from collections.abc import Mapping
from typing import Any

from proofs.model.kinds import ANY, KINDS, LINKS, Json
from proofs.model.oracle import Oracle, Reason, Told, Verdict, judged, refused
from proofs.model.people import Row, Who

GROUP_ROLES = ("owner", "operator", "viewer")
CALLED = {"workflow_skills": "skill_id", "workflow_tasks": "task_id"}


class _Set:
    """Equal to any time."""

    def __eq__(self, other: object) -> bool:
        return other is self or isinstance(other, str)

    __hash__ = None  # type: ignore[assignment]


NOW: Any = _Set()


class Acts(Oracle):
    """Everything one may ask for."""

    # --- groups ---

    def put_member(self, who: Who, group_id: str, user_id: str, role: str) -> Verdict:
        if role not in GROUP_ROLES:
            return refused(400)
        group = self.found(who, group_id, "groups")
        if group is None:
            return refused(404)
        early = [] if self.may_change(who, group) else [Reason(status=403)]
        early += [] if self.at(user_id, "users") else [Reason(status=422)]
        members: dict[str, str] = group.values["members"]
        before = {user_id: members[user_id]} if user_id in members else {}
        return judged(early, [], 200, lambda _: self._link(who, group, "members", before, {user_id: role}))

    def drop_member(self, who: Who, group_id: str, user_id: str) -> Verdict:
        group = self.found(who, group_id, "groups")
        if group is None:
            return refused(404)
        if not self.may_change(who, group):
            return refused(403)
        members: dict[str, str] = group.values["members"]
        if user_id not in members:
            return refused(404)
        return judged([], [], 200, lambda _: self._link(who, group, "members", {user_id: members[user_id]}, {}))

    def grant(self, who: Who, group_id: str, link: str, identifier: str) -> Verdict:
        group = self.found(who, group_id, "groups")
        if group is None:
            return refused(404)
        thing = self.found(who, identifier, LINKS[link])
        early = [] if self.may_change(who, group) else [Reason(status=403)]
        if thing is None:
            early.append(Reason(status=422))
        elif not self.may_change(who, thing):
            early.append(Reason(status=403))
        before = {identifier: True} if identifier in group.values[link] else {}
        return judged(early, [], 200, lambda _: self._link(who, group, link, before, {identifier: True}))

    def revoke(self, who: Who, group_id: str, link: str, identifier: str) -> Verdict:
        """An owner of either side may, whether or not they see the group."""
        thing, group = self.found(who, identifier, LINKS[link]), self.at(group_id, "groups")
        if thing is None or group is None:
            return refused(404)
        sees = self.sees(who, group)
        if not self.may_change(who, thing):
            if not sees:
                return refused(404)
            if not self.may_change(who, group):
                return refused(403)
        if identifier not in group.values[link]:
            return refused(404)
        told = 200 if sees else 204
        return judged([], [], told, lambda _: self._link(who, group, link, {identifier: True}, {}))

    def _link(self, who: Who, group: Row, link: str, before: Json, after: Json) -> list[Told]:
        if before == after:
            return []
        held: Any = group.values[link]
        for one in {*before, *after}:
            if link == "members":
                held.pop(one, None)
                held.update({one: after[one]} if one in after else {})
            elif one in after:
                held.append(one)
            else:
                held.remove(one)
        group.version += 1
        return [self.told(who, group, "update", {"before": {link: before}, "after": {link: after}})]

    # --- workflows ---

    def reorder(self, who: Who, workflow_id: str, kind: str, items: list[Json], *, match: int | None = None) -> Verdict:
        """The whole list at once: what stays keeps its id."""
        workflow = self.found(who, workflow_id, "workflows")
        if workflow is None:
            return refused(404)
        if match not in (None, workflow.version):
            return refused(412)
        named = CALLED[kind]
        wanted = [item[named] for item in items]
        twice = kind == "workflow_skills" and len(set(wanted)) < len(wanted)
        early = [Reason(status=422)] if twice else []
        early += [] if self.may_change(who, workflow) else [Reason(status=403)]
        early += [Reason(status=422) for one in wanted if self.found(who, one, KINDS[kind].refers[named]) is None]

        def apply(reply: Json) -> list[Told]:
            return self._reordered(who, workflow, kind, items, [row["id"] for row in reply["items"]])

        return judged(early, [], 200, apply)

    def _reordered(self, who: Who, workflow: Row, kind: str, items: list[Json], ids: list[str]) -> list[Told]:
        there = self.parts(workflow.id, kind)
        before, staying, after = [self.shown(row) for row in there], list(there), list[Row]()
        for position, (item, identifier) in enumerate(zip(items, ids, strict=True)):
            values = {"workflow_id": workflow.id, "position": position, **item}
            values |= {"continue_on_failure": item.get("continue_on_failure", False)} if "task_id" in item else {}
            same = next((row for row in staying if row.values[CALLED[kind]] == item[CALLED[kind]]), None)
            if same is None:
                same = self.rows[identifier] = Row(id=identifier, kind=kind, values=values, creator=who.user_id)
            else:
                staying.remove(same)
                same.version += same.values != values
                same.values = values
            assert same.id == identifier, "what stays keeps its id"
            after.append(same)
        for row in staying:
            row.alive = False
        shown = [self.shown(row) for row in after]
        return [] if before == shown else self._of_owner(who, workflow, kind, before, shown)

    # --- users, tokens, secrets ---

    def let(self, who: Who, user_id: str, *, enabled: bool) -> Verdict:
        """Let a user in, or no more."""
        user = self.found(who, user_id, "users")
        if user is None:
            return refused(404)
        early = [] if self.may_change(who, user) else [Reason(status=403)]
        same = (user.values["disabled_at"] is None) == enabled
        late = [Reason(status=409)] if not enabled and not same and self.last_admin(user) else []
        after = user.values["disabled_at"] if same else None if enabled else NOW
        verb = "enable" if enabled else "disable"
        return judged(early, late, 200, lambda _: self._set(who, user, verb, {"disabled_at": after}))

    def revoke_token(self, who: Who, token_id: str) -> Verdict:
        token = self.found(who, token_id, "tokens")
        if token is None:
            return refused(404)
        early = [] if self.may_change(who, token) else [Reason(status=403)]
        return judged(early, [], 200, lambda _: self._set(who, token, "revoke", {"revoked_at": NOW}))

    def renew(self, who: Who, secret_id: str) -> Verdict:
        """A new value for a secret."""
        secret = self.found(who, secret_id, "secrets")
        if secret is None:
            return refused(404)
        early = [] if self.may_change(who, secret) else [Reason(status=403)]

        def apply(_: Json) -> list[Told]:
            number = secret.values["secret_version"]
            secret.values["secret_version"] += 1
            secret.version += 1
            before, after = ({"vault_version": ANY, "secret_version": one} for one in (number, number + 1))
            return [self.told(who, secret, "renew", {"before": before, "after": after})]

        return judged(early, [], 200, apply)

    def versioned(self, filesystem_id: str, version_id: str, creator: str) -> None:
        """A version was made of what was sent."""
        values = {"filesystem_id": filesystem_id, "number": 1}
        self.rows[version_id] = Row(id=version_id, kind="filesystem_versions", values=values, creator=creator)
        self.rows[filesystem_id].values["current_version_id"] = version_id

    # --- sessions ---

    def cancel(self, who: Who, session_id: str) -> Verdict:
        session = self.found(who, session_id, "sessions")
        if session is None:
            return refused(404)
        early = [] if self.may_operate(who, session) else [Reason(status=403)]
        changes: Json = {} if session.values["phase"] == "cancelled" else {"wanted": "cancel"}
        if session.values["phase"] == "created":
            changes |= {"phase": "cancelled", "ended_at": NOW}
        return judged(early, [], 200, lambda _: self._set(who, session, "cancel", changes))

    def start(self, who: Who, session_id: str) -> Verdict:
        session = self.found(who, session_id, "sessions")
        if session is None:
            return refused(404)
        if not self.may_operate(who, session):
            return refused(403)
        if session.values["phase"] != "created":
            return refused(409)
        lacks = self._lacks(session) | self._lacks_of_instance(who, session)
        if lacks:
            return refused(*lacks)
        changes = {"phase": "pending", "started_at": NOW}
        return judged([], [], 200, lambda _: self._set(who, session, "start", changes))

    def _lacks(self, session: Row) -> set[int]:
        """What it takes to run it; the statuses of what is missing."""
        workflow = self.at(session.values["workflow_id"], "workflows")
        agent = self.at(workflow.values["agent_id"], "agents") if workflow is not None else None
        if workflow is None or agent is None or session.values["permission_policy"] == "ask":
            return {422}
        tasks = [self.rows[part.values["task_id"]] for part in self.parts(workflow.id, "workflow_tasks")]
        skills = [self.rows[part.values["skill_id"]] for part in self.parts(workflow.id, "workflow_skills")]
        # A skill is installed under the name of its repository, else under its own.
        names = ["x" if skill.values["repo_url"] else skill.values["name"] for skill in skills]
        lacks = (
            any(not task.values["prompt"] for task in tasks)
            or not (tasks or session.values["prompt"])
            or len(set(names)) < len(names)
        )
        return {422} if lacks else set()

    def _lacks_of_instance(self, who: Who, session: Row) -> set[int]:
        if session.values["compute_instance_id"] is None:
            return {422} if session.values["capture"] else set()
        instance = self.rows[session.values["compute_instance_id"]]
        if not self.sees(who, instance):
            return {404}
        group: Mapping[str, Any] = self.rows[instance.values["group_id"]].values
        lacks = set[int]() if self.may_change(who, instance) else {403}
        exposed = {one.values["secret_id"] for one in self.parts(instance.id, "instance_secret_mappings")}
        lacks |= {403} if exposed - set(group["available_secrets"]) else set()
        filesystem = instance.values["filesystem_id"]
        if filesystem is None:
            return lacks | ({422} if session.values["capture"] else set())
        current = instance.values["filesystem_version_id"] or self.rows[filesystem].values["current_version_id"]
        return lacks | (set() if current and filesystem in group["available_filesystems"] else {422})

    def _set(self, who: Who, row: Row, verb: str, changes: Json) -> list[Told]:
        """A change of what the server keeps."""
        changed = {name: value for name, value in changes.items() if value != row.values[name]}
        if not changed:
            return []
        before = {name: row.values[name] for name in changed}
        row.values.update(changed)
        row.version += 1
        return [self.told(who, row, verb, {"before": before, "after": changed})]
