"""The lease loop: a ready thing is stepped by one worker at a time; one that lost its lease writes nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from mooring.base.db import Database, Tx
from mooring.base.errors import Unavailable, Unfit
from mooring.base.work import Applied, Loop, Worker, forget, look_again

READY = "SELECT unnest(ARRAY['a', 'b', 'c']) AS id"


async def run_until(worker: Worker, done: asyncio.Event) -> None:
    """Let the worker work until `done`, then let it end."""
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        tasks.create_task(worker.run())
        await done.wait()
        worker.stop()


def loop(step: Callable[[str], Awaitable[Applied]], *, ready: str = READY, at_once: int = 8) -> Loop:
    return Loop(name="test", ready=ready, step=step, wakes=("test",), at_once=at_once, poll=timedelta(milliseconds=20))  # pyright: ignore[reportArgumentType] - a literal each time


async def test_everything_that_is_ready_gets_a_step(database: Database) -> None:
    seen: set[str] = set()
    done = asyncio.Event()

    async def step(identifier: str) -> Applied:
        seen.add(identifier)
        if len(seen) == 3:
            done.set()
        return Applied(again=timedelta(hours=1))

    await run_until(Worker(database, (loop(step, at_once=1),), place="here"), done)
    assert seen == {"a", "b", "c"}


async def test_two_workers_never_step_the_same_thing_at_once(database: Database) -> None:
    inside: dict[str, int] = {"a": 0, "b": 0, "c": 0}
    steps = 0
    met: list[str] = []
    done = asyncio.Event()

    async def step(identifier: str) -> Applied:
        nonlocal steps
        inside[identifier] += 1
        if inside[identifier] > 1:
            met.append(identifier)
        async with database.transaction() as tx:
            await tx.run("SELECT 1")
        inside[identifier] -= 1
        steps += 1
        if steps >= 60:
            done.set()
        return Applied()

    workers = [Worker(database, (loop(step),), place=place) for place in ("one", "two")]
    async with asyncio.TaskGroup() as tasks:
        for worker in workers:
            tasks.create_task(run_until(worker, done))
    assert met == []


async def test_a_step_that_fails_is_repeated_later_and_holds_nobody_up(database: Database) -> None:
    failed = 0
    others = 0
    done = asyncio.Event()

    async def step(identifier: str) -> Applied:
        nonlocal failed, others
        if identifier == "a":
            failed += 1
            if failed == 2:
                done.set()
            raise Unavailable("the place is away")
        others += 1
        return Applied(again=timedelta(hours=1))

    await run_until(Worker(database, (loop(step),), place="here"), done)
    assert (failed, others) == (2, 2)


async def test_a_step_that_breaks_does_not_end_the_loop(database: Database) -> None:
    done = asyncio.Event()

    async def step(identifier: str) -> Applied:
        if identifier == "a":
            raise ZeroDivisionError
        if identifier == "c":
            done.set()
        return Applied(again=timedelta(hours=1))

    await run_until(Worker(database, (loop(step, at_once=1),), place="here"), done)


@pytest.mark.parametrize(
    ("error", "reasons"),
    [
        (ZeroDivisionError("secret"), ["it broke 6 times: ZeroDivisionError"]),
        (Unfit("it never will"), ["it broke 6 times: it never will"]),
        (Unavailable("not now"), []),
    ],
    ids=["broken", "unfit", "away"],
)
async def test_what_breaks_again_and_again_is_given_up_and_what_is_only_away_is_not(
    database: Database, error: Exception, reasons: list[str]
) -> None:
    async with database.transaction() as tx:
        await tx.run("INSERT INTO leases (loop, resource_id, failures) VALUES ('test', 'a', 5), ('test', 'b', 4)")
    given_up: list[tuple[str, str]] = []
    done = asyncio.Event()

    async def step(identifier: str) -> Applied:
        if identifier != "c":
            raise error
        return Applied(again=timedelta(hours=1))

    async def give_up(_: Tx, identifier: str, reason: str) -> None:
        given_up.append((identifier, reason))

    async def all_tried() -> None:
        tried: set[str] = set()
        while tried != {"a", "b", "c"}:
            async with database.reading() as tx:
                waiting = await tx.values(str, "SELECT resource_id FROM leases WHERE due > now()")
            tried = {*waiting, *(identifier for identifier, _ in given_up)}
        done.set()

    worker = Worker(database, (replace(loop(step), give_up=give_up),), place="here")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(all_tried())
        await run_until(worker, done)
    assert given_up == [("a", reason) for reason in reasons]


async def test_a_worker_whose_lease_was_taken_over_writes_nothing(database: Database) -> None:
    done = asyncio.Event()
    wrote: list[str] = []

    async def step(identifier: str) -> Applied:
        # Another worker took over while this one was away: the lease has another token now.
        async with database.transaction() as tx:
            await tx.run("UPDATE leases SET token = gen_random_uuid() WHERE resource_id = $1", identifier)
        done.set()

        async def write(_: Tx) -> None:
            wrote.append(identifier)

        return Applied(write=write)

    await run_until(Worker(database, (loop(step, ready="SELECT 'a' AS id"),), place="here"), done)
    assert wrote == []


async def test_the_lease_of_a_dead_worker_is_taken_over_when_it_expires(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.run(
            "INSERT INTO leases (loop, resource_id, token, until) VALUES "
            "('test', 'a', gen_random_uuid(), now() - interval '1 second'), "
            "('test', 'b', gen_random_uuid(), now() + interval '1 hour')"
        )
    seen: list[str] = []
    done = asyncio.Event()

    async def step(identifier: str) -> Applied:
        seen.append(identifier)
        if len(seen) == 2:
            done.set()
        return Applied(again=timedelta(hours=1))

    await run_until(Worker(database, (loop(step),), place="here"), done)
    assert sorted(seen) == ["a", "c"]


async def test_what_an_earlier_worker_of_the_same_place_held_is_free_at_once(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.run(
            "INSERT INTO leases (loop, resource_id, token, until, holder) VALUES "
            "('test', 'a', gen_random_uuid(), now() + interval '1 hour', 'here'), "
            "('test', 'b', gen_random_uuid(), now() + interval '1 hour', 'elsewhere')"
        )
    seen: list[str] = []
    done = asyncio.Event()

    async def step(identifier: str) -> Applied:
        seen.append(identifier)
        if len(seen) == 2:
            done.set()
        return Applied(again=timedelta(hours=1))

    await run_until(Worker(database, (loop(step),), place="here"), done)
    assert sorted(seen) == ["a", "c"]


async def test_what_failed_to_write_is_not_half_written(database: Database) -> None:
    tries = 0
    done = asyncio.Event()

    async def step(identifier: str) -> Applied:
        nonlocal tries
        tries += 1
        if tries == 2:
            done.set()

        async def write(tx: Tx) -> None:
            await tx.run("INSERT INTO leases (loop, resource_id) VALUES ('other', $1)", identifier)
            raise Unavailable("away in the middle")

        return Applied(write=write)

    await run_until(Worker(database, (loop(step, ready="SELECT 'a' AS id"),), place="here"), done)
    async with database.transaction() as tx:
        assert await tx.value(int, "SELECT count(*) FROM leases WHERE loop = 'other'") == 0


@pytest.mark.parametrize("wake", [look_again, forget])
async def test_a_planned_look_is_brought_forward(
    database: Database, wake: Callable[[Tx, str, str], Awaitable[None]]
) -> None:
    steps = 0
    once, twice = asyncio.Event(), asyncio.Event()

    async def step(_: str) -> Applied:
        nonlocal steps
        steps += 1
        (once if steps == 1 else twice).set()
        return Applied(again=timedelta(hours=1))

    async def bring_forward() -> None:
        await once.wait()
        # The step's own write comes after it returned; only then is there something to bring forward.
        while True:
            async with database.transaction() as tx:
                if await tx.value(int, "SELECT 1 FROM leases WHERE due > now()"):
                    break
        async with database.transaction() as tx:
            await wake(tx, "test", "a")
            tx.hint("test")

    worker = Worker(database, (loop(step, ready="SELECT 'a' AS id"),), place="here")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(bring_forward())
        await run_until(worker, twice)
    assert steps == 2
