"""PostgreSQL: a pool, transactions that carry hints, rows as frozen values. The only file that knows asyncpg."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, LiteralString, TypeVar

import asyncpg
import msgspec

from mooring.base.errors import Clash, MooringError, Unavailable, Unfit
from mooring.base.hints import CHANNEL, Hints

T = TypeVar("T")

# A process that is halted in mid-transaction holds its locks, and with them everybody who waits for one.
_PATIENCE = timedelta(seconds=30)
_MS = timedelta(milliseconds=1)
_JSONB_VERSION = b"\x01"
_AWAY = (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError)
# asyncpg has no type information.
_asyncpg: Any = asyncpg


def _encode_json(value: object) -> bytes:
    return _JSONB_VERSION + msgspec.json.encode(value)


def _decode_json(value: bytes) -> Any:  # noqa: ANN401 - a JSON document has no narrower type before it is converted
    return msgspec.json.decode(value[1:])


async def _prepare(connection: Any, patience: timedelta) -> None:  # noqa: ANN401 - asyncpg has no type information
    await connection.set_type_codec(
        "jsonb", encoder=_encode_json, decoder=_decode_json, schema="pg_catalog", format="binary"
    )
    await connection.execute(
        "SELECT set_config('idle_in_transaction_session_timeout', $1, false)", f"{patience // _MS}ms"
    )


async def _keep(_connection: Any) -> None:  # noqa: ANN401 - asyncpg has no type information
    # What a connection begins with stays; nothing else sets session state, so there is nothing to reset.
    return


class Tx:
    """One transaction. Verbs take it first; `hint` names what changed and is told to others after the commit."""

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 - a connection or a pool's proxy of one
        self._connection = connection
        self.hints: set[str] = set()

    def hint(self, *topics: str) -> None:
        """Tell those who wait for one of the topics, once this transaction is committed."""
        self.hints.update(topics)

    async def rows(self, shape: type[T], sql: LiteralString, *args: object) -> list[T]:
        """Every row as a `shape` (a frozen dataclass whose fields are the columns)."""
        return msgspec.convert([dict(found) for found in await self._connection.fetch(sql, *args)], list[shape])

    async def row(self, shape: type[T], sql: LiteralString, *args: object) -> T | None:
        """The first row as a `shape`, or None."""
        found = await self._connection.fetchrow(sql, *args)
        return None if found is None else msgspec.convert(dict(found), shape)

    async def values(self, shape: type[T], sql: LiteralString, *args: object) -> list[T]:
        """The first column of every row."""
        return [msgspec.convert(found[0], shape) for found in await self._connection.fetch(sql, *args)]

    async def value(self, shape: type[T], sql: LiteralString, *args: object) -> T | None:
        """The first column of the first row; None where there is no row or it is NULL."""
        found = await self._connection.fetchval(sql, *args)
        return None if found is None else msgspec.convert(found, shape)

    async def run(self, sql: LiteralString, *args: object) -> int:
        """Carry out a statement. How many rows it touched."""
        status: str = await self._connection.execute(sql, *args)
        count = status.rpartition(" ")[2]
        return int(count) if count.isdecimal() else 0

    async def run_each(self, sql: LiteralString, rows: Sequence[Sequence[object]]) -> None:
        """Carry out a statement once for each row of arguments."""
        await self._connection.executemany(sql, rows)

    async def copy(self, table: LiteralString, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Append many rows (from about 1,000 on quicker than INSERT)."""
        await self._connection.copy_records_to_table(table, columns=list(columns), records=rows)

    async def script(self, sql: str) -> None:
        """Carry out a whole file of statements. For migrations alone."""
        await self._connection.execute(sql)


class _Once:
    """A connection for one statement alone."""

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 - asyncpg has no type information
        self._connection = connection

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as the connection's own
        if self._connection is None:
            raise RuntimeError("a second statement needs a transaction: it would not be undone with the first")
        connection, self._connection = self._connection, None
        return getattr(connection, name)


class Database:
    """A pool and the hints of this process."""

    def __init__(self, pool: Any, hints: Hints) -> None:  # noqa: ANN401 - asyncpg has no type information
        self._pool = pool
        self.hints = hints

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Tx]:
        """A transaction, READ COMMITTED. Raises Unavailable when the database is away, Clash on a constraint."""
        async with self._connection() as connection, connection.transaction():
            tx = Tx(connection)
            yield tx
        self.hints.touch(tx.hints)

    @contextlib.asynccontextmanager
    async def statement(self) -> AsyncGenerator[Tx]:
        """A transaction of one statement: without the round trips that begin and end it. A second one is refused."""
        async with self._connection() as connection:
            tx = Tx(_Once(connection))
            yield tx
        self.hints.touch(tx.hints)

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncGenerator[Tx]:
        """A connection for statements that only read, each on its own: saves the round trips of a transaction."""
        async with self._connection() as connection:
            yield Tx(connection)

    async def send_hints(self) -> None:
        """Tell the other processes what changed here; one NOTIFY for all of it. Raises Unavailable; they poll then."""
        payload = self.hints.take_unsent()
        if payload:
            async with self._connection() as connection:
                await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, payload)

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncGenerator[Callable[[], bool]]:
        """Hear the hints of other processes for as long as the block runs; yields whether the line still stands.

        Raises Unavailable when the line cannot be had.
        """
        broken = asyncio.Event()

        def heard(_connection: object, _pid: int, _channel: str, payload: str) -> None:
            self.hints.wake(payload.split())

        def broke(_connection: object) -> None:
            broken.set()

        async with self._connection() as connection:
            # The pool takes back a connection that broke; from then on it answers nothing, not even that it did.
            connection.add_termination_listener(broke)
            await connection.add_listener(CHANNEL, heard)
            try:
                yield lambda: not broken.is_set()
            finally:
                if not broken.is_set():
                    connection.remove_termination_listener(broke)
                    await connection.remove_listener(CHANNEL, heard)

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncGenerator[Any]:
        """A connection of the pool; what it raises is one of our kinds of error."""
        try:
            async with self._pool.acquire() as connection:
                yield connection
        except MooringError:
            raise
        except Exception as error:
            raise translated(error) from error

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()


# SQLSTATE to the kind of error and what it says; `{at}` is the constraint or column (PostgreSQL, appendix A).
_STATES: Mapping[str, tuple[type[MooringError], str]] = {
    "23505": (Clash, "there is one already with this {at}"),
    "23P01": (Clash, "there is one already with this {at}"),
    "23503": (Unfit, "it refers to something that does not exist ({at})"),
    "23514": (Unfit, "the database refuses this value ({at})"),
    "23502": (Unfit, "the database needs a value here ({at})"),
    "22000": (Unfit, "the database refuses a value as out of range; give a smaller one"),
    "22003": (Unfit, "the database refuses a value as out of range; give a smaller one"),
    "22021": (Unfit, "the text holds a character that PostgreSQL cannot store (NUL)"),
    "22P05": (Unfit, "the text holds a character that PostgreSQL cannot store (NUL)"),
    "40001": (Unavailable, "two changes met; try again"),
    "40P01": (Unavailable, "two changes met; try again"),
    "53100": (Unavailable, "the database's disk is full; free some space and try again"),
    "53300": (Unavailable, "the database has no connection left; try again"),
    "57P01": (Unavailable, "the database is shutting down; try again"),
    "57P02": (Unavailable, "the database is shutting down; try again"),
    "57P03": (Unavailable, "the database is starting; try again"),
    "25P03": (Unavailable, "the database gave this up after it had waited too long; try again"),
    # Another server has taken over, and this one only follows it.
    "25006": (Unavailable, "the database takes no changes now; try again"),
}


def translated(error: Exception) -> Exception:
    """A database error as one of the six kinds; anything else as it is."""
    known = _STATES.get(str(getattr(error, "sqlstate", "")))
    if known is not None:
        kind, says = known
        at = getattr(error, "constraint_name", None) or getattr(error, "column_name", None) or ""
        # Our indexes are named <table>_<what must be one of its kind>.
        named = at.removeprefix(f"{getattr(error, 'table_name', None)}_").removesuffix("_excl").replace("_", " ")
        return kind(says.format(at=named), constraint=at)
    if isinstance(error, _AWAY):
        return Unavailable("the database does not answer; try again")
    return error


async def connect(url: str, *, hints: Hints, most: int = 12, patience: timedelta = _PATIENCE) -> Database:
    """A pool of up to `most` connections to `url`; the server ends a transaction that asks nothing for so long.

    Raises Unavailable when the database does not answer.
    """

    async def prepare(connection: Any) -> None:  # noqa: ANN401 - asyncpg has no type information
        await _prepare(connection, patience)

    try:
        pool = await _asyncpg.create_pool(url, min_size=1, max_size=most, init=prepare, reset=_keep)
    except (*_AWAY, asyncpg.PostgresError, ValueError) as error:
        raise Unavailable(f"cannot open the database: {error}") from error
    return Database(pool, hints)


async def make_roles(url: str, *, owner: str, application: str, database: str) -> None:
    """Make the two roles and the database, once; `url` connects as a superuser. The names are identifiers of ours."""
    connection = await _asyncpg.connect(url)
    try:
        there = {row[0] for row in await connection.fetch("SELECT rolname FROM pg_roles")}
        for role in (owner, application):
            if role not in there:
                await connection.execute(f"CREATE ROLE {role} LOGIN")
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", database):
            await connection.execute(f"CREATE DATABASE {database} OWNER {owner}")
    finally:
        await connection.close()
