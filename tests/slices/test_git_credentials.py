"""Private repositories over HTTP: fetched as who asks, with a password nobody else can see, and never for another."""

import asyncio
import base64
import contextlib
import os
import subprocess
import tempfile
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

import pytest

from githttp import GitHttp, self_signed
from mooring.base.errors import Missing
from mooring.base.git import GitCredential, GitLimits, Mirrors
from mooring.base.hidden import Hidden
from mooring.base.unprivileged import process_user
from repositories import commit, git, repository

pytestmark = pytest.mark.slow

PASSWORD = "s3cr3t-canary-7f1c"


@pytest.fixture
def place() -> Generator[Path]:
    made = Path(tempfile.mkdtemp(prefix="mooring-git-", dir="/tmp"))
    made.chmod(0o755)
    yield made
    rmtree(made)


@pytest.fixture
def server(place: Path) -> Generator[GitHttp]:
    repository(place / "served" / "private.git", {"a": "1"})
    with GitHttp(place / "served").running() as server:
        server.people["private.git"] = {f"ci:{PASSWORD}"}
        yield server


@pytest.fixture
def mirrors(place: Path) -> Mirrors:
    limits = GitLimits(seconds=60, size=64 << 20, hosts=frozenset({"localhost"}))
    return Mirrors(directory=place / "mirrors", user=process_user("mooring-run"), limits=limits)


def asks(identity: str, username: str = "ci", password: str = PASSWORD) -> GitCredential:
    return GitCredential(identity=identity, username=username, password=Hidden(password.encode()))


async def test_who_has_the_password_gets_the_repository(mirrors: Mirrors, server: GitHttp, place: Path) -> None:
    head = git(place / "served" / "private.git", "rev-parse", "HEAD")
    pinned = await mirrors.pin(server.url("private.git"), None, asks("group one"))
    assert pinned.commit == head
    assert await mirrors.text(pinned, "a") == "1"
    assert any(who == f"ci:{PASSWORD}" for _, who in server.asked)


@pytest.mark.parametrize("credential", [None, asks("x", password="wrong"), asks("x", username="other")])
async def test_who_has_none_or_a_wrong_one_gets_nothing_and_is_told_what_is_missing(
    mirrors: Mirrors, server: GitHttp, credential: GitCredential | None
) -> None:
    with pytest.raises(Missing, match="needs a user and a password, or refuses those it was given") as refused:
        await mirrors.pin(server.url("private.git"), None, credential)
    assert "wrong" not in refused.value.reason


async def test_what_one_group_fetched_is_not_served_to_another(mirrors: Mirrors, server: GitHttp) -> None:
    url = server.url("private.git")
    pinned = await mirrors.pin(url, None, asks("group one"))
    for credential in (None, asks("group two", password="wrong"), asks("group one", password="wrong")):
        for ref in (None, "main", pinned.commit):
            with pytest.raises(Missing):
                await mirrors.pin(url, ref, credential)
    other = await mirrors.pin(url, None, asks("group two"))
    assert other.commit == pinned.commit
    assert other.bundle != pinned.bundle
    public = mirrors.directory / pinned.mirror.name
    assert public != other.mirror


async def test_a_password_that_was_taken_back_ends_what_is_in_the_cache(mirrors: Mirrors, server: GitHttp) -> None:
    url = server.url("private.git")
    pinned = await mirrors.pin(url, None, asks("group one"))
    server.people["private.git"] = {"ci:another"}
    with pytest.raises(Missing):
        await mirrors.pin(url, pinned.commit, asks("group one"))


async def test_a_public_repository_is_read_with_and_without_a_credential(
    mirrors: Mirrors, server: GitHttp, place: Path
) -> None:
    repository(place / "served" / "public.git", {"b": "2"})
    url = server.url("public.git")
    assert (await mirrors.pin(url, None)).commit == (await mirrors.pin(url, None, asks("group one"))).commit
    assert all(who is None for _, who in server.asked)


@pytest.mark.parametrize("password", ["p@:/ \"'$`;\\ ü", "-x", "a=b\tc"])
async def test_any_password_reaches_the_server_as_it_is(mirrors: Mirrors, server: GitHttp, password: str) -> None:
    server.people["private.git"] = {f"ci:{password}"}
    await mirrors.pin(server.url("private.git"), None, asks("group one", password=password))


def everything_said_to_processes() -> list[bytes]:
    """The arguments and variables of every process of the machine."""
    seen: list[bytes] = []
    for process in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            with contextlib.suppress(OSError):
                seen.append((process / name).read_bytes())
    return seen


class Watched(list[tuple[str, str | None]]):
    """What a server was asked; while git waits for the answer, every process is looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[bytes] = []

    def append(self, item: tuple[str, str | None], /) -> None:
        super().append(item)
        self.seen += everything_said_to_processes()


async def test_the_password_is_in_no_argument_variable_or_file(mirrors: Mirrors, server: GitHttp) -> None:
    server.asked = watched = Watched()
    await mirrors.pin(server.url("private.git"), None, asks("group one"))
    forms = [PASSWORD.encode(), base64.b64encode(PASSWORD.encode()).rstrip(b"=")]
    assert any(b"ls-remote" in content for content in watched.seen)
    assert all(form not in content for form in forms for content in watched.seen)
    for file in (path for path in mirrors.directory.rglob("*") if path.is_file()):
        assert all(form not in file.read_bytes() for form in forms), file


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can try it as somebody else")
async def test_what_was_fetched_is_for_no_other_user_of_the_machine(mirrors: Mirrors, server: GitHttp) -> None:
    pinned = await mirrors.pin(server.url("private.git"), None, asks("group one"))
    assert pinned.bundle.exists()
    read = ["setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups", "cat", str(pinned.bundle)]
    assert (
        b"Permission denied" in (await asyncio.to_thread(subprocess.run, read, capture_output=True, check=False)).stderr
    )


async def test_the_password_does_not_follow_a_redirect(mirrors: Mirrors, server: GitHttp, place: Path) -> None:
    with GitHttp(place / "served").running() as other:
        server.moved["moved.git"] = other.url("private.git")
        server.people["moved.git"] = {f"ci:{PASSWORD}"}
        with pytest.raises(Missing):
            await mirrors.pin(server.url("moved.git"), None, asks("group one"))
        assert any(who == f"ci:{PASSWORD}" for _, who in server.asked)
        assert other.asked == []


async def test_it_works_over_tls_with_a_certificate_of_ones_own(place: Path, mirrors: Mirrors) -> None:
    certificate, both = self_signed(place)
    repository(place / "tls" / "private.git", {"a": "1"})
    commit(place / "tls" / "private.git", {"a": "2"})
    with GitHttp(place / "tls", both).running() as server:
        server.people["private.git"] = {f"ci:{PASSWORD}"}
        with pytest.raises(Missing):
            await mirrors.pin(server.url("private.git"), None, asks("group one"))
        trusting = replace(mirrors, limits=replace(mirrors.limits, authorities=certificate))
        pinned = await trusting.pin(server.url("private.git"), None, asks("group one"))
    assert await trusting.text(pinned, "a") == "2"
