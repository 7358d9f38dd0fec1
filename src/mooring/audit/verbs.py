"""The verbs every kind has, written once: a kind's description says what they check, write and record."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from mooring.access.actor import Actor, Permission, Subject
from mooring.audit import ledger, lists, parts
from mooring.audit.kinds import Kind
from mooring.base.db import Tx
from mooring.base.errors import Unfit
from mooring.base.page import Wanted

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Verbs(Generic[T]):
    """Create, read, replace, delete and list the rows of a kind, as an actor."""

    kind: Kind[T]

    async def create(
        self,
        tx: Tx,
        actor: Actor,
        values: Mapping[str, object],
        *,
        details: Mapping[str, object] | None = None,
        identifier: str | None = None,
    ) -> T:
        """A new row; a column that is not given is null. `details` adds to the event; `identifier` where it has an id
        already. Raises Denied, Unfit, Clash."""
        kind = self.kind
        made = _parsed(kind, {column: values.get(column) for column in kind.written})
        _check(kind, made)
        if kind.owner is not None:
            column = kind.owner.column
            owner = await ledger.refer(tx, actor, kind.owner.kind, str(made[column]), field=column, alone=True)
            await require(tx, actor, Permission.CHANGE, kind.owner.kind, owner)
            await _refer(tx, actor, kind, made, without=column)
            return await parts.insert(tx, actor, kind, owner, made)
        await _refer(tx, actor, kind, made)
        actor.require(Permission.CREATE, of=_subject_to_be(kind, actor, made))
        return await ledger.insert(tx, actor, kind, made, details=details, identifier=identifier)

    async def read(self, tx: Tx, actor: Actor, identifier: str, *, lock: bool = False) -> T:
        """The row the actor sees; with `lock`, it (and its owner before it) is held to the end. Raises Missing."""
        if lock and self.kind.owner is not None:
            # Owners first, always: else two who change parts of one owner could wait for each other.
            seen = await ledger.read(tx, actor, self.kind, identifier)
            owner_id = getattr(seen, self.kind.owner.column)
            await ledger.read(tx, actor, self.kind.owner.kind, owner_id, lock=True)
        return await ledger.read(tx, actor, self.kind, identifier, lock=lock)

    def changes(self, before: T, values: Mapping[str, object]) -> Mapping[str, object]:
        """The columns among `values` that would differ. Raises Unfit for what no column may hold."""
        found = _parsed(self.kind, {column: values[column] for column in self.kind.written if column in values})
        return {column: value for column, value in found.items() if not ledger.same(value, getattr(before, column))}

    async def replace(self, tx: Tx, actor: Actor, before: T, values: Mapping[str, object]) -> T:
        """The locked row with these values; a column that is not given stays. Raises Denied, Unfit, Clash."""
        kind = self.kind
        changes = self.changes(before, values)
        if kind.owner is not None and kind.owner.column in changes:
            says = f"{kind.owner.column} cannot change; delete this {kind.name} and make another"
            raise Unfit(says, field=kind.owner.column)
        if changes:
            _check(kind, {column: changes.get(column, getattr(before, column)) for column in kind.written})
        await _refer(tx, actor, kind, changes)
        if kind.owner is None:
            await require(tx, actor, Permission.CHANGE, kind, before)
            return await ledger.change(tx, actor, kind, before, changes)
        owner = await self._owner(tx, actor, before)
        return await parts.change(tx, actor, kind, owner, before, changes)

    async def delete(self, tx: Tx, actor: Actor, before: T) -> None:
        """The locked row is there no more. Raises Denied, Clash with the list of what uses it."""
        if self.kind.owner is None:
            await require(tx, actor, Permission.CHANGE, self.kind, before)
            await ledger.delete(tx, actor, self.kind, before)
            return
        owner = await self._owner(tx, actor, before)
        await parts.delete(tx, actor, self.kind, owner, before)

    async def page(
        self, tx: Tx, actor: Actor, wanted: Wanted, *, where: Mapping[str, object] | None = None
    ) -> lists.Page[T]:
        """A page of what the actor sees; `where` narrows it to rows with these values."""
        return await lists.page(tx, actor, self.kind, wanted, where=where)

    async def _owner(self, tx: Tx, actor: Actor, row: T) -> object:
        assert self.kind.owner is not None
        owner_id = getattr(row, self.kind.owner.column)
        owner = await ledger.read(tx, actor, self.kind.owner.kind, owner_id, lock=True)
        await require(tx, actor, Permission.CHANGE, self.kind.owner.kind, owner)
        return owner


async def require(tx: Tx, actor: Actor, permission: Permission, kind: Kind[T], row: T) -> None:
    """Return when the actor may do this with the row. Raises Denied, naming who may."""
    # Most are allowed whatever the groups: those are asked for last.
    if kind.held_by is not None or not actor.may(permission, of=_subject(kind, row, frozenset())):
        actor.require(permission, of=await subject(tx, kind, row))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    created_by: str | None
    assigned_to: str | None


async def subject(tx: Tx, kind: Kind[T], row: T) -> Subject:
    """What the access rules need to know of a row."""
    identifier: str = getattr(row, "id")  # noqa: B009 - every kind has one; T does not say so
    groups = await tx.values(str, kind.groups, identifier) if kind.groups is not None else []
    own = _subject(kind, row, frozenset(groups))
    held = await tx.row(_Held, kind.held_by, identifier) if kind.held_by is not None else None
    return own if held is None else replace(own, created_by=held.created_by, assigned_to=held.assigned_to)


def _subject_to_be(kind: Kind[Any], actor: Actor, values: Mapping[str, Any]) -> Subject:
    groups = frozenset({str(values[kind.group])}) if kind.group is not None else frozenset[str]()
    user = values[kind.user] if kind.user is not None else None
    return Subject(family=kind.family, created_by=actor.user_id, user=user, groups=groups)


def _subject(kind: Kind[T], row: T, groups: frozenset[str]) -> Subject:
    def at(column: str | None) -> Any:  # noqa: ANN401 - the kind says which
        return None if column is None else getattr(row, column)

    return Subject(
        family=kind.family,
        created_by=at("created_by_user_id"),
        assigned_to=at(kind.assigned),
        user=at(kind.user),
        groups=groups,
    )


def _parsed(kind: Kind[Any], values: Mapping[str, object]) -> dict[str, object]:
    def parsed(column: str, value: object) -> object:
        parse = kind.parse.get(column)
        return value if parse is None or value is None else parse(value, field=column)

    return {column: parsed(column, value) for column, value in values.items()}


def _check(kind: Kind[Any], values: Mapping[str, object]) -> None:
    if kind.check is not None:
        kind.check(values)


async def _refer(
    tx: Tx, actor: Actor, kind: Kind[Any], values: Mapping[str, object], *, without: str | None = None
) -> None:
    """Hold what is referred to, always in the order of the kind's description."""
    for column, other in kind.refers.items():
        identifier = values.get(column)
        if isinstance(identifier, str) and column != without:
            await ledger.refer(tx, actor, other, identifier, field=column)
