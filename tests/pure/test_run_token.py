"""The token of a run's link opens that run and nothing else."""

import pytest

from mooring.base.ids import new_id
from mooring.compute.drivers.base import RunId
from mooring.compute.token import make, run_of

KEY = b"k" * 32


def test_a_token_names_its_run() -> None:
    run = RunId(new_id("run"))
    assert run_of(KEY, make(KEY, run)) == run


def test_a_token_of_another_key_is_nobodys() -> None:
    assert run_of(KEY, make(b"o" * 32, RunId(new_id("run")))) is None


@pytest.mark.parametrize("alter", ["swap", "cut", "longer", "case", "empty", "unicode"])
def test_an_altered_token_is_nobodys(alter: str) -> None:
    mine, other = (make(KEY, RunId(new_id("run"))) for _ in range(2))
    head, _, proof = mine.rpartition("_")
    altered = {
        "swap": f"{head}_{other.rpartition('_')[2]}",
        "cut": mine[:-1],
        "longer": mine + "0",
        "case": f"{head}_{proof.upper()}" if proof.upper() != proof else f"{head}_",
        "empty": "",
        "unicode": f"{head}_{'é' * 64}",
    }[alter]
    assert run_of(KEY, altered) is None
