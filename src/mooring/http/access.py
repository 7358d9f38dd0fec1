"""The route that explains what the access rules say."""

from collections.abc import Sequence
from typing import Any

from mooring.access.actor import SYSTEM, Actor, Family, Permission, PlatformRole, Subject, rules_of
from mooring.access.rules import Rule
from mooring.audit import ledger, lists
from mooring.audit.kinds import Kind
from mooring.audit.verbs import subject
from mooring.base.db import Tx
from mooring.base.errors import Denied, Missing
from mooring.catalog.kinds import WORKFLOW_SKILL, WORKFLOW_TASK
from mooring.compute.kinds import INSTANCE_SECRET_MAPPING
from mooring.http.audit import RECORDED
from mooring.http.call import Call
from mooring.http.route import Answer, Route
from mooring.identity import users
from mooring.identity.entities import User
from mooring.identity.kinds import GROUP, USER
from mooring.wire.access import ExplainQuery, Explanation

KINDS: dict[str, Kind[Any]] = {
    kind.prefix: kind for kind in (*RECORDED, WORKFLOW_SKILL, WORKFLOW_TASK, INSTANCE_SECRET_MAPPING)
}


async def _explain(call: Call) -> Answer:
    query = call.asked(ExplainQuery)
    permission = Permission(query.action)
    async with call.app.database.reading() as tx:
        kind, row = await _seen(tx, call.actor, query.resource)
        user = await _user(tx, call.actor, query.user)
        stand = await users.stand(tx, user.id)
        of = await subject(tx, kind, row)
        rule = None if stand.disabled else stand.actor.why(permission, of=of)
        chain = [f"the user {user.username} is disabled"] if stand.disabled else []
        if rule is not None:
            chain = await _chain(tx, stand.actor, user, rule, of, _name(kind, row))
    return Answer(
        body=Explanation(
            kind="Explanation",
            user_id=user.id,
            action=query.action,
            resource_type=kind.name,
            resource_id=row.id,
            allowed=rule is not None,
            because=rule.value if rule else None,
            chain=chain,
            allowed_to=[allowed.value for allowed in rules_of(permission, of.family)],
        )
    )


async def _seen(tx: Tx, actor: Actor, identifier: str) -> tuple[Kind[Any], Any]:
    """The resource, which the asker must see. A part of something is explained by what it is part of."""
    kind = KINDS.get(identifier.partition("_")[0])
    if kind is None:
        raise Missing(f"there is no resource {identifier[:80]!r}", id=identifier[:80])
    row = await ledger.read(tx, actor, kind, identifier)
    if kind.owner is None:
        return kind, row
    return kind.owner.kind, await ledger.read(tx, actor, kind.owner.kind, getattr(row, kind.owner.column))


async def _user(tx: Tx, actor: Actor, named: str | None) -> User:
    """Whom it is about. Raises Denied when it is another, and the asker neither administers nor audits; Missing."""
    if named is None:
        named = str(actor.user_id)
    by_name = await lists.page(tx, actor, USER, lists.ONE, where={"username": named})
    found = by_name.items[0] if by_name.items else await ledger.read(tx, actor, USER, named)
    if found.id != actor.user_id and actor.role not in (PlatformRole.ADMIN, PlatformRole.AUDITOR):
        raise Denied("you may ask about yourself; administrators and auditors ask about others")
    return found


async def _chain(tx: Tx, actor: Actor, user: User, rule: Rule, of: Subject, resource: str) -> list[str]:
    """How the rule comes to hold, each step a sentence."""
    simple = {
        Rule.ADMIN: f"{user.username} is an administrator",
        Rule.AUDITOR: f"{user.username} is an auditor",
        Rule.MEMBER: f"{user.username} is a member of this installation",
        Rule.CREATOR: f"{user.username} made {resource}",
        Rule.ASSIGNEE: f"{resource} is assigned to {user.username}",
        Rule.THEMSELVES: f"{resource} is {user.username}'s own",
    }
    if rule in simple:
        return [simple[rule]]
    groups = await lists.some(tx, SYSTEM, GROUP, sorted(actor.through(rule, of=of)))
    told: list[str] = []
    tie = "was granted to" if of.family in (Family.FILESYSTEM, Family.SECRET) else "belongs to"
    for group in groups:
        named = f"the group {group.name} ({group.id})"
        told.append(f"{user.username} is {_role(actor.groups[group.id])} of {named}")
        if resource != named:
            told.append(f"{resource} {tie} {named}")
    return told


def _role(role: str) -> str:
    return f"{'an' if role[0] in 'aeiou' else 'a'} {role}"


def _name(kind: Kind[Any], row: Any) -> str:  # noqa: ANN401 - the kind says which
    label = getattr(row, kind.label)
    noun = kind.name.replace("_", " ")
    return f"the {noun} {row.id}" if label == row.id else f"the {noun} {label} ({row.id})"


ROUTES: Sequence[Route] = (
    Route(
        method="GET", path="/access/explain", operation="explainAccess", tag="access",
        says="Whether someone may do something to a resource, and what makes it so", handle=_explain,
        query=ExplainQuery, answer=Explanation, refuses=(404,),
    ),
)  # fmt: skip
