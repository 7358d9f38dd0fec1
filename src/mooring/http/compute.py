"""Routes of compute instances and of the secrets they expose."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from mooring.access.actor import Actor
from mooring.base.db import Tx
from mooring.compute import exposures, instances
from mooring.compute.entities import ComputeInstance
from mooring.http.call import Call
from mooring.http.resource import Resource, routes
from mooring.http.route import Answer, Route
from mooring.wire import compute as wire


async def _exposures(tx: Tx, actor: Actor, rows: Sequence[ComputeInstance]) -> list[dict[str, object]]:
    found = await exposures.of(tx, [row.id for row in rows])
    return [{"exposures": await EXPOSURE.show(tx, actor, found[row.id])} for row in rows]


EXPOSURE = Resource(
    verbs=exposures.EXPOSURES,
    reply=wire.InstanceSecretMapping,
    new=wire.NewInstanceSecretMapping,
    create=exposures.create,
    replace=exposures.replace,
)
COMPUTE_INSTANCE = Resource(
    verbs=instances.INSTANCES,
    reply=wire.ComputeInstance,
    new=wire.NewComputeInstance,
    create=instances.create,
    replace=instances.replace,
    more=_exposures,
)


def _refusals_recorded(route: Route) -> Route:
    """The route, leaving an event where a secret was not exposed because it was not granted."""

    async def handle(call: Call) -> Answer:
        try:
            return await inner(call)
        except (exposures.NotGranted, exposures.NotSeen) as error:
            async with call.app.database.transaction() as tx:
                await exposures.refused(tx, call.actor, error)
            raise

    inner: Callable[[Call], Awaitable[Answer]] = route.handle
    return replace(route, handle=handle)


ROUTES: list[Route] = [
    *map(_refusals_recorded, routes(COMPUTE_INSTANCE)),
    *map(_refusals_recorded, routes(EXPOSURE)),
]
