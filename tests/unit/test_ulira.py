"""U-LiRA's arithmetic against numbers worked by hand, and where nothing or something is left."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import ulira
from unlearning.errors import UsageError
from unlearning.shadows import draw_halves


def sides(rng: np.random.Generator, shift: float, *, models: int = 32, n: int = 200) -> ulira.Sides:
    """Half of the models unlearned an example and keep `shift` of it, half never saw it."""
    unlearned = draw_halves(np.arange(n).astype(np.str_), models, rng)
    values = rng.normal(size=(models, n)) + shift * unlearned
    return ulira.Sides(values, unlearned, ~unlearned)


def test_a_likelihood_ratio_by_hand() -> None:
    """Unlearned 3 and 5, never -1 and 1: means 4 and 0, both of variance 2.

    At 4: 16 / (2 x 2) = 4; at 2, half way, 0.
    """
    unlearned = np.array([[1], [1], [0], [0]], dtype=bool)
    fit = ulira.Sides(np.array([[3.0], [5.0], [-1.0], [1.0]]), unlearned, ~unlearned)
    ratios = ulira.log_ratios(np.array([[4.0], [2.0]]), fit, 0.0)
    np.testing.assert_allclose(ratios[:, 0], [4.0, 0.0], atol=1e-12)


def test_an_examples_auc_counts_pairs() -> None:
    """Unlearned 3 and 1 against never 2 and 1: right, right; wrong, tie. The fifth is not used."""
    unlearned = np.array([[1], [1], [0], [0], [0]], dtype=bool)
    never = np.array([[0], [0], [1], [1], [0]], dtype=bool)
    held = ulira.Sides(np.zeros((5, 1)), unlearned, never)
    ratios = np.array([[3.0], [1.0], [2.0], [1.0], [9.0]])
    assert ulira.example_auc(ratios, held).tolist() == [2.5 / 4]
    # Above 0 are both unlearned ones (1) and no never one is at most 0 (0): one half.
    assert ulira.example_accuracy(ratios, held).tolist() == [0.5]


def test_perfect_unlearning_leaves_a_half_when_scored_on_models_held_out() -> None:
    """200 examples: the mean of their AUCs is within .02. Scored by their own fit it is not."""
    rng = np.random.default_rng(6)
    nothing = sides(rng, 0.0)
    found = ulira.evaluate(nothing, rng)
    assert abs(found.auc.mean() - 0.5) < 0.02
    assert abs(found.balanced_accuracy.mean() - 0.5) < 0.02
    assert abs(found.tpr[0.05] - 0.05) < 0.02
    own = ulira.log_ratios(nothing.signals, nothing, 16.0)
    assert ulira.example_auc(own, nothing).mean() > 0.55


def test_what_is_left_is_seen() -> None:
    """A shift of 2 standard deviations: the best AUC is Phi(2 / sqrt 2) = .921."""
    found = ulira.evaluate(sides(np.random.default_rng(7), 2.0), np.random.default_rng(0))
    assert 0.89 < found.auc.mean() < 0.93
    assert 0.89 < found.pooled_auc < 0.93
    assert found.tpr[0.01] > 0.2
    assert (found.auc.shape, found.balanced_accuracy.shape) == ((200,), (200,))


def test_ulira_refuses_too_few_models(rng: np.random.Generator) -> None:
    with pytest.raises(UsageError, match="expected at least 2"):
        ulira.evaluate(sides(rng, 0.0, models=4), rng)
    with pytest.raises(UsageError, match="both"):
        ulira.Sides(np.zeros((2, 1)), np.ones((2, 1), bool), np.ones((2, 1), bool))
