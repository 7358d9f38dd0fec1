"""What an S3 store says, and does, when the other side fails."""

import contextlib
import io
import os
from collections.abc import Callable, Generator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import pytest

from blobs.conftest import s3_settings
from blobs.servers import Broken, Proxy, proxy, serving
from mooring.base.errors import Unavailable, Unfit
from mooring.files.blobs.s3 import S3Blobs, in_bucket

pytestmark = pytest.mark.slow
MIB = 1 << 20


@pytest.fixture
def broken(moto_url: str) -> Generator[Proxy]:
    """A proxy before moto that does what a test tells it to."""
    with proxy(moto_url) as made:
        yield made


def key_of() -> str:
    return f"tests/{uuid4().hex}/blob"


def times(count: int, broken: Broken, method: str = "") -> Callable[[str, str], Broken | None]:
    """Break the first `count` requests (of a method)."""
    left = [count]

    def breaks(asked: str, _path: str) -> Broken | None:
        if method not in ("", asked) or not left[0]:
            return None
        left[0] -= 1
        return broken

    return breaks


async def whole(store: S3Blobs, key: str) -> bytes:
    return b"".join([chunk async for chunk in store.read(key)])


@pytest.mark.parametrize(
    "fault",
    [
        Broken(status=500),
        Broken(status=503, code="SlowDown"),
        Broken(status=502, code="BadGateway"),
        Broken(cut_request=1000),
        Broken(cut_answer=10),
    ],
    ids=["500", "slow down", "502", "request cut", "answer cut"],
)
@pytest.mark.parametrize("size", [1000, 18 * MIB], ids=["small", "in parts"])
async def test_a_put_survives_passing_faults(broken: Proxy, fault: Broken, size: int) -> None:
    store, content, key = in_bucket(s3_settings(broken.url)), os.urandom(size), key_of()
    broken.breaks = times(2, fault, "PUT")
    await store.put_file(key, io.BytesIO(content))
    assert await whole(store, key) == content
    assert len([1 for method, _ in broken.seen if method == "PUT"]) > 2


@pytest.mark.parametrize("method", ["POST", "HEAD", "GET"])
async def test_every_other_request_survives_them_too(broken: Proxy, method: str) -> None:
    store, content, key = in_bucket(s3_settings(broken.url)), os.urandom(9 * MIB), key_of()
    broken.breaks = times(2, Broken(status=503, code="SlowDown"), method)
    await store.put_file(key, io.BytesIO(content))
    assert await whole(store, key) == content
    await store.delete(key)
    assert await store.head(key) is None


async def test_an_answer_that_is_cut_is_taken_up_where_it_was(broken: Proxy) -> None:
    store, content, key = in_bucket(s3_settings(broken.url)), os.urandom(24 * MIB), key_of()
    await store.put_file(key, io.BytesIO(content))
    broken.answered = 0
    broken.breaks = times(2, Broken(cut_answer=10 * MIB), "GET")
    assert await whole(store, key) == content
    assert broken.answered < 40 * MIB, "it did not begin again from the start each time"


async def test_a_store_that_stays_overloaded_is_unavailable(broken: Proxy) -> None:
    store = in_bucket(s3_settings(broken.url, retries=1))
    broken.breaks = lambda _method, _path: Broken(status=503, code="SlowDown")
    with pytest.raises(Unavailable, match="overloaded"):
        await store.put_file(key_of(), io.BytesIO(b"x"))


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        (403, "AccessDenied", "denies us .*s3:GetObject"),
        (403, "InvalidAccessKeyId", "does not know our credentials .*MOORING_S3_ACCESS_KEY_ID"),
        (403, "SignatureDoesNotMatch", "does not know our credentials"),
        (400, "ExpiredToken", "have expired .*renew"),
        (400, "AuthorizationHeaderMalformed", "not in the region us-east-1 .*MOORING_S3_REGION"),
        (301, "PermanentRedirect", "not in the region us-east-1"),
        (507, "XMinioStorageFull", "is full"),
    ],
)
@pytest.mark.parametrize("size", [10, 9 * MIB], ids=["small", "in parts"])
async def test_a_refusal_says_what_to_do(broken: Proxy, status: int, code: str, says: str, size: int) -> None:
    store = in_bucket(s3_settings(broken.url, retries=0))
    broken.breaks = lambda method, _path: None if method == "HEAD" else Broken(status=status, code=code)
    with pytest.raises(Unavailable, match=says):
        await store.put_file(key_of(), io.BytesIO(bytes(size)))
    with pytest.raises(Unavailable, match=says):
        await whole(store, key_of())
    with pytest.raises(Unavailable, match=says):
        await store.check()


@pytest.mark.parametrize(("status", "says"), [(403, "denies us"), (301, "region")])
async def test_a_refusal_without_a_body_is_understood(broken: Proxy, status: int, says: str) -> None:
    store = in_bucket(s3_settings(broken.url, retries=0))
    broken.breaks = lambda _method, _path: Broken(status=status)
    with pytest.raises(Unavailable, match=says):
        await store.head(key_of())


async def test_a_bucket_that_is_not_there_is_named(moto_url: str) -> None:
    store = in_bucket(s3_settings(moto_url, bucket="nobodys-bucket"))
    for tried in (store.check(), store.put_file(key_of(), io.BytesIO(b"x")), whole(store, key_of())):
        with pytest.raises(Unavailable, match=r"nobodys-bucket .*does not exist .*MOORING_S3_BUCKET"):
            await tried


async def test_a_server_that_is_not_there_is_named() -> None:
    store = in_bucket(s3_settings("http://127.0.0.1:9", retries=0))
    with pytest.raises(Unavailable, match=r"http://127.0.0.1:9 does not answer .*MOORING_S3_ENDPOINT"):
        await store.check()


async def test_credentials_come_from_a_file_and_are_read_again(broken: Proxy, tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text("[work]\naws_access_key_id = AKFROMFILE\naws_secret_access_key = secret\n")
    settings = s3_settings(
        broken.url, access_key_id=None, secret_access_key=None, credentials_file=file, profile="work", retries=0
    )
    await in_bucket(settings).check()
    file.write_text("")
    with pytest.raises(Unavailable, match=r"profile work in .*credentials .*needed for the bucket"):
        await in_bucket(settings).check()


async def test_credentials_come_from_the_role_of_the_instance(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with _metadata() as (url, asked):
        settings = s3_settings(moto_url, access_key_id=None, secret_access_key=None, metadata_endpoint=url)
        await in_bucket(settings).check()
    assert any("security-credentials/the-role" in line for line in asked)


@contextlib.contextmanager
def _metadata() -> Generator[tuple[str, list[str]]]:
    """The metadata service of an instance that has a role."""
    asked: list[str] = []
    role = (
        '{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"AKROLE","SecretAccessKey":"s","Token":"t",'
        '"LastUpdated":"2026-01-01T00:00:00Z","Expiration":"2096-01-01T00:00:00Z"}'
    )

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            says = role if "the-role" in self.path else "the-role"
            self._say("a token" if self.command == "PUT" else says)

        do_PUT = do_GET  # noqa: N815 - http.server's name

        def _say(self, says: str) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(says)))
            self.end_headers()
            self.wfile.write(says.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            pass

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as url:
        yield url, asked


async def test_a_virtual_bucket_is_asked_by_its_host(broken: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    # The proxy hears the whole address, so no name has to be looked up.
    monkeypatch.setenv("http_proxy", broken.url)
    await in_bucket(s3_settings("http://s3.test", style="virtual", retries=0)).check()
    assert broken.seen[0][1].startswith("http://mooring-blobs.s3.test/?")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"style": "flat"}, "MOORING_S3_STYLE"),
        ({"endpoint": "s3.example"}, "MOORING_S3_ENDPOINT"),
        ({"ca_file": Path("/nowhere/ca.pem")}, "MOORING_S3_CA_FILE"),
    ],
)
def test_a_bad_setting_is_named(given: dict[str, object], says: str) -> None:
    with pytest.raises(Unfit, match=says):
        in_bucket(s3_settings("http://127.0.0.1:9", **given))


def test_settings_never_show_a_secret() -> None:
    settings = s3_settings("http://127.0.0.1:9", secret_access_key="hush-hush", session_token="hush-token")
    assert "hush" not in repr(in_bucket(settings))


async def test_requests_are_repeated_for_a_while_only(broken: Proxy) -> None:
    store = in_bucket(s3_settings(broken.url, retries=100, retry_for=timedelta(seconds=1)))
    broken.breaks = lambda _method, _path: Broken(status=500)
    with pytest.raises(Unavailable):
        await store.head(key_of())
    assert 2 <= len(broken.seen) < 30
