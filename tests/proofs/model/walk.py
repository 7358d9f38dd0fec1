"""One walk through the API by several people, each answer held to the oracle's."""

from random import Random

import httpx

from proofs.model import bodies
from proofs.model.acts import CALLED, GROUP_ROLES, Acts
from proofs.model.kinds import KINDS, LINKS, MADE, Json
from proofs.model.oracle import Verdict, refused
from proofs.model.people import Row, Who
from proofs.model.plane import Plane

PARTS = {"workflows": ("skills", "tasks"), "compute_instances": ("exposures",)}
PART_KINDS = {"skills": "workflow_skills", "tasks": "workflow_tasks", "exposures": "instance_secret_mappings"}
ACTS = (
    *["create"] * 7, *["change"] * 7, *["delete"] * 7, *["member_changes"] * 2, *["grant_changes"] * 3,
    *["reorder"] * 2, "let", "revoke_token", "renew", *["session_goes"] * 2, "version_is_made", *["read"] * 3,
    *["look"] * 4, "look_at_the_record",
)  # fmt: skip
"""What may be asked: methods of Walk, each as often as it is to come."""


class Walk:
    """Several people of different roles ask for whatever they like; each answer must be the oracle's."""

    def __init__(self, plane: Plane, seed: int) -> None:
        self.plane, self.seed = plane, seed
        self.oracle = Acts()
        self.people: dict[Who, str] = {}
        self.steps = 0
        self.asked: list[str] = []
        self.told: list[tuple[str, str]] = []
        user, token, text = self.plane.begin()
        self._keep("users", user)
        self._keep("tokens", token)
        self.admin = Who(user_id=user["id"], token_id=token["id"])
        self.people[self.admin] = text
        self.seen = max(event.seq for event in self.plane.events())

    def _keep(self, kind: str, shown: Json) -> None:
        names = [*KINDS[kind].fields, *KINDS[kind].kept]
        self.oracle.rows[shown["id"]] = Row(
            id=shown["id"], kind=kind, values={name: shown[name] for name in names}, creator=None
        )

    # --- one request ---

    def ask(
        self, who: Who, name: str, verdict: Verdict, method: str, path: str, body: object = None, **headers: str
    ) -> httpx.Response:
        """Ask, and hold the answer, the row and the record to what the oracle says."""
        self.steps += 1
        self.asked.append(f"{method} {path} {body} {headers} as {self.oracle.role(who)} {who.user_id}")
        reason = f"step {self.steps}"
        verdict = verdict if self.oracle.let_in(who) else refused(401)
        answer = self.plane.ask(self.people[who], method, path, body, Audit_Reason=reason, **headers)
        asked = f"{method} {path} {body} {headers} as {self.oracle.role(who)}: {answer.status_code} {answer.text[:400]}"
        assert answer.status_code in verdict.statuses, (sorted(verdict.statuses), asked)
        self.plane.met[name, answer.status_code] += 1
        shown: Json = answer.json() if answer.content else {}
        told = verdict.told if verdict.apply is None else verdict.apply(shown)
        events = self.plane.events(self.seen)
        assert [event.shown for event in events] == [one.shown for one in told], asked
        assert all(event.reason == reason for event in events), asked
        if events:
            self.seen = events[-1].seq
        self.told += [(event.id, event.resource_id) for event in events]
        if answer.status_code == 409 and verdict.used_by:
            assert set(answer.json()["details"]["used_by"]) == verdict.used_by, asked
        if answer.is_success and shown.get("id") in self.oracle.rows:
            row = self.oracle.rows[shown["id"]]
            self.same(row, shown)
            assert answer.headers["ETag"] == f'"{row.version}"', asked
        return answer

    def same(self, row: Row, shown: Json) -> None:
        """What is shown of a row is what the oracle holds."""
        recorded = self.oracle.recorded(row)
        assert {name: shown[name] for name in recorded} == recorded
        assert (shown["version"], shown["created_by_user_id"]) == (row.version, row.creator)
        for called in PARTS.get(row.kind, ()):
            parts = self.oracle.parts(row.id, PART_KINDS[called])
            assert [part["id"] for part in shown[called]] == [part.id for part in parts]
            for part, held in zip(shown[called], parts, strict=True):
                self.same(held, part)
        if row.kind == "groups":
            assert {member["user_id"]: member["role"] for member in shown["members"]} == row.values["members"]
            for link in LINKS:
                assert sorted(shown[link]) == sorted(row.values[link])

    def make(self, who: Who, kind: str, body: Json) -> str:
        """POST; the id, or nothing where it was refused."""
        verdict = self.oracle.create(who, kind, body)
        sent = {**body, "value": "four and more"} if kind == "secrets" else body
        answer = self.ask(who, f"POST {kind}", verdict, "POST", f"/{kind}", sent)
        if answer.status_code == 201 and kind == "tokens":
            self.text = answer.json()["token"]
        return answer.json().get("id", "") if answer.status_code == 201 else ""

    # --- who there is, and something to begin with ---

    def begin(self, chance: Random) -> None:
        """People of every role, and one of every kind."""
        olga, otto = chance.choice(GROUP_ROLES), chance.choice(["none", *GROUP_ROLES])
        members = [self._join(username, role) for username, role in (("olga", "member"), ("otto", "member"))]
        self._join("audrey", "auditor")
        self._token(members[0], ["read"])
        admin, first = self.admin, members[0]
        group = self.make(admin, "groups", {"name": "a"})
        for who, role in zip(members, (olga, otto), strict=True):
            if role != "none":
                self.member(admin, group, who.user_id, role)
        things = [self.make(admin, kind, {"name": "a"}) for kind in LINKS.values()]
        for link, thing in zip(LINKS, things, strict=True):
            self.link(admin, group, link, thing, granted=True)
        instance = self.make(admin, "compute_instances", {"name": "a", "group_id": group, "filesystem_id": things[0]})
        named = {"compute_instance_id": instance, "secret_id": things[1]}
        self.make(admin, "instance_secret_mappings", {**named, "expose_as_env": "A"})
        agent, skill = (self.make(first, kind, {"name": "a"}) for kind in ("agents", "skills"))
        task = self.make(first, "tasks", {"name": "a", "prompt": "true"})
        workflow = self.make(first, "workflows", {"name": "a", "agent_id": agent})
        self.make(first, "workflow_skills", {"workflow_id": workflow, "skill_id": skill})
        self.make(first, "workflow_tasks", {"workflow_id": workflow, "task_id": task})
        self.make(first, "sessions", {"workflow_id": workflow})
        other = self.make(first, "skills", {"name": "b"})
        needed: dict[str, Json] = {
            "users": {"username": "again", "name": "x"},
            "tokens": {"name": "again", "user_id": first.user_id},
            "compute_instances": {"name": "again", "group_id": group},
            "instance_secret_mappings": {**named, "expose_as_env": "AGAIN"},
            "workflow_skills": {"workflow_id": workflow, "skill_id": other},
            "workflow_tasks": {"workflow_id": workflow, "task_id": task},
        }
        for kind in chance.sample(MADE, 3):
            self.again(kind, needed.get(kind, {"name": "again"}))

    def again(self, kind: str, body: Json) -> None:
        """The same names and links, made and deleted time after time."""
        for _ in range(2):
            made = self.make(self.admin, kind, body)
            verdict = self.oracle.delete(self.admin, kind, made)
            self.ask(self.admin, f"DELETE {kind}", verdict, "DELETE", f"/{kind}/{made}")

    def _join(self, username: str, role: str) -> Who:
        user = self.make(self.admin, "users", {"username": username, "name": username, "role": role})
        return self._token(Who(user_id=user, token_id=""), ["read", "write"])

    def _token(self, of: Who, scopes: list[str]) -> Who:
        token = self.make(self.admin, "tokens", {"name": "t", "user_id": of.user_id, "scopes": scopes})
        who = Who(user_id=of.user_id, token_id=token, reads_only=scopes == ["read"])
        self.people[who] = self.text
        return who

    # --- what may be asked ---

    def step(self, chance: Random) -> None:
        """One of all that may be asked."""
        self.act(chance.choice(ACTS), chance)

    def act(self, name: str, chance: Random) -> None:
        """Do one of the acts, named."""
        getattr(self, name)(chance)
        assert self.plane.dangling() == [], "something living points at what was deleted"

    def someone(self, chance: Random) -> Who:
        everyone = list(self.people)
        return chance.choice([self.admin, *everyone[:2], *everyone])

    def _match(self, chance: Random, identifier: str) -> int | None:
        """The version that If-Match names: mostly none, else the right one or another."""
        row = self.oracle.rows.get(identifier)
        if row is None:
            return None
        return chance.choice([*[None] * 5, row.version, row.version, row.version + 1])

    def create(self, chance: Random) -> None:
        kind = chance.choice(MADE)
        self.make(self.someone(chance), kind, bodies.body(chance, self.oracle, kind))

    def change(self, chance: Random) -> None:
        kind, replaces = chance.choice(MADE), chance.random() < 0.4
        who, identifier = self.someone(chance), bodies.one(chance, self.oracle, kind)
        row = self.oracle.at(identifier, kind)
        match = self._match(chance, identifier)
        if replaces and row is not None:
            body = bodies.whole(chance, self.oracle, kind, row.values)
        else:
            replaces, body = False, bodies.patch(chance, self.oracle, kind)
        verdict = self.oracle.change(who, kind, identifier, body, whole=replaces, match=match)
        method = "PUT" if replaces else "PATCH"
        self.ask(who, f"{method} {kind}", verdict, method, f"/{kind}/{identifier}", body, **_matching(match))

    def delete(self, chance: Random) -> None:
        kind = chance.choice(MADE)
        who, identifier = self.someone(chance), bodies.one(chance, self.oracle, kind)
        unused = [row.id for row in self.oracle.living(kind) if not self.oracle.users_of(row)]
        if unused and chance.random() < 0.6:
            # Else most of what is asked for is in use, and few names become free again.
            who, identifier = chance.choice([self.admin, who]), chance.choice(unused)
        if any(identifier == known.token_id for known in self.people):
            return
        match = self._match(chance, identifier)
        verdict = self.oracle.delete(who, kind, identifier, match=match)
        self.ask(who, f"DELETE {kind}", verdict, "DELETE", f"/{kind}/{identifier}", **_matching(match))

    def member_changes(self, chance: Random) -> None:
        role, joins = chance.choice([*GROUP_ROLES, *GROUP_ROLES, "king"]), chance.random() < 0.7
        who, group = self.someone(chance), bodies.one(chance, self.oracle, "groups")
        user = bodies.one(chance, self.oracle, "users")
        if joins:
            self.member(who, group, user, role)
        else:
            verdict = self.oracle.drop_member(who, group, user)
            self.ask(who, "drop member", verdict, "DELETE", f"/groups/{group}/members/{user}")

    def member(self, who: Who, group: str, user: str, role: str) -> None:
        verdict = self.oracle.put_member(who, group, user, role)
        self.ask(who, "put member", verdict, "PUT", f"/groups/{group}/members/{user}", {"role": role})

    def grant_changes(self, chance: Random) -> None:
        link, granted = chance.choice(sorted(LINKS)), chance.random() < 0.6
        group, thing = (bodies.one(chance, self.oracle, kind) for kind in ("groups", LINKS[link]))
        self.link(self.someone(chance), group, link, thing, granted=granted)

    def link(self, who: Who, group: str, link: str, thing: str, *, granted: bool) -> None:
        verdict = (self.oracle.grant if granted else self.oracle.revoke)(who, group, link, thing)
        self.ask(who, "grant" if granted else "revoke", verdict, "PUT" if granted else "DELETE",
                 f"/groups/{group}/{link}/{thing}")  # fmt: skip

    def reorder(self, chance: Random) -> None:
        kind = chance.choice(sorted(CALLED))
        who, workflow = self.someone(chance), bodies.one(chance, self.oracle, "workflows")
        named = CALLED[kind]
        items: list[Json] = [
            {named: bodies.one(chance, self.oracle, KINDS[kind].refers[named])} for _ in range(chance.randint(0, 3))
        ]
        match = self._match(chance, workflow)
        verdict = self.oracle.reorder(who, workflow, kind, items, match=match)
        path = f"/workflows/{workflow}/{named.removesuffix('_id')}s"
        self.ask(who, f"reorder {kind}", verdict, "PUT", path, {"items": items}, **_matching(match))

    def let(self, chance: Random) -> None:
        enabled = chance.random() < 0.6
        who, user = self.someone(chance), bodies.one(chance, self.oracle, "users")
        verb = "enable" if enabled else "disable"
        self.ask(who, verb, self.oracle.let(who, user, enabled=enabled), "POST", f"/users/{user}/{verb}")

    def revoke_token(self, chance: Random) -> None:
        who, token = self.someone(chance), bodies.one(chance, self.oracle, "tokens")
        if all(token != known.token_id for known in self.people):
            self.ask(who, "revoke token", self.oracle.revoke_token(who, token), "POST", f"/tokens/{token}/revoke")

    def renew(self, chance: Random) -> None:
        who, secret = self.someone(chance), bodies.one(chance, self.oracle, "secrets")
        body = {"value": f"value {self.steps}"}
        self.ask(who, "renew", self.oracle.renew(who, secret), "POST", f"/secrets/{secret}/versions", body)

    def session_goes(self, chance: Random) -> None:
        verb = chance.choice(["start", "cancel"])
        who, session = self.someone(chance), bodies.one(chance, self.oracle, "sessions")
        verdict = (self.oracle.start if verb == "start" else self.oracle.cancel)(who, session)
        self.ask(who, verb, verdict, "POST", f"/sessions/{session}/{verb}")

    def version_is_made(self, chance: Random) -> None:
        """Not by a request: the loop makes it of what was sent."""
        without = [row for row in self.oracle.living("filesystems") if row.values["current_version_id"] is None]
        if without:
            found, maker = chance.choice(without), self.admin.user_id
            self.oracle.versioned(found.id, self.plane.version(found.id, maker), maker)
            event = self.plane.events(self.seen)[-1]
            self.seen = event.seq
            self.told.append((event.id, event.resource_id))

    # --- what is seen ---

    def read(self, chance: Random) -> None:
        kind = chance.choice(sorted(KINDS))
        who, identifier = self.someone(chance), bodies.one(chance, self.oracle, kind)
        row = self.oracle.found(who, identifier, kind)
        verdict = refused(404 if row is None else 200)
        self.ask(who, f"GET {kind}", verdict, "GET", f"/{kind}/{identifier}")

    def look(self, chance: Random) -> None:
        self.lists(self.someone(chance), chance.choice(sorted(KINDS)))

    def lists(self, who: Who, kind: str) -> None:
        """The list of a kind is what one sees of it, the newest first."""
        answer = self.ask(who, f"list {kind}", refused(200), "GET", f"/{kind}?size=1000")
        if answer.status_code == 401:
            return
        shown: list[Json] = answer.json()["items"]
        rows = [row for row in reversed(self.oracle.living(kind)) if self.oracle.sees(who, row)]
        assert [item["id"] for item in shown] == [row.id for row in rows], (kind, self.oracle.role(who))
        assert answer.json()["total"] == len(rows)
        for item, row in zip(shown, rows, strict=True):
            self.same(row, item)

    def look_at_the_record(self, chance: Random) -> None:
        self.record(self.someone(chance))

    def record(self, who: Who) -> None:
        """One sees an event if and only if one sees its resource, or would, were it there still."""
        answer = self.ask(who, "list events", refused(200), "GET", "/resource_events?size=1000")
        if answer.status_code == 401:
            return
        found = [item["id"] for item in answer.json()["items"]]
        seen = {event for event, of in self.told if self.oracle.sees(who, self.oracle.rows[of])}
        first = {item["id"] for item in answer.json()["items"] if item["reason"] == "first start"}
        assert set(found) - first == seen, self.oracle.role(who)
        assert len(found) == len(set(found))

    def end(self) -> None:
        """Everything is as everyone may see it."""
        for who in self.people:
            if self.oracle.let_in(who):
                self.record(who)
        for kind in KINDS:
            self.lists(self.admin, kind)

    def go(self, steps: int) -> None:
        """From the beginning to the end. What failed names the seed, and all that was asked."""
        try:
            self.begin(Random(self.seed))  # noqa: S311 - repeatable, no secret
            for number in range(steps):
                self.step(Random(f"{self.seed} {number}"))  # noqa: S311 - as above
            self.end()
        except AssertionError as error:
            error.add_note("\n".join([f"seed {self.seed}:", *self.asked]))
            raise


def _matching(version: int | None) -> dict[str, str]:
    return {} if version is None else {"If_Match": f'"{version}"'}
