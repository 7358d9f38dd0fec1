"""What every vault promises, whatever it is made of."""

import pytest

from mooring.base.errors import Unfit
from mooring.base.hidden import Hidden
from mooring.base.ids import new_id
from mooring.secrets.errors import NoSuchValue, OtherVersion
from mooring.secrets.vaults.base import LARGEST_VALUE, Vault


@pytest.fixture(params=["local", *(pytest.param(name, marks=pytest.mark.slow) for name in ("workos", "openbao"))])
def vault(request: pytest.FixtureRequest) -> Vault:
    made: Vault = request.getfixturevalue(request.param)
    return made


def value(text: str) -> Hidden:
    return Hidden(text.encode())


async def stored(vault: Vault, text: str = "one") -> tuple[str, str]:
    name = new_id("sec")
    made = await vault.create(name, value(text), {"secret": name})
    return made.vault_id, made.version


CONTENTS = (
    b"x",
    b"\0",
    b"plain text",
    b"line one\nline two\r\n",
    "ünïcödé \U0001f511".encode(),
    b"\xff\xfe invalid \xc3\x28",
    bytes(range(256)),
    b"base64:aGVsbG8=",
    b'{"value": "json"}',
    b" \t ",
    b"z" * LARGEST_VALUE,
    bytes(range(256)) * (LARGEST_VALUE // 256),
)


async def test_what_was_stored_is_read_byte_for_byte(vault: Vault) -> None:
    for content in CONTENTS:
        made = await vault.create(new_id("sec"), Hidden(content), {})
        opened = await vault.read(made.vault_id)
        assert opened.value.reveal() == content
        assert opened.version == made.version


async def test_a_value_of_no_or_too_many_bytes_is_refused(vault: Vault) -> None:
    vault_id, version = await stored(vault)
    for content in (b"", b"z" * (LARGEST_VALUE + 1)):
        with pytest.raises(Unfit, match="1 to 65536"):
            await vault.create(new_id("sec"), Hidden(content), {})
        with pytest.raises(Unfit, match="1 to 65536"):
            await vault.update(vault_id, Hidden(content), expect=version)
    assert (await vault.read(vault_id)).value == value("one")


async def test_an_update_gives_a_new_version_and_the_new_value(vault: Vault) -> None:
    vault_id, first = await stored(vault)
    second = await vault.update(vault_id, value("two"), expect=first)
    opened = await vault.read(vault_id)
    assert (opened.value, opened.version) == (value("two"), second)
    assert second != first
    assert await vault.describe(vault_id) == second


async def test_of_two_updates_that_expect_the_same_version_one_is_refused(vault: Vault) -> None:
    vault_id, first = await stored(vault)
    await vault.update(vault_id, value("two"), expect=first)
    with pytest.raises(OtherVersion):
        await vault.update(vault_id, value("three"), expect=first)
    assert (await vault.read(vault_id)).value == value("two")


async def test_a_name_is_given_once(vault: Vault) -> None:
    name = new_id("sec")
    made = await vault.create(name, value("one"), {})
    with pytest.raises(OtherVersion):
        await vault.create(name, value("two"), {})
    assert (await vault.read(made.vault_id)).value == value("one")


async def test_it_is_found_by_its_name(vault: Vault) -> None:
    name = new_id("sec")
    assert await vault.find(name) is None
    made = await vault.create(name, value("one"), {})
    assert await vault.find(name) == made.vault_id


async def test_what_was_deleted_is_gone_and_deleting_it_again_is_fine(vault: Vault) -> None:
    vault_id, version = await stored(vault)
    await vault.update(vault_id, value("two"), expect=version)
    await vault.delete(vault_id)
    await vault.delete(vault_id)
    for gone in (vault.read(vault_id), vault.describe(vault_id), vault.read(vault_id, version)):
        with pytest.raises(NoSuchValue):
            await gone
    with pytest.raises((NoSuchValue, OtherVersion)):
        await vault.update(vault_id, value("three"), expect=version)


async def test_an_earlier_version_is_read_as_it_was_or_not_at_all(vault: Vault) -> None:
    vault_id, first = await stored(vault)
    await vault.update(vault_id, value("two"), expect=first)
    try:
        opened = await vault.read(vault_id, first)
    except NoSuchValue:
        return
    assert (opened.value, opened.version) == (value("one"), first)


async def test_what_is_not_there_is_missing(vault: Vault) -> None:
    with pytest.raises(NoSuchValue):
        await vault.read(new_id("sec"))
    with pytest.raises(NoSuchValue):
        await vault.describe(new_id("sec"))


async def test_it_says_that_it_can_be_used(vault: Vault) -> None:
    await vault.check()
