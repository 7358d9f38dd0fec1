"""`moor vault`: where values lie, and the embedded vault's key."""

import time
from typing import TYPE_CHECKING

import click

from mooring.cli import shapes
from mooring.cli.asked import Shape, reach, reaching, shaped, writing
from mooring.client.errors import Unavailable
from mooring.wire.secrets import VaultRotation

if TYPE_CHECKING:
    from mooring.client.mooring import Mooring

_LOOK_SECONDS = 0.2
_BROKEN = 1


@click.group()
def command() -> None:
    """Look after the vaults in which secrets lie."""


@command.command()
@shaped
@reaching
def status(shape: Shape) -> None:
    """Show the vaults that are set up, whether they can be used now, and the embedded one's keys."""
    with reach() as mooring:
        found = mooring.vaults.list()
    rows = [
        {
            "vault": one.name,
            "new values": "here" if one.first else None,
            "usable": None if one.usable is None else "yes" if one.usable else "no",
            "reason": one.reason,
            "keys": ", ".join(f"{key.id}{'*' if key.active else ''} ({key.values})" for key in one.keys or []) or None,
        }
        for one in found
    ]
    shapes.show_rows(rows, shape, none="no vaults", whole=frozenset({"reason"}))


@command.command()
@click.option("--given", is_flag=True, help="The active key is the new one: keys come from MOORING_VAULT_KEY.")
@click.option("--no-wait", is_flag=True, help="Do not wait until every value is under the new key.")
@writing
@reaching
def rotate(given: bool, no_wait: bool, reason: str | None) -> int:  # noqa: FBT001 - click's flags
    """Change the embedded vault's key. Values stay usable meanwhile; the old key stays, for backups of the database."""
    with reach() as mooring:
        rotation = mooring.vaults.rotate(new_key=not given, reason=reason)
        click.echo(f"the key {rotation.key_id} is active")
        if no_wait:
            return 0
        rotation = _ended(mooring, rotation)
    click.echo(f"{rotation.done} values were moved to it")
    for secret_id in rotation.broken:
        click.echo(f"error: the value of {secret_id} does not open; give it a new one", err=True)
    return _BROKEN if rotation.broken else 0


def _ended(mooring: "Mooring", rotation: VaultRotation) -> VaultRotation:
    while rotation.phase == "running":
        time.sleep(_LOOK_SECONDS)
        try:
            rotation = mooring.vaults.rotation(rotation.id)
        except Unavailable:
            click.echo(f"the server went away; {rotation.id} goes on when it is back", err=True)
            raise
    return rotation
