"""`moor fs`: filesystems from and to directories and archives, and what lies in them."""

import contextlib
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Literal
from uuid import uuid4

import click
import msgspec

from mooring.cli import shapes
from mooring.cli.asked import Shape, reach, reaching, shaped, writing
from mooring.cli.packing import checksum_of, look, pack, same, there
from mooring.cli.plain import line
from mooring.cli.progress import bar
from mooring.cli.units import clock, many, size
from mooring.cli.unpacking import Pieces, fresh, unpack
from mooring.client.errors import Clash, Missing, Unfit
from mooring.client.files import Sending
from mooring.client.mooring import Mooring
from mooring.wire.files import Filesystem, FilesystemEntry, NewFilesystem, NewFilesystemVersion, UploadSource

_READ = 1 << 20
_VERSION = click.option("--version", metavar="VERSION", help="Another version than the current one: its number or id.")


@click.group()
def command() -> None:
    """Keep trees of files with versions; instances and sessions start from them. `moor get filesystem` lists them."""


# --- in ---


@command.command()
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.argument("name")
@click.option("--parent", type=click.IntRange(min=1), help="Refuse unless this is the current version's number.")
@click.option("--ignore", "left_out", metavar="PATTERN", multiple=True, help="Leave out, as in .gitignore; repeatable.")
@click.option("--description", metavar="TEXT", default="", help="What a new filesystem is for.")
@click.option("--portable-names", is_flag=True, help="Refuse names that Windows or macOS cannot have.")
@writing
@reaching
def push(source: Path, name: str, parent: int | None, left_out: Sequence[str], **said: object) -> None:
    """Make a version of the filesystem NAME from a directory or an archive (tar.gz, tar.zst, tar, zip).

    A filesystem that is not there is made. What did not change is not sent. A directory's .mooringignore says what to
    leave out. When somebody else pushed meanwhile, the push is refused.
    """
    with reach() as mooring:
        held = _held(mooring, name)
        _check_parent(name, held, parent)
        with _archive(mooring, held, source, left_out) as archive:
            checksum, count = ("", 0) if archive is None else checksum_of(archive)
            if archive is None or _has(mooring, held, checksum):
                assert held is not None
                click.echo(f"filesystem {line(held.name)}: unchanged, version {held.current_version_number}  {held.id}")
                return
            _send(mooring, archive, checksum, count)
        made = _make(mooring, held, name, checksum, said)
        _tell(mooring, made, held, checksum)


def _held(mooring: Mooring, name: str) -> Filesystem | None:
    try:
        return msgspec.convert(mooring.of("filesystem").find(name), Filesystem)
    except Missing:
        return None


def _check_parent(name: str, held: Filesystem | None, parent: int | None) -> None:
    now = None if held is None else held.current_version_number
    if parent is not None and parent != now:
        says = f"the current version of {name!r} is {now or 'none yet'}, not {parent}"
        raise Clash(says, hint="pull it, look what differs, push again")


@contextlib.contextmanager
def _archive(
    mooring: Mooring, held: Filesystem | None, source: Path, left_out: Sequence[str]
) -> Generator[IO[bytes] | None]:
    """The archive to send, open; None when the directory is what the current version holds."""
    if not source.is_dir():
        try:
            with source.open("rb") as file:
                yield file
        except OSError as error:
            raise Unfit(f"cannot read {source}: {error.strerror}") from error
        return
    found = look(source, left_out)
    if held is not None and held.current_version_id and same(found) == there(mooring.filesystems.manifest(held.id)):
        yield None
        return
    with tempfile.TemporaryFile() as file:
        with bar("packing", sum(one.size for one in found)) as tell:
            pack(found, file, tell)
        yield file


def _has(mooring: Mooring, held: Filesystem | None, checksum: str) -> bool:
    """Whether the current version was made from this very archive."""
    if held is None or held.current_version_number is None:
        return False
    return mooring.filesystems.version(held.id, held.current_version_number).given_checksum == checksum


def _send(mooring: Mooring, archive: IO[bytes], checksum: str, count: int) -> None:
    if mooring.filesystems.sent(checksum):
        return
    with bar("sending", count) as tell:
        mooring.filesystems.send(checksum, Sending(size=count, pieces=lambda: _pieces(archive, tell)))


def _pieces(file: IO[bytes], tell: Callable[[int], None]) -> Iterator[bytes]:
    file.seek(0)
    while piece := file.read(_READ):
        yield piece
        tell(len(piece))


def _make(
    mooring: Mooring, held: Filesystem | None, name: str, checksum: str, said: Mapping[str, object]
) -> Filesystem:
    source, portable = UploadSource(checksum=checksum), bool(said["portable_names"])
    reason = said["reason"] if isinstance(said["reason"], str) else None
    if held is None:
        new = NewFilesystem(name=name, description=str(said["description"]), source=source, portable_names=portable)
        return mooring.filesystems.create(new, reason=reason)
    wanted = NewFilesystemVersion(source=source, parent_version_id=held.current_version_id, portable_names=portable)
    return mooring.filesystems.want(held.id, wanted, reason=reason)


def _tell(mooring: Mooring, made: Filesystem, held: Filesystem | None, checksum: str) -> None:
    """Wait until the version is there, and say so. Raises Unfit with why it is not."""
    try:
        with bar("importing", None):
            settled = mooring.filesystems.settled(made.id)
    except KeyboardInterrupt:
        click.echo(f"the import goes on; `moor fs log {line(made.name)}` shows its version", err=True)
        raise
    before = None if held is None else held.current_version_id
    for found in mooring.filesystems.versions(made.id):
        if found.given_checksum == checksum and found.parent_version_id == before:
            holds = f"{_entries(found.entry_count)}, {size(found.uncompressed_size)}"
            click.echo(f"filesystem {line(made.name)}: version {found.number}, {holds}  {made.id}")
            return
    raise Unfit(settled.reason or "the version did not come, and the server does not say why")


def _entries(count: int) -> str:
    return "1 entry" if count == 1 else f"{count} entries"


# --- out ---


@command.command()
@click.argument("name")
@click.argument("directory", type=click.Path(path_type=Path), required=False)
@click.option("--archive", type=click.Path(path_type=Path), metavar="FILE", help="Keep it as FILE, a .tar.gz or .zip.")
@_VERSION
@reaching
def pull(name: str, directory: Path | None, archive: Path | None, version: str | None) -> None:
    """Write a version of the filesystem NAME into DIRECTORY (its name), which must be empty or not there."""
    if directory is not None and archive is not None:
        raise Unfit("a directory or --archive, not both")
    with reach() as mooring:
        held = msgspec.convert(mooring.of("filesystem").find(name), Filesystem)
        if archive is not None:
            _keep(mooring, held, archive, version)
            return
        root = directory or Path(held.name.replace("/", "_"))
        with fresh(root) as draft, bar("receiving", held.archive_size if version is None else None) as tell:
            count = unpack(Pieces(mooring.filesystems.archive(held.id, version=version), tell), draft)
        click.echo(f"{root}: {_entries(count)}")


def _keep(mooring: Mooring, held: Filesystem, archive: Path, version: str | None) -> None:
    form: Literal["tar.gz", "zip"] = "zip" if archive.suffix == ".zip" else "tar.gz"
    if form == "tar.gz" and not archive.name.endswith((".tar.gz", ".tgz")):
        raise Unfit(f"{archive} ends neither with .tar.gz nor with .zip", hint="its end says which of the two it is")
    # Of this command alone: another may fetch the same at the same time.
    draft = archive.with_name(f".{uuid4().hex}.part")
    try:
        with draft.open("xb") as file, bar("receiving", None) as tell:
            for piece in mooring.filesystems.archive(held.id, form=form, version=version):
                file.write(piece)
                tell(len(piece))
        draft.rename(archive)
    except OSError as error:
        raise Unfit(f"cannot write {archive}: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()
    click.echo(f"{archive}: {size(archive.stat().st_size)}")


@command.command()
@click.argument("name")
@click.argument("path")
@_VERSION
@reaching
def cat(name: str, path: str, version: str | None) -> None:
    """Write the file PATH of the filesystem NAME to standard output, as it is."""
    with reach() as mooring:
        held = mooring.of("filesystem").find(name)
        for piece in mooring.filesystems.read(held["id"], path, version=version):
            written = getattr(sys.stdout, "buffer", None)
            if written is None:
                sys.stdout.write(piece.decode(errors="replace"))
            else:
                written.write(piece)
                written.flush()


# --- what is in it ---


@command.command()
@click.argument("name")
@click.argument("path", default="")
@click.option("-l", "--long", is_flag=True, help="Mode, size and time as well.")
@click.option("-R", "--recursive", is_flag=True, help="All below it.")
@click.option("--search", metavar="TEXT", default="", help="Only paths that hold this text, at any depth.")
@_VERSION
@shaped
@reaching
def ls(name: str, path: str, shape: Shape, **said: object) -> None:
    """List what lies in the directory PATH (the root) of the filesystem NAME."""
    deep, text, version = bool(said["recursive"]), str(said["search"]), said["version"]
    with reach() as mooring:
        held = mooring.of("filesystem").find(name)
        found = mooring.filesystems.entries(
            held["id"], path, recursive=deep, search=text, version=version if isinstance(version, str) else None
        )
        if shape in ("json", "yaml", "name"):
            shapes.show_rows([msgspec.to_builtins(entry) for entry in found], shape, none="")
            return
        for entry in found:
            shown = entry.path if deep or text else entry.name
            click.echo(_long(entry, shown) if said["long"] or shape == "wide" else line(_marked(entry, shown)))


def _long(entry: FilesystemEntry, shown: str) -> str:
    kind = {"directory": "d", "symlink": "l", "file": "-"}[entry.type]
    rights = "".join(
        letter if entry.mode >> at & 1 else "-" for at, letter in zip(range(8, -1, -1), "rwx" * 3, strict=True)
    )
    when = datetime.fromtimestamp(entry.mtime, UTC)
    leads = f" -> {entry.target}" if entry.target is not None else ""
    return line(f"{kind}{rights} {entry.size:>12} {when:%Y-%m-%d %H:%M} {shown}{leads}")


def _marked(entry: FilesystemEntry, shown: str) -> str:
    return shown + {"directory": "/", "symlink": "@", "file": "*" if entry.mode & 0o100 else ""}[entry.type]


@command.command()
@click.argument("name")
@click.argument("path", default="")
@_VERSION
@reaching
def tree(name: str, path: str, version: str | None) -> None:
    """Draw what lies below the directory PATH (the root) of the filesystem NAME."""
    with reach() as mooring:
        held = mooring.of("filesystem").find(name)
        below: dict[str, list[FilesystemEntry]] = {}
        for entry in mooring.filesystems.entries(held["id"], path, recursive=True, version=version):
            below.setdefault(entry.path.rpartition("/")[0], []).append(entry)
        click.echo(line(path.strip("/") or held["name"]))
        for drawn in _drawn(below, path.strip("/"), ""):
            click.echo(drawn)


def _drawn(below: Mapping[str, Sequence[FilesystemEntry]], path: str, indent: str) -> Iterator[str]:
    entries = below.get(path, ())
    for entry in entries:
        last = entry is entries[-1]
        leads = f" -> {entry.target}" if entry.target is not None else ""
        yield line(f"{indent}{'└── ' if last else '├── '}{_marked(entry, entry.name)}{leads}")
        yield from _drawn(below, entry.path, indent + ("    " if last else "│   "))


@command.command()
@click.argument("name")
@click.argument("older", required=False)
@click.argument("newer", required=False)
@shaped
@reaching
def diff(name: str, older: str | None, newer: str | None, shape: Shape) -> int:
    """Show what differs between two versions of the filesystem NAME: by default the current one and the one before it.

    + added, - removed, ~ changed. The exit status is 1 when something differs.
    """
    with reach() as mooring:
        held = msgspec.convert(mooring.of("filesystem").find(name), Filesystem)
        number = held.current_version_number or 0
        if older is None and number < 2:  # noqa: PLR2004 - two versions
            raise Unfit(f"{name} has {many(number, 'version')}: there is nothing to compare")
        changes = list(mooring.filesystems.diff(held.id, older or str(number - 1), newer))
        if shape not in ("table", "wide"):
            shapes.show_rows([msgspec.to_builtins(change) for change in changes], shape, none="")
        else:
            for change in changes:
                click.echo(line(f"{ {'added': '+', 'removed': '-', 'changed': '~'}[change.change] } {change.path}"))
        return 1 if changes else 0


@command.command()
@click.argument("name")
@shaped
@reaching
def log(name: str, shape: Shape) -> None:
    """List the versions of the filesystem NAME, the newest first."""
    with reach() as mooring:
        held = msgspec.convert(mooring.of("filesystem").find(name), Filesystem)
        found = list(mooring.filesystems.versions(held.id))
        if shape in ("json", "yaml"):
            shapes.show_rows([msgspec.to_builtins(version) for version in found], shape, none="")
            return
        rows = [
            {
                "version": f"{version.number}{'*' if version.id == held.current_version_id else ''}",
                "made": clock(version.created_at.isoformat()),
                "from": version.source,
                "entries": str(version.entry_count),
                "size": size(version.uncompressed_size),
                "id": version.id,
            }
            for version in found
        ]
        shapes.show_rows(rows, shape, none=f"no version yet: {held.phase}", whole=frozenset({"version", "id"}))
        if held.reason and shape == "table":
            click.echo(line(f"the newest did not come: {held.reason}"), err=True)


@command.command()
@click.argument("name")
@writing
@reaching
def rm(name: str, reason: str | None) -> None:
    """Remove the filesystem NAME with all its versions. One that is used is kept, and says by what."""
    with reach() as mooring:
        held = mooring.of("filesystem").find(name)
        mooring.filesystems.delete(held["id"], reason=reason)
        click.echo(f"filesystem {line(held['name'])}: removed")
