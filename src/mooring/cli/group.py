"""`moor group`: members, and what a group may use."""

from typing import TYPE_CHECKING, Any, Literal, cast

import click

from mooring.cli import shapes
from mooring.cli.asked import Shape, reach, reaching, shaped, writing
from mooring.cli.names import Namer
from mooring.wire.identity import Group, GroupRole

if TYPE_CHECKING:
    from mooring.client.mooring import Mooring

_ROLES = click.Choice(["owner", "operator", "viewer"])
_GRANTED = click.Choice(["filesystem", "secret"])
Granted = Literal["filesystem", "secret"]


@click.group()
def command() -> None:
    """Say who belongs to a group, and which filesystems and secrets its instances may use.

    Viewers see its instances, runs and sessions; operators run and change them; owners give out membership and grants.
    """


@command.command()
@click.argument("group")
@shaped
@reaching
def members(group: str, shape: Shape) -> None:
    """List the members of a GROUP, and what it may use."""
    with reach() as mooring:
        found = _found(mooring, group)
        namer = Namer(mooring)
        rows: list[dict[str, Any]] = [
            {"what": "member", "name": namer.name(one.user_id), "role": one.role, "id": one.user_id}
            for one in found.members
        ]
        for what, ids in (("filesystem", found.available_filesystems), ("secret", found.available_secrets)):
            rows += [{"what": what, "name": namer.name(one), "role": None, "id": one} for one in ids]
        shapes.show_rows(rows, shape, none="nobody belongs to it", whole=frozenset({"what", "role", "id"}))


@command.command("add-member")
@click.argument("group")
@click.argument("user")
@click.option("--role", type=_ROLES, default="viewer", show_default=True, help="What the user may do in it.")
@writing
@reaching
def add_member(group: str, user: str, role: str, reason: str | None) -> None:
    """Make a USER a member of a GROUP, or give a member another role."""
    with reach() as mooring:
        found = mooring.users.find(user)
        after = mooring.groups.put_member(_found(mooring, group).id, found.id, cast("GroupRole", role), reason=reason)
        click.echo(f"{found.username} is {role} of {after.name}")


@command.command("remove-member")
@click.argument("group")
@click.argument("user")
@writing
@reaching
def remove_member(group: str, user: str, reason: str | None) -> None:
    """Take a USER out of a GROUP."""
    with reach() as mooring:
        found = mooring.users.find(user)
        after = mooring.groups.drop_member(_found(mooring, group).id, found.id, reason=reason)
        click.echo(f"{found.username} is no member of {after.name}")


@command.command()
@click.argument("group")
@click.argument("what", type=_GRANTED)
@click.argument("name")
@writing
@reaching
def grant(group: str, what: Granted, name: str, reason: str | None) -> None:
    """Let a GROUP's instances use a filesystem or secret. It takes an owner of both."""
    with reach() as mooring:
        after = mooring.groups.grant(_found(mooring, group).id, what, mooring.of(what).find(name)["id"], reason=reason)
        click.echo(f"{after.name} may use the {what} {name}")


@command.command()
@click.argument("group")
@click.argument("what", type=_GRANTED)
@click.argument("name")
@writing
@reaching
def revoke(group: str, what: Granted, name: str, reason: str | None) -> None:
    """Let a GROUP's instances use it no more: the next start is refused. An owner of either may."""
    with reach() as mooring:
        found = _found(mooring, group)
        mooring.groups.revoke(found.id, what, mooring.of(what).find(name)["id"], reason=reason)
        click.echo(f"{found.name} may no longer use the {what} {name}")


def _found(mooring: "Mooring", name: str) -> Group:
    return mooring.groups.find(name)
