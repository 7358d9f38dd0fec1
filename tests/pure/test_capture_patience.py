"""What a session waits for before it ends without what it changed."""

from typing import Any, Never

import pytest

from mooring.base.errors import Missing, Unavailable, Unfit
from mooring.files.errors import Crashed, Damaged, Refused, Rule
from mooring.secrets.errors import VaultAway, VaultBroken, VaultRefuses
from mooring.sessions.capture import Capture

PASSES = [Unavailable("away"), Crashed("it ended with -9"), OSError(5, "Input/output error"), VaultAway("away")]
STAYS = [
    Refused(Rule.TYPE, "a fifo"), Damaged("rotten"), Missing("gone"), Unfit("nothing"), VaultRefuses("no"),
    VaultBroken("wrong"),
]  # fmt: skip


def capture(monkeypatch: pytest.MonkeyPatch, error: Exception) -> tuple[Capture, Any]:
    async def fail(*_: object) -> Never:
        raise error

    monkeypatch.setattr(Capture, "_take", fail)
    none: Any = None
    run: Any = type("Run", (), {"id": "run_x"})
    return Capture(database=none, drivers={}, cache=none, depot=none, delivery=none), run


@pytest.mark.parametrize("error", PASSES, ids=lambda error: type(error).__name__)
async def test_what_may_pass_is_waited_for_while_there_is_patience(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    taker, run = capture(monkeypatch, error)
    asked: Any = type("Asked", (), {"version_id": "fsv_x"})
    with pytest.raises(type(error)):
        await taker.take(run, asked, None, patient=True)
    assert "was not kept" in str((await taker.take(run, asked, None, patient=False)).reason)


@pytest.mark.parametrize("error", STAYS, ids=lambda error: type(error).__name__)
async def test_what_stays_as_it_is_is_said_at_once(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    taker, run = capture(monkeypatch, error)
    asked: Any = type("Asked", (), {"version_id": "fsv_x"})
    assert "was not kept" in str((await taker.take(run, asked, None, patient=True)).reason)
