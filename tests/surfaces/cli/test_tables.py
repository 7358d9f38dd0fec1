"""Tables on a terminal."""

import re

import pytest

from mooring.cli.tables import show
from mooring.client.kinds import KINDS

EVENT = {
    "timestamp": "2026-01-31T12:00:00Z",
    "action": "compute_instance.update",
    "actor": "a-member",
    "resource_id": "ins_0ujtsYcgvSTl8PAuAdqWYSMnLOv",
    "reason": "because it was too small for what it has to do",
}


def test_the_record_fits_80_columns_and_cuts_what_was_done_last(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    shown: dict[int, str] = {}
    for width in (80, 92):
        monkeypatch.setenv("COLUMNS", str(width))
        show(KINDS["event"], [EVENT], wide=False, without=frozenset({"CHANGE"}))
        lines = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
        assert len(lines) == 2
        assert max(len(line.rstrip()) for line in lines) <= width
        shown[width] = lines[1]
    assert all(EVENT["resource_id"] in line for line in shown.values())
    assert (EVENT["action"] in shown[92], EVENT["action"] in shown[80]) == (True, False)
