"""Keys of the data directory: made once, whole, however many processes begin at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mooring.wiring import _key  # pyright: ignore[reportPrivateUsage]


def test_all_who_begin_at_once_have_the_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        for number in range(50):
            path = tmp_path / str(number)
            assert len(set(pool.map(_key, [path] * 8))) == 1
    assert len(list(tmp_path.iterdir())) == 50
