"""Which part of a forget set is found: the one that carries the effect, where there is one."""

from __future__ import annotations

import numpy as np
import pytest

from unlearning.coresets import choosing

RNG_SEED, EXAMPLES, TRIALS = 0, 100, 64


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(RNG_SEED)


def test_who_carries_the_effect_is_found(rng: np.random.Generator) -> None:
    """Ten of a hundred make all of it, and a measurement errs by as much as one of them makes."""
    carries = np.isin(np.arange(EXAMPLES), rng.permutation(EXAMPLES)[:10])
    halves = choosing.random_parts(EXAMPLES, EXAMPLES // 2, TRIALS, rng)
    effects = (halves & carries).sum(1) + rng.normal(0, 0.3, TRIALS)
    found = choosing.strongest(choosing.influences(halves, effects), 10)
    assert found.sum() == 10 and (found & carries).sum() >= 8


def test_influence_does_not_depend_on_what_all_trials_share(rng: np.random.Generator) -> None:
    halves = choosing.random_parts(EXAMPLES, EXAMPLES // 2, TRIALS, rng)
    effects = rng.normal(size=TRIALS)
    shifted = choosing.influences(halves, effects + 5.0)
    assert np.allclose(choosing.influences(halves, effects), shifted)


def test_random_parts_have_their_size(rng: np.random.Generator) -> None:
    assert (choosing.random_parts(EXAMPLES, 7, 20, rng).sum(1) == 7).all()


def test_a_spread_out_part_has_one_of_each_heap() -> None:
    heaps = np.repeat([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]], [5, 3, 2], axis=0)
    rng = np.random.default_rng(1)
    part = choosing.spread_out(heaps + rng.normal(0, 0.01, heaps.shape), 3)
    assert part[:5].sum() == part[5:8].sum() == part[8:].sum() == 1


@pytest.mark.parametrize(("examples", "size"), [(110, 11), (109, 10), (5, 1)])
def test_a_core_is_a_tenth_at_most_and_one_at_least(examples: int, size: int) -> None:
    assert choosing.size_of(examples, 0.1) == size
