"""The proof, at every start of the control plane, that a sandbox here is one."""

import json
import os
import socket
from dataclasses import replace
from datetime import timedelta
from importlib.resources import files
from secrets import token_hex

from mooring.base.errors import Unavailable
from mooring.compute.drivers.base import Limits, RunId, RunSpec
from mooring.compute.drivers.local import ending
from mooring.compute.drivers.local.engine import Engine
from mooring.compute.drivers.local.launch import claim_start, launch, prepare, tidy
from mooring.compute.drivers.local.place import Place, place_of, places, read_bounded, read_tail, removed
from mooring.compute.drivers.local.processes import boot_id, gone, held
from mooring.compute.drivers.local.state import look

_SOURCE = "inside.py"
# Fewer answers than this would be a probe that did not try everything.
TRIED = 21


async def prove(engine: Engine) -> None:
    """Try inside a sandbox what must not work. Raises Unavailable naming all that did."""
    root = engine.settings.root / ".selftest"
    root.mkdir(mode=0o711, exist_ok=True)
    root.chmod(0o711)
    await _clear(replace(engine, settings=replace(engine.settings, root=root)))
    name = f"selftest-{os.getpid()}-{token_hex(8)}"
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind(f"\0{name}")
        abstract.listen()
        secret = engine.files / "filter.bpf"
        program = (
            *(str(engine.settings.python), "-I", "-S", "-c"),
            (files("mooring.compute.drivers.local") / _SOURCE).read_text(),
            *(str(server.getsockname()[1]), name, str(secret)),
        )
        inner = replace(engine, settings=replace(engine.settings, root=root, program=program))
        place = place_of(root, RunId(name))
        try:
            answers = await _answers(inner, place, RunSpec(run=RunId(name), image="host", token=""))
        finally:
            await ending.stop(inner, place, timedelta(0))
            await ending.remove(inner, place, look(place))
    judge(answers)


def judge(answers: dict[str, str]) -> None:
    """Raises Unavailable unless everything was tried and everything was refused."""
    held_not = [f"{name} ({what})" for name, what in answers.items() if what]
    if held_not:
        raise Unavailable(f"isolation does not hold here: a sandbox could {'; '.join(held_not)}", worked=held_not)
    if len(answers) < TRIED:
        raise Unavailable(f"the self-test tried {len(answers)} of {TRIED} things: isolation is not proven")


async def _clear(engine: Engine) -> None:
    """Take away what self-tests left whose control plane was killed in the middle of one."""
    tidy(engine.settings.root)
    for place in places(engine.settings.root):
        seen = look(place)
        if seen is None or not seen.starter_alive:
            await ending.stop(engine, place, timedelta(0))
            await ending.remove(engine, place, seen)
    for place in removed(engine.settings.root):
        seen = look(place)
        if seen is None or not seen.starter_alive:
            await ending.erase(engine, place.path)


async def _answers(engine: Engine, place: Place, spec: RunSpec) -> dict[str, str]:
    prepare(engine, place, spec)
    assert claim_start(place)
    await launch(engine, place, spec, Limits())
    seen = look(place)
    if seen is not None and seen.shim is not None:
        with held(seen.shim, boot_id()) as shim:
            if shim is not None:
                await gone(shim)
    content = read_bounded(place.path / "report", 1 << 16)
    try:
        whole: dict[str, str] = json.loads(content or b"")
    except ValueError:
        words = read_tail(place.log, 1000)
        raise Unavailable(f"the self-test in the sandbox failed: {words or 'no answer'}") from None
    return whole
