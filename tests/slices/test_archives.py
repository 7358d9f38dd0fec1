"""What was moved out of the database is verified and exported like what is still there."""

import gzip
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from mooring.audit import exporting
from mooring.audit.archiving import NotAsPut
from mooring.audit.exporting import Removed
from mooring.audit.seal import Finding
from mooring.audit.verifying import Verdict, verify
from mooring.base.db import Database
from mooring.base.errors import Clash, Unavailable
from mooring.files.seals import KeptSeals
from slices.record import KEY, Record


async def left(record: Record) -> int:
    async with record.database.reading() as tx:
        return await tx.value(int, "SELECT count(*) FROM resource_events") or 0


async def test_old_events_leave_the_database_and_are_verified_where_they_are(record: Record) -> None:
    for count in (3, 4, 2):
        await record.grow(count)
    assert not await record.archiver(timedelta(days=1)).step()
    assert await record.archiver().step()
    assert await left(record) == 0
    await record.grow(2)
    assert await record.verdict() == Verdict(sealed_to=11, numbered_to=11, finding=None)
    assert await record.archiver().step()
    assert not await record.archiver().step()
    assert await record.verdict() == Verdict(sealed_to=11, numbered_to=11, finding=None)


async def test_what_is_not_sealed_yet_is_not_moved(record: Record) -> None:
    await record.grow(2)
    await record.grow(3, seal=False)
    assert await record.archiver().step()
    assert await left(record) == 3


async def test_an_altered_batch_is_not_moved(record: Record) -> None:
    await record.grow(3)
    await record.meddle("UPDATE resource_events SET reason = 'x'")
    with pytest.raises(Clash, match="not what was sealed"):
        await record.archiver().step()
    assert await left(record) == 3


async def test_an_archive_that_was_altered_or_removed_is_found_out(record: Record, tmp_path: Path) -> None:
    await record.grow(3)
    assert await record.archiver().step()
    [archive] = (tmp_path / "blobs" / "record").iterdir()
    whole = archive.read_bytes()
    archive.chmod(0o600)
    archive.write_bytes(whole[:-1] + b"x")
    assert await record.found() == (1, "the archive of the events 1 to 3 is missing, or was altered")
    archive.unlink()
    assert (await record.found())[0] == 1
    archive.write_bytes(whole)
    assert (await record.verdict()).finding is None


@pytest.mark.parametrize(
    "packed",
    [
        b"no archive at all",
        gzip.compress(b"{}\n")[:-4],
        gzip.compress(b"{}\n")[:10] + b"\xff" * 20,
        gzip.compress(b"{}\n"),
        gzip.compress(b'{"number": ' + b"[" * 100_000),
    ],
    ids=["no gzip", "too short", "no deflate", "no events", "nested too deeply"],
)
async def test_an_archive_that_holds_no_events_is_named_as_damage(
    record: Record, tmp_path: Path, packed: bytes
) -> None:
    await record.grow(3)
    assert await record.archiver().step()
    [archive] = (tmp_path / "blobs" / "record").iterdir()
    archive.chmod(0o600)
    archive.write_bytes(packed)
    # Whoever owns the database too makes the two fit.
    await record.meddle(f"UPDATE event_archives SET sha256 = '\\x{hashlib.sha256(packed).hexdigest()}'")  # pyright: ignore[reportArgumentType] - of bytes that stand here
    number, says = await record.found()
    assert (number, says.startswith("the archive of the events 1 to 3 holds none")) == (1, True)
    exported = exporting.following(record.database, record.outside, 0)
    with pytest.raises(NotAsPut):
        await anext(exported)


async def test_a_store_that_is_away_is_no_verdict(record: Record) -> None:
    await record.grow(3)
    assert await record.archiver().step()

    class Away(KeptSeals):
        async def take(self, first: int, last: int) -> bytes | None:
            raise Unavailable(f"the store is away: {first} to {last} cannot be read")

    with pytest.raises(Unavailable, match="the store is away"):
        await verify(record.database, KEY, record.outside, Away(blobs=record.outside.blobs, head=record.outside.head))


async def test_an_event_cannot_be_deleted_by_pretending_that_it_was_archived(record: Record, owner: Database) -> None:
    await record.grow(3)
    # The owner may add a row to the archives; what it then deletes is missed there.
    async with owner.transaction() as tx:
        await tx.run("INSERT INTO event_archives (first, last, sha256) VALUES (1, 3, sha256('x'::bytea))")
        await tx.run("DELETE FROM resource_events")
    assert await record.found() == (1, "the archive of the events 1 to 3 is missing, or was altered")


@pytest.mark.parametrize("whole", [True, False])
async def test_an_export_goes_on_in_the_archives_when_what_it_reads_is_moved_there(record: Record, whole: bool) -> None:  # noqa: FBT001 - one of two cases
    await record.grow(5)
    await record.grow(3, seal=whole)
    exported = exporting.following(record.database, record.outside, 0, batch=2)
    met = [event.number for event in await anext(exported)]
    assert await record.archiver().step()
    met += [event.number async for found in exported for event in found]
    assert met == list(range(1, 9))


async def exported(record: Record, after: int = 0) -> AsyncIterator[int]:
    """The numbers that are exported, a few at a time."""
    async for found in exporting.following(record.database, record.outside, after, batch=2):
        for event in found:
            yield event.number


@pytest.mark.parametrize(("removed", "says"), [(2, "the event 2 is"), (3, "the event 3 is"), (4, "the event 4 is")])
async def test_an_export_says_what_was_removed_by_hand_and_goes_on_behind_it(
    record: Record, removed: int, says: str
) -> None:
    await record.grow(4)
    async with record.superuser.transaction() as tx:
        await tx.script("SET LOCAL session_replication_role = replica")
        await tx.run(
            "DELETE FROM resource_events WHERE seq = (SELECT seq FROM event_numbers WHERE number = $1)", removed
        )
    numbers = exported(record)
    assert [await anext(numbers) for _ in range(1, removed)] == list(range(1, removed))
    with pytest.raises(Removed, match=says):
        await anext(numbers)
    assert [number async for number in exported(record, removed)] == list(range(removed + 1, 5))


@pytest.mark.parametrize("later", [0, 2])
async def test_an_export_says_that_events_are_in_no_archive(record: Record, later: int) -> None:
    await record.grow(3)
    assert await record.archiver().step()
    await record.grow(later)
    await record.meddle("DELETE FROM event_archives")
    with pytest.raises(Removed, match="the events 1 to 3 are neither in the database nor in an archive"):
        await anext(exported(record))


async def test_an_export_says_that_an_archive_is_short(record: Record, tmp_path: Path) -> None:
    await record.grow(4)
    assert await record.archiver().step()
    await record.grow(1)
    [archive] = (tmp_path / "blobs" / "record").iterdir()
    archive.chmod(0o600)
    lines = gzip.decompress(archive.read_bytes()).splitlines(keepends=True)
    for kept, says in (([0, 3], "events 2 to 3 are"), ([0, 1], "events 3 to 4 are"), ([], "events 1 to 4 are")):
        packed = gzip.compress(b"".join(lines[at] for at in kept))
        archive.write_bytes(packed)
        await record.meddle(f"UPDATE event_archives SET sha256 = '\\x{hashlib.sha256(packed).hexdigest()}'")  # pyright: ignore[reportArgumentType] - of bytes that stand here
        with pytest.raises(Removed, match=says):
            [number async for number in exported(record)]


async def test_an_event_inserted_by_hand_where_an_archived_one_was_is_named(record: Record) -> None:
    await record.grow(3)
    assert await record.archiver().step()
    await record.grow(1)
    await record.meddle(
        "INSERT INTO resource_events (seq, id, resource_type, resource_id, action) OVERRIDING SYSTEM VALUE"
        " SELECT seq, 'rev_0ujtsYcgvSTl8PAuAdqWYSMnLOv', 'user', 'usr_0ujtsYcgvSTl8PAuAdqWYSMnLOv', 'user.create'"
        " FROM event_numbers WHERE number = 2"
    )
    says = "the event was inserted by hand: the one of this number lies in an archive"
    assert (await record.verdict()).finding == Finding(number=2, event_id="rev_0ujtsYcgvSTl8PAuAdqWYSMnLOv", says=says)


async def test_the_application_has_nothing_forgotten_that_was_not_archived(record: Record) -> None:
    await record.grow(3)
    async with record.database.transaction() as tx:
        assert await tx.value(int, "SELECT forget_events(3)") == 0
    assert await left(record) == 3
    with pytest.raises(Exception, match="permission denied"):
        async with record.database.transaction() as tx:
            await tx.run("DELETE FROM resource_events")
