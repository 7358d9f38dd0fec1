"""Single sign-on: whose tokens are taken, and whom they let in."""

import asyncio
import base64
import hmac
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from mooring.app import App
from mooring.base.errors import Unfit
from mooring.http.server import application
from mooring.identity.claims import Trust
from mooring.identity.oidc import SignOn
from surfaces.issuer import AUDIENCE, EC, OTHER_RSA, RSA, Issuer, issuing, pem, public
from surfaces.people import Asker


@dataclass
class Time:
    """A clock that stands until it is set."""

    at: datetime

    def now(self) -> datetime:
        return self.at


@dataclass
class House:
    """An installation with single sign-on: its administrator, its issuer, its clock."""

    admin: Asker
    issuer: Issuer
    time: Time

    async def come(self, token: str) -> httpx.Response:
        return await replace(self.admin, token=token).get("/whoami")

    def token(self, **given: Any) -> str:
        return self.issuer.token(self.time.at, **given)


@pytest.fixture
async def issuer() -> AsyncGenerator[Issuer]:
    async with issuing() as found:
        yield found


@pytest.fixture
async def house(app: App, admin: Asker, issuer: Issuer) -> AsyncGenerator[House]:
    time = Time(datetime.now(UTC))
    trust = Trust(issuer=issuer.url, audience=AUDIENCE, username_claim="preferred_username")
    settings = replace(app.settings, oidc_provision=True)
    asgi: Any = application(replace(app, sign_on=SignOn(trust), clock=time, settings=settings))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=asgi), base_url="http://mooring") as client:
        yield House(admin=replace(admin, http=client), issuer=issuer, time=time)


async def test_the_first_login_makes_a_member_and_the_second_finds_it(house: House) -> None:
    first = await house.come(house.token(name="Some Author", email="author@example.org", email_verified=True))
    assert first.status_code == 200, first.text
    user = first.json()["user"]
    assert (user["username"], user["name"], user["email"]) == ("author", "Some Author", "author@example.org")
    assert (user["role"], user["oidc_subject"], first.json()["token_id"]) == ("member", "s-1", None)
    again = await house.come(house.token(key=EC, kid="two", preferred_username="renamed"))
    assert again.json()["user"] == user
    [event] = (await house.admin.get(f"/resource_events?resource_id={user['id']}")).json()["items"]
    assert (event["actor_id"], event["reason"]) == (None, "first login by single sign-on")


async def test_a_user_that_is_there_is_never_handed_over_by_its_name(house: House) -> None:
    refused = await house.come(house.token(preferred_username="admin"))
    assert (refused.status_code, "oidc_subject" in refused.json()["reason"]) == (401, True)
    await house.admin.ask("PATCH", f"/users/{house.admin.id}", {"oidc_subject": "s-7"})
    who = (await house.come(house.token(sub="s-7"))).json()
    assert who["user"]["id"] == house.admin.id


async def test_a_disabled_user_is_not_let_in(house: House) -> None:
    user = (await house.come(house.token())).json()["user"]
    await house.admin.ask("POST", f"/users/{user['id']}/disable")
    assert (await house.come(house.token())).status_code == 401


async def test_without_provision_only_those_an_administrator_named_come_in(app: App, house: House) -> None:
    trust = Trust(issuer=house.issuer.url, audience=AUDIENCE, username_claim="preferred_username")
    asgi: Any = application(replace(app, sign_on=SignOn(trust), clock=house.time))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=asgi), base_url="http://mooring") as client:
        refused = await replace(house.admin, http=client, token=house.token()).get("/whoami")
        assert (refused.status_code, "administrator" in refused.json()["reason"]) == (401, True)


def unsigned(now: datetime, issuer: Issuer) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    said = {"iss": issuer.url, "aud": AUDIENCE, "sub": "s-1", "exp": now.timestamp() + 300, "preferred_username": "x"}
    return f"{part({'alg': 'none', 'kid': 'one'})}.{part(said)}."


def confused(now: datetime, issuer: Issuer) -> str:
    """Signed with HMAC, the published key as the secret."""
    said = {"iss": issuer.url, "aud": AUDIENCE, "sub": "s-1", "exp": now.timestamp() + 300}
    signing = jwt.encode(said, "x" * 32, "HS256", headers={"kid": "one"}).rpartition(".")[0]
    signature = hmac.digest(pem(RSA), signing.encode(), "sha256")
    return f"{signing}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


async def test_forged_tokens_are_refused(house: House) -> None:
    good = house.token()
    head, body, signature = good.split(".")
    other = house.token(sub="s-2").split(".")[1]
    forged = {
        "no signature": unsigned(house.time.at, house.issuer),
        "the published key as a secret": confused(house.time.at, house.issuer),
        "another key": house.token(key=OTHER_RSA),
        "another algorithm's key": house.token(key=EC, kid="one"),
        "a key that is not published": house.token(kid="nine"),
        "another body": f"{head}.{other}.{signature}",
        "cut": f"{head}.{body}.{signature[:-4]}",
        "no parts": "..",
        "three words": "a.b.c",
        "too long": house.token(kid="one", more="x" * 20_000),
    }
    for what, token in forged.items():
        answer = await house.come(token)
        assert (answer.status_code, answer.json()["code"]) == (401, "mooring-15"), what
    assert (await house.come(good)).status_code == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other.example.org"},
        {"aud": "another application"},
        {"aud": None},
        {"sub": None},
        {"sub": ""},
        {"sub": "a\nb"},
        {"exp": None},
        {"exp": "tomorrow"},
        {"preferred_username": None},
        {"preferred_username": "../admin"},
    ],
)
async def test_a_token_that_does_not_say_what_it_must_is_refused(house: House, claims: dict[str, Any]) -> None:
    assert (await house.come(house.token(**claims))).status_code == 401


async def test_times_hold_with_a_minute_of_skew(house: House) -> None:
    now = house.time.at.timestamp()
    for claims, status in (
        ({"exp": now - 59}, 200),
        ({"exp": now - 61}, 401),
        ({"nbf": now + 59}, 200),
        ({"nbf": now + 61}, 401),
        ({"iat": now + 61}, 401),
        ({"exp": 1e300}, 200),
    ):
        assert (await house.come(house.token(**claims))).status_code == status, claims


async def test_keys_are_fetched_once_and_again_when_the_issuer_changes_them(house: House) -> None:
    for _ in range(5):
        await house.come(house.token())
    assert house.issuer.asked == 2
    house.issuer.keys = [public(OTHER_RSA, "three")]
    house.time.at += timedelta(seconds=11)
    assert (await house.come(house.token(key=OTHER_RSA, kid="three"))).status_code == 200
    assert house.issuer.asked == 4
    # The old key is no longer published.
    assert (await house.come(house.token())).status_code == 401


async def test_names_of_keys_that_are_not_there_do_not_make_us_ask_again_and_again(house: House) -> None:
    await house.come(house.token())
    house.time.at += timedelta(seconds=11)
    for number in range(20):
        assert (await house.come(house.token(kid=f"made up {number}"))).status_code == 401
    assert house.issuer.asked == 4


async def test_an_issuer_that_is_away_is_503_unless_its_keys_are_kept(house: House) -> None:
    house.issuer.away = True
    first = await house.come(house.token())
    assert (first.status_code, house.issuer.url in first.json()["reason"]) == (503, True)
    house.issuer.away = False
    house.time.at += timedelta(seconds=11)
    assert (await house.come(house.token())).status_code == 200
    house.issuer.away = True
    house.time.at += timedelta(minutes=11)
    assert (await house.come(house.token())).status_code == 200


async def test_an_issuer_that_is_away_is_not_asked_by_everybody_who_comes(house: House) -> None:
    house.issuer.away = True
    answers = await asyncio.gather(*(house.come(house.token()) for _ in range(5)))
    answers += [await house.come(house.token())]
    assert {(answer.status_code, house.issuer.url in answer.json()["reason"]) for answer in answers} == {(503, True)}
    assert house.issuer.asked == 1
    house.issuer.away = False
    assert (await house.come(house.token())).status_code == 503
    house.time.at += timedelta(seconds=11)
    assert (await house.come(house.token())).status_code == 200
    assert house.issuer.asked == 3


@pytest.mark.parametrize(
    "keys",
    [b'{"keys": ' + b"[" * 100_000, b'{"keys": "\xff"}', b"[]", b'{"keys": 3}', b"", b'{"keys": [3]}'],
    ids=["nested without an end", "no text", "a list", "a number", "nothing", "no key"],
)
async def test_an_issuer_whose_key_set_is_none_is_away_and_not_asked_by_everybody(house: House, keys: bytes) -> None:
    house.issuer.raw_keys = keys
    for _ in range(3):
        refused = await house.come(house.token())
        assert (refused.status_code, refused.json()["kind"]) == (503, "Error"), refused.text
    assert house.issuer.asked == 2


@pytest.mark.parametrize(
    "odd",
    [{"n": 5}, {"n": ""}, {"e": None}, {"n": "\ud7ff"}, {"x5c": 3}, {"kid": {}}, {"d": "AQAB"}, {"oth": []}],
    ids=lambda odd: next(iter(odd)),
)
async def test_a_key_that_cannot_be_one_is_passed_over(house: House, odd: dict[str, Any]) -> None:
    whole = public(EC, "two")
    house.issuer.keys = [{**public(RSA, "one"), **odd}, {**whole, "kid": "three", **odd, "x": 7}, whole]
    assert (await house.come(house.token(key=EC, kid="two"))).status_code == 200
    assert (await house.come(house.token())).status_code in (200, 401)


async def test_a_private_key_that_an_issuer_publishes_verifies_nothing(house: House) -> None:
    private: dict[str, Any] = json.loads(RSAAlgorithm.to_jwk(RSA))
    house.issuer.keys = [{**private, "kid": "one", "key_ops": ["sign"]}]
    refused = await house.come(house.token())
    assert (refused.status_code, "does not publish" in refused.json()["reason"]) == (401, True)


async def test_a_token_nested_without_an_end_is_refused(house: House) -> None:
    head = base64.urlsafe_b64encode(b"[" * 9_000).decode()
    refused = await house.come(f"{head}.e30.AA")
    assert (refused.status_code, refused.json()["code"]) == (401, "mooring-15")


@pytest.mark.parametrize("time", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
async def test_what_is_no_time_is_refused(house: House, claim: str, time: float) -> None:
    refused = await house.come(house.token(**{claim: time}))
    assert (refused.status_code, "is no time" in refused.json()["reason"]) == (401, True)


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("n" * 201, "n" * 200),
        ("   ", "author"),
        ("n" * 300, "author"),
        (" a  b ", "a  b"),
        ("n" * 199 + " m", "n" * 199),
    ],
)
async def test_a_name_or_address_that_cannot_be_one_here_keeps_nobody_out(house: House, said: str, name: str) -> None:
    answer = await house.come(house.token(name=said, email="at home", email_verified=True))
    assert answer.status_code == 200, answer.text
    assert (answer.json()["user"]["name"], answer.json()["user"]["email"]) == (name, None)


async def test_an_issuer_that_speaks_for_another_is_not_believed(house: House) -> None:
    house.issuer.claims_to_be = "https://other.example.org"
    assert (await house.come(house.token())).status_code == 503


@pytest.mark.parametrize("address", ["https://[x", "https://x:y", "keys", "http://other.example.org/keys"])
async def test_an_issuer_whose_keys_have_no_address_is_away(house: House, address: str) -> None:
    house.issuer.keys_at = address
    for _ in range(2):
        assert (await house.come(house.token())).status_code == 503
    assert house.issuer.asked == 1


@pytest.mark.filterwarnings("ignore:The RSA key is 1024 bits")
async def test_keys_that_must_not_be_used_are_passed_over(house: House) -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - what is to be refused
    house.issuer.keys = [
        public(weak, "weak"),
        public(RSA, "encrypts", use="enc"),
        public(RSA, "other", alg="RS512"),
        {"kty": "oct", "k": "c2VjcmV0", "kid": "secret"},
        {"kty": "RSA", "kid": "broken"},
    ]
    for key, name in ((weak, "weak"), (RSA, "encrypts"), (RSA, "other"), (RSA, "broken"), (RSA, None)):
        assert (await house.come(house.token(key=key, kid=name))).status_code == 401, name


async def test_mooring_s_own_tokens_go_on_beside_it(house: House) -> None:
    assert (await house.admin.get("/whoami")).status_code == 200


@pytest.mark.parametrize(
    "issuer", ["http://issuer.example.org", "issuer", "ftp://x", "https://x/?a=b", "https://[x", "https://x:y"]
)
def test_an_issuer_that_is_not_https_is_refused(issuer: str) -> None:
    with pytest.raises(Unfit, match="MOORING_OIDC_ISSUER"):
        SignOn(Trust(issuer=issuer, audience="a", username_claim="sub"))


def test_an_issuer_without_an_audience_is_refused() -> None:
    with pytest.raises(Unfit, match="MOORING_OIDC_AUDIENCE"):
        SignOn(Trust(issuer="https://issuer.example.org", audience="", username_claim="sub"))
