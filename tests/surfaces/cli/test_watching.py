"""The client's watch on the real application: from now on, or from a number, over broken lines."""

import asyncio

from mooring.client import AsyncMooring
from mooring.wire.audit import Change
from surfaces.cli.conftest import Served
from surfaces.people import Asker


async def test_changes_are_watched_over_a_restart_each_once_and_in_order(served: Served, admin: Asker) -> None:
    seen: list[Change] = []
    told: list[str | None] = []
    first, broken = asyncio.Event(), asyncio.Event()

    def tell(reason: str | None) -> None:
        told.append(reason)
        broken.set()

    async def watch() -> None:
        async with AsyncMooring(served.url, admin.token) as mooring:
            async for change in mooring.of("agent").watch(after=0, interrupted=tell):
                seen.append(change)
                first.set()
                if len(seen) == 4:
                    return

    watching = asyncio.create_task(watch())
    await admin.made("/agents", {"name": "before"})
    await first.wait()
    await served.down()
    await broken.wait()
    await admin.made("/agents", {"name": "while it was down"})
    await admin.made("/skills", {"name": "of another kind"})
    await served.up()
    made = await admin.made("/agents", {"name": "after"})
    await admin.ask("DELETE", made["href"])
    await watching
    assert [change.event.action.partition(".")[2] for change in seen] == ["create", "create", "create", "delete"]
    assert [change.event.details.get("after", {}).get("name") for change in seen] == [
        "before", "while it was down", "after", None,
    ]  # fmt: skip
    numbers = [change.number for change in seen]
    assert numbers == sorted(set(numbers))
    assert [reason is None for reason in told] == [False, True]
