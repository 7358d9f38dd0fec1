"""An agent that wants to be the runner: it shares its user, its machine and its way out, and is still refused."""

import json
from typing import Any

import pytest

from drivers.conftest import attack
from runner.plane import TOKEN

pytestmark = pytest.mark.slow


async def test_the_runners_memory_descriptors_token_and_life_are_out_of_reach(moored: Any) -> None:
    moored.plane.secrets = {"KEY": b"made-up-secret-value"}
    moored.plane.tasks(
        {"prompt": attack({"guessed": "token-of-this-rum", "longer": TOKEN + "x"}, TOKEN)}, {"prompt": "echo alive"}
    )
    seen = await moored.over()
    tried: dict[str, str] = json.loads(moored.plane.text(task=0, stream="stdout"))
    assert {name: what for name, what in tried.items() if what} == {}
    assert len(tried) == 45
    # Whatever was sent to it, process 1 went on, did the next task and was not taken for cancelled.
    assert (seen.exit_code, moored.plane.text(task=1)) == (0, "alive\n")
    assert moored.plane.forged == 4 * 8
    assert "forged" not in moored.plane.artifacts
