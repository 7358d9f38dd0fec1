"""The verbs of groups: who belongs to them, and what they may use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mooring.access.actor import SYSTEM, Actor, GroupRole, Permission
from mooring.audit import ledger, parts
from mooring.audit.kinds import Kind, Link
from mooring.audit.verbs import Verbs, require, subject
from mooring.base.db import Tx
from mooring.base.errors import Missing, Unfit
from mooring.identity.entities import Group
from mooring.identity.kinds import AVAILABLE_FILESYSTEMS, AVAILABLE_SECRETS, GROUP, MEMBERS, USER

GROUPS = Verbs(kind=GROUP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Has:
    """What belongs to a group: members (user id → role), and the ids of what was granted to it."""

    members: dict[str, GroupRole]
    available_filesystems: list[str]
    available_secrets: list[str]


async def create(tx: Tx, actor: Actor, values: Mapping[str, object]) -> Group:
    """A new group; who makes it is its first owner. Raises Denied, Unfit, Clash."""
    made: dict[str, object] = {"git_credentials": {}, **values}
    if made["git_credentials"]:
        says = "git_credentials: a secret must be granted to the group first; make the group, grant it, then set this"
        raise Unfit(says, field="git_credentials")
    if actor.user_id is None:
        return await GROUPS.create(tx, actor, made)
    first = {"after": {MEMBERS.name: {actor.user_id: GroupRole.OWNER}}}
    group = await GROUPS.create(tx, actor, made, details=first)
    await parts.write_link(tx, MEMBERS, group.id, actor.user_id, GroupRole.OWNER)
    return group


async def replace(tx: Tx, actor: Actor, before: Group, values: Mapping[str, object]) -> Group:
    """The locked group with these values. Raises Denied, Unfit (a credential that was not granted to it), Clash."""
    after = await GROUPS.replace(tx, actor, before, values)
    if after.git_credentials != before.git_credentials:
        granted = {row.other for row in (await parts.links(tx, AVAILABLE_SECRETS, [after.id]))[after.id]}
        for host, secret_id in after.git_credentials.items():
            # What was named before stays named though its grant was revoked: that hinders what asks with it, not this.
            if before.git_credentials.get(host) != secret_id and secret_id not in granted:
                says = f"git_credentials: the group was not granted {secret_id}, named for {host}"
                raise Unfit(says, field="git_credentials", id=secret_id)
    return after


async def git_credentials(tx: Tx, group_id: str) -> Mapping[str, str]:
    """Host → id of the secret the group asks there with. For one who was found to operate an instance of the group."""
    return (await ledger.read(tx, SYSTEM, GROUP, group_id)).git_credentials


async def has(tx: Tx, group_ids: Sequence[str]) -> dict[str, Has]:
    """What belongs to groups the actor was found to see."""
    members = await parts.links(tx, MEMBERS, group_ids)
    filesystems = await parts.links(tx, AVAILABLE_FILESYSTEMS, group_ids)
    secrets = await parts.links(tx, AVAILABLE_SECRETS, group_ids)
    return {
        group_id: Has(
            members={row.other: GroupRole(row.value) for row in members[group_id] if row.value},
            available_filesystems=[row.other for row in filesystems[group_id]],
            available_secrets=[row.other for row in secrets[group_id]],
        )
        for group_id in group_ids
    }


async def put_member(tx: Tx, actor: Actor, group_id: str, user_id: str, role: GroupRole) -> Group:
    """The group with this member in this role. Raises Denied, Missing, Unfit (no such user)."""
    group = await _locked(tx, actor, group_id)
    await ledger.refer(tx, actor, USER, user_id, field="user_id")
    return await parts.put_link(tx, actor, GROUP, group, MEMBERS, user_id, role)


async def drop_member(tx: Tx, actor: Actor, group_id: str, user_id: str) -> Group:
    """The group without this member. Raises Denied, Missing."""
    return await parts.drop_link(tx, actor, GROUP, await _locked(tx, actor, group_id), MEMBERS, user_id)


async def grant(tx: Tx, actor: Actor, group_id: str, link: Link, kind: Kind[Any], identifier: str) -> Group:
    """The group, which may use this filesystem or secret from now on. Raises Denied: it takes an owner of both."""
    group = await _locked(tx, actor, group_id)
    granted = await ledger.refer(tx, actor, kind, identifier, field=link.other)
    await require(tx, actor, Permission.GRANT, kind, granted)
    return await parts.put_link(tx, actor, GROUP, group, link, identifier)


async def revoke(tx: Tx, actor: Actor, group_id: str, link: Link, kind: Kind[Any], identifier: str) -> Group:
    """The group, which may use it no more; runs under way keep what they have. An owner of either side may do so."""
    granted = await ledger.read(tx, actor, kind, identifier)
    if not actor.may(Permission.GRANT, of=await subject(tx, kind, granted)):
        return await parts.drop_link(tx, actor, GROUP, await _locked(tx, actor, group_id), link, identifier)
    group = await ledger.read(tx, SYSTEM, GROUP, group_id, lock=True)
    try:
        return await parts.drop_link(tx, actor, GROUP, group, link, identifier)
    except Missing:
        # To one who does not see the group it is the group that is not there.
        await GROUPS.read(tx, actor, group_id)
        raise


async def is_seen(tx: Tx, actor: Actor, group: Group) -> bool:
    """Whether the actor sees the group: one may revoke what one owns from groups one does not see."""
    return actor.may(Permission.READ, of=await subject(tx, GROUP, group))


async def _locked(tx: Tx, actor: Actor, group_id: str) -> Group:
    group = await GROUPS.read(tx, actor, group_id, lock=True)
    await require(tx, actor, Permission.GRANT, GROUP, group)
    return group
