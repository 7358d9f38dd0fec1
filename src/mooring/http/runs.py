"""Routes of runs."""

from typing import Any

from mooring.audit.lists import Page
from mooring.compute import runs
from mooring.compute.phases import Run
from mooring.http.call import Call
from mooring.http.listing import envelope, list_type, page_of
from mooring.http.once import once
from mooring.http.resource import Resource, answer, check_version, routes
from mooring.http.route import Answer, Route
from mooring.http.stream import last_number
from mooring.http.watch import Watch, Watched
from mooring.wire import sessions as wire

RUN = Resource(verbs=runs.RUNS, reply=wire.Run, deletes=False, changes=False)


async def _list(call: Call) -> Answer:
    asked = call.asked(wire.RunQuery)
    last_number(call)
    if asked.watch:
        return await Watch(call, [RUN.kind], where={}, of=Watched(kind=RUN.kind, show=RUN.show)).answer(asked)
    wanted = page_of(call, asked, runs.RUNS.kind.entity, runs.RUNS.kind.searchable)
    where: dict[str, Any] = {} if asked.session_id is None else {"session_id": asked.session_id}
    async with call.app.database.reading() as tx:
        page: Page[Run] = await runs.RUNS.page(tx, call.actor, wanted, where=where)
        shown = await RUN.show(tx, call.actor, page.items)
    return Answer(body=envelope(wire.Run, shown, page, wanted, asked.fields))


async def _stop(call: Call) -> Answer:
    async with call.app.database.transaction() as tx:

        async def make() -> Answer:
            await check_version(RUN, tx, call)
            return await answer(RUN, tx, call, await runs.stop(tx, call.actor, call.path["id"]))

        return await once(tx, call, make)


ROUTES: list[Route] = [
    *(route for route in routes(RUN) if route.operation != "listRuns"),
    Route(
        method="GET", path="/runs", operation="listRuns", tag="runs", says="A page of the runs you see", handle=_list,
        query=wire.RunQuery, answer=list_type(wire.Run),
    ),
    Route(
        method="POST", path="/runs/{id}/stop", operation="stopRun", tag="runs",
        says="End a run; one that is over stays as it ended", handle=_stop, answer=wire.Run,
        refuses=(404, 409, 412, 422), headers=("If-Match", "Idempotency-Key", "Audit-Reason"),
    ),
]  # fmt: skip
