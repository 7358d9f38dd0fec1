"""The loop of runs: reads what is wanted, looks what is there, does the one next thing."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import msgspec
import structlog

from mooring.access.actor import SYSTEM
from mooring.audit import ledger
from mooring.base.db import Database, Tx
from mooring.base.errors import Clash, Missing, MooringError, Unavailable, Unfit
from mooring.base.work import PATIENT, Applied, Loop, look_again
from mooring.compute import deliveries, instances, runs, token
from mooring.compute.decide import Clear, Ensure, Go, Stop, Wait, decide
from mooring.compute.drivers.base import (
    CanWatch,
    Driver,
    Leaves,
    Limits,
    Network,
    Observed,
    Resumes,
    RunId,
    RunSpec,
    State,
)
from mooring.compute.phases import TERMINAL, Report, Run, RunPhase
from mooring.compute.store import runs as store
from mooring.files import filesystems
from mooring.files.cache import Cache

log = structlog.stdlib.get_logger("mooring.compute")

# Watching tells at once when a run is over; this only covers what watching missed.
_LOOK = timedelta(seconds=5)


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """What a run's row asks of its driver."""

    image: str = "host"
    inputs: tuple[str, ...] = ()
    # The version of a filesystem that is the workspace's lower layer.
    filesystem_version: str | None = None
    # The ended run whose work it goes on with.
    resumes: RunId | None = None
    limits: Limits = Limits()
    network: Network = Network.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """The work on runs of the engines of this process. Watches live in `tasks`, the worker's own group."""

    database: Database
    drivers: Mapping[str, Driver]
    link_key: bytes
    grace: timedelta
    at_once: int
    tasks: asyncio.TaskGroup
    cache: Cache
    watched: set[RunId] = field(default_factory=set[RunId])

    def loop(self) -> Loop:
        """The loop to give to the worker."""
        return Loop(
            name=runs.LOOP,
            ready=store.UNCLEARED,
            step=self.step,
            wakes=("runs",),
            at_once=self.at_once,
            give_up=runs.give_up,
            most_broken=PATIENT,
        )

    async def step(self, identifier: str) -> Applied:
        """One thing for one run."""
        async with self.database.transaction() as tx:
            run = await ledger.read(tx, SYSTEM, runs.RUNS.kind, identifier)
            report = await store.report(tx, identifier)
        driver = self.drivers.get(run.engine)
        if driver is None:
            return _failed(run, f"there is no engine {run.engine!r} here; see `moor doctor`")
        seen = None if run.phase is RunPhase.PENDING or run.phase in TERMINAL else await _look(driver, run.id)
        if report is None and seen is not None and seen.state is State.EXITED:
            report = await self._left_report(driver, run.id)
        match decide(run.phase, run.wanted, seen, report):
            case Go(phase=phase, reason=reason, exit_code=exit_code):
                return _go(run.id, phase, reason, exit_code)
            case Ensure():
                return await self._ensure(driver, run)
            case Stop():
                await driver.stop(run.id, self.grace)
                return Applied()
            case Clear():
                await driver.remove(run.id)
                await self.cache.release(run.id)
                return Applied(write=lambda tx: runs.cleared(tx, run.id))
            case Wait():
                self._watch(driver, run.id)
                return Applied(again=_LOOK)

    async def _ensure(self, driver: Driver, run: Run) -> Applied:
        try:
            async with self.database.transaction() as tx:
                await deliveries.owed(tx, run)
        except deliveries.Withheld as error:
            return _refused(run, error.reason)
        except Clash:
            # It has its secrets: an earlier try came that far, and the driver knows it.
            log.info("a run that has its secrets is looked for again", run=run.id)
        declared = msgspec.convert(run.spec, Declared)
        try:
            lower = await self._lower(run, declared.filesystem_version)
        except MooringError as error:
            return _failed(run, error.reason)
        spec = RunSpec(
            run=run.id,
            image=declared.image,
            token=token.make(self.link_key, run.id),
            inputs=tuple(Path(path) for path in declared.inputs),
            lower=lower,
            limits=declared.limits,
            network=declared.network,
        )
        try:
            made = await _begin(driver, spec, declared.resumes)
        except (Missing, Unfit, Clash, Unavailable) as error:
            # It was asked for once and not made: never weaker than asked, never a silent second try.
            return _failed(run, error.reason)
        if made.state is State.PENDING:
            # Another start of it is under way, or was until now.
            return Applied(again=_LOOK)
        self._watch(driver, run.id)
        return _running(run.id, declared.resumes)

    async def _lower(self, run: Run, version_id: str | None) -> Path | None:
        """The files of a version, on this machine until the run is cleared away. Raises what stands in the way."""
        if version_id is None:
            return None
        async with self.database.reading() as tx:
            version = await filesystems.version_by_id(tx, version_id)
            await instances.check_grant(tx, run.compute_instance_id, version.filesystem_id)
        return await self.cache.hold(version, run.id)

    async def _left_report(self, driver: Driver, run: RunId) -> Report | None:
        """The report of a runner that ended while nobody listened, kept like one that was sent."""
        text = driver.report(run) if isinstance(driver, Leaves) else None
        if text is None:
            return None
        try:
            report = msgspec.json.decode(text, type=Report)
        except msgspec.DecodeError as error:
            log.warning("the exit report cannot be read", run=run, reason=str(error))
            return None
        async with self.database.transaction() as tx:
            await store.keep_report(tx, run, report)
        return report

    def _watch(self, driver: Driver, run: RunId) -> None:
        if isinstance(driver, CanWatch) and run not in self.watched:
            self.watched.add(run)
            self.tasks.create_task(self._until_ended(driver, run), name=f"watch {run}")

    async def _until_ended(self, driver: CanWatch, run: RunId) -> None:
        try:
            await driver.ended(run)
            async with self.database.transaction() as tx:
                await look_again(tx, runs.LOOP, run)
                tx.hint("runs")
        except Unavailable as error:
            log.warning("cannot tell that a run ended; it will be looked at", run=run, reason=error.reason)
        except Exception:
            # In the group of all loops, an error would end them.
            log.exception("watching a run broke; it will be looked at", run=run)
        finally:
            self.watched.discard(run)


async def _begin(driver: Driver, spec: RunSpec, resumes: RunId | None) -> Observed:
    if resumes is None:
        return await driver.ensure(spec)
    if not isinstance(driver, Resumes):
        raise Unfit("the engine cannot go on with what an ended run left")
    return await driver.resume(spec, resumes)


def _running(run: RunId, resumed: RunId | None) -> Applied:
    async def write(tx: Tx) -> None:
        await runs.go(tx, run, RunPhase.RUNNING)
        if resumed is not None:
            # Nothing is left in it that anybody needs.
            await runs.release(tx, resumed)

    return Applied(write=write)


async def _look(driver: Driver, run: RunId) -> Observed | None:
    return next((seen for seen in await driver.list() if seen.run == run), None)


def _go(run: RunId, phase: RunPhase, reason: str | None, exit_code: int | None) -> Applied:
    async def write(tx: Tx) -> None:
        await runs.go(tx, run, phase, reason=reason, exit_code=exit_code)

    return Applied(write=write)


def _refused(run: Run, reason: str) -> Applied:
    async def write(tx: Tx) -> None:
        await runs.refuse(tx, run.id, reason)
        await runs.go(tx, run.id, RunPhase.FAILED, reason=reason)

    return Applied(write=write)


def _failed(run: Run, reason: str) -> Applied:
    return _go(run.id, RunPhase.FAILED, reason, None)
