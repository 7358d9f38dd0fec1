"""One kind = one declaration: from a Resource come its routes, with every rule of the contract."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, LiteralString, TypeVar, cast

import msgspec
from msgspec import Struct

from mooring.access.actor import Actor
from mooring.audit.kinds import Kind
from mooring.audit.verbs import Verbs
from mooring.base.db import Tx
from mooring.http.call import Call, etag
from mooring.http.errors import Malformed
from mooring.http.listing import envelope, href, list_type, page_of
from mooring.http.once import once
from mooring.http.route import MERGE_PATCH, Answer, Route
from mooring.http.stream import last_number
from mooring.http.watch import Watch, Watched
from mooring.wire.base import WatchQuery

T = TypeVar("T")

Create = Callable[[Tx, Actor, Mapping[str, Any]], Awaitable[T]]
Replace = Callable[[Tx, Actor, T, Mapping[str, Any]], Awaitable[T]]
Delete = Callable[[Tx, Actor, T], Awaitable[None]]
More = Callable[[Tx, Actor, Sequence[T]], Awaitable[Sequence[Mapping[str, object]]]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Resource(Generic[T]):
    """A kind on the wire. `new` is what POST takes, `edit` what PUT and PATCH can change (None: as `new`).

    `create`, `replace`, `delete` are the verbs, where they are not those of `verbs`; None in `routes` leaves one out.
    `more` gives the fields of `reply` that are not the row's, for several rows at once.
    `settled`: all that is shown is versioned; else a GET never answers 304.
    """

    verbs: Verbs[T]
    reply: type[Struct]
    new: type[Struct] | None = None
    edit: type[Struct] | None = None
    create: "Create[T] | None" = None
    replace: "Replace[T] | None" = None
    delete: "Delete[T] | None" = None
    more: "More[T] | None" = None
    changes: bool = True
    deletes: bool = True
    settled: bool = True

    @property
    def kind(self) -> Kind[T]:
        return self.verbs.kind

    @property
    def path(self) -> str:
        """Where the collection is."""
        return f"/{self.kind.table}"

    @property
    def edited(self) -> type[Struct] | None:
        """What PUT and PATCH take."""
        return (self.edit or self.new) if self.changes else None

    async def show(self, tx: Tx, actor: Actor, rows: Sequence[T]) -> list[Struct]:
        """The rows as they are sent."""
        if not rows:
            return []
        none: dict[str, object] = {}
        more = await self.more(tx, actor, rows) if self.more is not None else [none] * len(rows)
        made, at = _maker(self.reply, tuple(more[0])), href(self.kind.table, "")
        return [made(row, at, added) for row, added in zip(rows, more, strict=True)]


@cache
def _maker(reply: type[Struct], added: tuple[str, ...]) -> Callable[[Any, str, Mapping[str, object]], Struct]:
    """What makes a reply of a row, the place of its collection, and the fields that are `added` to the row's.

    Compiled: a call that spells its arguments takes a tenth of one that is given them in a dict, and lists are long.
    """
    held = {"kind": repr(reply.__name__), "href": "at + row.id", **{name: f"more[{name!r}]" for name in added}}
    given = ", ".join(f"{name}={held.get(name, f'row.{name}')}" for name in reply.__struct_fields__)
    return eval(f"lambda row, at, more: make({given})", {"make": reply})  # noqa: S307 - names of our own fields alone


def routes(resource: Resource[Any]) -> list[Route]:
    """The routes of a kind: list, make, read, replace, change, delete — those the declaration allows."""
    noun, word = resource.reply.__name__, resource.kind.name.replace("_", " ")
    one = f"{resource.path}/{{id}}"
    found = [
        Route(
            method="GET", path=resource.path, operation=f"list{_plural(noun)}", tag=resource.kind.table,
            says=f"A page of the {word}s you see", handle=_list(resource), query=WatchQuery,
            answer=list_type(resource.reply),
        ),
        Route(
            method="GET", path=one, operation=f"read{noun}", tag=resource.kind.table, says=f"One {word}",
            handle=_read(resource), answer=resource.reply, refuses=(404,), headers=("If-None-Match",),
        ),
    ]  # fmt: skip
    if resource.new is not None:
        found.append(
            Route(
                method="POST", path=resource.path, operation=f"create{noun}", tag=resource.kind.table,
                says=f"Make {_a(word)}", handle=_create(resource), body=resource.new, answer=resource.reply, status=201,
                refuses=(409, 422), headers=("Idempotency-Key", "Audit-Reason"),
            )
        )  # fmt: skip
    if resource.edited is not None:
        for method, verb, says in (("PUT", "replace", "Replace"), ("PATCH", "change", "Change")):
            found.append(
                Route(
                    method="PUT" if method == "PUT" else "PATCH", path=one, operation=f"{verb}{noun}",
                    tag=resource.kind.table, says=f"{says} {_a(word)}",
                    handle=_replace(resource) if method == "PUT" else _change(resource), body=resource.edited,
                    answer=resource.reply, refuses=(404, 409, 412, 422), headers=("If-Match", "Audit-Reason"),
                )
            )  # fmt: skip
    if resource.deletes:
        found.append(
            Route(
                method="DELETE", path=one, operation=f"delete{noun}", tag=resource.kind.table,
                says=f"Delete {_a(word)}", handle=_delete(resource), status=204, refuses=(404, 409, 412),
                headers=("If-Match", "Audit-Reason"),
            )
        )  # fmt: skip
    return found


async def answer(resource: Resource[T], tx: Tx, call: Call, row: T, *, status: int = 200) -> Answer:
    """One row as it is answered, with its ETag; for 201 with its Location. For custom actions too."""
    [shown] = await resource.show(tx, call.actor, [row])
    headers = {"ETag": etag(_version(row))}
    if status == 201:  # noqa: PLR2004 - Created
        headers["Location"] = href(resource.kind.table, _id(row))
    return Answer(status=status, body=shown, headers=headers)


async def check_version(resource: Resource[Any], tx: Tx, call: Call) -> None:
    """Return when If-Match is absent, or names the version of the row of the path, which stays so. Raises Stale."""
    if call.header("If-Match") is not None:
        call.check_match(_version(await resource.verbs.read(tx, call.actor, call.path["id"], lock=True)))


def action(
    resource: Resource[T],
    name: str,
    *,
    says: str,
    verb: Callable[[Tx, Call], Awaitable[T]],
    refuses: tuple[int, ...] = (404, 409, 412, 422),
) -> Route:
    """`POST /x/{id}/<name>`: a verb of one row, in one transaction; the row is answered as it is afterwards."""

    async def handle(call: Call) -> Answer:
        async with call.app.database.transaction() as tx:
            # All of it: what was answered under a key is answered again, however the row has changed since.
            async def act() -> Answer:
                before = await resource.verbs.read(tx, call.actor, call.path["id"], lock=True)
                call.check_match(_version(before))
                return await answer(resource, tx, call, await verb(tx, call))

            return await once(tx, call, act)

    return Route(
        method="POST", path=f"{resource.path}/{{id}}/{name}", operation=f"{name}{resource.reply.__name__}",
        tag=resource.kind.table, says=says, handle=handle, answer=resource.reply, refuses=refuses,
        headers=("If-Match", "Idempotency-Key", "Audit-Reason"),
    )  # fmt: skip


def _a(word: str) -> str:
    # All but "user", whose u is no vowel to the ear.
    return f"an {word}" if word[0] in "aeio" else f"a {word}"


def _list(resource: Resource[T]) -> Callable[[Call], Awaitable[Answer]]:
    async def handle(call: Call) -> Answer:
        query = call.asked(WatchQuery)
        last_number(call)
        if query.watch:
            seen_by = resource.kind.owner.kind if resource.kind.owner is not None else resource.kind
            watched = Watched(kind=resource.kind, show=resource.show)
            return await Watch(call, [seen_by], where={}, of=watched).answer(query)
        wanted = page_of(call, query, resource.kind.entity, resource.kind.searchable)
        async with call.app.database.reading() as tx:
            page = await resource.verbs.page(tx, call.actor, wanted)
            shown = await resource.show(tx, call.actor, page.items)
        return Answer(body=envelope(resource.reply, shown, page, wanted, query.fields))

    return handle


def _read(resource: Resource[T]) -> Callable[[Call], Awaitable[Answer]]:
    async def handle(call: Call) -> Answer:
        async with call.app.database.reading() as tx:
            row = await resource.verbs.read(tx, call.actor, call.path["id"])
            mark = etag(_version(row))
            if call.has_already(mark) and resource.settled:
                return Answer(status=304, headers={"ETag": mark})
            return await answer(resource, tx, call, row)

    return handle


def _create(resource: Resource[T]) -> Callable[[Call], Awaitable[Answer]]:
    create = resource.create or resource.verbs.create
    assert resource.new is not None
    shape = resource.new
    alone = resource.create is None and resource.more is None and resource.kind.alone

    async def handle(call: Call) -> Answer:
        values = values_of(await call.decode(shape))
        # A key of idempotency is kept with what it made.
        once_only = call.header("Idempotency-Key") is not None
        begun = call.app.database.statement if alone and not once_only else call.app.database.transaction
        async with begun() as tx:

            async def make() -> Answer:
                return await answer(resource, tx, call, await create(tx, call.actor, values), status=201)

            return await once(tx, call, make)

    return handle


def _replace(resource: Resource[T]) -> Callable[[Call], Awaitable[Answer]]:
    replace = resource.replace or resource.verbs.replace

    async def handle(call: Call) -> Answer:
        given = await call.fields()
        async with call.app.database.transaction() as tx:
            # Whoever replaces the same row waits here, before it is read.
            await tx.run("SELECT pg_advisory_xact_lock($1)", _lock(resource.kind.table, call.path["id"]))
            before = await resource.verbs.read(tx, call.actor, call.path["id"], lock=True)
            call.check_match(_version(before))
            [shown] = await resource.show(tx, call.actor, [before])
            # As whoever sends it back read it: rows hold tuples, which are no lists to `!=`.
            values = _whole(resource, msgspec.json.decode(msgspec.json.encode(shown)), given)
            return await answer(resource, tx, call, await replace(tx, call.actor, before, values))

    return handle


def _change(resource: Resource[T]) -> Callable[[Call], Awaitable[Answer]]:
    replace = resource.replace or resource.verbs.replace

    async def handle(call: Call) -> Answer:
        patch = await call.fields()
        async with call.app.database.transaction() as tx:
            before = await resource.verbs.read(tx, call.actor, call.path["id"], lock=True)
            call.check_match(_version(before))
            values = _patched(resource, before, patch)
            return await answer(resource, tx, call, await replace(tx, call.actor, before, values))

    return handle


def _delete(resource: Resource[T]) -> Callable[[Call], Awaitable[Answer]]:
    delete = resource.delete or resource.verbs.delete

    async def handle(call: Call) -> Answer:
        async with call.app.database.transaction() as tx:
            before = await resource.verbs.read(tx, call.actor, call.path["id"], lock=True)
            call.check_match(_version(before))
            await delete(tx, call.actor, before)
        return Answer(status=204)

    return handle


def values_of(given: Struct) -> dict[str, Any]:
    """The fields of a body, by name; those inside stay as they are."""
    return {name: _plain(getattr(given, name)) for name in given.__struct_fields__}


def _plain(value: Any) -> Any:  # noqa: ANN401 - any field of a body
    # Rows hold tuples, so that they cannot change.
    return tuple(cast("list[Any]", value)) if isinstance(value, list) else value


def _whole(resource: Resource[Any], now: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """What PUT sets. What the server keeps may be sent along as it is. Raises Malformed."""
    assert resource.edited is not None
    ours = set(resource.edited.__struct_fields__)
    for name in sorted(set(given) - ours):
        if name not in now:
            raise Malformed(f"body: Object contains unknown field `{name[:80]}`", field=name[:80])
        if given[name] != now[name]:
            raise Malformed(f"body: {name} is kept by the server; leave it out, or send it as it is", field=name)
    return _converted(resource.edited, {name: value for name, value in given.items() if name in ours})


def _patched(resource: Resource[T], before: T, patch: dict[str, Any]) -> dict[str, Any]:
    """What PATCH sets: the row with the patch merged into it (RFC 7396). Raises Malformed."""
    assert resource.edited is not None
    ours = resource.edited.__struct_fields__
    unknown = sorted(set(patch) - set(ours))
    if unknown:
        kept = "is kept by the server" if unknown[0] in resource.reply.__struct_fields__ else "is not known"
        raise Malformed(f"body: {unknown[0][:80]} {kept}; what can change: {', '.join(ours)}", field=unknown[0][:80])
    now = {name: msgspec.to_builtins(getattr(before, name)) for name in ours}
    values = _converted(resource.edited, merge(now, patch))
    return {name: values[name] for name in patch}


def merge(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """The target with a merge patch applied. Source: RFC 7396, section 2. Pure."""
    merged = dict(target)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict):
            there = merged.get(name)
            inside = cast("dict[str, Any]", there) if isinstance(there, dict) else {}
            merged[name] = merge(inside, cast("dict[str, Any]", value))
        else:
            merged[name] = value
    return merged


def _converted(shape: type[Struct], given: dict[str, Any]) -> dict[str, Any]:
    try:
        return values_of(msgspec.convert(given, shape))
    except msgspec.ValidationError as error:
        raise Malformed(f"body: {error}".replace("`$.", "`").replace(" - at `$`", "")) from error


def _lock(table: LiteralString, identifier: str) -> int:
    digest = hashlib.sha256(f"{table} {identifier}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _id(row: Any) -> str:  # noqa: ANN401 - every kind has one
    return row.id


def _version(row: Any) -> int:  # noqa: ANN401 - every kind has one
    return row.version


def _plural(noun: str) -> str:
    return f"{noun}s"


PATCHES = (MERGE_PATCH, "application/json")
"""The media types PATCH takes."""
