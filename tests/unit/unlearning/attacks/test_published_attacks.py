"""The published membership columns, on numbers that can be worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize

from tests.unit.toys import outputs
from unlearning.attacks import ATTACKS
from unlearning.attacks.mia_conf_svc import SIGNALS, MiaConfSvc
from unlearning.attacks.mia_entropy_lr import MiaEntropyLr, member_share
from unlearning.domain import FloatArray, Group, Outputs, ShadowOutputs
from unlearning.errors import AttackFailed, UsageError
from unlearning.statistics.entropies import entropy, modified_entropy
from unlearning.statistics.intervals import auc

NAMES = ("mia_conf_svc", "mia_entropy_lr")


def logs(*rows: tuple[float, ...]) -> FloatArray:
    """Logits of these probabilities."""
    return np.log(np.array(rows))


def answers(**confidences: list[float]) -> Outputs:
    """Two-class outputs of label 0 with these probabilities of it, group by group."""
    p = np.array([value for values in confidences.values() for value in values])
    groups = [Group[name.upper()] for name, values in confidences.items() for _ in values]
    return outputs(np.stack([np.log(p), np.log1p(-p)], axis=1), np.zeros(len(p), int), groups)


def unread(n: int) -> ShadowOutputs:
    return ShadowOutputs(np.zeros((0, n, 2)), np.zeros((0, n), bool))


def test_entropy_by_hand() -> None:
    """(1/2, 1/4, 1/4): 1.5 ln 2; uniform: ln 3; a gap of 800: 0."""
    logits = np.vstack([logs((0.5, 0.25, 0.25), (1 / 3, 1 / 3, 1 / 3)), [800.0, 0.0, 0.0]])
    expected = [1.5 * math.log(2), math.log(3), 0.0]
    np.testing.assert_allclose(entropy(logits), expected, rtol=1e-12, atol=1e-12)


def test_modified_entropy_by_hand() -> None:
    """p = (.7, .2, .1). Label 0: .3 ln 1/.7 + .2 ln 1/.8 + .1 ln 1/.9 = .162168; label 1: 2.140868.

    With log p for log(1 - p), as in public code, the first would be .659.
    """
    found = modified_entropy(logs((0.7, 0.2, 0.1), (0.7, 0.2, 0.1)), np.array([0, 1]))
    first = -(0.3 * math.log(0.7) + 0.2 * math.log(0.8) + 0.1 * math.log(0.9))
    second = -(0.8 * math.log(0.2) + 0.7 * math.log(0.3) + 0.1 * math.log(0.9))
    np.testing.assert_allclose(found, [first, second], rtol=1e-12)
    np.testing.assert_allclose(found, [0.162168, 2.140868], atol=1e-6)


def test_modified_entropy_keeps_its_precision_where_p_rounds_to_1() -> None:
    """A gap of 800: sure and right is 0; sure and wrong is 800 for each of its two terms."""
    logits = np.array([[800.0, 0.0], [800.0, 0.0]])
    np.testing.assert_allclose(modified_entropy(logits, np.array([0, 1])), [0.0, 1600.0])


def test_signals_work_over_a_leading_axis(rng: np.random.Generator) -> None:
    logits, labels = rng.normal(size=(4, 6, 3)), rng.integers(0, 3, 6)
    one_by_one = np.stack([modified_entropy(part, labels) for part in logits])
    np.testing.assert_allclose(modified_entropy(logits, labels), one_by_one, rtol=1e-12)
    np.testing.assert_allclose(entropy(logits)[2], entropy(logits[2]), rtol=1e-12)


def test_the_regression_cuts_in_the_middle_whatever_the_counts() -> None:
    """Members have entropy .0001, the others ln 2 = .693: balanced, the cut is at .347.

    Entropies of the forget set, for p = .99, .9, .88, .5: .056, .325, .367, .693. Two are members.
    Without the balance, six against two, the cut would lie higher and .367 be a member too.
    """
    sure = 1 - 1e-5
    target = answers(retain=[sure] * 6, test=[0.5] * 2, forget=[0.99, 0.9, 0.88, 0.5])
    assert member_share(target) == 0.5
    scores = MiaEntropyLr().score(target, unread(12))
    assert (scores[8:] > 0).tolist() == [True, True, False, False]


def test_the_regression_has_the_published_penalty(rng: np.random.Generator) -> None:
    """It is published as the multinomial regression at C = 1: two rows of coefficients, b and -b.

    So it minimises sum_i w_i log(1 + exp(-2 s_i z_i)) + |b|^2, the penalty being half of both rows'
    |b|^2; z_i = b x_i + a, s_i = 1 for members and -1 for others, w_i the balancing weights. The
    log-odds are 2 z. It is minimised here as it stands; 1e-3 is what the solvers' tolerances leave.
    """
    p = {"retain": rng.uniform(0.8, 0.99, 12).tolist(), "test": rng.uniform(0.6, 0.95, 4).tolist()}
    target = answers(**p, forget=[0.7])
    x, sign = entropy(target.logits)[:16], np.repeat([1.0, -1.0], [12, 4])
    weights = np.repeat([16 / 24, 16 / 8], [12, 4])

    def cost(row: np.ndarray) -> float:
        z = row[0] * x + row[1]
        return float((weights * np.logaddexp(0, -2 * sign * z)).sum() + row[0] ** 2)

    slope, offset = minimize(cost, [0.0, 0.0], tol=1e-12).x
    scores = MiaEntropyLr().score(target, unread(17))
    np.testing.assert_allclose(scores[:16], 2 * (slope * x + offset), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_answers_that_are_no_numbers_teach_it_nothing(name: str) -> None:
    target = answers(retain=[0.9] * 3, test=[0.5] * 3, forget=[0.9])
    target.logits[0] = np.nan
    with pytest.raises(AttackFailed, match=rf"attack {name}: 1 of 7 scores are no finite numbers"):
        ATTACKS.create(name).score(target, unread(7))


def test_the_machine_takes_a_forget_example_for_what_it_is_nearer_to() -> None:
    """One member at .9 and one other at .3: the cut is at .6, three of five are non-members.

    Of the retain examples as many count as there are tests: the second, at .0001, does not.
    """
    target = answers(retain=[0.9, 0.0001], test=[0.3], forget=[0.95, 0.65, 0.55, 0.2, 0.1])
    assert MiaConfSvc().non_member_share(target) == pytest.approx(3 / 5)


def test_the_machine_has_the_published_penalty_and_kernel() -> None:
    """Both weights would be 2 / (2 - 2 exp(-.36)) = 3.31, above C = 3: they stay at 3.

    So the decision at .9 is 3 (1 - exp(-.6^2)) = .907.
    """
    target = answers(retain=[0.9], test=[0.3], forget=[0.9])
    scores = MiaConfSvc().score(target, unread(3))
    np.testing.assert_allclose(scores[[0, 2]], 3 * (1 - math.exp(-0.36)), rtol=1e-5)


def test_all_of_two_probabilities_say_what_the_first_says(rng: np.random.Generator) -> None:
    """(p, 1 - p) has twice the squared distance and gamma 1/2: the same kernel as p alone."""
    p = {name: rng.uniform(0.01, 0.99, 30).tolist() for name in ("retain", "test", "forget")}
    target, none = answers(**p), unread(90)
    alone, both = (MiaConfSvc(signal=s).score(target, none) for s in ("confidence", "prob"))
    np.testing.assert_allclose(alone, both, atol=1e-5)


def test_correctness_knows_right_from_wrong_only() -> None:
    """Members are right, the others wrong; of four forget examples one is wrong."""
    target = answers(retain=[0.9, 0.6], test=[0.1, 0.4], forget=[0.99, 0.51, 0.7, 0.49])
    assert MiaConfSvc(signal="correctness").non_member_share(target) == 0.25


def test_only_the_modified_entropy_tells_sure_and_wrong_from_sure_and_right() -> None:
    """Members: p = .99 and .98, others: .02 and .01, which have the same entropies."""
    target = answers(retain=[0.99, 0.98], test=[0.01, 0.02], forget=[0.985, 0.015])
    assert MiaConfSvc(signal="m_entropy").non_member_share(target) == 0.5
    assert MiaConfSvc(signal="entropy").non_member_share(target) in (0.0, 1.0)


def test_the_two_columns_point_in_opposite_directions() -> None:
    """The same forget set, all like members: one says 1, the other 0."""
    target = answers(retain=[0.99] * 3, test=[0.6] * 3, forget=[0.99] * 4)
    assert member_share(target) == 1.0
    assert MiaConfSvc().non_member_share(target) == 0.0


def test_a_signal_that_is_not_known_is_refused() -> None:
    with pytest.raises(UsageError, match=r"signal: got 'loss', expected one of confidence"):
        MiaConfSvc(signal="loss")


@pytest.mark.parametrize("name", NAMES)
def test_without_examples_to_learn_from_it_refuses(name: str) -> None:
    with pytest.raises(UsageError, match="got 0 retain and 1 test examples"):
        ATTACKS.create(name).score(answers(test=[0.5], forget=[0.5]), unread(2))


@pytest.mark.parametrize("signal", SIGNALS)
def test_a_memorised_member_ranks_above_a_stranger(signal: str, rng: np.random.Generator) -> None:
    """Unless only right and wrong are looked at: then strangers that are right tie."""
    odds = rng.normal(0, 0.5, 160) + np.repeat([6.0, 0.0], 80)
    groups = np.repeat([Group.RETAIN, Group.FORGET, Group.TEST, Group.HOLDOUT], 40)
    logits = np.stack([odds, np.zeros(160)], axis=1)
    target = outputs(logits, np.zeros(160, int), list(groups))
    for attack in (MiaConfSvc(signal=signal), MiaEntropyLr()):
        scores = attack.score(target, unread(160))
        found = auc(scores[40:80], scores[120:])
        assert found > (0.6 if attack == MiaConfSvc(signal="correctness") else 0.95)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_found_where_nothing_is(name: str, rng: np.random.Generator) -> None:
    """500 against 500 of one distribution: the standard error is .018, .08 is 4.4 of it."""
    logits, labels = rng.normal(size=(2000, 4)), rng.integers(0, 4, 2000)
    groups = list(np.repeat(list(Group), 500))
    scores = ATTACKS.create(name).score(outputs(logits, labels, groups), unread(2000))
    assert abs(auc(scores[:500], scores[1000:1500]) - 0.5) < 0.08
