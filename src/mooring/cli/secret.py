"""`moor secret`: keep values, grant and expose them, see who uses them. A value goes in and never comes back."""

import base64
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click
import msgspec

from mooring.cli import shapes
from mooring.cli.asked import Shape, reach, reaching, shaped, writing
from mooring.client.errors import Missing, Unfit
from mooring.wire.compute import InstanceSecretMapping, NewInstanceSecretMapping
from mooring.wire.secrets import Encoding, KeptSecret, NewSecret, NewValue, Vault

if TYPE_CHECKING:
    from mooring.client.mooring import Mooring

_LARGEST = 64 << 10
_VAULTS = click.Choice(["local", "workos", "openbao"])


@click.group()
def command() -> None:
    """Keep secrets, grant them to groups, expose them to instances. `moor get secret` lists them."""


@command.command("set")
@click.argument("name")
@click.option("--file", "path", type=click.Path(path_type=Path), metavar="PATH", help="Read the value from a file.")
@click.option("--vault", type=_VAULTS, help="Where a new secret's value goes.")
@click.option("--description", metavar="TEXT", default="", help="What a new secret is for.")
@writing
@reaching
def set_(name: str, path: Path | None, vault: Vault | None, description: str, reason: str | None) -> None:
    """Make the secret NAME, or give it a new value.

    The value comes from --file, from what is piped in (without its last line end), or from a prompt that shows nothing;
    never from an argument, where others of the machine could read it. It may be any bytes, 1 to 65,536.
    """
    text, encoding = _coded(_read(path))
    with reach() as mooring:
        found = _known(mooring, name)
        if found is None:
            new = NewSecret(name=name, description=description, vault=vault, value=text, encoding=encoding)
            kept = mooring.secrets.keep(new, reason=reason)
        elif vault is not None:
            says = f"the secret {name!r} is there already; `moor secret move {name} --vault {vault}` moves it"
            raise Unfit(says, hint="leave out --vault to give it a new value")
        else:
            kept = mooring.secrets.renew(found, NewValue(value=text, encoding=encoding), reason=reason)
        _tell(kept)


@command.command()
@click.argument("name")
@click.option("--file", "path", type=click.Path(path_type=Path), metavar="PATH", help="Read the value from a file.")
@writing
@reaching
def rotate(name: str, path: Path | None, reason: str | None) -> None:
    """Give the secret NAME a new value, as `set` does; it must be there. Runs that start from now on get it."""
    with reach() as mooring:
        found = mooring.of("secret").find(name)["id"]
        text, encoding = _coded(_read(path))
        _tell(mooring.secrets.renew(found, NewValue(value=text, encoding=encoding), reason=reason))


@command.command()
@click.argument("name")
@click.option("--vault", type=click.Choice(["workos", "openbao"]), required=True, help="The vault it lies in.")
@click.option("--vault-id", required=True, metavar="ID", help="Its id there; in openbao PATH or PATH#KEY.")
@click.option("--description", metavar="TEXT", default="", help="What it is for.")
@writing
@reaching
def register(name: str, vault: Vault, vault_id: str, description: str, reason: str | None) -> None:
    """Make the secret NAME from a value that lies in a vault already. Mooring never removes it there."""
    with reach() as mooring:
        new = NewSecret(name=name, description=description, vault=vault, vault_id=vault_id)
        _tell(mooring.secrets.keep(new, reason=reason))


@command.command()
@click.argument("name")
@click.option("--vault", type=_VAULTS, required=True, help="Where its value goes.")
@writing
@reaching
def move(name: str, vault: Vault, reason: str | None) -> None:
    """Move the value of the secret NAME into another vault."""
    with reach() as mooring:
        moved = mooring.secrets.move(mooring.of("secret").find(name)["id"], vault, reason=reason)
        click.echo(f"secret {moved.name}: version {moved.secret_version} is in {moved.vault} now")


@command.command()
@click.argument("name")
@reaching
def check(name: str) -> None:
    """Have the registered secret NAME looked for in its vault again."""
    with reach() as mooring:
        found = mooring.secrets.check(mooring.of("secret").find(name)["id"])
        click.echo(f"secret {found.name}: {found.phase}")


@command.command()
@click.argument("name")
@click.option("--group", required=True, help="The group, by name or id.")
@writing
@reaching
def grant(name: str, group: str, reason: str | None) -> None:
    """Let a group use the secret NAME. It takes an owner of both."""
    with reach() as mooring:
        secret, owner = mooring.of("secret").find(name), mooring.of("group").find(group)
        mooring.secrets.grant(secret["id"], owner["id"], reason=reason)
        click.echo(f"secret {secret['name']}: granted to {owner['name']}")


@command.command()
@click.argument("name")
@click.option("--group", required=True, help="The group, by name or id.")
@writing
@reaching
def revoke(name: str, group: str, reason: str | None) -> None:
    """Let a group use the secret NAME no more. The next start is refused; runs under way keep what they have."""
    with reach() as mooring:
        secret, owner = mooring.of("secret").find(name), mooring.of("group").find(group)
        mooring.secrets.revoke(secret["id"], owner["id"], reason=reason)
        holding = [one.run_id for one in mooring.secrets.usage(secret["id"]).deliveries if one.holds]
        click.echo(f"secret {secret['name']}: revoked from {owner['name']}")
        if holding:
            click.echo(f"these runs still hold it: {' '.join(holding)}", err=True)


@command.command()
@click.argument("name")
@click.option("--instance", required=True, help="The instance, by name or id.")
@click.option("--env", "variables", metavar="VARIABLE", multiple=True, help="As this variable; may be repeated.")
@click.option("--path", "files", metavar="PATH", multiple=True, help="As this file, below /run/secrets.")
@writing
@reaching
def expose(name: str, instance: str, variables: Sequence[str], files: Sequence[str], reason: str | None) -> None:
    """Give the secret NAME to the runs of an instance. Its group must have been granted it."""
    if not variables and not files:
        raise Unfit("as what?", hint="--env VARIABLE or --path /run/secrets/NAME, or several of them")
    with reach() as mooring:
        secret_id = mooring.of("secret").find(name)["id"]
        instance_id = mooring.of("instance").find(instance)["id"]
        for variable, file in [(one, None) for one in variables] + [(None, one) for one in files]:
            new = NewInstanceSecretMapping(
                compute_instance_id=instance_id, secret_id=secret_id, expose_as_env=variable, expose_as_file=file
            )
            made = mooring.secrets.expose(new, reason=reason)
            click.echo(f"secret {name}: exposed to {instance} as {made.expose_as_env or made.expose_as_file}")


@command.command()
@click.argument("name")
@click.option("--instance", required=True, help="The instance, by name or id.")
@click.option("--as", "names", metavar="WHAT", multiple=True, help="Only this variable or file; may be repeated.")
@writing
@reaching
def unexpose(name: str, instance: str, names: Sequence[str], reason: str | None) -> None:
    """Give the secret NAME to the runs of an instance no more; all its variables and files, unless some are named."""
    with reach() as mooring:
        secret_id = mooring.of("secret").find(name)["id"]
        shown = mooring.of("instance").find(instance)
        exposures = msgspec.convert(shown["exposures"], list[InstanceSecretMapping])
        here = {one.expose_as_env or one.expose_as_file: one.id for one in exposures if one.secret_id == secret_id}
        missing = [one for one in names if one not in here]
        if missing or not here:
            says = f"{instance} does not expose {name}" + (f" as {missing[0]}" if missing else "")
            raise Missing(says, hint=f"`moor describe instance {instance}` shows what it exposes")
        for one in names or list(here):
            mooring.secrets.unexpose(here[one], reason=reason)
            click.echo(f"secret {name}: {one} is exposed to {instance} no more")


@command.command()
@click.argument("name")
@click.option("--group", required=True, help="The group, by name or id; it must have been granted the secret.")
@click.option("--host", required=True, metavar="HOST[:PORT]", help="Where its sessions ask for repositories with it.")
@click.option("--remove", is_flag=True, help="No longer.")
@writing
@reaching
def git(name: str, group: str, host: str, remove: bool, reason: str | None) -> None:  # noqa: FBT001 - click's flag
    """Have a group's sessions fetch private repositories of a host with the secret NAME: user:password, or a token."""
    with reach() as mooring:
        secret, owner = mooring.of("secret").find(name), mooring.of("group").find(group)
        changes = {"git_credentials": {host.lower(): None if remove else secret["id"]}}
        mooring.of("group").patch(owner["id"], changes, reason=reason)
        click.echo(f"group {owner['name']}: {host} is asked {'without it' if remove else f'with {name}'} now")


@command.command()
@click.argument("name")
@shaped
@reaching
def usage(name: str, shape: Shape) -> None:
    """Show who can use the secret NAME, and which runs got which version of it."""
    with reach() as mooring:
        found = msgspec.to_builtins(mooring.secrets.usage(mooring.of("secret").find(name)["id"]))
    if shape not in ("table", "wide"):
        shapes.show_rows([found], shape, none="")
        return
    click.echo("groups that may use it")
    shapes.show_rows(found["groups"], shape, none="  none")
    click.echo("\ninstances that expose it")
    rows = [
        {
            "instance": one["compute_instance"],
            "as": one["expose_as_env"] or one["expose_as_file"],
            "granted": "yes" if one["granted"] else "no: it will not start",
        }
        for one in found["exposures"]
    ]
    shapes.show_rows(rows, shape, none="  none")
    click.echo("\nruns that got it")
    rows = [
        {
            "run": one["run_id"],
            "version": str(one["secret_version"]),
            "at": one["delivered_at"][:19],
            "holds it": "yes" if one["holds"] else "no",
            "session": one["session_id"],
        }
        for one in found["deliveries"]
    ]
    shapes.show_rows(rows, shape, none="  none", whole=frozenset({"run"}))
    if found["older_left_out"]:
        click.echo("older runs, all of them over, are left out; the record has them (`moor audit log`)", err=True)


def _known(mooring: "Mooring", name: str) -> str | None:
    try:
        found: str = mooring.of("secret").find(name)["id"]
    except Missing:
        return None
    return found


def _tell(kept: KeptSecret) -> None:
    click.echo(f"secret {kept.name}: version {kept.secret_version} in {kept.vault}  {kept.id}")
    for warning in kept.warnings:
        click.echo(f"warning: {warning}", err=True)


# --- values ---


def _read(path: Path | None) -> bytes:
    """The value, from where it is. Raises Unfit."""
    if path is not None:
        try:
            with path.open("rb") as file:
                return _bounded(file.read(_LARGEST + 1))
        except OSError as error:
            raise Unfit(f"cannot read {path}: {error.strerror}") from None
    if sys.stdin.isatty():
        typed: str = click.prompt("Value", hide_input=True, confirmation_prompt=True)
        return _bounded(typed.encode())
    # What `echo` or an editor put behind the value is no part of it.
    return _bounded(_without_line_end(_piped(sys.stdin)))


def _piped(stream: IO[str]) -> bytes:
    raw: IO[bytes] | None = getattr(stream, "buffer", None)
    return stream.read(_LARGEST + 3).encode() if raw is None else raw.read(_LARGEST + 3)


def _without_line_end(value: bytes) -> bytes:
    return value.removesuffix(b"\n").removesuffix(b"\r") if value.endswith(b"\n") else value


def _bounded(value: bytes) -> bytes:
    if not value:
        raise Unfit("the value is empty", hint="pipe it in, type it, or name a file with --file")
    if len(value) > _LARGEST:
        raise Unfit(f"the value has more than {_LARGEST} bytes", hint="a secret is small; put files into a filesystem")
    return value


def _coded(value: bytes) -> tuple[str, Encoding]:
    try:
        return value.decode(), "text"
    except UnicodeDecodeError:
        return base64.b64encode(value).decode(), "base64"
