"""Ending a run and taking away what it left. All of it may be done again after a crash at any point."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from mooring.base.errors import Unavailable
from mooring.base.unprivileged import ProcessUser
from mooring.compute.drivers.local import cgroups, processes
from mooring.compute.drivers.local.engine import Engine, output
from mooring.compute.drivers.local.place import GIVEN, Place, write_once
from mooring.compute.drivers.local.processes import boot_id, held, identity_of_self
from mooring.compute.drivers.local.state import Seen, identity_json, look

# Killing is the kernel's work of milliseconds; a process that hangs in it must not hang the caller for ever.
_KILL_SECONDS = 20.0
_MOMENT = 0.02


async def stop(engine: Engine, place: Place, grace: timedelta) -> None:
    seen = look(place)
    if seen is None:
        return
    if seen.exit is not None and seen.shim is not None:
        # It has told the end; what is left of it is a moment.
        with held(seen.shim, boot_id()) as shim:
            if shim is not None:
                await processes.gone(shim)
        return
    write_once(place.path / "stopping", b"")
    write_once(place.path / "started", identity_json(identity_of_self()))
    if bar(place):
        return
    # It did begin: the claim is there, whole.
    seen = look(place)
    if seen is not None and not seen.barred and not await _ask(engine, seen, grace):
        await sweep(engine, place, seen)


def bar(place: Place) -> bool:
    """Take the claim before a shim does, so that none ever begins; False when it is taken."""
    return write_once(place.shim / "claim", b'{"barred": true}\n')


async def unbar(engine: Engine, place: Place, seen: Seen) -> None:
    """Have a start that was cut off before anything began made again; what may still be on its way from it is ended."""
    await sweep(engine, place, seen)
    # In this order: cut off in between, it is barred once more.
    for path in (place.shim / "claim", place.path / "started"):
        path.unlink(missing_ok=True)


async def _ask(engine: Engine, seen: Seen, grace: timedelta) -> bool:
    """SIGTERM to the first process, SIGKILL to all after `grace`; True when the shim has told the end."""
    if seen.shim is None:
        return False
    with held(seen.shim, boot_id()) as shim:
        if shim is None:
            return False
        _signal_first(engine, seen, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace.total_seconds()):
                await processes.gone(shim)
                return True
        if not _signal_first(engine, seen, signal.SIGKILL):
            # The sandbox does not stand yet, or its parent is stuck: everything below the shim goes.
            for pid in _ours(engine, processes.children(seen.shim.pid)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        try:
            async with asyncio.timeout(_KILL_SECONDS):
                await processes.gone(shim)
        except TimeoutError:
            processes.tell(shim, signal.SIGKILL)
            return False
        return True


def first(seen: Seen, user: ProcessUser) -> int | None:
    """The sandbox's PID 1, None when it is gone. What bubblewrap wrote is believed only as far as the process tree
    agrees."""
    if seen.first is None or seen.shim is None:
        return None
    above = processes.parent(seen.first)
    below_the_shim = above is not None and processes.parent(above) == seen.shim.pid
    return seen.first if below_the_shim and processes.user_of(seen.first) == user.uid else None


def _signal_first(engine: Engine, seen: Seen, number: signal.Signals) -> bool:
    """Tell the sandbox's PID 1."""
    if seen.first is None:
        return False
    try:
        descriptor = os.pidfd_open(seen.first)
    except ProcessLookupError:
        return False
    try:
        # Looked at after opening: the number cannot be given to another process in between.
        if first(seen, engine.settings.user) is None:
            return False
        processes.tell(descriptor, number)
    finally:
        os.close(descriptor)
    return True


async def sweep(engine: Engine, place: Place, seen: Seen) -> None:
    """End every process of a run whose shim cannot do it any more. Raises Unavailable when one does not die."""
    try:
        async with asyncio.timeout(_KILL_SECONDS):
            # A process may fork while we look; it cannot do so for ever once its parents are dead.
            while strays := _ours(engine, {*cgroups.members(seen.entry.cgroups), *processes.seeing(place.name)}):
                await processes.end_all(strays)
    except TimeoutError:
        raise Unavailable(f"processes of {seen.entry.run} do not die", run=seen.entry.run) from None


def _ours(engine: Engine, pids: Iterable[int]) -> list[int]:
    """Only what runs as the run user is ever signalled: a forged file must not aim us at another process."""
    return [pid for pid in pids if processes.user_of(pid) == engine.settings.user.uid]


async def remove(engine: Engine, place: Place, seen: Seen | None) -> None:
    """Leave nothing of a run: no process, no control group, no file. Raises Unavailable when something does not go."""
    if place.path.exists():
        if seen is not None:
            await _ungroup(engine, place, seen)
        # In one step: of a run that is half erased nothing could be told.
        place.path.rename(place.removed)
    await erase(engine, place.removed)


async def _ungroup(engine: Engine, place: Place, seen: Seen) -> None:
    """End what still runs, and take its groups away."""
    if seen.exit is None or seen.inner is None:
        await sweep(engine, place, seen)
    try:
        async with asyncio.timeout(_KILL_SECONDS):
            # A group is busy for a moment after its last process; the next one may have come in before that died.
            while not cgroups.remove(seen.entry.cgroups):
                await sweep(engine, place, seen)
                await asyncio.sleep(_MOMENT)
    except TimeoutError:
        raise Unavailable(f"a control group of {seen.entry.run} stays busy", run=seen.entry.run) from None


async def erase(engine: Engine, path: Path) -> None:
    """Remove what was a run's directory, or what is left of it: what the run made as the run user, our own few files
    ourselves."""
    prefix = engine.settings.user.prefix()
    inside = [str(path / name / "") for name in GIVEN if (path / name).is_dir()]
    if inside:
        empty = 'for d; do find "$d" -mindepth 1 -maxdepth 1 -exec rm -rf -- {} + || exit 1; done'
        status, _ = await output(*prefix, "sh", "-c", empty, "sh", *inside)
        if status != 0:
            # A directory without rights for its owner stops rm; overlayfs makes one, and a run may make more.
            await output(*prefix, "chmod", "-R", "u+rwX", *inside)
            status, said = await output(*prefix, "sh", "-c", empty, "sh", *inside)
            if status != 0:
                raise Unavailable(f"{path} cannot be removed: {said[-300:]}")
    for name in GIVEN:
        with contextlib.suppress(FileNotFoundError):
            (path / name).rmdir()
    with contextlib.suppress(FileNotFoundError):
        _unlink_all(path)


def _unlink_all(path: Path) -> None:
    for file in path.iterdir():
        file.unlink()
    path.rmdir()
