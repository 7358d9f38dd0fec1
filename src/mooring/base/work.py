"""The lease loop, written once: claim (short transaction) → step (no transaction) → apply (short, under the lease).

A loop looks at everything that is ready, takes what nobody holds, and does one step for each. A worker that dies keeps
its lease until it expires; then another takes over, and what the first one writes late changes nothing.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import LiteralString
from uuid import UUID, uuid4

import structlog

from mooring.base.db import Database, Tx
from mooring.base.errors import MooringError, Unavailable

log = structlog.stdlib.get_logger("mooring.work")

LEASE = timedelta(seconds=20)
# A third of the lease: two lost heartbeats must not cost a step its lease.
HEARTBEAT = LEASE / 3
POLL = timedelta(seconds=1)
_FIRST_RETRY = 0.5
_LONGEST_RETRY = 30.0
# Breaks in a row, about ten minutes of them: work that is under way should outlive what an operator can mend.
PATIENT = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What a step came to: what to write, and how long to wait before the next look if it still is ready then."""

    write: Callable[[Tx], Awaitable[None]] | None = None
    again: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """One kind of work.

    `ready` selects the ids (column `id`) that want a step, oldest first, without locks; it may name $5, the worker's
    place. `step` is a contact. `wakes` are the hints that make the loop look at once. `at_once` bounds the steps in
    flight. `give_up` writes what becomes of an id, and why, once its steps broke `most_broken` times in a row.
    """

    name: LiteralString
    ready: LiteralString
    step: Callable[[str], Awaitable[Applied]]
    wakes: tuple[str, ...]
    at_once: int = 8
    poll: timedelta = POLL
    give_up: Callable[[Tx, str, str], Awaitable[None]] | None = None
    most_broken: int = 6


_CLAIM = """
WITH found AS ({ready}),
-- A join keeps no order: the oldest go first by their number.
ready AS (SELECT id, row_number() OVER () AS number FROM found),
free AS (
    SELECT ready.id FROM ready LEFT JOIN leases ON leases.loop = $1 AND leases.resource_id = ready.id
    WHERE (leases.until IS NULL OR leases.until < now()) AND (leases.due IS NULL OR leases.due <= now())
    ORDER BY ready.number LIMIT $2
)
INSERT INTO leases AS held (loop, resource_id, token, until, holder)
SELECT $1, free.id, $3, now() + $4, $5::text FROM free
ON CONFLICT (loop, resource_id) DO UPDATE SET token = excluded.token, until = excluded.until, holder = excluded.holder
    WHERE (held.until IS NULL OR held.until < now()) AND (held.due IS NULL OR held.due <= now())
RETURNING held.resource_id
"""


class Worker:
    """Runs loops until it is told to stop; stopping lets the steps in flight end.

    `place` names the data directory, which one worker at a time holds: what an earlier one left leased there is free.
    """

    def __init__(self, database: Database, loops: tuple[Loop, ...], *, place: str) -> None:
        self._database = database
        self._loops = loops
        self._place = place
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Claim nothing more; `run` returns when the steps in flight have ended."""
        self._stopping.set()

    async def run(self) -> None:
        """Work until `stop`."""
        async with self._database.transaction() as tx:
            await tx.run(_TAKE_OVER, self._place)
        async with asyncio.TaskGroup() as tasks:
            for loop in self._loops:
                tasks.create_task(self._run_loop(loop), name=f"loop {loop.name}")

    async def _run_loop(self, loop: Loop) -> None:
        slots = asyncio.Semaphore(loop.at_once)
        failures = 0
        with self._database.hints.waiting(*loop.wakes) as hint:
            async with asyncio.TaskGroup() as steps:
                while not self._stopping.is_set():
                    hint.clear()
                    try:
                        full = await self._take(loop, slots, steps, hint)
                        failures = 0
                    except Unavailable as error:
                        failures += 1
                        full = False
                        log.warning("cannot claim", loop=loop.name, reason=error.reason)
                    if not full:
                        await self._pause(hint, loop.poll.total_seconds() if not failures else _back_off(failures))

    async def _take(self, loop: Loop, slots: asyncio.Semaphore, steps: asyncio.TaskGroup, hint: asyncio.Event) -> bool:
        """Claim as much as there are slots. Whether there may be more."""
        free = 0
        while free < loop.at_once and not slots.locked():
            await slots.acquire()
            free += 1
        if not free:
            async with slots:  # Full: wait until a step ends.
                return True
        token = uuid4()
        claimed: list[str] = []
        try:
            async with self._database.transaction() as tx:
                claimed = await self._claim(tx, loop, token, free)
        finally:
            for _ in range(free - len(claimed)):
                slots.release()
        for identifier in claimed:
            steps.create_task(self._hold(loop, identifier, token, slots, hint), name=f"{loop.name} {identifier}")
        return len(claimed) == free

    async def _claim(self, tx: Tx, loop: Loop, token: UUID, most: int) -> list[str]:
        """Take up to `most` of what is ready and free."""
        claim = _CLAIM.replace("{ready}", loop.ready)
        return await tx.values(str, claim, loop.name, most, token, LEASE, self._place)

    async def _hold(
        self, loop: Loop, identifier: str, token: UUID, slots: asyncio.Semaphore, hint: asyncio.Event
    ) -> None:
        """One step under its lease; a step that fails is repeated later."""
        try:
            async with asyncio.TaskGroup() as tasks:
                beat = tasks.create_task(self._heartbeat(loop, identifier, token))
                try:
                    applied = await loop.step(identifier)
                finally:
                    beat.cancel()
            await self._apply(loop, identifier, token, applied)
        except* MooringError as group:
            log.warning("step failed", loop=loop.name, id=identifier, reason=_reasons(group))
            await self._failed(loop, identifier, token, group)
        except* Exception as group:
            log.exception("step broke", loop=loop.name, id=identifier, exc_info=group)
            await self._failed(loop, identifier, token, group)
        finally:
            slots.release()
            hint.set()

    async def _heartbeat(self, loop: Loop, identifier: str, token: UUID) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT.total_seconds())
            with contextlib.suppress(Unavailable):
                async with self._database.transaction() as tx:
                    await tx.run(_HEARTBEAT, loop.name, identifier, token, LEASE)

    async def _apply(self, loop: Loop, identifier: str, token: UUID, applied: Applied) -> None:
        async with self._database.transaction() as tx:
            if not await tx.run(_RELEASE, loop.name, identifier, token, applied.again):
                log.warning("lease lost, nothing written", loop=loop.name, id=identifier)
                return
            if applied.write is not None:
                await applied.write(tx)

    async def _failed(self, loop: Loop, identifier: str, token: UUID, group: BaseExceptionGroup[Exception]) -> None:
        """Try again later, or no more: what is not available may be so at any time, else it breaks as it did."""
        failures = await self._postpone(loop, identifier, token)
        if loop.give_up is not None and failures >= loop.most_broken and group.split(Unavailable)[1] is not None:
            await self._give_up(loop.give_up, loop, identifier, f"it broke {failures} times: {_reasons(group)}")

    async def _postpone(self, loop: Loop, identifier: str, token: UUID) -> int:
        """How often it failed in a row; 0 when that cannot be told."""
        first = timedelta(seconds=_FIRST_RETRY)
        with contextlib.suppress(Unavailable):
            async with self._database.transaction() as tx:
                return await tx.value(int, _POSTPONE, loop.name, identifier, token, first, _LONGEST_RETRY) or 0
        return 0

    async def _give_up(
        self, write: Callable[[Tx, str, str], Awaitable[None]], loop: Loop, identifier: str, reason: str
    ) -> None:
        """Write what becomes of it. Where that cannot be written either, it is tried again with the next step."""
        try:
            async with self._database.transaction() as tx:
                await write(tx, identifier, reason)
        except Exception:
            log.exception("cannot give up", loop=loop.name, id=identifier)

    async def _pause(self, hint: asyncio.Event, seconds: float) -> None:
        """Until the hint, the stop or the time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await _either(hint, self._stopping)


_TAKE_OVER = "UPDATE leases SET token = NULL, until = NULL WHERE holder = $1 AND token IS NOT NULL"
_HEARTBEAT = "UPDATE leases SET until = now() + $4 WHERE loop = $1 AND resource_id = $2 AND token = $3"
_RELEASE = """
UPDATE leases SET token = NULL, until = NULL, failures = 0, due = now() + $4
WHERE loop = $1 AND resource_id = $2 AND token = $3
"""
_POSTPONE = """
UPDATE leases SET token = NULL, until = NULL, failures = failures + 1,
    due = now() + least($4::interval * power(2, least(failures, 16)), make_interval(secs => $5))
WHERE loop = $1 AND resource_id = $2 AND token = $3
RETURNING failures
"""


async def look_again(tx: Tx, loop: LiteralString, identifier: str) -> None:
    """Have the loop look at this one now, whatever it had planned."""
    await tx.run("UPDATE leases SET due = NULL WHERE loop = $1 AND resource_id = $2", loop, identifier)


async def forget(tx: Tx, loop: LiteralString, identifier: str) -> None:
    """Drop the lease of something that wants no more steps."""
    await tx.run("DELETE FROM leases WHERE loop = $1 AND resource_id = $2", loop, identifier)


async def repeat(step: Callable[[], Awaitable[None]], *, name: str, every: timedelta, stopping: asyncio.Event) -> None:
    """Do something small again and again until told to stop; a failure is logged and does not end it."""
    failures = 0
    while not stopping.is_set():
        try:
            await step()
            failures = 0
        except (MooringError, OSError) as error:
            failures += 1
            log.warning("will be repeated", work=name, reason=str(error))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(every.total_seconds() if not failures else _back_off(failures)):
                await stopping.wait()


async def pause(seconds: float) -> None:
    """Let time pass."""
    await asyncio.sleep(seconds)


def _back_off(failures: int) -> float:
    longest = min(_LONGEST_RETRY, _FIRST_RETRY * 2 ** min(failures, 10))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, guards nothing


def _reasons(group: BaseExceptionGroup[Exception]) -> str:
    """What people may read of it: of what is not ours the kind alone, the log has the rest."""
    return "; ".join(
        error.reason if isinstance(error, MooringError) else type(error).__name__ for error in _single(group)
    )


def _single(group: BaseExceptionGroup[Exception]) -> Iterator[Exception]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _single(error)
        else:
            yield error


async def _either(first: asyncio.Event, second: asyncio.Event) -> None:
    """Return when one of the two is set."""
    waits = [asyncio.ensure_future(first.wait()), asyncio.ensure_future(second.wait())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
