"""Routes that prove and hand out the record as a whole."""

from collections.abc import AsyncIterator

import msgspec
import structlog

from mooring.audit import archiving, exporting, sealing, verifying
from mooring.audit.events import NumberedEvent
from mooring.audit.verifying import check_may_verify
from mooring.base.errors import MooringError
from mooring.http.call import Call
from mooring.http.route import Answer, Route
from mooring.http.stream import begun
from mooring.http.watch import shown
from mooring.wire.audit import ExportQuery, RecordFinding, RecordState, RecordVerdict

log = structlog.stdlib.get_logger("mooring.http")

JSON_LINES = "application/jsonl"


async def _state(call: Call) -> Answer:
    check_may_verify(call.actor.sees.everything)
    async with call.app.database.reading() as tx:
        newest, archived_to = await sealing.newest(tx), await archiving.archived_to(tx)
    return Answer(
        body=RecordState(
            kind="RecordState",
            archived_to=archived_to,
            sealed_to=newest.last if newest else 0,
            sealed_at=newest.sealed_at if newest else None,
            root=newest.root.hex() if newest else None,
            key=call.app.seal_key.public.hex(),
        )
    )


async def _verify(call: Call) -> Answer:
    check_may_verify(call.actor.sees.everything)
    verdict = await verifying.verify(call.app.database, call.app.seal_key, call.app.seals, call.app.seals)
    found = verdict.finding
    return Answer(
        body=RecordVerdict(
            kind="RecordVerdict",
            intact=found is None,
            sealed_to=verdict.sealed_to,
            numbered_to=verdict.numbered_to,
            finding=RecordFinding(number=found.number, event_id=found.event_id, says=found.says) if found else None,
        )
    )


async def _export(call: Call) -> Answer:
    query = call.asked(ExportQuery)
    check_may_verify(call.actor.sees.everything)
    return Answer(stream=await begun(_lines(call, query.after)), media=JSON_LINES)


async def _lines(call: Call, after: int) -> AsyncIterator[bytes]:
    try:
        async for found in exporting.following(call.app.database, call.app.seals, after):
            yield b"".join(_line(event) for event in found)
    except MooringError as error:
        # Who reads is told by the broken line, and why by an export that goes on behind what came.
        log.error("an export was broken off", operation=call.operation_id, reason=error.reason)  # noqa: TRY400 - the reason says it
        raise


def _line(event: NumberedEvent) -> bytes:
    return msgspec.json.encode(shown(event)) + b"\n"


ROUTES: tuple[Route, ...] = (
    Route(
        method="GET", path="/record", operation="readRecord", tag="record", says="How far the record is sealed",
        handle=_state, answer=RecordState,
    ),
    Route(
        method="POST", path="/record/verify", operation="verifyRecord", tag="record",
        says="Whether every event is as it was sealed; names the first altered, removed or inserted; changes none",
        handle=_verify, answer=RecordVerdict, refuses=(503,),
    ),
    Route(
        method="GET", path="/record/export", operation="exportRecord", tag="record",
        says="Every event behind a number, as JSON lines in the order of their numbers", handle=_export,
        query=ExportQuery, media=JSON_LINES, refuses=(503,),
    ),
)  # fmt: skip
