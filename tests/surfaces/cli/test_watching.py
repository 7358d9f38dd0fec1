"""The client's watch on the real application: from now on, or from a number, over broken lines."""

import asyncio
from typing import Any

import msgspec
import pytest

from mooring.base.fields import LONGEST_TEXT, MOST_MAP_BYTES
from mooring.client import AsyncMooring, sse
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


# Six characters each, where they are sent.
LONG, OTHER = "\x01" * LONGEST_TEXT, "\x02" * LONGEST_TEXT
NUMBERS = [1e308] * ((MOST_MAP_BYTES - 20) // 6)
FULL = MOST_MAP_BYTES - 8
LARGEST: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("task", "/tasks", {"prompt": LONG, "check": LONG}, {"prompt": OTHER, "check": OTHER}),
    (
        "agent",
        "/agents",
        {"prompt": LONG, "settings": {"a": NUMBERS}},
        {"prompt": OTHER, "settings": {"a": [*NUMBERS[1:], 1e307]}},
    ),
    (
        "instance",
        "/compute_instances",
        {"description": LONG, "command": LONG, "environment": {"A": "x" * FULL}},
        {"description": OTHER, "command": OTHER, "environment": {"A": "y" * FULL}},
    ),
]


@pytest.mark.parametrize(("noun", "path", "first", "then"), LARGEST)
async def test_the_largest_events_a_server_can_send_are_watched(
    served: Served, admin: Asker, noun: str, path: str, first: dict[str, Any], then: dict[str, Any]
) -> None:
    group = await admin.made("/groups", {"name": "team"})
    more = {"group_id": group["id"]} if noun == "instance" else {}
    made = await admin.made(path, {"name": "large", **first, **more})
    # Three times whole in one event: before, after, and as it is.
    changed = await admin.ask("PATCH", made["href"], then)
    assert changed.status_code == 200, changed.text[:300]
    sizes: list[int] = []
    async with AsyncMooring(served.url, admin.token) as mooring:
        async for change in mooring.of(noun).watch(after=0):
            sizes.append(len(msgspec.json.encode(change)))
            if len(sizes) == 2:
                break
    assert 2 * max(sizes) < sse.LARGEST_EVENT
    assert max(sizes) > 3 * len(msgspec.json.encode(then))
