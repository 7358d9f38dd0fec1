"""The spool when its disk is full, and the parts of the runner that only numbers break."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from mooring.runner.life import fitted
from mooring.runner.loop import Loop
from mooring.runner.spool import Spool


def events(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@pytest.mark.parametrize("written", [0, 7])
def test_an_event_that_does_not_fit_on_the_disk_takes_no_number(
    tmp_path: Path, written: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "spool"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    spool = Spool(descriptor, 1 << 20)
    spool.append("log", {"text": "first"})
    write, calls = os.pwrite, [written] if written else []

    def full(to: int, content: bytes, at: int) -> int:
        if not calls:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(to, content[: calls.pop()], at)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(OSError, match="No space"):
            spool.append("log", {"text": "a long one that is lost " * 9})
    spool.append("log", {"text": "second"})
    assert [(event["seq"], event["data"]["text"]) for event in events(path)] == [(1, "first"), (2, "second")]
    assert [json.loads(line)["seq"] for line in spool.unsent(0)[0]] == [1, 2]
    os.close(descriptor)


def test_a_wait_of_years_is_a_wait() -> None:
    loop = Loop()
    loop.wake()
    assert loop.turn(31_536_000.0) is False


def report(**fields: object) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "outcome": "failed",
        "reason": "why",
        "exit_code": 1,
        "last_message": "said",
        "tasks": [],
        "commits": [],
    }
    return {**whole, **fields}


def test_a_report_that_fits_is_told_as_it_is() -> None:
    whole = report(commits=[{"id": "a" * 40, "title": "t" * 200}] * 1000, last_message="x" * 65536)
    assert json.loads(fitted(whole)) == whole


def test_a_report_that_is_too_large_tells_fewer_commits_and_shorter_texts() -> None:
    """Three bytes become twelve on the way: what JSON makes of a character of the upper planes."""
    commits = [{"id": "a" * 40, "title": "\U0001f600" * 200}] * 1000
    told = json.loads(fitted(report(commits=commits, last_message="\U0001f600" * 65536)))
    assert (told["commits"], len(told["last_message"])) == (commits[:100], 2000)
    task = {"task": 0, "outcome": "failed", "attempts": 1, "exit_code": 1, "reason": "r" * 3000, "seconds": 1.0}
    told = json.loads(fitted(report(tasks=[task] * 520)))
    assert {len(one["reason"]) for one in told["tasks"]} == {100}
