"""Every place outside a sandbox where a value could lie, and every way in which it could be written there."""

import base64
import contextlib
import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg

from mooring.base.postgres import EmbeddedPostgres
from mooring.base.unprivileged import process_user
from written import written

Place = tuple[str, bytes]


def forms(value: bytes) -> list[bytes]:
    """How a value might stand somewhere."""
    found = [value]
    with contextlib.suppress(UnicodeDecodeError):
        text = value.decode()
        found += [quote(text, safe="").encode(), quote(text).replace("%20", "+").encode()]
        found += [json.dumps(text)[1:-1].encode(), json.dumps(text, ensure_ascii=False)[1:-1].encode()]
        found += [form.encode() for form in written(text)]
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + value)
        core = coded[4:-4] if shift else coded.rstrip(b"=")[:-1]
        found += [core, core.replace(b"+", b"-").replace(b"/", b"_")]
    return found


def found_in(places: Iterable[Place], looked_for: Sequence[bytes]) -> list[tuple[str, bytes]]:
    """Where which of the forms is."""
    return [(where, form) for where, content in places for form in looked_for if form in content]


def processes_outside() -> Iterator[Place]:
    """Arguments and variables of every process that is in no sandbox."""
    ours = Path("/proc/self/ns/pid").readlink()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "ns/pid").readlink() == ours:
                for name in ("cmdline", "environ"):
                    yield f"{process}/{name}", (process / name).read_bytes()


async def tables(data: Path) -> list[Place]:
    """Every row of the control plane's database, as PostgreSQL dumps it."""
    server = EmbeddedPostgres(directory=data / "postgres", user=process_user("mooring-db"), throw_away=True)
    # asyncpg has no type information.
    library: Any = asyncpg
    connection = await library.connect(server.url("postgres", "mooring"))
    named = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    dumped: list[Place] = []
    for (table,) in named:
        pieces: list[bytes] = []

        async def take(piece: bytes, pieces: list[bytes] = pieces) -> None:
            pieces.append(piece)

        await connection.copy_from_table(table, output=take, format="binary")
        dumped.append((f"the table {table}", b"".join(pieces)))
    await connection.close()
    return dumped


def files(data: Path) -> Iterator[Place]:
    """Every file of the data directory but the keys; what is packed, unpacked as well."""
    for path in data.rglob("*"):
        if path.is_file() and not path.is_symlink() and "keys" not in path.relative_to(data).parts[:1]:
            content = path.read_bytes()
            yield str(path), content
            with contextlib.suppress(OSError, EOFError, zlib.error):
                if content[:2] == b"\x1f\x8b":
                    yield f"{path}, unpacked", gzip.decompress(content)
