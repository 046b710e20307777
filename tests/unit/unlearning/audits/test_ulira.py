"""U-LiRA's arithmetic against numbers worked by hand, and where nothing or something is left."""

from __future__ import annotations

import numpy as np
import pytest

from unlearning.audits import ulira
from unlearning.bank.shadows import draw_halves
from unlearning.domain import Group, Outputs
from unlearning.errors import UsageError


def sides(rng: np.random.Generator, shift: float, *, models: int = 32, n: int = 200) -> ulira.Sides:
    """Half of the models unlearned an example and keep `shift` of it, half never saw it.

    Models of complementary halves are a group.
    """
    unlearned = draw_halves(np.arange(n).astype(np.str_), models, rng)
    values = rng.normal(size=(models, n)) + shift * unlearned
    return ulira.Sides(values, unlearned, ~unlearned, np.arange(models) // 2)


def test_a_likelihood_ratio_by_hand() -> None:
    """Unlearned 3 and 5, never -1 and 1: means 4 and 0, both of variance 2.

    At 4: 16 / (2 x 2) = 4; at 2, half way, 0.
    """
    unlearned = np.array([[1], [1], [0], [0]], dtype=bool)
    values = np.array([[3.0], [5.0], [-1.0], [1.0]])
    fit = ulira.Sides(values, unlearned, ~unlearned, np.arange(4))
    ratios = ulira.log_ratios(np.array([[4.0], [2.0]]), fit, 0.0)
    np.testing.assert_allclose(ratios[:, 0], [4.0, 0.0], atol=1e-12)


def test_an_examples_auc_counts_pairs() -> None:
    """Unlearned 3 and 1 against never 2 and 1: right, right; wrong, tie. The fifth is not used."""
    unlearned = np.array([[1], [1], [0], [0], [0]], dtype=bool)
    never = np.array([[0], [0], [1], [1], [0]], dtype=bool)
    held = ulira.Sides(np.zeros((5, 1)), unlearned, never, np.arange(5))
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
    assert 0.89 < found.pooled_auc.low < found.pooled_auc.value < found.pooled_auc.high < 0.93
    assert found.tpr[0.01] > 0.2
    assert (found.auc.shape, found.balanced_accuracy.shape) == ((200,), (200,))


def test_ulira_refuses_too_few_models(rng: np.random.Generator) -> None:
    with pytest.raises(UsageError, match="expected at least 2"):
        ulira.evaluate(sides(rng, 0.0, models=4), rng)
    with pytest.raises(UsageError, match="both"):
        ulira.Sides(np.zeros((2, 1)), np.ones((2, 1), bool), np.ones((2, 1), bool), np.arange(2))


def test_a_pooled_auc_by_hand() -> None:
    """Inside 3 and 1, outside 2 and 0 and 1: of six pairs 3 are right, then 1 and a tie: 4.5 / 6.

    Groups: (3 | 2) and (1 | 0, 1). Drawn twice, the first gives 1, the second (1 + .5) / 2 = .75.
    """
    inside, outside = [np.array([3.0]), np.array([1.0])], [np.array([2.0]), np.array([0.0, 1.0])]
    found = ulira.grouped_auc(inside, outside, np.random.default_rng(0))
    assert (found.value, found.low, found.high) == (4.5 / 6, 0.75, 1.0)


def test_models_that_go_together_make_the_interval_wide() -> None:
    """Each of 4 groups is 50 times the same pair: the interval is that of 4 pairs, not of 200."""
    rng = np.random.default_rng(3)
    ones, others = rng.normal(1, 1, 4), rng.normal(0, 1, 4)

    def width(copies: int, groups: int) -> float:
        inside, outside = (np.tile(side, copies).reshape(groups, -1) for side in (ones, others))
        found = ulira.grouped_auc(list(inside), list(outside), np.random.default_rng(0))
        return found.high - found.low

    assert width(50, 200) < 0.2
    few = [np.repeat(value, 50) for value in ones], [np.repeat(value, 50) for value in others]
    clustered = ulira.grouped_auc(*few, np.random.default_rng(0))
    assert clustered.high - clustered.low == pytest.approx(width(1, 4))
    assert width(1, 4) > 0.4


def test_a_group_is_scored_by_a_fit_to_other_groups() -> None:
    """Two models of one original are copies: with one in the fit of the other, 0 would look like 1.

    Perfect unlearning, 8 originals of which every second saw an example, each copied 4 times: by
    groups .5 in the mean; by single models the copies give each other away.
    """
    rng = np.random.default_rng(4)
    unlearned = np.repeat(draw_halves(np.arange(400).astype(np.str_), 8, rng), 4, axis=0)
    values = np.repeat(rng.normal(size=(8, 400)), 4, axis=0)
    together = ulira.Sides(values, unlearned, ~unlearned, np.arange(32) // 8)
    apart = ulira.Sides(values, unlearned, ~unlearned, np.arange(32))
    assert abs(ulira.evaluate(together, rng).auc.mean() - 0.5) < 0.05
    assert ulira.evaluate(apart, rng).auc.mean() > 0.6


def answers(signals: np.ndarray) -> list[Outputs]:
    """Two classes, all examples of class 0 and to be forgotten: the logit is the signal itself."""
    n = signals.shape[1]
    zero, groups = np.zeros(n, np.int64), np.full(n, int(Group.FORGET))
    return [
        Outputs(np.stack([row, np.zeros(n)], 1).astype(np.float32), zero, groups, np.arange(n))
        for row in signals
    ]


def test_the_audit_says_what_is_left_of_a_forget_set() -> None:
    """16 models that kept two deviations, 16 that never saw it: Phi(2 / sqrt 2) = .921."""
    rng = np.random.default_rng(7)
    never, kept = rng.normal(size=(2, 16, 200))
    audit = ulira.UnlearningLira()
    left = {m.name: m for m in audit.measure(answers(kept + 2), answers(never), rng)}
    gone = {m.name: m for m in audit.measure(answers(kept), answers(never), rng)}
    assert 0.87 < left["ulira_auc"].value < 0.94 and left["ulira_pooled_auc"].low > 0.85
    assert abs(gone["ulira_auc"].value - 0.5) < 0.03
    assert abs(gone["ulira_balanced_accuracy"].value - 0.5) < 0.03
    with pytest.raises(UsageError, match="got 0 candidates"):
        audit.measure([], answers(never), rng)
