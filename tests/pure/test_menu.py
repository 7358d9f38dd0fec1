"""The menu, the loading of commands, and what every command has in common. Asks no server."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from mooring.__main__ import SERVER, main
from mooring.cli.menu import COMMANDS, text

ROOT = Path(__file__).parents[2]
NAMES = [name for commands in COMMANDS.values() for name in commands]
# Commands that change nothing on a server; every other one says why.
READS = {
    "get", "describe", "watch", "whoami", "login", "completion", "profile list", "profile use", "profile forget",
    "session list", "session show", "session follow", "session plan", "session patch", "session artifacts",
    "group members", "token list", "access explain", "audit log", "audit verify", "audit export",
    "secret usage", "secret check", "vault status", "fs pull", "fs cat", "fs ls", "fs tree", "fs diff", "fs log",
}  # fmt: skip


def leaves(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for inner, found in command.commands.items():
            yield from leaves(f"{name} {inner}", found)
    else:
        yield name, command


LEAVES = dict(leaf for name in NAMES for leaf in leaves(name, importlib.import_module(f"mooring.cli.{name}").command))


def test_the_menu_shows_every_command_and_fits_eighty_columns() -> None:
    shown = text(SERVER)
    words = [line.split()[0] for line in shown.splitlines() if line.startswith("  ")]
    assert words[: len(SERVER) + len(NAMES)] == [*SERVER, *NAMES]
    assert all(len(line) <= 80 for line in shown.splitlines())


def test_the_servers_commands_are_those_the_daemon_has(capsys: pytest.CaptureFixture[str]) -> None:
    for name in SERVER:
        with pytest.raises(SystemExit) as ended:
            main([name, "--help"])
        assert ended.value.code == 0
        assert capsys.readouterr().out.startswith(f"usage: moor {name}")


def test_help_loads_nothing_but_the_menu() -> None:
    program = "import sys; from mooring.__main__ import main; main(['--help']); print(*sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT / "src")},
    )
    loaded = set(said.stdout.splitlines()[-1].split())
    assert not loaded & {"click", "rich", "httpcore", "httpx", "msgspec", "yaml", "asyncio", "litestar", "asyncpg"}


def test_the_client_at_once_loads_neither_asyncio_nor_httpx_nor_what_is_the_servers() -> None:
    program = "import sys; import mooring.cli.get, mooring.client.mooring; print(*sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT / "src")},
    )
    loaded = set(said.stdout.split())
    assert not loaded & {"asyncio", "httpx", "rich", "yaml", "litestar", "asyncpg", "mooring.base", "mooring.settings"}


@pytest.mark.parametrize("name", LEAVES)
def test_a_command_says_what_it_does_and_what_each_option_is_for(name: str) -> None:
    command = LEAVES[name]
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.opts}"


@pytest.mark.parametrize("name", sorted(LEAVES.keys() - READS))
def test_who_writes_can_say_why(name: str) -> None:
    assert any(parameter.name == "reason" for parameter in LEAVES[name].params)


@pytest.mark.parametrize("name", [*SERVER, *sorted(LEAVES)])
def test_every_command_is_in_the_docs(name: str) -> None:
    docs = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))
    assert f"moor {name}" in docs


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["sesion"], "there is no command 'sesion'; did you mean 'session'?"),
        (["--server", "http://x", "up"], "moor up"),
        (["run"], "Missing argument 'WORKFLOW'"),
        (["run", "x", "--timeout", "-3"], "-3"),
        (["session", "nothing"], "nothing"),
        (["get", "agents", "-o", "xml"], "xml"),
        (["get", "nothing"], "'nothing' is no kind"),
    ],
)
def test_what_cannot_be_meant_ends_with_two_and_what_to_do(
    argv: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert says in said.err


@pytest.mark.parametrize("asked", ["-h", "--help"])
def test_help_is_there_in_both_its_forms(asked: str, capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([asked], ["session", asked], ["session", "list", asked]):
        assert main(words) == 0
        assert "Usage: moor" in capsys.readouterr().out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_complete_commands(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert "_MOOR_COMPLETE" in capsys.readouterr().out


def test_completion_knows_commands_and_kinds() -> None:
    def completed(*words: str) -> set[str]:
        env = {
            "PYTHONPATH": str(ROOT / "src"), "_MOOR_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words),
            "COMP_CWORD": str(len(words) - 1), "PATH": "/usr/bin:/bin",
        }  # fmt: skip
        said = subprocess.run([sys.executable, "-m", "mooring"], capture_output=True, text=True, check=True, env=env)
        return {line.partition(",")[2] for line in said.stdout.splitlines()}

    assert {"up", "run", "revoke"} & completed("moor", "") == {"up", "run"}
    assert "workflow" in completed("moor", "get", "wo")
    assert "follow" in completed("moor", "session", "fo")
