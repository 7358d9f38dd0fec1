import asyncio
import os
from datetime import timedelta
from pathlib import Path

from mooring.base.errors import Clash, Missing, MooringError, Unavailable
from mooring.compute.drivers.base import Capabilities, Limits, Observed, RunId, RunSpec, State
from mooring.compute.drivers.local import cgroups, ending, processes
from mooring.compute.drivers.local.engine import Engine, open_engine
from mooring.compute.drivers.local.launch import claim_start, launch, prepare, tidy
from mooring.compute.drivers.local.place import Place, place_of, places, read_bounded
from mooring.compute.drivers.local.recipe import effective, fits
from mooring.compute.drivers.local.selftest import prove
from mooring.compute.drivers.local.settings import LocalSettings
from mooring.compute.drivers.local.state import Seen, conclude, look, spec_hash, undecided

_REPORT_BYTES = 1 << 20


class LocalDriver:
    """Runs in sandboxes of this machine. It keeps nothing in memory that is not on disk: another process, or this one
    after a restart, goes on with the same runs. `engine`: one that was opened and proven already."""

    def __init__(self, settings: LocalSettings, engine: Engine | None = None) -> None:
        self._settings = settings
        self._engine = engine
        self._probing = asyncio.Lock()
        self._starts = asyncio.Semaphore(max(1, settings.starts_per_core * (os.cpu_count() or 1)))

    async def probe(self) -> Capabilities:
        return (await self._ready()).capabilities()

    async def ensure(self, spec: RunSpec) -> Observed:
        return await self._begin(spec, None)

    async def resume(self, spec: RunSpec, ended: RunId) -> Observed:
        return await self._begin(spec, place_of(self._settings.root, ended))

    async def _begin(self, spec: RunSpec, ended: Place | None) -> Observed:
        engine = await self._ready()
        able = engine.capabilities()
        fits(spec, able)
        limits = effective(spec.limits, self._settings.default_limits, able)
        cgroups.check(limits)
        place = place_of(self._settings.root, spec.run)
        seen = _settled(place)
        if seen is not None and seen.never_began:
            await ending.unbar(engine, place, seen)
            seen = look(place)
        if seen is None or not seen.started:
            async with self._starts:
                await self._prepare(engine, place, spec, ended)
                self._same(place, spec)
                if await asyncio.to_thread(claim_start, place):
                    await self._launch(engine, place, spec, limits)
        return conclude(self._same(place, spec))

    async def stop(self, run: RunId, grace: timedelta) -> None:
        await ending.stop(await self._ready(), place_of(self._settings.root, run), grace)

    async def list(self) -> list[Observed]:
        seen = (_settled(place) for place in places(self._settings.root))
        return [conclude(one) for one in seen if one is not None]

    async def remove(self, run: RunId) -> None:
        engine = await self._ready()
        place = place_of(self._settings.root, run)
        seen = _settled(place)
        state = None if seen is None else conclude(seen).state
        if state is State.RUNNING:
            raise Clash(f"{run} is not over: stop it before removing it", run=run)
        if state is State.PENDING:
            # Nothing began, and now nothing will.
            await ending.stop(engine, place, timedelta(0))
        await ending.remove(engine, place, seen)

    async def ended(self, run: RunId) -> None:
        seen = look(place_of(self._settings.root, run))
        if seen is None or seen.shim is None:
            return
        with processes.held(seen.shim, processes.boot_id()) as shim:
            if shim is not None:
                await processes.gone(shim)

    def recognises(self, run: RunId, process: int) -> bool:
        seen = look(place_of(self._settings.root, run))
        return seen is not None and ending.first(seen, self._settings.user) == process

    def place(self, run: RunId) -> Place:
        """Where the run's files lie, for those who harvest them after its end."""
        return place_of(self._settings.root, run)

    def outputs(self, run: RunId) -> Path:
        return self.place(run).outputs

    def changed(self, run: RunId) -> Path | None:
        """The upper layer of the workspace; None when the run is not there any more."""
        path = self.place(run).workspace
        return path if path.is_dir() else None

    def report(self, run: RunId) -> bytes | None:
        """What the runner wrote as its exit report, of that the first MiB; None when it wrote none."""
        return read_bounded(self.place(run).path / "report", _REPORT_BYTES) or None

    def spool(self, run: RunId) -> Path | None:
        """Every event the runner made, a JSON object a line; None when it made none."""
        path = self.place(run).path / "spool"
        return path if path.is_file() else None

    async def _ready(self) -> Engine:
        async with self._probing:
            if self._engine is None:
                engine = await open_engine(self._settings)
                await asyncio.to_thread(tidy, self._settings.root)
                await prove(engine)
                self._engine = engine
            return self._engine

    @staticmethod
    async def _prepare(engine: Engine, place: Place, spec: RunSpec, ended: Place | None) -> None:
        try:
            await asyncio.to_thread(prepare, engine, place, spec, ended)
        except Missing:
            # Nothing can begin there any more, so it can be removed.
            await ending.stop(engine, place, timedelta(0))
            raise

    @staticmethod
    async def _launch(engine: Engine, place: Place, spec: RunSpec, limits: Limits) -> None:
        try:
            await launch(engine, place, spec, limits)
        except (MooringError, OSError) as error:
            # The start is claimed, and nobody else would make it.
            await ending.stop(engine, place, timedelta(0))
            if isinstance(error, MooringError):
                raise
            raise Unavailable(f"the sandbox could not be set up: {error}", run=spec.run) from error

    @staticmethod
    def _same(place: Place, spec: RunSpec) -> Seen:
        seen = _settled(place)
        if seen is None:
            raise Unavailable(f"the files of {spec.run} are gone", run=spec.run)
        if seen.entry.spec_hash != spec_hash(spec):
            raise Clash(f"{spec.run} is there already with another spec", run=spec.run)
        return seen


def _settled(place: Place) -> Seen | None:
    """What is there of a run, with the one open question answered: a shim that has not begun by now never will."""
    seen = look(place)
    if seen is not None and undecided(seen):
        ending.bar(place)
        return look(place)
    return seen
