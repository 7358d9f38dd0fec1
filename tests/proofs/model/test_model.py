"""The REST contract over all kinds against an oracle: status, row, version, lists, references and the record."""

from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from mooring.base.postgres import EmbeddedPostgres
from proofs.model.kinds import MADE
from proofs.model.plane import Plane, plane
from proofs.model.walk import ACTS, Walk

SEEDS = st.integers(min_value=0, max_value=2**32 - 1)


def machine(held: Plane) -> type[RuleBasedStateMachine]:
    """Walks as a state machine, so that one that fails is cut down to the steps that matter."""

    class Asked(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.walk = Walk(held, 0)

        @initialize(seed=SEEDS)
        def begins(self, seed: int) -> None:
            self.walk.begin(Random(seed))  # noqa: S311 - repeatable, no secret

        @rule(act=st.sampled_from(ACTS), seed=SEEDS)
        def asks(self, act: str, seed: int) -> None:
            self.walk.act(act, Random(seed))  # noqa: S311 - repeatable, no secret

        @precondition(lambda self: self.walk.steps % 10 == 0)
        @rule()
        def looks_everywhere(self) -> None:
            self.walk.end()

    return Asked


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("walks", "steps"), [(8, 30), pytest.param(200, 80, marks=[pytest.mark.long, pytest.mark.timeout(7200)])]
)
def test_the_state_machine_finds_no_other_answer(
    postgres: EmbeddedPostgres, tmp_path: Path, walks: int, steps: int
) -> None:
    bounds = settings(
        max_examples=walks,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    with plane(postgres, tmp_path) as held:
        run_state_machine_as_test(machine(held), settings=bounds)
        assert held.met.total() > walks * steps // 4


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("walks", "steps"), [(22, 50), pytest.param(400, 80, marks=[pytest.mark.long, pytest.mark.timeout(7200)])]
)
def test_every_answer_is_the_oracles(postgres: EmbeddedPostgres, tmp_path: Path, walks: int, steps: int) -> None:
    with plane(postgres, tmp_path) as held:
        for seed in range(walks):
            Walk(held, seed).go(steps)
        met = held.met
    for kind in MADE:
        assert met[f"POST {kind}", 201], (kind, met)
        assert met[f"DELETE {kind}", 204], (kind, met)
        assert met[f"PATCH {kind}", 200] + met[f"PUT {kind}", 200], (kind, met)
