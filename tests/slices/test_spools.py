"""What a run left in its spool when its runner was killed in the middle of it."""

import json
from pathlib import Path

from mooring.sessions.loop import batches


def line(seq: int) -> bytes:
    return json.dumps({"seq": seq, "at": 1.0, "type": "log", "data": {"text": f"{seq}"}}).encode() + b"\n"


async def test_half_a_line_loses_nothing_that_follows_and_nothing_comes_twice(tmp_path: Path) -> None:
    # A rewrite from the front was cut off: the lines from where it reads on are there again.
    whole = [line(1), line(2), line(3)[:20], b"\n", line(2), line(3), *(line(seq) for seq in range(4, 1200)), b'{"se']
    (tmp_path / "spool").write_bytes(b"".join(whole))
    found = [[said.seq for said in batch] async for batch in batches(tmp_path / "spool")]
    assert [seq for batch in found for seq in batch] == list(range(1, 1200))
    assert max(map(len, found)) == 500
