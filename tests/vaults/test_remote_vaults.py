"""Vaults of others: what they say is understood, what may be repeated is, and nothing they say is passed on."""

import logging
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mooring.base.errors import MooringError, Unfit
from mooring.base.hidden import Hidden
from mooring.base.ids import new_id
from mooring.secrets.errors import NoSuchValue, OtherVersion, VaultAway, VaultBroken, VaultRefuses
from mooring.secrets.vaults.base import Vault
from mooring.secrets.vaults.openbao import OpenBaoSettings, OpenBaoVault
from mooring.secrets.vaults.patience import Patience
from mooring.secrets.vaults.workos import WorkOSSettings, WorkOSVault
from vaults.fixtures import Waits
from vaults.loopback import OpenBao, Server, Trouble, WorkOS, forms

pytestmark = pytest.mark.slow

CANARY = b"s3cr3t-canary-7f1c"


@dataclass
class SetClock:
    """A clock that is set by hand."""

    at: datetime

    def now(self) -> datetime:
        return self.at


@pytest.fixture(params=["workos", "openbao"])
def kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def server(request: pytest.FixtureRequest, kind: str) -> Server:
    server: Server = request.getfixturevalue(f"{kind}_server")
    return server


@pytest.fixture
def vault(request: pytest.FixtureRequest, kind: str) -> Vault:
    vault: Vault = request.getfixturevalue(kind)
    return vault


async def put(vault: Vault, value: bytes = CANARY) -> tuple[str, str]:
    name = new_id("sec")
    made = await vault.create(name, Hidden(value), {"secret": name})
    return made.vault_id, made.version


def asked(server: Server) -> list[str]:
    """The methods of what was asked since, and forget them."""
    words = [line.split(" ")[0] for line in server.asked]
    server.asked.clear()
    return words


@pytest.mark.parametrize(
    ("status", "kind_of_error"),
    [
        (400, VaultBroken),
        (401, VaultRefuses),
        (403, VaultRefuses),
        (404, NoSuchValue),
        (409, OtherVersion),
        (422, VaultBroken),
        (302, VaultBroken),
    ],
)
async def test_a_refusal_is_understood_and_not_repeated(
    vault: Vault, server: Server, waits: Waits, status: int, kind_of_error: type[MooringError]
) -> None:
    vault_id, _ = await put(vault)
    asked(server)
    server.troubles = [Trouble(status=status, headers={"Location": "http://127.0.0.1:1/"})]
    with pytest.raises(kind_of_error):
        await vault.read(vault_id)
    assert asked(server) == ["GET"]
    assert waits.seconds == []


@pytest.mark.parametrize(
    "trouble",
    [
        Trouble(status=500),
        Trouble(status=502, body=b"<html>"),
        Trouble(status=503),
        Trouble(status=504),
        Trouble(cut=True),
        Trouble(status=429),
    ],
)
async def test_a_read_is_repeated_until_the_vault_is_well_again(
    vault: Vault, server: Server, waits: Waits, trouble: Trouble
) -> None:
    vault_id, version = await put(vault)
    asked(server)
    server.troubles = [trouble, trouble]
    opened = await vault.read(vault_id)
    assert (opened.value, opened.version) == (Hidden(CANARY), version)
    assert asked(server) == ["GET"] * 3
    assert len(waits.seconds) == 2
    assert waits.seconds[0] < waits.seconds[1] < 1


@pytest.mark.parametrize("trouble", [Trouble(status=500), Trouble(cut=True), Trouble(status=429)])
async def test_a_vault_that_stays_away_is_given_up_on(
    vault: Vault, server: Server, waits: Waits, trouble: Trouble
) -> None:
    vault_id, _ = await put(vault)
    asked(server)
    server.troubles = [trouble] * 9
    with pytest.raises(VaultAway):
        await vault.read(vault_id)
    assert asked(server) == ["GET"] * 4
    assert len(waits.seconds) == 3


async def test_retry_after_is_waited_for_to_the_second(vault: Vault, server: Server, waits: Waits) -> None:
    vault_id, _ = await put(vault)
    server.troubles = [
        Trouble(status=429, headers={"Retry-After": "7"}),
        Trouble(status=429, headers={"Retry-After": "3"}),
    ]
    await vault.read(vault_id)
    assert waits.seconds == [7.0, 3.0]


async def test_a_retry_after_beyond_our_patience_is_told_instead(vault: Vault, server: Server, waits: Waits) -> None:
    vault_id, _ = await put(vault)
    server.troubles = [Trouble(status=429, headers={"Retry-After": "3600"})]
    with pytest.raises(VaultAway) as away:
        await vault.read(vault_id)
    assert away.value.facts["retry_after"] == 3600.0
    assert waits.seconds == []


async def test_a_write_that_was_not_taken_is_repeated(vault: Vault, server: Server, waits: Waits) -> None:
    server.troubles = [Trouble(status=429, headers={"Retry-After": "1"})]
    vault_id, _ = await put(vault)
    assert (await vault.read(vault_id)).value == Hidden(CANARY)
    assert waits.seconds == [1.0]


@pytest.mark.parametrize(
    "trouble", [Trouble(cut=True, done_first=True), Trouble(status=500, done_first=True), Trouble(status=502)]
)
async def test_a_write_that_may_have_happened_is_not_repeated(
    vault: Vault, server: Server, waits: Waits, trouble: Trouble
) -> None:
    server.troubles = [trouble]
    with pytest.raises(VaultAway):
        await put(vault)
    assert asked(server) == ["POST"]
    assert waits.seconds == []


async def test_a_delete_whose_answer_was_lost_is_repeated_and_done(vault: Vault, server: Server) -> None:
    vault_id, _ = await put(vault)
    server.troubles = [Trouble(cut=True, done_first=True)]
    await vault.delete(vault_id)
    with pytest.raises(NoSuchValue):
        await vault.read(vault_id)


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{}", b"not json " + CANARY, b'{"data": {"data": "' + CANARY + b'"}}', b"\xff\xfe"]
)
async def test_an_answer_of_another_form_is_refused_and_not_repeated_in_words(
    vault: Vault, server: Server, body: bytes
) -> None:
    vault_id, version = await put(vault)
    server.troubles = [Trouble(status=200, body=body)]
    with pytest.raises(VaultBroken) as broken:
        await vault.read(vault_id)
    assert_silent(broken.value)
    server.troubles = [Trouble(status=200, body=body)]
    with pytest.raises(VaultBroken) as broken:
        await vault.update(vault_id, Hidden(b"other"), expect=version)
    assert_silent(broken.value)


def assert_silent(error: BaseException) -> None:
    """No form of the value in what the error says, nor in what is written of it to a log."""
    told = "".join(traceback.format_exception(error)).encode()
    facts = repr(getattr(error, "facts", "")).encode()
    for form in forms(CANARY):
        assert form not in told + facts


FAILING: list[Callable[[Vault, str, str], Awaitable[Any]]] = [
    lambda vault, _, __: vault.create(new_id("sec"), Hidden(CANARY), {}),
    lambda vault, vault_id, version: vault.update(vault_id, Hidden(CANARY), expect=version),
    lambda vault, vault_id, _: vault.read(vault_id),
]


async def test_a_vault_that_repeats_the_value_in_its_error_is_not_quoted(
    vault: Vault, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    vault_id, version = await put(vault)
    echo = b'{"message": "%b", "error": "%b", "errors": ["%b"], "code": "%b"}' % ((CANARY,) * 4)
    for status in (200, 400, 401, 403, 404, 409, 422, 429, 500, 503):
        for act in FAILING:
            server.troubles = [Trouble(status=status, body=echo)] * 9
            with pytest.raises(MooringError) as failed:
                await act(vault, vault_id, version)
            assert_silent(failed.value)
    assert all(form not in caplog.text.encode() for form in forms(CANARY))


async def test_an_id_that_would_lead_elsewhere_is_refused_before_anything_is_asked(
    vault: Vault, server: Server, kind: str
) -> None:
    # The SDK of WorkOS encodes slashes: there they lead nowhere else.
    paths = [] if kind == "workos" else ["../../sys/health", "a/../b", "a//b", "/a"]
    for vault_id in ("..", ".", "", "a\nb", "x" * 1001, *paths):
        with pytest.raises(Unfit, match="vault_id"):
            await vault.read(vault_id)
    assert server.asked == []


def hurried(kind: str, server: Server, waits: Waits) -> Vault:
    """A vault's client that waits half a second for an answer."""
    patience = Patience(pause=waits.pause)
    if kind == "workos":
        asked_as = Hidden(WorkOS.KEY.encode())
        return WorkOSVault(WorkOSSettings(api_key=asked_as, base_url=server.url, timeout=0.5), patience=patience)
    asked_as = Hidden(OpenBao.TOKEN.encode())
    return OpenBaoVault(OpenBaoSettings(url=server.url, token=asked_as, timeout=0.5), patience=patience)


async def test_an_answer_that_does_not_come_is_given_up_on(
    vault: Vault, kind: str, server: Server, waits: Waits
) -> None:
    vault_id, version = await put(vault)
    slow = hurried(kind, server, waits)
    server.troubles = [Trouble(slow=True)] * 9
    asked(server)
    with pytest.raises(VaultAway):
        await slow.read(vault_id)
    assert asked(server) == ["GET"] * 4
    with pytest.raises(VaultAway):
        await slow.create(new_id("sec"), Hidden(CANARY), {})
    assert asked(server) == ["POST"]
    await slow.close()
    server.troubles = []
    assert (await vault.read(vault_id)).version == version


async def test_a_server_that_is_not_there_is_away(kind: str, server: Server, waits: Waits) -> None:
    server.end()
    gone = hurried(kind, server, waits)
    with pytest.raises(VaultAway):
        await gone.check()
    await gone.close()


# --- WorkOS alone ---


async def test_workos_gets_the_secrets_id_as_name_and_key_context(workos: WorkOSVault, workos_server: WorkOS) -> None:
    name = new_id("sec")
    made = await workos.create(name, Hidden(CANARY), {"installation": "one"})
    kept = workos_server.objects[made.vault_id]
    assert kept["name"] == name
    assert kept["context"] == {"secret": name, "installation": "one", "encoding": "base64"}


async def test_an_object_made_in_workos_itself_is_read_and_written_as_its_text(
    workos: WorkOSVault, workos_server: WorkOS
) -> None:
    workos_server.objects["secret_1"] = {
        "id": "secret_1", "name": "theirs", "value": "plain ü", "context": {"org": "1"}, "version": "v1",
    }  # fmt: skip
    assert (await workos.read("secret_1")).value == Hidden("plain ü".encode())
    await workos.update("secret_1", Hidden(b"next"), expect="v1")
    assert workos_server.objects["secret_1"]["value"] == "next"
    version = await workos.describe("secret_1")
    with pytest.raises(Unfit, match="not UTF-8"):
        await workos.update("secret_1", Hidden(b"\xff"), expect=version)


async def test_a_wrong_workos_key_is_refused_with_the_setting_to_renew(workos_server: WorkOS, waits: Waits) -> None:
    settings = WorkOSSettings(api_key=Hidden(b"sk_wrong"), base_url=workos_server.url)
    vault = WorkOSVault(settings, patience=Patience(pause=waits.pause))
    with pytest.raises(VaultRefuses, match="MOORING_WORKOS_API_KEY"):
        await vault.check()
    await vault.close()


# --- OpenBao alone ---


def approle(server: OpenBao) -> OpenBaoSettings:
    return OpenBaoSettings(url=server.url, role_id=OpenBao.ROLE, secret_id=Hidden(OpenBao.SECRET_ID.encode()))


async def test_an_approle_logs_in_once_and_again_when_its_lease_nears_its_end(openbao_server: OpenBao) -> None:
    clock = [0.0]
    vault = OpenBaoVault(approle(openbao_server), now=lambda: clock[0])
    for _ in range(3):
        await vault.check()
    assert openbao_server.logins == 1
    clock[0] = openbao_server.lease * 0.8
    await vault.check()
    assert openbao_server.logins == 2
    await vault.close()


async def test_an_approle_whose_token_was_revoked_logs_in_again(openbao_server: OpenBao) -> None:
    vault = OpenBaoVault(approle(openbao_server))
    await vault.check()
    openbao_server.tokens.clear()
    await vault.check()
    assert openbao_server.logins == 2
    await vault.close()


async def test_a_wrong_approle_is_refused_with_the_setting_to_renew(openbao_server: OpenBao) -> None:
    vault = OpenBaoVault(replace(approle(openbao_server), secret_id=Hidden(b"wrong")))
    with pytest.raises(VaultRefuses, match="MOORING_OPENBAO_SECRET_ID"):
        await vault.check()
    await vault.close()


async def test_a_revoked_token_is_refused_with_the_setting_to_renew(
    openbao: OpenBaoVault, openbao_server: OpenBao
) -> None:
    openbao_server.tokens.clear()
    with pytest.raises(VaultRefuses, match="MOORING_OPENBAO_TOKEN"):
        await openbao.check()


def test_neither_token_nor_approle_is_refused() -> None:
    with pytest.raises(Unfit, match="MOORING_OPENBAO_TOKEN"):
        OpenBaoVault(OpenBaoSettings(url="http://127.0.0.1:1", role_id="only half"))


async def test_namespaces_do_not_see_one_another(openbao_server: OpenBao) -> None:
    settings = OpenBaoSettings(url=openbao_server.url, token=Hidden(OpenBao.TOKEN.encode()))
    one = OpenBaoVault(replace(settings, namespace="team/one"))
    two = OpenBaoVault(replace(settings, namespace="team/two"))
    made = await one.create(new_id("sec"), Hidden(CANARY), {})
    with pytest.raises(NoSuchValue):
        await two.read(made.vault_id)
    assert (await one.read(made.vault_id)).value == Hidden(CANARY)
    await one.close()
    await two.close()


async def test_text_can_be_read_by_people_and_bytes_say_what_they_are(
    openbao: OpenBaoVault, openbao_server: OpenBao
) -> None:
    vault_id, version = await put(openbao, b"readable")
    kept = openbao_server.kept["", vault_id]
    assert kept == [{"value": "readable"}]
    version = await openbao.update(vault_id, Hidden(b"\xff"), expect=version)
    assert kept != openbao_server.kept["", vault_id]
    assert openbao_server.kept["", vault_id][-1] == {"value": "/w==", "encoding": "base64"}
    await openbao.update(vault_id, Hidden(b"readable again"), expect=version)
    assert openbao_server.kept["", vault_id][-1] == {"value": "readable again"}


async def test_one_key_of_a_path_that_others_use_is_read_and_changed_alone(
    openbao: OpenBaoVault, openbao_server: OpenBao
) -> None:
    openbao_server.kept["", "team/db"] = [{"user": "app", "password": "one"}]
    opened = await openbao.read("team/db#password")
    assert opened.value == Hidden(b"one")
    await openbao.update("team/db#password", Hidden(b"two"), expect=opened.version)
    assert openbao_server.kept["", "team/db"][-1] == {"user": "app", "password": "two"}
    with pytest.raises(NoSuchValue, match="'port'"):
        await openbao.read("team/db#port")
    with pytest.raises(Unfit, match="not UTF-8"):
        await openbao.update("team/db#password", Hidden(b"\xff"), expect="2")


async def test_a_version_deleted_in_openbao_is_missing(openbao: OpenBaoVault, openbao_server: OpenBao) -> None:
    openbao_server.kept["", "team/db"] = [{"value": "one"}, None]
    with pytest.raises(NoSuchValue):
        await openbao.read("team/db")
    with pytest.raises(NoSuchValue):
        await openbao.describe("team/db")
    assert (await openbao.read("team/db", "1")).value == Hidden(b"one")


async def test_a_version_that_is_to_be_deleted_later_is_there_until_then(openbao_server: OpenBao) -> None:
    clock = SetClock(datetime(2026, 3, 1, tzinfo=UTC))
    settings = OpenBaoSettings(url=openbao_server.url, token=Hidden(OpenBao.TOKEN.encode()))
    vault = OpenBaoVault(settings, clock=clock)
    openbao_server.until = "2026-03-22T02:24:06.945319214Z"
    vault_id, version = await put(vault)
    assert await vault.describe(vault_id) == version
    clock.at += timedelta(days=30)
    with pytest.raises(NoSuchValue):
        await vault.describe(vault_id)
    openbao_server.until = "tomorrow"
    with pytest.raises(VaultBroken):
        await vault.describe(vault_id)
    await vault.close()


async def test_what_was_created_is_found_and_removed_though_its_last_version_was_deleted(
    openbao: OpenBaoVault, openbao_server: OpenBao
) -> None:
    name = new_id("sec")
    made = await openbao.create(name, Hidden(CANARY), {})
    openbao_server.kept["", made.vault_id].append(None)
    assert await openbao.find(name) == made.vault_id
    await openbao.delete(made.vault_id)
    assert (openbao_server.kept, await openbao.find(name)) == ({}, None)
