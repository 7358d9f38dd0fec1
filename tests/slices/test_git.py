"""Fetching other people's repositories: pinned to a commit, refused by name, nothing of the machine in it."""

import os
import tempfile
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

import pytest

from mooring.base.errors import Missing, Unavailable, Unfit
from mooring.base.git import GitLimits, Mirrors
from mooring.base.unprivileged import process_user
from repositories import commit, git, repository


@pytest.fixture
def place() -> Generator[Path]:
    """A directory that the user of runs can reach."""
    directory = Path(tempfile.mkdtemp(prefix="mooring-git-", dir="/tmp"))
    directory.chmod(0o755)
    yield directory
    rmtree(directory)


@pytest.fixture
def mirrors(place: Path) -> Mirrors:
    limits = GitLimits(seconds=60, size=1 << 30, allow_file=True)
    return Mirrors(directory=place / "mirrors", user=process_user("mooring-run"), limits=limits)


def unbundled(place: Path, bundle: Path) -> Path:
    """The repository in a bundle, fetched as a runner would."""
    into = place / "unbundled"
    into.mkdir()
    git(into, "init", "--quiet")
    git(into, "fetch", "--quiet", str(bundle), "refs/mooring/*:refs/heads/*")
    return into


async def test_the_default_branch_a_branch_a_tag_and_a_commit_are_pinned(place: Path, mirrors: Mirrors) -> None:
    url = repository(place / "r", {"a": "1"})
    first = git(place / "r", "rev-parse", "HEAD")
    git(place / "r", "tag", "-a", "v1", "-m", "one")
    second = commit(place / "r", {"a": "2"})
    git(place / "r", "branch", "other", first)
    pins = {ref: (await mirrors.pin(url, ref)).commit for ref in (None, "main", "other", "v1", "refs/tags/v1", first)}
    assert pins == {None: second, "main": second, "other": first, "v1": first, "refs/tags/v1": first, first: first}


async def test_the_bundle_holds_the_commit_with_its_history(place: Path, mirrors: Mirrors) -> None:
    url = repository(place / "r", {"a": "1"})
    last = commit(place / "r", {"a": "2", "d/b": b"\x00\xff"})
    pinned = await mirrors.pin(url, None)
    into = unbundled(place, pinned.bundle)
    assert git(into, "log", "--format=%H", last).splitlines() == git(place / "r", "log", "--format=%H").splitlines()


async def test_a_branch_that_moved_is_followed_and_the_old_commit_stays(place: Path, mirrors: Mirrors) -> None:
    url = repository(place / "r", {"a": "1"})
    before = await mirrors.pin(url, "main")
    moved = commit(place / "r", {"a": "2"})
    after = await mirrors.pin(url, "main")
    assert (after.commit, before.bundle.exists()) == (moved, True)
    assert after.commit != before.commit


async def test_a_branch_that_was_rewritten_is_followed(place: Path, mirrors: Mirrors) -> None:
    url = repository(place / "r", {"a": "1"})
    commit(place / "r", {"a": "2"})
    await mirrors.pin(url, "main")
    git(place / "r", "reset", "--quiet", "--hard", "HEAD~1")
    rewritten = commit(place / "r", {"a": "3"})
    assert (await mirrors.pin(url, "main")).commit == rewritten


async def test_what_is_not_there_is_named(place: Path, mirrors: Mirrors) -> None:
    url = repository(place / "r", {"a": "1"})
    with pytest.raises(Missing, match="no branch, tag or commit 'nowhere'"):
        await mirrors.pin(url, "nowhere")
    with pytest.raises(Missing, match=f"has no commit {'0' * 40}"):
        await mirrors.pin(url, "0" * 40)
    with pytest.raises(Missing, match="/gone"):
        await mirrors.pin(f"file://{place}/gone", None)
    (place / "empty").mkdir()
    git(place / "empty", "init", "--quiet")
    with pytest.raises(Missing, match="is empty"):
        await mirrors.pin((place / "empty").as_uri(), None)


async def test_a_shallow_clone_is_refused_with_the_fix(place: Path, mirrors: Mirrors) -> None:
    url = repository(place / "r", {"a": "1"})
    commit(place / "r", {"a": "2"})
    git(place, "clone", "--quiet", "--depth", "1", url, "shallow")
    with pytest.raises(Missing, match="--unshallow"):
        await mirrors.pin((place / "shallow").as_uri(), None)


async def test_a_file_of_the_commit_can_be_read(place: Path, mirrors: Mirrors) -> None:
    url = repository(place / "r", {"skill/SKILL.md": "---\nname: skill\n---\n", "bad": b"\xff"})
    pinned = await mirrors.pin(url, None)
    assert await mirrors.text(pinned, "skill/SKILL.md") == "---\nname: skill\n---\n"
    assert await mirrors.text(pinned, "bad") == "\N{REPLACEMENT CHARACTER}"
    assert await mirrors.text(pinned, "skill") is None
    assert await mirrors.text(pinned, "none") is None


async def test_a_repository_that_only_its_owner_can_read_says_so(place: Path, mirrors: Mirrors) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root makes what the user of runs cannot read; run the tests as root")
    url = repository(place / "r", {"a": "1"})
    (place / "r").chmod(0o700)
    with pytest.raises((Missing, Unavailable), match="/r"):
        await mirrors.pin(url, None)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://127.0.0.1/r", "private address"),
        ("https://localhost/r", "private address"),
        ("https://169.254.169.254/latest", "private address"),
        ("https://10.0.0.1/r", "private address"),
        ("https://[::1]/r", "private address"),
        ("https://[::ffff:127.0.0.1]/r", "private address"),
        ("ssh://git@127.0.0.1/r", "private address"),
        ("git@127.0.0.1:r", "private address"),
        ("http://example.org/r", "neither https nor ssh"),
        ("ext::sh -c id", "neither https nor ssh"),
        ("git://127.0.0.1/r", "neither https nor ssh"),
    ],
)
async def test_an_address_of_ours_is_refused_before_git_goes_there(mirrors: Mirrors, url: str, says: str) -> None:
    with pytest.raises(Unfit, match=says):
        await mirrors.pin(url, None)


async def test_file_urls_need_the_setting(place: Path, mirrors: Mirrors) -> None:
    url = repository(place / "r", {"a": "1"})
    closed = replace(mirrors, limits=replace(mirrors.limits, allow_file=False))
    with pytest.raises(Unfit, match="MOORING_ALLOW_FILE_REPOSITORIES"):
        await closed.pin(url, None)


async def test_a_repository_over_the_limit_is_refused_and_a_later_try_is_not_harmed(
    place: Path, mirrors: Mirrors
) -> None:
    url = repository(place / "r", {"big": os.urandom(300_000)})
    small = replace(mirrors, limits=replace(mirrors.limits, size=50_000))
    with pytest.raises(Unavailable, match="MOORING_GIT_BYTES"):
        await small.pin(url, None)
    assert (await mirrors.pin(url, None)).bundle.stat().st_size > 300_000


async def test_the_machines_git_settings_hooks_and_filters_do_not_run(
    place: Path, mirrors: Mirrors, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = repository(place / "r", {"a": "1", ".gitattributes": "* filter=trap\n"})
    trap = place / "trapped"
    settings = place / "gitconfig"
    settings.write_text(f'[filter "trap"]\n smudge = touch {trap}\n[core]\n fsmonitor = touch {trap}\n')
    hook = place / "r" / ".git" / "hooks" / "post-upload-pack"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {trap}\n")
    hook.chmod(0o755)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_SSH_COMMAND", f"touch {trap}")
    pinned = await mirrors.pin(url, None)
    assert pinned.bundle.exists()
    assert not trap.exists()


async def test_git_never_runs_as_root(place: Path, mirrors: Mirrors) -> None:
    url = repository(place / "r", {"a": "1"})
    pinned = await mirrors.pin(url, None)
    assert pinned.bundle.stat().st_uid == process_user("mooring-run").uid
    assert pinned.bundle.stat().st_uid != 0


async def test_a_mirror_that_was_left_half_made_is_completed(place: Path, mirrors: Mirrors) -> None:
    url = repository(place / "r", {"a": "1"})
    pinned = await mirrors.pin(url, None)
    pinned.bundle.unlink()
    pinned.bundle.with_suffix(".new").write_bytes(b"half")
    again = await mirrors.pin(url, None)
    assert pinned.commit in git(place, "bundle", "list-heads", str(again.bundle))
