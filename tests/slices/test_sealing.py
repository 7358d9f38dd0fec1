"""Whoever alters the record by hand is found out, and which event it was."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import LiteralString

import pytest

from mooring.audit import sealing
from mooring.audit.seal import Finding, Leaf, SealKey
from mooring.audit.sealing import Sealer
from mooring.audit.verifying import Verdict
from mooring.base.clock import SystemClock
from mooring.base.db import Database
from mooring.base.errors import Clash
from mooring.files.blobs.local import in_directory
from mooring.files.seals import KeptSeals
from slices.record import KEY, Record


async def test_an_untouched_record_is_intact_however_often_it_was_sealed(record: Record) -> None:
    assert await record.verdict() == Verdict(sealed_to=0, numbered_to=0, finding=None)
    for count in (3, 1, 4):
        await record.grow(count)
    await record.grow(2, seal=False)
    assert await record.verdict() == Verdict(sealed_to=8, numbered_to=10, finding=None)


@pytest.mark.parametrize(
    "change",
    [
        "details = details || '{\"after\": {}}'",
        "reason = NULL",
        "reason = 'another'",
        "timestamp = timestamp + interval '1 microsecond'",
        "action = 'skill.update'",
        "resource_type = 'agent'",
        "resource_id = 'skl_0ujtsYcgvSTl8PAuAdqWYSMnLOv'",
        "id = 'rev_0ujtsYcgvSTl8PAuAdqWYSMnLOv'",
    ],
)
async def test_one_changed_column_of_one_event_is_named(record: Record, change: LiteralString) -> None:
    await record.grow(6)
    await record.grow(6)
    await record.meddle(
        f"UPDATE resource_events SET {change} WHERE seq = (SELECT seq FROM event_numbers WHERE number = 8)"
    )
    finding = Finding(number=8, event_id=await record.event_at(8), says="the event is not the one that was sealed")
    assert await record.verdict() == Verdict(sealed_to=6, numbered_to=12, finding=finding)


async def test_a_removed_event_is_named_whether_sealed_or_not(record: Record) -> None:
    await record.grow(5)
    await record.grow(4, seal=False)
    await record.meddle("DELETE FROM resource_events WHERE seq = (SELECT seq FROM event_numbers WHERE number = 8)")
    assert await record.found() == (8, "the event was removed before it was sealed")
    await record.meddle("DELETE FROM event_numbers WHERE number = 3")
    assert await record.found() == (3, "the event was removed")


async def test_an_event_inserted_by_hand_is_named(record: Record) -> None:
    await record.grow(3)
    await record.meddle(
        "INSERT INTO resource_events (id, resource_type, resource_id, action)"
        " VALUES ('rev_0ujtsYcgvSTl8PAuAdqWYSMnLOv', 'user', 'usr_0ujtsYcgvSTl8PAuAdqWYSMnLOv', 'user.create')"
    )
    finding = (await record.verdict()).finding
    assert finding is not None
    assert (finding.event_id, "inserted by hand" in finding.says) == ("rev_0ujtsYcgvSTl8PAuAdqWYSMnLOv", True)


async def test_nothing_is_sealed_behind_numbers_that_are_not_there_and_the_event_behind_them_is_named(
    record: Record,
) -> None:
    await record.grow(3)
    await record.grow(2, seal=False)
    await record.meddle(
        "INSERT INTO resource_events (id, resource_type, resource_id, action)"
        " VALUES ('rev_0ujtsYcgvSTl8PAuAdqWYSMnLOv', 'user', 'usr_0ujtsYcgvSTl8PAuAdqWYSMnLOv', 'user.create')",
        "INSERT INTO event_numbers (number, seq) SELECT 5000000, max(seq) FROM resource_events",
    )
    # What comes before the gap is still sealed; what comes after it still gets its numbers, and waits.
    await record.grow(2)
    says = "the numbers 6 to 4999999 are not there: their events were removed before they were sealed, or this one was"
    for _ in range(2):
        with pytest.raises(Clash, match=r"the numbers 6 to 4999999 are not there.*rev_0ujtsYcgvSTl8PAuAdqWYSMnLOv"):
            await record.sealer.step()
        verdict = await record.verdict()
        assert (verdict.sealed_to, verdict.numbered_to) == (5, 5_000_002)
        assert verdict.finding is not None
        assert (verdict.finding.number, verdict.finding.event_id) == (5_000_000, "rev_0ujtsYcgvSTl8PAuAdqWYSMnLOv")
        assert says in verdict.finding.says


async def test_sealing_goes_on_when_what_was_inserted_by_hand_was_put_away(record: Record) -> None:
    await record.grow(3)
    await record.meddle(
        "INSERT INTO resource_events (id, resource_type, resource_id, action)"
        " VALUES ('rev_0ujtsYcgvSTl8PAuAdqWYSMnLOv', 'user', 'usr_0ujtsYcgvSTl8PAuAdqWYSMnLOv', 'user.create')",
        "INSERT INTO event_numbers (number, seq) SELECT 5000000, max(seq) FROM resource_events",
    )
    await record.grow(2, seal=False)
    # As docs/audit.md says.
    await record.meddle(
        "DELETE FROM resource_events WHERE seq = (SELECT seq FROM event_numbers WHERE number = 5000000)",
        "DELETE FROM event_numbers WHERE number = 5000000",
        "UPDATE event_numbers SET number = number - 5000000 + 4 - 1 WHERE number > 5000000",
    )
    await record.sealer.step()
    assert await record.verdict() == Verdict(sealed_to=5, numbered_to=5, finding=None)


async def test_two_events_that_changed_places_are_named(record: Record) -> None:
    await record.grow(4)
    await record.meddle(
        "UPDATE event_numbers SET number = 1002 WHERE number = 2",
        "UPDATE event_numbers SET number = 2 WHERE number = 3",
        "UPDATE event_numbers SET number = 3 WHERE number = 1002",
    )
    assert (await record.found())[0] == 2


async def test_an_event_altered_together_with_its_seal_is_named_from_the_copy_outside(record: Record) -> None:
    await record.grow(4)
    await record.meddle(
        "UPDATE resource_events SET reason = 'x' WHERE seq = (SELECT seq FROM event_numbers WHERE number = 3)",
        "UPDATE event_seals SET leaves = overlay(leaves PLACING sha256('x'::bytea) FROM 65)",
    )
    assert await record.found() == (3, "the event is not the one that was sealed")


async def test_a_seal_altered_alone_is_named(record: Record) -> None:
    await record.grow(4)
    await record.meddle("UPDATE event_seals SET signature = overlay(signature PLACING '\\x00'::bytea FROM 1)")
    assert await record.found() == (1, "the seal over the numbers 1 to 4: its signature is not right")


async def test_removed_seals_are_noticed_first_last_or_all(record: Record, tmp_path: Path) -> None:
    for _ in range(3):
        await record.grow(2)
    await record.meddle("DELETE FROM event_seals WHERE last = 6")
    assert await record.found() == (5, "seals up to number 6 were kept outside; those after 4 were removed")
    # Whoever verifies elsewhere, where nothing was ever sealed, finds it out too.
    elsewhere = replace(record, outside=replace(record.outside, head=tmp_path / "elsewhere" / "head.json"))
    assert await elsewhere.found() == await record.found()
    await record.meddle("DELETE FROM event_seals WHERE last = 2")
    assert await record.found() == (1, "the seal over number 1 was removed")
    await record.meddle("DELETE FROM event_seals")
    assert (await record.found())[1].startswith("seals up to number 6")


async def test_what_was_altered_under_removed_seals_is_not_sealed_anew(record: Record, tmp_path: Path) -> None:
    for _ in range(2):
        await record.grow(2)
    await record.meddle(
        "UPDATE resource_events SET reason = 'x' WHERE seq = (SELECT seq FROM event_numbers WHERE number = 4)",
        "DELETE FROM event_seals WHERE last = 4",
    )
    missing = "the seal that ends with number 4 is kept outside"
    with pytest.raises(Clash, match=missing):
        await record.sealer.step()
    # Nor by a process that never sealed; unless it ends its seal elsewhere, and then that is found out.
    elsewhere = replace(record.sealer, outside=replace(record.outside, head=tmp_path / "elsewhere" / "head.json"))
    with pytest.raises(Clash, match=missing):
        await elsewhere.step()
    await record.grow(1, seal=False)
    await elsewhere.step()
    with pytest.raises(Clash, match=missing):
        await record.sealer.step()
    assert await record.found() == (4, "the event is not the one that was sealed")


async def test_a_seal_kept_outside_that_others_took_the_place_of_is_named(record: Record, tmp_path: Path) -> None:
    for _ in range(2):
        await record.grow(2)
    await record.meddle("DELETE FROM event_seals WHERE last = 4")
    elsewhere = replace(record.sealer, outside=replace(record.outside, head=tmp_path / "elsewhere" / "head.json"))
    await record.grow(1, seal=False)
    await elsewhere.step()
    says = "the seal over the numbers 3 to 4 is kept outside; in the database others are in its place"
    assert await record.found() == (3, says)


@pytest.mark.parametrize("removed", ["last = 6", "last = 4", "last >= 4", "true"])
@pytest.mark.parametrize(
    ("meddled", "says"),
    [
        ("UPDATE resource_events SET reason = 'x'", "the event is not the one that was sealed"),
        ("DELETE FROM resource_events", "the event was removed"),
    ],
)
async def test_what_was_altered_under_removed_seals_is_named(
    record: Record, removed: LiteralString, meddled: LiteralString, says: str
) -> None:
    for _ in range(3):
        await record.grow(2)
    # Under the newest seal, which is removed, or is not.
    await record.meddle(
        f"{meddled} WHERE seq = (SELECT seq FROM event_numbers WHERE number = 6)",
        f"DELETE FROM event_seals WHERE {removed}",
    )
    assert await record.found() == (6, says)


async def test_a_seal_of_our_key_that_is_not_the_one_outside_names_what_was_altered(record: Record) -> None:
    await record.grow(2)
    await record.meddle(
        "UPDATE resource_events SET reason = 'x' WHERE seq = (SELECT seq FROM event_numbers WHERE number = 2)",
    )
    async with record.database.reading() as tx:
        altered = KEY.seal(None, await sealing.leaves(tx, 0, 2), datetime(2026, 1, 1, tzinfo=UTC))
    await record.meddle("DELETE FROM event_seals")
    async with record.superuser.transaction() as tx:
        await tx.run(
            "INSERT INTO event_seals (first, last, previous, leaves, root, key, signature, sealed_at)"
            " VALUES (1, 2, $1, $2, $3, $4, $5, $6)",
            altered.previous, altered.leaves, altered.root, altered.key, altered.signature, altered.sealed_at,
        )  # fmt: skip
    assert await record.found() == (2, "the event is not the one that was sealed")


async def test_sealing_goes_on_when_the_seals_a_restored_database_lost_were_put_away(
    record: Record, tmp_path: Path
) -> None:
    for _ in range(2):
        await record.grow(2)
    await record.meddle(
        "DELETE FROM event_seals WHERE last = 4",
        "DELETE FROM resource_events WHERE seq IN (SELECT seq FROM event_numbers WHERE number > 2)",
        "DELETE FROM event_numbers WHERE number > 2",
    )
    with pytest.raises(Clash, match="restored from an older backup"):
        await record.grow(3)
    (tmp_path / "audit" / "head.json").unlink()
    (tmp_path / "blobs" / "seals" / f"{4:019d}").unlink()
    await record.sealer.step()
    assert await record.verdict() == Verdict(sealed_to=5, numbered_to=5, finding=None)


async def test_a_record_sealed_anew_with_another_key_is_found_out(record: Record, tmp_path: Path) -> None:
    await record.grow(4)
    await record.meddle(
        "UPDATE resource_events SET reason = 'x' WHERE seq = (SELECT seq FROM event_numbers WHERE number = 2)",
        "DELETE FROM event_seals",
    )
    elsewhere = KeptSeals(blobs=in_directory(tmp_path / "other"), head=tmp_path / "other.json")
    forger = Sealer(database=record.database, key=SealKey(bytes(32)), outside=elsewhere, clock=SystemClock())
    await forger.step()
    assert await record.found() == (2, "the event is not the one that was sealed")


async def test_a_seal_kept_in_the_database_alone_is_brought_outside_later(record: Record, tmp_path: Path) -> None:
    await record.grow(3)
    (tmp_path / "audit" / "head.json").unlink()
    assert await record.sealer.outside.newest() == 0
    await record.sealer.step()
    assert await record.sealer.outside.newest() == 3


async def test_two_sealers_make_one_chain(record: Record) -> None:
    await record.grow(3, seal=False)
    assert not await record.sealer.step()
    assert not await record.sealer.step()
    await record.grow(2)
    assert await record.verdict() == Verdict(sealed_to=5, numbered_to=5, finding=None)


async def test_even_the_owner_cannot_change_a_seal(record: Record, owner: Database) -> None:
    await record.grow(1)
    for statement in (
        "UPDATE event_seals SET sealed_at = now()",
        "DELETE FROM event_seals",
        "TRUNCATE event_seals CASCADE",
    ):
        with pytest.raises(Exception, match="append-only"):
            async with owner.transaction() as tx:
                await tx.script(statement)


def test_a_seal_says_what_is_wrong_with_it() -> None:
    leaf = Leaf(
        number=1, seq=1, id="x", at=0, actor_id=None, resource_type="a", resource_id="b", action="c", details="{}",
        reason=None,
    )  # fmt: skip
    whole = KEY.seal(None, [leaf], datetime(2026, 1, 1, tzinfo=UTC))
    assert whole.says is None
    assert whole.leaf(1) == leaf.hash
