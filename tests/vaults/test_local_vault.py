"""The embedded vault: what is in the database tells nothing, opens only in its place, and only with the key."""

import base64
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import LiteralString

import pytest

from mooring.base.cipher import new_key
from mooring.base.db import Database
from mooring.base.errors import Clash, Unavailable
from mooring.base.hidden import Hidden
from mooring.base.ids import new_id
from mooring.base.postgres import EmbeddedPostgres
from mooring.secrets.errors import VaultBroken
from mooring.secrets.store import values as store
from mooring.secrets.vaults.keyring import FileKeys, GivenKeys, key_id
from mooring.secrets.vaults.local import LocalVault

VALUE = b"s3cr3t-canary-7f1c"


async def put(vault: LocalVault, content: bytes = VALUE) -> str:
    return (await vault.create(new_id("sec"), Hidden(content), {})).vault_id


async def test_the_database_holds_neither_value_nor_key(database: Database, local: LocalVault, keys: FileKeys) -> None:
    vault_id = await put(local)
    async with database.transaction() as tx:
        row = await store.read(tx, vault_id, None)
    assert row is not None
    ring = keys.load()
    assert ring is not None
    for part in (row.sealed, row.wrapped_key):
        assert VALUE not in part
        assert all(key.reveal() not in part for key in ring.keys.values())


async def test_every_version_has_a_data_key_of_its_own(database: Database, local: LocalVault) -> None:
    vault_id = await put(local)
    await local.update(vault_id, Hidden(VALUE), expect="1")
    async with database.transaction() as tx:
        rows = [await store.read(tx, vault_id, number) for number in (1, 2)]
    assert rows[0] is not None
    assert rows[1] is not None
    assert rows[0].wrapped_key != rows[1].wrapped_key
    assert rows[0].sealed[12:] != rows[1].sealed[12:]


COPIES: list[LiteralString] = [
    """
    UPDATE vault_values t SET sealed = o.sealed, wrapped_key = o.wrapped_key, key_id = o.key_id FROM vault_values o
    WHERE t.vault_id = $1 AND o.vault_id = $2
    """,
    "UPDATE vault_values t SET sealed = o.sealed FROM vault_values o WHERE t.vault_id = $1 AND o.vault_id = $2",
    """
    UPDATE vault_values t SET wrapped_key = o.wrapped_key FROM vault_values o WHERE t.vault_id = $1 AND o.vault_id = $2
    """,
]


@pytest.mark.parametrize("copied", COPIES)
async def test_a_row_copied_onto_another_secret_does_not_open(
    database: Database, local: LocalVault, copied: LiteralString
) -> None:
    mine, other = await put(local), await put(local, b"the other value")
    async with database.transaction() as tx:
        await tx.run(copied, mine, other)
    with pytest.raises(VaultBroken, match="copied from another"):
        await local.read(mine)
    assert (await local.read(other)).value == Hidden(b"the other value")


async def test_an_old_version_passed_off_as_the_newest_does_not_open(database: Database, local: LocalVault) -> None:
    vault_id = await put(local)
    await local.update(vault_id, Hidden(b"new"), expect="1")
    async with database.transaction() as tx:
        await tx.run("DELETE FROM vault_values WHERE vault_id = $1 AND version = 2", vault_id)
        await tx.run("UPDATE vault_values SET version = 2 WHERE vault_id = $1", vault_id)
    with pytest.raises(VaultBroken):
        await local.read(vault_id)


@pytest.mark.parametrize("at", [0, 11, 12, -17, -1])
async def test_one_flipped_bit_is_noticed(database: Database, local: LocalVault, at: int) -> None:
    vault_id = await put(local)
    async with database.transaction() as tx:
        row = await store.read(tx, vault_id, None)
        assert row is not None
        flipped = bytearray(row.sealed)
        flipped[at] ^= 1
        await tx.run("UPDATE vault_values SET sealed = $2 WHERE vault_id = $1", vault_id, bytes(flipped))
    with pytest.raises(VaultBroken, match="altered"):
        await local.read(vault_id)


# --- the key file ---


def test_the_key_file_is_made_once_for_us_alone(keys: FileKeys) -> None:
    first = keys.make()
    assert keys.make().active == first.active
    assert keys.path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in keys.path.parent.iterdir()] == [keys.path.name]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o700 | 0o020])
async def test_a_key_file_open_to_others_is_refused_with_the_command_that_fixes_it(
    database: Database, keys: FileKeys, mode: int
) -> None:
    keys.make()
    keys.path.chmod(mode)
    with pytest.raises(Unavailable, match=f"chmod 600 {keys.path}"):
        await LocalVault(database, keys).open()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
async def test_a_key_file_of_another_user_is_refused_with_the_command_that_fixes_it(
    database: Database, keys: FileKeys
) -> None:
    keys.make()
    os.chown(keys.path, 1234, 1234)
    with pytest.raises(Unavailable, match=f"chown 0 {keys.path}"):
        await LocalVault(database, keys).open()


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"active": "0123456789abcdef", "keys": {}}'])
async def test_a_damaged_key_file_is_refused(database: Database, keys: FileKeys, content: bytes) -> None:
    keys.make()
    keys.path.write_bytes(content)
    with pytest.raises(Unavailable, match="restore it from its backup"):
        await LocalVault(database, keys).open()


async def test_a_key_file_that_is_a_link_is_refused(database: Database, keys: FileKeys, tmp_path: Path) -> None:
    elsewhere = FileKeys(path=tmp_path / "elsewhere.json")
    elsewhere.make()
    keys.path.symlink_to(elsewhere.path)
    with pytest.raises(Unavailable, match="cannot read the key file"):
        await LocalVault(database, keys).open()


async def test_a_lost_keyring_is_not_made_anew_over_values_it_wrapped(
    database: Database, local: LocalVault, keys: FileKeys
) -> None:
    await put(local)
    keys.path.unlink()
    with pytest.raises(Unavailable, match=r"its keyring is gone; restore the key [0-9a-f]{16}"):
        await LocalVault(database, keys).open()
    assert not keys.path.exists()


async def test_a_wrong_key_is_named_and_nothing_is_answered(
    database: Database, local: LocalVault, keys: FileKeys
) -> None:
    vault_id = await put(local)
    right = local.active_key
    keys.path.unlink()
    keys.make()
    with pytest.raises(VaultBroken, match=right):
        await LocalVault(database, keys).open()
    unopened = LocalVault(database, keys)
    with pytest.raises(VaultBroken, match=right):
        await unopened.read(vault_id)


async def test_keys_may_be_given_instead_the_first_one_active(database: Database) -> None:
    old, new = new_key(), new_key()
    words = [base64.b64encode(key.reveal()).decode() for key in (new, old)]
    before = LocalVault(database, GivenKeys(text=Hidden(words[1].encode())))
    await before.open()
    vault_id = await put(before)
    after = LocalVault(database, GivenKeys(text=Hidden(",".join(words).encode())))
    await after.open()
    assert after.active_key == key_id(new)
    assert (await after.read(vault_id)).value == Hidden(VALUE)
    assert (await after.rewrap()).done == 1
    alone = LocalVault(database, GivenKeys(text=Hidden(words[0].encode())))
    await alone.open()
    assert (await alone.read(vault_id)).value == Hidden(VALUE)
    with pytest.raises(Clash, match="put the new key before the old one"):
        alone.renew_key()


@pytest.mark.parametrize("text", ["", "not base64!", "c2hvcnQ=", "\xff\xfe"])
def test_a_given_key_that_is_none_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(Unavailable, match="openssl rand -base64 32") as refused:
        GivenKeys(text=Hidden(text.encode("latin-1"))).load()
    assert not text or text not in str(refused.value)


# --- rotation ---


async def test_after_a_rotation_every_value_opens_under_the_new_key_alone(
    database: Database, local: LocalVault, keys: FileKeys
) -> None:
    there = {await put(local, f"value {number}".encode()): number for number in range(230)}
    new = local.renew_key()
    assert (await local.rewrap()).done == 230
    assert [(use.key_id, use.count) for use in await local.uses()] == [(new, 230)]
    ring = keys.load()
    assert ring is not None
    text = base64.b64encode(ring.keys[new].reveal())
    alone = LocalVault(database, GivenKeys(text=Hidden(text)))
    for vault_id, number in there.items():
        assert (await alone.read(vault_id)).value == Hidden(f"value {number}".encode())


async def test_a_process_that_did_not_rotate_reads_and_writes_with_the_new_key(
    database: Database, local: LocalVault, keys: FileKeys
) -> None:
    other = LocalVault(database, keys)
    await other.open()
    vault_id = await put(local)
    new = local.renew_key()
    await local.rewrap()
    assert (await other.read(vault_id)).value == Hidden(VALUE)
    await put(other)
    assert [use.key_id for use in await other.uses()] == [new]


def test_of_many_who_rotate_at_once_nobodys_key_is_lost(keys: FileKeys) -> None:
    keys.make()

    def rotate(_: int) -> str:
        return FileKeys(path=keys.path).add().active

    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(rotate, range(16)))
    ring = keys.load()
    assert ring is not None
    assert set(made) <= ring.keys.keys()
    assert len(ring.keys) == 17


async def test_a_value_that_does_not_open_is_named_and_hinders_no_other(database: Database, local: LocalVault) -> None:
    good, bad = await put(local), await put(local)
    async with database.transaction() as tx:
        await tx.run("UPDATE vault_values SET wrapped_key = $2 WHERE vault_id = $1", bad, bytes(60))
    new = local.renew_key()
    rotated = await local.rewrap()
    assert (rotated.done, rotated.broken) == (1, (bad,))
    assert (await local.read(good)).value == Hidden(VALUE)
    assert new in {use.key_id for use in await local.uses()}


_ROTATE_FOREVER = """
import asyncio, sys
from pathlib import Path
from mooring.base.db import connect
from mooring.base.hints import Hints
from mooring.secrets.vaults.keyring import FileKeys
from mooring.secrets.vaults.local import LocalVault

async def main():
    vault = LocalVault(await connect(sys.argv[1], hints=Hints(), most=2), FileKeys(path=Path(sys.argv[2])))
    await vault.open()
    print("ready", flush=True)
    while True:
        vault.renew_key()
        await vault.rewrap()
        print("rotated", flush=True)

asyncio.run(main())
"""


def _kill_while_rotating(postgres: EmbeddedPostgres, keys: FileKeys, bytes_seen: int) -> None:
    """Rotate in another process until it said so much, then kill it at once."""
    process = subprocess.Popen(
        [sys.executable, "-c", _ROTATE_FOREVER, postgres.url(), str(keys.path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    try:
        assert len(process.stdout.read(bytes_seen)) == bytes_seen
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        process.stdout.close()


async def _survives(kills: int, database: Database, postgres: EmbeddedPostgres, keys: FileKeys) -> None:
    vault = LocalVault(database, keys)
    await vault.open()
    there = {await put(vault, f"value {number}".encode()): number for number in range(150)}
    for kill in range(kills):
        _kill_while_rotating(postgres, keys, 6 + 8 * (kill % 3))
        again = LocalVault(database, keys)
        await again.open()
        for vault_id, number in there.items():
            assert (await again.read(vault_id)).value == Hidden(f"value {number}".encode())
    last = LocalVault(database, keys)
    await last.open()
    await last.rewrap()
    assert [use.key_id for use in await last.uses()] == [last.active_key]


@pytest.mark.slow
async def test_a_rotation_killed_in_the_middle_leaves_every_value_readable(
    database: Database, postgres: EmbeddedPostgres, keys: FileKeys
) -> None:
    await _survives(3, database, postgres, keys)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_a_rotation_killed_fifty_times_leaves_every_value_readable(
    database: Database, postgres: EmbeddedPostgres, keys: FileKeys
) -> None:
    await _survives(50, database, postgres, keys)
