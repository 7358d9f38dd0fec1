"""Ids: strict, ordered, rising. cyksuid is the oracle of the format, as far as it is strict itself."""

import threading

import pytest
from cyksuid.v2 import from_bytes
from hypothesis import given
from hypothesis import strategies as st

from mooring.base.ids import DIGITS, EPOCH, LARGEST, Ids, is_id, is_ksuid, raw


@given(st.binary(min_size=20, max_size=20))
def test_text_and_bytes_agree_with_another_implementation(payload: bytes) -> None:
    text = str(from_bytes(payload))
    assert is_ksuid(text)
    assert raw(f"run_{text}") == payload


@pytest.mark.parametrize(
    "text",
    [
        "",
        LARGEST[:-1],
        LARGEST + "0",
        "aWgEPTl1tmebfsQzFP4bxwgy80W",
        "!" * 27,
        "0" * 26 + "-",
        "0" * 26 + "é",
        "٣" * 27,
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    assert not is_ksuid(text)
    with pytest.raises(ValueError, match="not an id"):
        raw(text)


def test_the_largest_is_twenty_bytes_of_ones() -> None:
    assert raw(LARGEST) == b"\xff" * 20


@given(st.text(alphabet=DIGITS, min_size=27, max_size=27).filter(lambda text: text <= LARGEST))
def test_an_id_belongs_to_one_kind(text: str) -> None:
    assert is_id(f"run_{text}", "run")
    assert not any(
        is_id(other, "run") for other in (f"ses_{text}", f"run{text}", f"run__{text}", f"run_{text}\n", text)
    )


def test_ids_rise_within_a_second_and_when_the_clock_goes_back() -> None:
    times = iter([EPOCH + 10, EPOCH + 10, EPOCH + 9, EPOCH + 3, EPOCH + 11])
    ids = Ids(lambda: next(times))
    made = [ids.new("run") for _ in range(5)]
    assert made == sorted(set(made))


def test_ids_rise_from_many_threads() -> None:
    ids = Ids()
    made: list[list[str]] = [[] for _ in range(4)]

    def make(into: list[str]) -> None:
        into.extend(ids.new("run") for _ in range(500))

    threads = [threading.Thread(target=make, args=(into,)) for into in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(mine == sorted(mine) for mine in made)
    assert len({identifier for mine in made for identifier in mine}) == 2000


@pytest.mark.parametrize("second", [EPOCH - 5, EPOCH + (1 << 32)])
def test_a_clock_outside_the_format_is_refused(second: int) -> None:
    with pytest.raises(OverflowError, match="clock"):
        Ids(lambda: second).new("run")
