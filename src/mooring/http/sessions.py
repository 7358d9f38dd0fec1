"""Routes of sessions: the kind, what one does with a session, its transcript, its plan, what it left."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import quote

from msgspec import Meta, Struct

from mooring.access.actor import Actor
from mooring.base.db import Tx
from mooring.base.errors import Missing, Unavailable
from mooring.http.call import Call
from mooring.http.listing import href, whole
from mooring.http.once import once
from mooring.http.resource import Resource, answer, check_version, routes, values_of
from mooring.http.route import BYTES, EVENTS, Answer, Route
from mooring.http.stream import last_number, sse
from mooring.http.transcripts import Transcripts, shown, told
from mooring.sessions import artifacts, pauses, sessions, transcript
from mooring.sessions.entities import Artifact, Session
from mooring.wire import sessions as wire
from mooring.wire.base import WholeQuery


async def _tasks(tx: Tx, _: Actor, rows: Sequence[Session]) -> list[dict[str, object]]:
    found = await sessions.tasks(tx, [row.id for row in rows])
    return [{"tasks": [_task(task) for task in found[row.id]]} for row in rows]


def _task(task: Any) -> wire.SessionTask:  # noqa: ANN401 - the entity has the same fields
    return wire.SessionTask(**{name: getattr(task, name) for name in wire.SessionTask.__struct_fields__})


async def _create(tx: Tx, actor: Actor, values: Mapping[str, Any]) -> Session:
    return await sessions.create(tx, actor, {name: value for name, value in values.items() if name != "start"})


SESSION = Resource(
    verbs=sessions.SESSIONS,
    reply=wire.Session,
    new=wire.NewSession,
    edit=wire.EditSession,
    create=_create,
    replace=sessions.change,
    delete=sessions.delete,
    more=_tasks,
    # Its tasks move on without a change of the session itself.
    settled=False,
)

Act = Callable[[Tx, Call], Awaitable[Session]]


async def _make(call: Call) -> Answer:
    given = await call.decode(wire.NewSession)
    async with call.app.database.transaction() as tx:

        async def make() -> Answer:
            made = await _create(tx, call.actor, values_of(given))
            if given.start:
                made = await _started(tx, call, made.id)
            return await answer(SESSION, tx, call, made, status=201)

        return await once(tx, call, make)


async def _start(tx: Tx, call: Call) -> Session:
    return await _started(tx, call, call.path["id"])


async def _started(tx: Tx, call: Call, session_id: str) -> Session:
    return await sessions.start(tx, call.actor, session_id, longest=call.app.settings.session_timeout)


async def _cancel(tx: Tx, call: Call) -> Session:
    return await sessions.cancel(tx, call.actor, call.path["id"])


async def _pause(tx: Tx, call: Call) -> Session:
    return await pauses.pause(tx, call.actor, call.path["id"])


async def _resume(tx: Tx, call: Call) -> Session:
    return await pauses.resume(tx, call.actor, call.path["id"])


def _acting(act: Act) -> Callable[[Call], Awaitable[Answer]]:
    async def handle(call: Call) -> Answer:
        async with call.app.database.transaction() as tx:

            async def make() -> Answer:
                await check_version(SESSION, tx, call)
                return await answer(SESSION, tx, call, await act(tx, call))

            return await once(tx, call, make)

    return handle


async def _seen(tx: Tx, call: Call) -> Session:
    """The session of the path, if the actor sees it. Raises Missing."""
    return await sessions.SESSIONS.read(tx, call.actor, call.path["id"])


# --- the transcript ---


class TranscriptQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which events: those after number `after`, at most `limit` of them (a stream has no limit)."""

    after: Annotated[int, Meta(ge=0, le=2**63 - 1, description="The number they begin behind")] | None = None
    limit: Annotated[int, Meta(ge=1, le=1_000, description="At most this many; a stream has no limit")] = 100


async def _events(call: Call) -> Answer:
    asked = call.asked(TranscriptQuery)
    after = last_number(call, after=asked.after)
    async with call.app.database.reading() as tx:
        session = await _seen(tx, call)
        if EVENTS in (call.header("Accept") or ""):
            transcripts: Transcripts = call.request.app.state.held.transcripts
            return sse(told(transcripts, call, session.id, after), after=after)
        # One more than asked for: whether there is a next page.
        found = await transcript.read(tx, session.id, after=after, limit=asked.limit + 1)
    items = [shown(event) for event in found[: asked.limit]]
    more = items[-1].number if len(found) > asked.limit else None
    return Answer(body=wire.SessionEventList(kind="SessionEventList", items=items, next=more))


async def _plan(call: Call) -> Answer:
    async with call.app.database.reading() as tx:
        session = await _seen(tx, call)
        plan = await sessions.plan(tx, session.id)
    if plan is None or session.plan_hash is None:
        raise Missing(f"the session is {session.phase} and has no plan yet; it gets one when it is prepared")
    return Answer(body=wire.SessionPlan(kind="SessionPlan", hash=session.plan_hash, plan=plan))


# --- what it left ---


async def _list_artifacts(call: Call) -> Answer:
    async with call.app.database.reading() as tx:
        session = await _seen(tx, call)
        found = await artifacts.of(tx, session.id)
    return Answer(body=whole(call, wire.ArtifactList, [_artifact(session, artifact) for artifact in found]))


def _artifact(session: Session, artifact: Artifact) -> wire.Artifact:
    return wire.Artifact(
        id=artifact.id,
        name=artifact.name,
        size=artifact.size,
        sha256=artifact.sha256,
        created_at=artifact.created_at,
        href=f"{href('sessions', session.id)}/artifacts/{quote(artifact.name)}",
        withheld=artifact.withheld,
    )


async def _read_artifact(call: Call) -> Answer:
    async with call.app.database.reading() as tx:
        session = await _seen(tx, call)
        artifact = await artifacts.read(tx, session.id, call.path["name"].removeprefix("/"))
    if artifact.blob_key is None:
        raise Missing(f"the artifact {artifact.name} is withheld: {artifact.withheld}", name=artifact.name)
    if await call.app.blobs.head(artifact.blob_key) is None:
        raise Unavailable(f"the bytes of {artifact.name} are not in the object store; restore it from its backup")
    # What a sandbox made is never shown as a page of ours.
    headers = {
        "Content-Length": str(artifact.size),
        "Content-Disposition": "attachment",
        "X-Content-Type-Options": "nosniff",
        "ETag": f'"{artifact.sha256}"',
    }
    return Answer(stream=call.app.blobs.read(artifact.blob_key), media=BYTES, headers=headers)


_ONE = "/sessions/{id}"
_ACTS = ("Idempotency-Key", "Audit-Reason")
ROUTES: list[Route] = [
    *(route for route in routes(SESSION) if route.operation != "createSession"),
    Route(
        method="POST", path="/sessions", operation="createSession", tag="sessions",
        says="Make a session, and start it where `start` says so", handle=_make, body=wire.NewSession,
        answer=wire.Session, status=201, refuses=(409, 422), headers=_ACTS,
    ),
    *(
        Route(
            method="POST", path=f"{_ONE}/{word}", operation=f"{word}Session", tag="sessions", says=says,
            handle=_acting(act), answer=wire.Session, refuses=(404, 409, 412, 422), headers=("If-Match", *_ACTS),
        )
        for word, says, act in (
            ("start", "Start a session: everything it refers to is resolved now, for good", _start),
            ("pause", "Have a session lie still, with everything it has done so far", _pause),
            ("resume", "Go on with a session that is paused, by the same plan", _resume),
            ("cancel", "End a session; its run is stopped", _cancel),
            ("stop", "The same as cancel", _cancel),
        )
    ),
    Route(
        method="GET", path=f"{_ONE}/events", operation="listSessionEvents", tag="sessions",
        says="The transcript: a page as JSON, or all of it as it grows as text/event-stream", handle=_events,
        query=TranscriptQuery, answer=wire.SessionEventList, refuses=(404,), headers=("Last-Event-ID",),
    ),
    Route(
        method="GET", path=f"{_ONE}/plan", operation="readSessionPlan", tag="sessions",
        says="What exactly the session does, and its hash", handle=_plan, answer=wire.SessionPlan, refuses=(404,),
    ),
    Route(
        method="GET", path=f"{_ONE}/artifacts", operation="listSessionArtifacts", tag="sessions",
        says="What the session left", handle=_list_artifacts, answer=wire.ArtifactList, refuses=(404,),
        query=WholeQuery,
    ),
    Route(
        method="GET", path=f"{_ONE}/artifacts/{{name:path}}", operation="readSessionArtifact", tag="sessions",
        says="The bytes of an artifact", handle=_read_artifact, media=BYTES, refuses=(404,),
    ),
]  # fmt: skip
