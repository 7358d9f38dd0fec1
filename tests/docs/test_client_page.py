"""What the page about the client shows is run, against a real server."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from mooring.app import App
from surfaces.conftest import admin, app, http, settings
from surfaces.people import Asker
from surfaces.served import serving

__all__ = ["admin", "app", "http", "settings"]

PAGE = (Path(__file__).parents[2] / "docs" / "client.md").read_text(encoding="utf-8")


@pytest.mark.slow
async def test_every_example_runs(app: App, admin: Asker, capsys: pytest.CaptureFixture[str]) -> None:
    examples: list[str] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    async with serving(app) as served:
        names: dict[str, Any] = {"server": served.url, "token": admin.token}
        for example in examples:
            await asyncio.to_thread(exec, compile(example, "docs/client.md", "exec"), names)
        assert await names["names"]() == ["style"]
    said = capsys.readouterr().out
    assert "admin\n" in said
    assert "somebody changed it meanwhile" in said
    assert "there is no agent named 'nobody'" in said
    assert "agent.update" in said
