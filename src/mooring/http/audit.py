"""Routes of the record."""

from typing import Any

from mooring.audit import events
from mooring.audit.kinds import Kind
from mooring.catalog.kinds import AGENT, SKILL, TASK, WORKFLOW
from mooring.compute.kinds import COMPUTE_INSTANCE, RUN
from mooring.files.kinds import FILESYSTEM, FILESYSTEM_VERSION
from mooring.http.call import Call
from mooring.http.listing import envelope, list_type, page_of
from mooring.http.route import Answer, Route
from mooring.http.stream import last_number
from mooring.http.watch import Watch, shown
from mooring.identity.kinds import GROUP, TOKEN, USER
from mooring.secrets.kinds import SECRET, VAULT_ROTATION
from mooring.sessions.kinds import ARTIFACT, SESSION
from mooring.wire.audit import EventQuery, ResourceEvent

RECORDED: tuple[Kind[Any], ...] = (
    USER, GROUP, TOKEN, AGENT, SKILL, TASK, WORKFLOW, COMPUTE_INSTANCE, FILESYSTEM, FILESYSTEM_VERSION, SECRET,
    SESSION, RUN, ARTIFACT, VAULT_ROTATION,
)  # fmt: skip
"""The kinds events are of. Ordered parts and exposures are told of in the events of their owners."""


async def _list(call: Call) -> Answer:
    query = call.asked(EventQuery)
    last_number(call)
    where = {
        "resource_id": query.resource_id,
        "resource_type": query.resource_type,
        "action": query.action,
        "actor_id": query.actor_id,
    }
    if query.watch:
        return await Watch(call, RECORDED, where=where).answer(query)
    wanted = page_of(call, query, events.ResourceEvent, events.SEARCHABLE, newest=events.NEWEST)
    async with call.app.database.reading() as tx:
        page = await events.page(tx, call.actor, RECORDED, wanted, where=where)
    return Answer(body=envelope(ResourceEvent, [shown(event) for event in page.items], page, wanted, query.fields))


async def _read(call: Call) -> Answer:
    async with call.app.database.reading() as tx:
        return Answer(body=shown(await events.read(tx, call.actor, RECORDED, call.path["id"])))


ROUTES: list[Route] = [
    Route(
        method="GET", path="/resource_events", operation="listResourceEvents", tag="resource_events",
        says="A page of the events of what you see", handle=_list, query=EventQuery, answer=list_type(ResourceEvent),
    ),
    Route(
        method="GET", path="/resource_events/{id}", operation="readResourceEvent", tag="resource_events",
        says="One event", handle=_read, answer=ResourceEvent, refuses=(404,),
    ),
]  # fmt: skip
