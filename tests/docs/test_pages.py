"""What is promised is written down, and what is written down is there."""

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from mooring.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md"))]


@pytest.mark.parametrize("name", [field.name for field in fields(Settings)])
def test_every_setting_is_described(name: str) -> None:
    assert f"`MOORING_{name.upper()}`" in (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")


def test_the_lifecycles_are_those_of_the_code() -> None:
    check = [sys.executable, str(ROOT / "scripts" / "lifecycles.py"), "--check"]
    assert subprocess.run(check, check=False).returncode == 0, "docs/lifecycles.md is old: run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    links: list[str] = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("slice_name", sorted(path.stem for path in (ROOT / "src" / "mooring").iterdir()))
def test_every_room_is_on_the_map(slice_name: str) -> None:
    if slice_name.startswith("__"):
        return
    on_map = (ROOT / "docs" / "map.md").read_text(encoding="utf-8")
    assert re.search(rf"`{slice_name}(/|\.py|`)", on_map)
