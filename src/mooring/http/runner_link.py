"""The control plane's end of a run's link (docs/link.md), served on a unix socket to the runs of this machine."""

import asyncio
import base64
import contextlib
import hashlib
import tempfile
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import structlog
from litestar import Litestar, Request, Response, get, post, put
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.params import FromPath, FromQuery
from litestar.response import File

from mooring.app import App
from mooring.base.errors import Clash, Denied, Missing, MooringError, NotKnown, Unavailable, Unfit
from mooring.base.hidden import Hidden
from mooring.compute import runs, token
from mooring.compute.deliveries import Withheld
from mooring.compute.drivers.base import Recognises
from mooring.compute.live import Delivery
from mooring.compute.loop import Declared
from mooring.compute.phases import Report, Run
from mooring.http.link_peer import process_of
from mooring.sessions import artifacts, transcript
from mooring.sessions.entities import Said

log = structlog.stdlib.get_logger("mooring.link")

HOLD = 25.0
_MOST_EVENTS = 500
_EVENTS_BYTES = 2 << 20
_REPORT_BYTES = 1 << 20
_STATUS: Mapping[type[MooringError], int] = {
    NotKnown: 401, Denied: 403, Missing: 404, Clash: 409, Unfit: 422, Unavailable: 503,
}  # fmt: skip

LinkRequest = Request[Any, Any, State]


class _Events(msgspec.Struct, kw_only=True):
    events: list[Said]


def link_application(app: App) -> Litestar:
    """The application for the link's socket."""
    return Litestar(
        route_handlers=[
            assignment, environment, environment_received, run_input, events, commands, put_artifact, exit_report,
        ],
        state=State({"app": app}),
        exception_handlers={MooringError: _refused},
        openapi_config=None,
        request_max_body_size=None,
        logging_config=None,
    )  # fmt: skip


def _refused(_: LinkRequest, error: MooringError) -> Response[dict[str, str]]:
    status = next(code for kind, code in _STATUS.items() if isinstance(error, kind))
    return Response({"reason": error.reason}, status_code=status)


async def _run(request: LinkRequest) -> Run:
    """The run whose token the request carries, if its runner asks. Raises NotKnown; each refusal is an event."""
    app = _app(request)
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    run_id = token.run_of(app.link_key, given) if scheme.lower() == "bearer" else None
    if run_id is None:
        await _record(app, token.claimed(given), "a token that is not its own was used in its name")
        raise NotKnown("this is not the token of a run")
    try:
        async with app.database.transaction() as tx:
            run = await runs.served(tx, run_id)
    except NotKnown:
        await _record(app, run_id, "its token was used after its end")
        raise
    driver = app.drivers.get(run.engine)
    # A token alone is not enough where the kernel says who calls: an agent that got hold of one is not the runner.
    if driver is None or (isinstance(driver, Recognises) and not driver.recognises(run.id, process_of(request))):
        log.warning(
            "a call with the token of a run did not come from its runner", run=run.id, path=request.scope["path"]
        )
        await _record(app, run_id, "its token was used by another process than its runner")
        raise NotKnown("this is not the runner of the run whose token this is")
    return run


async def _record(app: App, run_id: str | None, reason: str) -> None:
    """Leave an event of a refusal, where there is such a run."""
    if run_id is not None:
        async with app.database.transaction() as tx:
            await runs.refuse(tx, run_id, reason)


def _app(request: LinkRequest) -> App:
    app: App = request.app.state.app
    return app


@get("/link/v1/assignment")
async def assignment(request: LinkRequest) -> dict[str, Any]:
    """What the run does."""
    run = await _run(request)
    async with _app(request).database.transaction() as tx:
        return await runs.assignment(tx, run.id)


@get("/link/v1/environment")
async def environment(request: LinkRequest) -> dict[str, dict[str, str]]:
    """The secrets the run may use, until it has them."""
    app, run = _app(request), await _run(request)
    delivery = Delivery(
        database=app.database,
        vaults=app.vaults,
        clock=app.clock,
        wait=timedelta(seconds=app.settings.vault_wait),
    )
    try:
        given = await delivery.environment(run)
    except Clash:
        await _record(app, run.id, "it asked for its secrets again after it had received them")
        raise
    except Withheld as error:
        await _record(app, run.id, error.reason)
        raise
    return {"variables": _coded(given.variables), "files": _coded(given.files)}


def _coded(values: Mapping[str, Hidden]) -> dict[str, str]:
    return {name: base64.b64encode(value.reveal()).decode() for name, value in values.items()}


@post("/link/v1/environment/received", status_code=204)
async def environment_received(request: LinkRequest) -> None:
    """The run has its secrets; they are not given again."""
    run = await _run(request)
    async with _app(request).database.transaction() as tx:
        await runs.received(tx, run.id)


@get("/link/v1/inputs/{number:int}")
async def run_input(request: LinkRequest, number: FromPath[int]) -> File:
    """The bytes of an input, for engines that cannot mount it."""
    run = await _run(request)
    inputs = msgspec.convert(run.spec, Declared).inputs
    if not 0 <= number < len(inputs):
        raise Missing(f"the run has no input {number}")
    return File(path=Path(inputs[number]), filename=f"input-{number}")


@post("/link/v1/events", status_code=200)
async def events(request: LinkRequest) -> dict[str, int]:
    """Keep what the runner says."""
    body = await _bounded(request, _EVENTS_BYTES)
    # Asked after all of it came: by then the run may be over.
    run = await _run(request)
    said = _decoded(body, _Events).events
    if len(said) > _MOST_EVENTS:
        raise Unfit(f"events: {len(said)} at once, at most {_MOST_EVENTS}")
    database = _app(request).database
    if run.session_id is not None:
        async with database.statement() if transcript.alone(said) else database.transaction() as tx:
            return {"acknowledged": await transcript.append(tx, run.session_id, run.id, said)}
    async with database.transaction() as tx:
        return {"acknowledged": await runs.append_logs(tx, run.id, [(e.seq, e.at, e.type, e.data) for e in said])}


@get("/link/v1/commands")
async def commands(request: LinkRequest, after: FromQuery[int] = 0) -> dict[str, Any]:
    """What the control plane has to say to the run; held back until there is something, or a while."""
    app, run = _app(request), await _run(request)
    with app.database.hints.waiting(f"commands:{run.id}") as hint, contextlib.suppress(TimeoutError):
        async with asyncio.timeout(HOLD):
            while not app.database.hints.closed:
                hint.clear()
                async with app.database.transaction() as tx:
                    await runs.served(tx, run.id)
                    found = await runs.commands(tx, run.id, after)
                if found:
                    return {"commands": found}
                await _hint_or_poll(hint)
    return {"commands": []}


async def _hint_or_poll(hint: asyncio.Event) -> None:
    # A hint of another process may be lost; looking again now and then covers it.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(2.0):
            await hint.wait()


@put("/link/v1/artifacts/{name:path}", status_code=204)
async def put_artifact(request: LinkRequest, name: FromPath[str]) -> None:
    """Keep a file the session leaves: its bytes first, then its row."""
    app, run = _app(request), await _run(request)
    if run.session_id is None:
        raise Unfit("only a session leaves artifacts")
    artifacts.check_name(name := name.removeprefix("/"))
    async with app.database.transaction() as tx:
        room = await artifacts.room(tx, run.session_id, name, most=app.settings.artifacts_bytes)
    digest, size = hashlib.sha256(), 0
    with tempfile.TemporaryFile(dir=app.settings.data / "tmp") as file:
        async for chunk in request.stream():
            size += len(chunk)
            if size > app.settings.artifact_bytes:
                raise HTTPException(status_code=413, detail=f"over {app.settings.artifact_bytes} bytes")
            if size <= room:
                digest.update(chunk)
                await asyncio.to_thread(file.write, chunk)
        if size > room:
            # Said after all was read: a runner that is still sending would not hear it.
            raise HTTPException(status_code=413, detail=f"{room} bytes are left of what all artifacts may come to")
        file.seek(0)
        # The file may have come slowly, and the run be over by now.
        await _run(request)
        await app.blobs.put_file(artifacts.blob_key(digest.hexdigest()), file)
    async with app.database.transaction() as tx:
        await artifacts.keep(tx, run.session_id, name, size=size, sha256=digest.hexdigest())


@post("/link/v1/exit", status_code=204)
async def exit_report(request: LinkRequest) -> None:
    """Keep how the run ended, by the runner's own account."""
    body = await _bounded(request, _REPORT_BYTES)
    run = await _run(request)
    report = _decoded(body, Report)
    async with _app(request).database.transaction() as tx:
        await runs.reported(tx, run.id, report)


def _decoded(body: bytes, shape: type[Any]) -> Any:  # noqa: ANN401 - the shape says which
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.DecodeError as error:
        raise Unfit(f"the body is not what docs/link.md says: {error}") from error


async def _bounded(request: LinkRequest, most: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise HTTPException(status_code=413, detail=f"over {most} bytes")
    return bytes(body)
