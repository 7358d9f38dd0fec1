"""Buckets: how many, how soon again."""

import math

import pytest

from mooring.base.errors import Unfit
from mooring.http.rate import MOST_KEYS, Rates


def test_a_burst_of_three_seconds_worth_is_taken_and_the_next_waits_for_its_time() -> None:
    rates = Rates(2.0)
    assert [rates.wait("a", 0.0) for _ in range(7)] == [0] * 6 + [1]
    assert rates.wait("a", 0.4) == 1
    assert rates.wait("a", 0.5) == 0
    assert rates.wait("a", 0.5) == 1


def test_a_slow_rate_says_how_many_whole_seconds() -> None:
    rates = Rates(0.1)
    assert [rates.wait("a", 0.0), rates.wait("a", 0.0), rates.wait("a", 9.0), rates.wait("a", 10.0)] == [0, 10, 1, 0]


def test_one_key_does_not_use_up_anothers_and_zero_is_no_limit() -> None:
    rates = Rates(1.0)
    assert [rates.wait("a", 0.0) for _ in range(4)] == [0, 0, 0, 1]
    assert rates.wait("b", 0.0) == 0
    free = Rates(0)
    assert not any(free.wait("a", 0.0) for _ in range(1000))


def test_a_clock_that_goes_back_gives_nothing_and_takes_nothing() -> None:
    rates = Rates(1.0)
    assert [rates.wait("a", at) for at in (100.0, 50.0, 51.0, 51.0, 51.0)] == [0, 0, 0, 0, 1]


@pytest.mark.parametrize("rate", [-1.0, math.inf, math.nan])
def test_what_is_no_rate_is_refused(rate: float) -> None:
    with pytest.raises(Unfit, match="requests a second"):
        Rates(rate)


def test_the_buckets_of_many_keys_are_bounded() -> None:
    rates = Rates(1.0)
    for number in range(MOST_KEYS + 5):
        rates.wait(str(number), 0.0)
    assert len(rates._buckets) == MOST_KEYS  # pyright: ignore[reportPrivateUsage] - what is promised
