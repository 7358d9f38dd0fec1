"""The loop of sessions: reads what is wanted, looks at the run, does the one next thing."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import msgspec
import structlog

from mooring.access.actor import SYSTEM
from mooring.audit import ledger
from mooring.base.clock import Clock
from mooring.base.db import Database, Tx
from mooring.base.errors import MooringError, Unfit
from mooring.base.git import Mirrors
from mooring.base.work import PATIENT, Applied, Loop
from mooring.compute import deliveries, runs
from mooring.compute.drivers.base import Driver, Leaves
from mooring.compute.phases import Report, Run
from mooring.secrets.errors import VaultAway, VaultRefuses
from mooring.secrets.live import Vaults
from mooring.sessions import pauses, sessions, transcript
from mooring.sessions.capture import Capture, Captured, keep
from mooring.sessions.credentials import Credentials
from mooring.sessions.decide import Go, Prepare, StopRun, Times, Wait, decide
from mooring.sessions.entities import TERMINAL, Said, Session, SessionPhase
from mooring.sessions.plan import Bounds, Request, assignment
from mooring.sessions.prepare import Prepared, prepare
from mooring.sessions.store import sessions as store

log = structlog.stdlib.get_logger("mooring.sessions")

_BATCH = 500
_VAULT_AGAIN = timedelta(seconds=2)
_LONGEST_LINE = 4 << 20
_SLOWEST_END = timedelta(seconds=20)
# How long what hinders a capture is waited for; then the session ends without one, and says why.
_CAPTURE_PATIENCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """The work on sessions."""

    database: Database
    drivers: Mapping[str, Driver]
    mirrors: Mirrors
    vaults: Vaults
    vault_wait: timedelta
    bounds: Bounds
    clock: Clock
    capture: Capture
    at_once: int
    place: str

    def loop(self) -> Loop:
        """The loop to give to the worker."""
        return Loop(
            name=sessions.LOOP,
            ready=store.ACTIVE,
            step=self.step,
            wakes=("sessions", "runs"),
            at_once=self.at_once,
            give_up=sessions.give_up,
            most_broken=PATIENT,
        )

    async def step(self, identifier: str) -> Applied:
        """One thing for one session."""
        async with self.database.transaction() as tx:
            session = await ledger.read(tx, SYSTEM, sessions.SESSIONS.kind, identifier)
            request = await store.request(tx, identifier)
            run = await runs.of_session(tx, identifier)
            report = await runs.report_of(tx, run.id) if run else None
            known = await store.pauses(tx, identifier)
        assert request is not None, "a session that was started has a request"
        times = Times(now=self.clock.now(), timeout=request.timeout, patience=self._patience, pauses=known)
        match decide(session, run, report, times):
            case Go(phase=SessionPhase.PAUSING):
                return _pause(session, run)
            case Go(phase=phase, reason=reason):
                return await self._go(session, run, report, phase, reason, request)
            case Prepare():
                return await self._prepare(session, request)
            case StopRun(reason=reason):
                return _stop(session, run, reason)
            case Wait(longest=longest):
                return Applied(again=longest)

    @property
    def _patience(self) -> timedelta:
        """More than a runner takes at most: its children's grace, their end, what it has left to send."""
        return 2 * timedelta(seconds=self.bounds.grace) + _SLOWEST_END

    async def _prepare(self, session: Session, request: Request) -> Applied:
        credentials = Credentials(
            database=self.database, vaults=self.vaults, session_id=session.id, instance=request.instance
        )
        try:
            prepared = await prepare(request, self.mirrors, credentials)
        except (VaultAway, VaultRefuses) as error:
            return await self._wait_for_vault(session, error, request)
        except MooringError as error:
            return await self._go(session, None, None, SessionPhase.FAILED, error.reason, request)

        async def write(tx: Tx) -> None:
            await sessions.planned(tx, session.id, prepared.plan)
            await self._make_run(tx, session, prepared)

        return Applied(write=write, again=timedelta(seconds=5))

    async def _wait_for_vault(self, session: Session, error: MooringError, request: Request) -> Applied:
        waited = self.clock.now() - (session.started_at or self.clock.now())
        if waited < self.vault_wait:
            return Applied(again=_VAULT_AGAIN)
        reason = f"the vault could not be read for {self.vault_wait.total_seconds():g} s: {error.reason}"
        return await self._go(session, None, None, SessionPhase.FAILED, reason, request)

    async def _make_run(self, tx: Tx, session: Session, prepared: Prepared) -> None:
        asked = prepared.plan.request.instance
        limits = {"cpus": asked.cpus, "memory": asked.memory, "pids": asked.pids, "disk": asked.disk}
        run = await runs.create(
            tx,
            SYSTEM,
            place=self.place,
            spec={
                "image": asked.image,
                "inputs": [str(path) for path in prepared.bundles],
                "limits": limits,
                "network": asked.network,
                "filesystem_version": asked.filesystem.version_id if asked.filesystem else None,
            },
            assignment=assignment(prepared.plan, session.id, self.bounds),
            engine=asked.engine,
            session_id=session.id,
            compute_instance_id=asked.id,
        )
        await deliveries.promise(tx, run.id, asked.exposures, on_behalf_of=await store.started_by(tx, session.id))

    async def _go(
        self,
        session: Session,
        run: Run | None,
        report: Report | None,
        phase: SessionPhase,
        reason: str | None,
        request: Request,
    ) -> Applied:
        captured: Captured | None = None
        if run is not None and (phase in TERMINAL or phase is SessionPhase.PAUSED):
            await self._take_leftovers(session.id, run)
            asked = request.instance.filesystem
            if request.capture and asked is not None and run.started_at is not None:
                patient = run.ended_at is None or self.clock.now() - run.ended_at < _CAPTURE_PATIENCE
                captured = await self.capture.take(run, asked, session.output_filesystem_version_id, patient=patient)

        async def write(tx: Tx) -> None:
            output = None if captured is None else await keep(tx, session, captured)
            if phase is SessionPhase.PAUSED:
                await pauses.lie_still(tx, session.id, output=output)
            else:
                result = _result(report) if phase in TERMINAL else None
                await sessions.go(tx, session.id, phase, reason=reason, result=result, output=output)

        return Applied(write=write)

    async def _take_leftovers(self, session_id: str, run: Run) -> None:
        """Keep what the runner said and nobody was there to hear."""
        driver = self.drivers.get(run.engine)
        spool = driver.spool(run.id) if isinstance(driver, Leaves) else None
        if spool is None:
            return
        async for batch in batches(spool):
            async with self.database.transaction() as tx:
                try:
                    await transcript.append(tx, session_id, run.id, batch)
                except Unfit as error:
                    log.warning("the rest of the spool is not kept", run=run.id, reason=error.reason)
                    return


def _pause(session: Session, run: Run | None) -> Applied:
    assert run is not None, "only a run can be told to pause"
    return Applied(write=lambda tx: pauses.begin(tx, session.id, run.id))


def _stop(session: Session, run: Run | None, reason: str | None) -> Applied:
    assert run is not None, "only a run can be stopped"

    async def write(tx: Tx) -> None:
        if reason is not None:
            await sessions.keep_reason(tx, session.id, reason)
        await runs.stop(tx, SYSTEM, run.id)

    return Applied(write=write)


def _result(report: Report | None) -> dict[str, object] | None:
    """What a session came to, as its run reported it."""
    if report is None:
        return None
    return {
        "outcome": report.outcome,
        "last_message": report.last_message,
        "tasks": report.tasks,
        "usage": report.usage,
        "durations": report.durations,
        "commits": report.commits,
        "patch": report.patch,
    }


async def batches(spool: Path) -> AsyncIterator[list[Said]]:
    """The events in a spool, in batches. The runner may have been killed while it wrote or rewrote it: what is no
    event is passed over, and so is what came before."""
    batch: list[Said] = []
    last = 0
    with spool.open("rb") as file:
        while line := file.readline(_LONGEST_LINE):
            try:
                said = msgspec.json.decode(line, type=Said)
            except msgspec.DecodeError:
                continue
            if said.seq > last:
                batch.append(said)
                last = said.seq
            if len(batch) == _BATCH:
                yield batch
                batch = []
    if batch:
        yield batch
