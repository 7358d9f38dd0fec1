"""Routes of compute instances."""

from mooring.compute import instances
from mooring.http.resource import Resource, routes
from mooring.http.route import Route
from mooring.wire import compute as wire

COMPUTE_INSTANCE = Resource(
    verbs=instances.INSTANCES,
    reply=wire.ComputeInstance,
    new=wire.NewComputeInstance,
    create=instances.create,
    replace=instances.replace,
)

ROUTES: list[Route] = [*routes(COMPUTE_INSTANCE)]
