"""Audited writes as fast as 32 writers can: POST /agents on one server process, durable, with all it does beside —
numbering, sealing, telling — against pgbench with the same statement on the same server, by turns."""

import itertools

from report import median, percentile, tell
from stage.bare import NEW_ID, database, pgbench, statement
from stage.load import Answered, drive, post
from stage.plane import API, Plane, control_plane, processor_seconds, throw_away

from mooring.access.actor import Actor
from mooring.catalog.catalog import AGENTS

WRITERS = 32
ROUNDS = 3
SECONDS = 4
# The writes of each of these many seconds are counted: where commits wait for each other, some are far below the rest.
SLICE = 0.25
VALUES = {"name": "agent", "prompt": "Read the code before you change it.", "runtime": "shell", "settings": {"a": 1}}


def slowest(answered: Answered) -> float:
    """The writes in the worst of the slices, as a share of the middle one. The first and last slice are not whole."""
    began = min(answered.at)
    counted = [0] * (int((max(answered.at) - began) / SLICE) + 1)
    for at in answered.at:
        counted[int((at - began) / SLICE)] += 1
    whole = counted[1:-1]
    return min(whole) / median(whole)


def bare(plane: Plane, actor: Actor) -> float:
    """Writes a second by pgbench."""
    what = statement(
        lambda tx: AGENTS.create(tx, actor, VALUES), made={1: f"'rev_' || {NEW_ID}", 7: f"'agt_' || {NEW_ID}"}
    )
    return pgbench(plane, what, clients=WRITERS, seconds=SECONDS)


def main() -> None:
    with throw_away() as data, control_plane(data) as plane:
        actor = database(plane)
        sent = post(f"{API}/agents", plane.token, lambda _: VALUES)
        drive(plane.url, itertools.islice(sent, 500), status=201, connections=WRITERS)
        ours: list[Answered] = []
        theirs: list[float] = []
        busy = 0.0
        for _ in range(ROUNDS):
            before = processor_seconds(plane.pid)
            ours.append(drive(plane.url, sent, status=201, connections=WRITERS, seconds=SECONDS))
            busy += processor_seconds(plane.pid) - before
            theirs.append(bare(plane, actor))
        rate = median([one.rate for one in ours])
        tell(
            "audited writes, 32 writers", rate, "/s", compared_with="pgbench, the same statement", other=median(theirs)
        )
        per_core = sum(len(one.took) for one in ours) / busy
        tell("audited writes, for a core of the API", per_core, "/s", compared_with="pgbench", other=median(theirs))
        took = [one * 1000 for answered in ours for one in answered.took]
        tell("audited writes, p99 of a write", percentile(took, 0.99), "ms", compared_with="p50", other=median(took))
        tell("audited writes, worst quarter of a second", min(slowest(one) for one in ours) * 100, "% of the middle")


main()
