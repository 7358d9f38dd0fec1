"""Routes of users, groups and tokens."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from mooring.access.actor import Actor, GroupRole
from mooring.audit.kinds import Kind, Link
from mooring.base.db import Tx
from mooring.files.kinds import FILESYSTEM
from mooring.http.call import Call
from mooring.http.listing import whole
from mooring.http.once import once
from mooring.http.resource import Resource, action, answer, check_version, routes
from mooring.http.route import Answer, Route
from mooring.identity import groups, tokens, users
from mooring.identity.entities import Group, Token
from mooring.identity.kinds import AVAILABLE_FILESYSTEMS, AVAILABLE_SECRETS
from mooring.secrets.kinds import SECRET
from mooring.wire import identity as wire
from mooring.wire.base import WholeQuery

T = TypeVar("T")

USER = Resource(verbs=users.USERS, reply=wire.User, new=wire.NewUser, replace=users.replace, delete=users.delete)


async def _belongings(tx: Tx, _: Actor, rows: Sequence[Group]) -> list[dict[str, object]]:
    has = await groups.has(tx, [row.id for row in rows])
    return [
        {
            "members": _members(has[row.id]),
            "available_filesystems": has[row.id].available_filesystems,
            "available_secrets": has[row.id].available_secrets,
        }
        for row in rows
    ]


def _members(has: groups.Has) -> list[wire.Member]:
    return [wire.Member(user_id=user_id, role=role.value) for user_id, role in has.members.items()]


GROUP = Resource(
    verbs=groups.GROUPS,
    reply=wire.Group,
    new=wire.NewGroup,
    create=groups.create,
    replace=groups.replace,
    more=_belongings,
)


async def _uses(tx: Tx, _: Actor, rows: Sequence[Token]) -> list[dict[str, object]]:
    used = await tokens.last_uses(tx, [row.id for row in rows])
    return [{"last_used_at": used.get(row.id)} for row in rows]


TOKEN = Resource(verbs=tokens.TOKENS, reply=wire.Token, edit=wire.EditToken, more=_uses, settled=False)
MADE_TOKEN = Resource(verbs=tokens.TOKENS, reply=wire.MadeToken, more=_uses)


async def _whoami(call: Call) -> Answer:
    assert call.actor.user_id is not None
    async with call.app.database.reading() as tx:
        user = await users.USERS.read(tx, call.actor, call.actor.user_id)
        [shown] = await USER.show(tx, call.actor, [user])
    who: Any = wire.Who
    return Answer(
        body=who(
            kind="Who", user=shown, token_id=call.token_id, scopes=sorted(call.actor.scopes), groups=call.actor.groups
        )
    )


def _of(verb: Callable[[Tx, Actor, str], Awaitable[T]]) -> Callable[[Tx, Call], Awaitable[T]]:
    async def act(tx: Tx, call: Call) -> T:
        return await verb(tx, call.actor, call.path["id"])

    return act


async def _create_token(call: Call) -> Answer:
    given = await call.decode(wire.NewToken)
    async with call.app.database.transaction() as tx:

        async def make() -> Answer:
            token, text = await tokens.create(
                tx,
                call.actor,
                user_id=given.user_id or str(call.actor.user_id),
                name=given.name,
                scopes=given.scopes,
                expires_at=given.expires_at,
            )
            return await _told(tx, call, token, text)

        return await once(tx, call, make)


async def _told(tx: Tx, call: Call, token: Token, text: str) -> Answer:
    told = await answer(TOKEN, tx, call, token, status=201)
    shown: Any = told.body
    made = wire.MadeToken(**{name: getattr(shown, name) for name in shown.__struct_fields__}, token=text)
    return Answer(status=201, body=made, headers=told.headers, once=True)


async def _list_members(call: Call) -> Answer:
    async with call.app.database.reading() as tx:
        group = await groups.GROUPS.read(tx, call.actor, call.path["id"])
        has = (await groups.has(tx, [group.id]))[group.id]
    return Answer(body=whole(call, wire.MemberList, _members(has)))


async def _put_member(call: Call) -> Answer:
    given = await call.decode(wire.PutMember)
    async with call.app.database.transaction() as tx:
        await check_version(GROUP, tx, call)
        group = await groups.put_member(tx, call.actor, call.path["id"], call.path["user_id"], GroupRole(given.role))
        return await answer(GROUP, tx, call, group)


async def _drop_member(call: Call) -> Answer:
    async with call.app.database.transaction() as tx:
        await check_version(GROUP, tx, call)
        group = await groups.drop_member(tx, call.actor, call.path["id"], call.path["user_id"])
        return await answer(GROUP, tx, call, group)


def _grant(link: Link, kind: Kind[Any]) -> Callable[[Call], Awaitable[Answer]]:
    async def handle(call: Call) -> Answer:
        async with call.app.database.transaction() as tx:
            await check_version(GROUP, tx, call)
            group = await groups.grant(tx, call.actor, call.path["id"], link, kind, call.path[link.other])
            return await answer(GROUP, tx, call, group)

    return handle


def _revoke(link: Link, kind: Kind[Any]) -> Callable[[Call], Awaitable[Answer]]:
    async def handle(call: Call) -> Answer:
        async with call.app.database.transaction() as tx:
            await check_version(GROUP, tx, call)
            group = await groups.revoke(tx, call.actor, call.path["id"], link, kind, call.path[link.other])
            if not await groups.is_seen(tx, call.actor, group):
                return Answer(status=204)
            return await answer(GROUP, tx, call, group)

    return handle


def _grant_routes(link: Link, kind: Kind[Any]) -> list[Route]:
    noun = kind.name.capitalize()
    path = f"/groups/{{id}}/{link.name}/{{{link.other}}}"
    return [
        Route(
            method="PUT", path=path, operation=f"grant{noun}", tag="groups", answer=wire.Group,
            says=f"Let a group use a {kind.name}; it takes an owner of both", handle=_grant(link, kind),
            refuses=(404, 412, 422), headers=("If-Match", "Audit-Reason"),
        ),
        Route(
            method="DELETE", path=path, operation=f"revoke{noun}", tag="groups", answer=wire.Group,
            says=f"Let a group use a {kind.name} no more; an owner of either may", handle=_revoke(link, kind),
            refuses=(404, 412), headers=("If-Match", "Audit-Reason"),
            empty="It is revoked; the group is not yours to see",
        ),
    ]  # fmt: skip


ROUTES: list[Route] = [
    Route(
        method="GET", path="/whoami", operation="whoami", tag="users", says="Who you are, and what your token allows",
        handle=_whoami, answer=wire.Who,
    ),
    *routes(USER),
    action(USER, "disable", says="Let a user in no more", verb=_of(users.disable)),
    action(USER, "enable", says="Let a user in again", verb=_of(users.enable)),
    *routes(GROUP),
    Route(
        method="GET", path="/groups/{id}/members", operation="listMembers", tag="groups",
        says="The members of a group", handle=_list_members, answer=wire.MemberList, refuses=(404,),
        query=WholeQuery,
    ),
    Route(
        method="PUT", path="/groups/{id}/members/{user_id}", operation="putMember", tag="groups",
        says="Make a user a member of a group, or give a member another role", handle=_put_member,
        body=wire.PutMember, answer=wire.Group, refuses=(404, 412, 422), headers=("If-Match", "Audit-Reason"),
    ),
    Route(
        method="DELETE", path="/groups/{id}/members/{user_id}", operation="dropMember", tag="groups",
        says="Take a user out of a group", handle=_drop_member, answer=wire.Group,
        refuses=(404, 412), headers=("If-Match", "Audit-Reason"),
    ),
    *_grant_routes(AVAILABLE_FILESYSTEMS, FILESYSTEM),
    *_grant_routes(AVAILABLE_SECRETS, SECRET),
    *routes(TOKEN),
    Route(
        method="POST", path="/tokens", operation="createToken", tag="tokens",
        says="Make a token; its text is in this answer and never shown again", handle=_create_token,
        body=wire.NewToken, answer=wire.MadeToken, status=201, refuses=(409, 422),
        headers=("Idempotency-Key", "Audit-Reason"),
    ),
    action(TOKEN, "revoke", says="Make a token good for nothing; it stays listed", verb=_of(tokens.revoke)),
]  # fmt: skip
