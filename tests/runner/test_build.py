"""The runner's file: the same every time, quick under the machine's Python, and whole without it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mooring.runner
from mooring.runner.build import build
from runner.conftest import PYTHON

SOURCES = sorted(Path(mooring.runner.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_the_runner_needs_no_python_newer_than_3_9_and_nothing_but_its_library(source: Path) -> None:
    tree = ast.parse(source.read_text(), feature_version=(3, 9))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert {name.name.partition(".")[0] for name in node.names} <= sys.stdlib_module_names
        elif isinstance(node, ast.ImportFrom) and not node.level:
            assert str(node.module).partition(".")[0] in sys.stdlib_module_names


def imported_from(zipapp: Path) -> str:
    """Which file in the zipapp Python took a module from."""
    program = f"import sys; sys.path.insert(0, {str(zipapp)!r}); import runner.life; print(runner.life.__file__)"
    done = subprocess.run([PYTHON, "-I", "-S", "-c", program], check=True, capture_output=True, text=True)
    return Path(done.stdout.strip()).name


def test_two_builds_are_the_same_and_already_compiled(tmp_path: Path) -> None:
    for name in ("first", "second"):
        build(tmp_path / name)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    assert imported_from(tmp_path / "first") == "life.pyc"


@pytest.mark.parametrize("python", [Path("/nowhere/python3"), Path("/bin/false")])
def test_without_a_python_that_compiles_the_sources_alone_are_whole(tmp_path: Path, python: Path) -> None:
    build(tmp_path / "plain", python=python)
    assert imported_from(tmp_path / "plain") == "life.py"


def test_what_another_python_compiled_is_passed_over(tmp_path: Path) -> None:
    build(tmp_path / "good")
    other = (tmp_path / "good").read_bytes()
    magic = subprocess.run(
        [PYTHON, "-c", "import importlib.util as u, sys; sys.stdout.buffer.write(u.MAGIC_NUMBER)"],
        check=True,
        capture_output=True,
    ).stdout
    assert other.count(magic) >= len(SOURCES) - 2
    (tmp_path / "other").write_bytes(other.replace(magic, b"\x01\x02" + magic[2:]))
    assert imported_from(tmp_path / "other") == "life.py"
