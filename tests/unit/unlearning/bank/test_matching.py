"""Holdout examples as hard as the forget set, on difficulties counted by hand."""

from __future__ import annotations

import numpy as np

from unlearning.bank.matching import comparable, difficulty, equally_hard
from unlearning.bank.shadows import Bank
from unlearning.domain import Examples, ShadowOutputs
from unlearning.statistics.intervals import auc


def test_difficulty_is_the_mean_over_shadows_that_never_saw_it() -> None:
    """Two classes, true class 0, logits (z, 0): log(p / (1 - p)) is z. Of 1, 3 and 100 the last
    shadow saw it: 2."""
    logits = np.zeros((3, 1, 2))
    logits[:, 0, 0] = [1, 3, 100]
    seen = np.array([[False], [False], [True]])
    np.testing.assert_allclose(difficulty(ShadowOutputs(logits, seen), np.array([0])), [2.0])


def test_strata_are_filled_as_the_poorest_allows() -> None:
    """Forget examples 0-9 in two strata, cut at 4.5. Six holdout examples lie below and two above:
    two of each, those below evenly spread: the second and the fifth of them."""
    forget = np.arange(10.0)
    holdout = np.array([0, 1, 2, 3, 4, 4.4, 7, 8])
    chosen = equally_hard(forget, holdout, strata=2)
    assert np.flatnonzero(chosen).tolist() == [1, 4, 6, 7]


def test_nobody_is_left_where_no_stranger_is_as_hard() -> None:
    assert not equally_hard(np.arange(-10.0, 0), np.arange(100.0)).any()


def test_a_like_forget_set_keeps_most_of_the_holdout_set(rng: np.random.Generator) -> None:
    forget, holdout = rng.normal(size=1000), rng.normal(size=2000)
    chosen = equally_hard(forget, holdout)
    assert chosen.mean() > 0.8
    assert abs(holdout[chosen].mean() - forget.mean()) < 0.1


def test_a_shift_that_grows_with_difficulty_is_no_membership(rng: np.random.Generator) -> None:
    """Scores of a network that saw nobody, lower the harder the example; the forget set is of hard
    ones. Against all holdout examples the AUC is far below a half, against equally hard ones it is
    a half: of 1,000 and some 500, deviation .016."""
    forget, holdout = rng.normal(-2, 0.7, 1000), rng.normal(0, 1.5, 4000)

    def scores(hard: np.ndarray) -> np.ndarray:
        return np.asarray(hard + rng.normal(size=len(hard)))

    own, others = scores(forget), scores(holdout)
    assert auc(own, others) < 0.25
    assert abs(auc(own, others[equally_hard(forget, holdout)]) - 0.5) < 0.05


def asked_and_strangers(odds: np.ndarray) -> tuple[Examples, Examples, Bank]:
    """40 examples to forget, then 80 strangers of their class and 10 of another.

    Four shadows that never saw anybody answer with these log odds of the true class and noise of
    their own.
    """
    n = len(odds)
    ids = np.arange(n).astype(np.str_)
    labels = np.r_[np.zeros(120, dtype=int), np.ones(10, dtype=int)]
    everyone = Examples(np.zeros((n, 1, 1, 1), np.uint8), labels, ids, ids)
    logits = np.zeros((4, n, 2))
    logits[:, np.arange(n), labels] = odds
    ones = np.ones(4)
    bank = Bank(ids, np.zeros((4, n), dtype=bool), logits, ones, ones)
    return everyone.take(np.arange(40)), everyone.take(np.arange(40, n)), bank


def test_a_mixed_forget_set_is_compared_with_all_of_its_class(rng: np.random.Generator) -> None:
    forget, holdout, bank = asked_and_strangers(rng.normal(size=130))
    assert np.flatnonzero(comparable(forget, holdout, bank)).tolist() == list(range(80))


def test_a_chosen_one_is_compared_with_equally_hard_ones_only(rng: np.random.Generator) -> None:
    """The forget set is as hard as the first half of the strangers; the easy ones are left out."""
    odds = np.r_[rng.normal(-3, 0.1, 80), np.full(40, 2.0), np.full(10, -3.0)]
    forget, holdout, bank = asked_and_strangers(odds)
    chosen = np.flatnonzero(comparable(forget, holdout, bank))
    assert len(chosen) >= 15 and chosen.max() < 40


def test_nobody_is_comparable_where_no_stranger_is_of_the_class() -> None:
    forget, holdout, bank = asked_and_strangers(np.zeros(130))
    others = holdout.take(holdout.labels == 1)
    assert not comparable(forget, others, bank).any()
