"""Profiles: private, whole, and a token for its own server alone."""

import os
import stat
import threading
from pathlib import Path

import pytest

from mooring.client import profile
from mooring.client.errors import NotKnown, Unfit
from mooring.client.profile import Profile

HERE = "http://127.0.0.1:7070"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config" / "mooring" / "config.toml"


def test_what_was_written_is_found(path: Path) -> None:
    assert profile.write(HERE + "/", "mrg_a", path) == path
    assert profile.find({}, path=path) == Profile(server=HERE, token="mrg_a", name="local")


def test_it_is_its_owners_alone_whatever_the_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        profile.write(HERE, "mrg_a", path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_file_that_others_can_read_is_refused_with_the_command_that_fixes_it(path: Path) -> None:
    profile.write(HERE, "mrg_a", path)
    path.chmod(0o640)
    with pytest.raises(Unfit, match="0640") as raised:
        profile.find({}, path=path)
    assert raised.value.hint == f"chmod 600 {path}"


def test_other_profiles_are_kept_and_the_chosen_one_stays_chosen(path: Path) -> None:
    profile.write("https://a.example", "mrg_a", path, name="work", choose=True)
    profile.write(HERE, "mrg_b", path)
    known = profile.read(path)
    assert known.current == "work"
    assert {name: found.token for name, found in known.named.items()} == {"work": "mrg_a", "local": "mrg_b"}
    assert profile.find({}, name="local", path=path).token == "mrg_b"
    profile.forget("work", path)
    assert profile.find({}, path=path).name == "local"


def test_what_is_said_goes_before_the_environment_and_that_before_the_file(path: Path) -> None:
    profile.write(HERE, "mrg_file", path)
    environ = {"MOORING_SERVER": "https://env.example", "MOORING_TOKEN": "mrg_env"}
    assert profile.find(environ, path=path) == Profile(server="https://env.example", token="mrg_env")
    said = profile.find(environ, server="https://said.example", token="mrg_said", path=path)
    assert said == Profile(server="https://said.example", token="mrg_said")


def test_a_token_goes_to_its_own_server_alone(path: Path) -> None:
    profile.write(HERE, "mrg_secret", path)
    with pytest.raises(NotKnown, match=r"no token for https://other\.example"):
        profile.find({"MOORING_SERVER": "https://other.example"}, path=path)
    assert profile.find({"MOORING_SERVER": HERE + "/"}, path=path).token == "mrg_secret"


def test_without_any_server_it_says_how_to_get_one(path: Path) -> None:
    with pytest.raises(NotKnown) as raised:
        profile.find({}, path=path)
    assert "moor up" in str(raised.value.hint)
    with pytest.raises(NotKnown, match="no profile 'x'"):
        profile.find({"MOORING_PROFILE": "x"}, path=path)


@pytest.mark.parametrize(
    "text",
    [
        "= nothing", "current = 3", "surprise = true", "[profiles.a]\nserver = 'http://x'",
        "[profiles.a]\nserver = 'http://x'\ntoken = 'mrg'\nextra = 1", "[profiles.a]\nserver = 'ftp://x'\ntoken = 'm'",
        "[profiles.a]\nserver = 'http://x'\ntoken = ''", "[profiles.'a b']\nserver = 'http://x'\ntoken = 'm'", "\0",
        "é",
    ],
)  # fmt: skip
def test_a_file_that_is_not_right_is_refused_and_left_as_it_is(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="latin-1")
    path.chmod(0o600)
    with pytest.raises(Unfit):
        profile.find({}, path=path)
    with pytest.raises(Unfit):
        profile.write(HERE, "mrg_a", path)
    assert path.read_text(encoding="latin-1") == text


@pytest.mark.parametrize(
    "server", ["", "127.0.0.1:7070", "ftp://x", "http://", "http://u:p@x", "http://x?y", "http://x\n"]
)
def test_an_address_that_is_none_is_refused(path: Path, server: str) -> None:
    with pytest.raises(Unfit, match="not the address of a server"):
        profile.write(server, "mrg_a", path)


@pytest.mark.parametrize("token", ["", "a b", "a\nb", 'a"', "é"])
def test_only_what_can_be_a_token_is_kept(path: Path, token: str) -> None:
    if token == 'a"':
        profile.write(HERE, token, path)
        assert profile.find({}, path=path).token == token
        return
    with pytest.raises(Unfit, match="not a token"):
        profile.write(HERE, token, path)


def test_a_profile_that_is_said_goes_before_the_environment(path: Path) -> None:
    profile.write(HERE, "mrg_a", path)
    profile.write("https://work.example", "mrg_w", path, name="work")
    work = Profile(server="https://work.example", token="mrg_w", name="work")
    for environ in (
        {"MOORING_SERVER": HERE},
        {"MOORING_TOKEN": "mrg_e"},
        {"MOORING_SERVER": HERE, "MOORING_TOKEN": "mrg_e", "MOORING_PROFILE": "local"},
    ):
        assert profile.find(environ, name="work", path=path) == work
    said = profile.find({"MOORING_SERVER": HERE, "MOORING_TOKEN": "mrg_e"}, name="work", token="mrg_s", path=path)
    assert (said.server, said.token) == ("https://work.example", "mrg_s")


def test_writers_at_the_same_time_lose_nothing(path: Path) -> None:
    writers = [
        threading.Thread(target=profile.write, args=(HERE, f"mrg_{number}", path), kwargs={"name": f"p{number}"})
        for number in range(8)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert set(profile.read(path).named) == {f"p{number}" for number in range(8)}
    assert [entry.name for entry in path.parent.iterdir()] == ["config.toml"]


def test_a_token_is_not_shown() -> None:
    assert "mrg_secret" not in repr(Profile(server=HERE, token="mrg_secret"))
