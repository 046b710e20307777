"""Attacks against numbers worked by hand, or by the plainest program."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from tests.unit.toys import outputs
from unlearning.attacks.correctness import Correctness
from unlearning.attacks.entropy import Entropy
from unlearning.attacks.lira import LiraOffline, LiraOnline
from unlearning.attacks.modified_entropy import ModifiedEntropy
from unlearning.attacks.rmia import (
    AMUN,
    PRIVACY_METER,
    RmiaOffline,
    RmiaOnline,
    share_reached,
    taylor_softmax,
)
from unlearning.bank.calibration import Calibrated, Signals
from unlearning.bank.null_band import null_band
from unlearning.bank.shadows import draw_halves, shadow_targets
from unlearning.contracts import Attack
from unlearning.domain import FloatArray, Group, Outputs, ShadowOutputs
from unlearning.errors import UsageError
from unlearning.statistics.intervals import auc

NONE = ShadowOutputs(np.zeros((0, 2, 3)), np.zeros((0, 2), dtype=bool))
CALIBRATED = (LiraOffline(), LiraOnline(), RmiaOffline(), RmiaOnline(), PRIVACY_METER, AMUN)


def two() -> Outputs:
    """One answer (.5, .25, .25), once with the first label and once with the second."""
    answer = np.log([[0.5, 0.25, 0.25]] * 2)
    return outputs(answer, np.array([0, 1]), [Group.FORGET, Group.HOLDOUT])


def test_correctness_is_right_or_wrong() -> None:
    assert Correctness().score(two(), NONE).tolist() == [1.0, 0.0]


def test_entropy_does_not_read_labels() -> None:
    """.5 ln 2 + 2 x .25 ln 4 = 1.5 ln 2, whichever the label."""
    expected = [-1.5 * math.log(2)] * 2
    np.testing.assert_allclose(Entropy().score(two(), NONE), expected, rtol=1e-6)


def test_modified_entropy_does() -> None:
    """True class first: -.5 ln .5 - 2 x .25 ln .75; second: -.75 ln .25 - .5 ln .5 - .25 ln .75.

    Public copies, with log p in place of log(1 - p), give 1.5 ln 2 for the first.
    """
    first = 0.5 * math.log(2) - 0.5 * math.log(0.75)
    second = 0.75 * math.log(4) + 0.5 * math.log(2) - 0.25 * math.log(0.75)
    np.testing.assert_allclose(ModifiedEntropy().score(two(), NONE), [-first, -second], rtol=1e-6)


def signals(
    target: list[float], shadows: list[list[float]], seen: list[list[int]], holdout: list[int]
) -> Signals:
    masks = np.array(seen, dtype=bool), np.array(holdout, dtype=bool)
    labels = np.zeros(len(target), dtype=int)
    return Signals(np.array(target), np.array(shadows), *masks, labels)


# Two examples. Shadows that saw them answer 3 and 5 (mean 4, variance 2) both times; the others
# answer -1 and 1 (mean 0, variance 2), or -2 and 2 (mean 0, variance 8).
ODDS = [[3.0, 3.0], [5.0, 5.0], [-1.0, -2.0], [1.0, 2.0]]
SAW = [[1, 1], [1, 1], [0, 0], [0, 0]]


def test_offline_lira_shares_its_variance() -> None:
    """Squares 2 and 8 with one degree of freedom each: shared 5. Prior 1: (2 + 5) / 2, (8 + 5) / 2.

    With the target at 4: 4 / sqrt 3.5 and 4 / sqrt 6.5.
    """
    score = LiraOffline(prior=1.0).compare(signals([4, 4], ODDS, SAW, [0, 0]))
    np.testing.assert_allclose(score, [4 / math.sqrt(3.5), 4 / math.sqrt(6.5)], rtol=1e-12)


def test_online_lira_by_hand() -> None:
    """At 4: log N(4; 4, v) - log N(4; 0, w) = ln sqrt(w / v) + 16 / 2w with v = 2 and w = 2 or 8.

    At 2, half way between equal variances, nothing can be said.
    """
    at_4 = LiraOnline(prior=0.0).compare(signals([4, 4], ODDS, SAW, [0, 0]))
    np.testing.assert_allclose(at_4, [4.0, math.log(2) + 1.0], rtol=1e-12)
    assert LiraOnline(prior=0.0).compare(signals([2, 2], ODDS, SAW, [0, 0]))[0] == 0.0


def test_online_lira_needs_both_sides() -> None:
    with pytest.raises(UsageError, match="that saw it"):
        LiraOnline().compare(signals([4], [[1], [2], [3]], [[1], [0], [0]], [0]))


# An example and three of the population. Those who never saw them answer .2 and .4, mean .3.
SHARES = [[0.2] * 4, [0.4] * 4, [0.8] * 4, [0.6] * 4]
SAW_SHARES = [[0] * 4, [0] * 4, [1] * 4, [1] * 4]
# Prior with a = .5: (1.5 x .3 + .5) / 2 = .475; these are 2, 1, 1.5 and .5 times as much.
RATIOS = [0.95, 0.475, 0.7125, 0.2375]


@pytest.mark.parametrize(
    ("gamma", "expected"),
    [
        # 2 reaches all three; 1 of the others only .5; 1.5 both; .5 none.
        (1.0, [1, 1 / 2, 1, 0]),
        # 2 is 1.9 times 1 and .5; 1.5 is 1.9 times .5 alone; 1 is 1.9 times .5 too.
        (1.9, [2 / 3, 1 / 2, 1 / 2, 0]),
    ],
)
def test_offline_rmia_by_hand(gamma: float, expected: list[float]) -> None:
    given = signals(RATIOS, SHARES, SAW_SHARES, [0, 1, 1, 1])
    np.testing.assert_allclose(RmiaOffline(a=0.5, gamma=gamma).compare(given), expected)


def test_online_rmia_by_hand() -> None:
    """The mean over all four is .5: ratios 1.9, .95, 1.425, .475.

    Gamma 2: the first is twice .475 and .95; 1.425 is twice .475; .95 is exactly twice .475. Over
    the others instead of the holdout examples, the example itself is one of the population too.
    """
    given = signals(RATIOS, SHARES, SAW_SHARES, [0, 1, 1, 1])
    np.testing.assert_allclose(RmiaOnline().compare(given), [2 / 3, 1 / 2, 1 / 2, 0])
    np.testing.assert_allclose(RmiaOnline(over="others").compare(given), [2 / 3, 1 / 3, 1 / 3, 0])


def test_privacy_meter_averages_the_upper_half() -> None:
    """Four shadows, so two values: .4 and .2 where two never saw it; .2 and 0 where one did not;

    .8 and .6 of the population, which counts as unseen. a = 0: priors .65, .55 and .85.
    """
    saw = [[0, 0, 1, 1], [0, 1, 0, 0], [1, 1, 0, 1], [1, 1, 1, 0]]
    prior = RmiaOffline(a=0.0, privacy_meter=True).prior(
        signals([1, 1, 1, 1], SHARES, saw, [0, 0, 1, 1])
    )
    np.testing.assert_allclose(prior, [0.65, 0.55, 0.85, 0.85])


def test_privacy_meter_wants_more_than_equal() -> None:
    """Two of one ratio: reached, but not exceeded."""
    given = signals([0.5, 0.5, 0.5], [[0.5] * 3] * 4, [[0] * 3] * 4, [0, 1, 1])
    assert RmiaOffline().compare(given).tolist() == [1, 1, 1]
    assert RmiaOffline(privacy_meter=True).compare(given).tolist() == [0, 0, 0]


def test_rmia_without_a_population_is_refused() -> None:
    with pytest.raises(UsageError, match="population"):
        RmiaOffline().compare(signals(RATIOS, SHARES, SAW_SHARES, [0, 0, 0, 1]))
    with pytest.raises(UsageError, match="at least 4"):
        PRIVACY_METER.compare(signals(RATIOS, SHARES[:3], SAW_SHARES[:3], [0, 1, 1, 1]))
    with pytest.raises(UsageError, match="confidence"):
        RmiaOffline(confidence="logit")
    with pytest.raises(UsageError, match="over"):
        RmiaOnline(over="everything")


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_sorted_lists_count_what_all_pairs_would(
    gamma: float, strict: bool, rng: np.random.Generator
) -> None:
    """Also below zero and with ties, which quarters make exact."""
    ratios = rng.integers(-8, 9, 60) / 4 + 1 / 8
    population = rng.random(60) < 0.5
    quotients = ratios[:, None] / ratios[population]
    counted = quotients > gamma if strict else quotients >= gamma
    counted &= np.arange(60)[:, None] != np.flatnonzero(population)
    expected = counted.sum(1) / (population.sum() - population)
    found = share_reached(ratios, population, gamma, strict=strict)
    np.testing.assert_allclose(found, expected)


def test_taylor_softmax_by_hand() -> None:
    """Degree 2: f(1) = 2.5, f(0) = 1, f(.5) = 1.625. Degree 3: f(-2) = 1 - 2 + 2 - 8 / 6 = -1 / 3,

    which leaves [0, 1]; degree 4 adds 16 / 24 and does not.
    """
    own, zero = np.array([[1.0, 0.0]]), np.zeros(1, dtype=int)
    found = [taylor_softmax(own, zero, margin=m, order=2)[0] for m in (0.0, 0.5)]
    assert found == pytest.approx([2.5 / 3.5, 1.625 / 2.625])
    low = np.array([[-2.0, 0.0]])
    third, fourth = (taylor_softmax(low, zero, margin=0.0, order=k)[0] for k in (3, 4))
    assert (third, fourth) == pytest.approx((-0.5, 0.25))


def test_rmia_reads_the_signal_that_it_names() -> None:
    """Logits 2 and 0 at temperature 2; the margin .6 takes the true one from 1 to .4."""
    logits, zero = np.array([[2.0, 0.0]]), np.zeros(1, dtype=int)
    f = sum(0.4**k / math.factorial(k) for k in range(5))
    assert RmiaOffline().signal(logits, zero) == pytest.approx([f / (f + 1)])
    f = sum(0.4**k / math.factorial(k) for k in range(4))
    assert AMUN.signal(logits, zero) == pytest.approx([f / (f + 1)])
    assert PRIVACY_METER.signal(logits, zero) == pytest.approx([1 / (1 + math.exp(-2))])


def bank(rng: np.random.Generator, *, people: int = 240, shadows: int = 12) -> ShadowOutputs:
    """Answers of shadows that are surer of what they were trained on: the first two thirds."""
    seen = draw_halves(np.arange(people).astype(np.str_), shadows, rng)
    logits = rng.normal(size=(shadows, people, 3))
    logits[..., 0] += rng.normal(size=people)
    logits[:, : people * 2 // 3, 0] += 2 * seen[:, : people * 2 // 3]
    return ShadowOutputs(logits, seen)


def never_in(rng: np.random.Generator, shadows: ShadowOutputs) -> Outputs:
    """Take what a shadow that saw nothing would answer."""
    n = shadows.seen.shape[1]
    logits = rng.normal(size=(n, 3))
    logits[:, 0] += np.where(shadows.seen, 0, shadows.logits[..., 0]).sum(0) / (len(shadows) / 2)
    groups = [Group.FORGET] * (n * 2 // 3) + [Group.HOLDOUT] * (n // 3)
    return outputs(logits, np.zeros(n, dtype=int), groups)


@dataclass(frozen=True)
class Plain:
    """An attack without its short cuts."""

    attack: Attack
    name: ClassVar[str] = "plain"
    paper: ClassVar[str] = ""

    def score(self, target: Outputs, shadows: ShadowOutputs) -> FloatArray:
        return self.attack.score(target, shadows)


@pytest.mark.parametrize("attack", CALIBRATED, ids=lambda attack: attack.name)
def test_shadows_are_scored_at_once_as_they_would_be_one_by_one(
    attack: Calibrated, rng: np.random.Generator
) -> None:
    shadows = bank(rng)
    part = never_in(rng, shadows)
    which = np.array([0, 3, 11])
    at_once = attack.score_shadows(attack.signals(part, shadows), which)
    targets = list(shadow_targets(part, shadows))
    for row, shadow in enumerate(which):
        unseen = ~shadows.seen[shadow]
        one = attack.score(*targets[shadow])
        np.testing.assert_allclose(at_once[row, unseen], one, rtol=1e-9)
        assert np.isnan(at_once[row, ~unseen]).all()


@pytest.mark.parametrize("attack", [LiraOffline(), RmiaOffline()], ids=lambda attack: attack.name)
def test_the_null_band_is_the_same_number_by_the_long_way(
    attack: LiraOffline | RmiaOffline, rng: np.random.Generator
) -> None:
    shadows = bank(rng)
    part = never_in(rng, shadows)
    fast, slow = (null_band(part, shadows, a) for a in (attack, Plain(attack)))
    assert (fast.value, fast.low, fast.high) == pytest.approx(
        (slow.value, slow.low, slow.high), rel=1e-12
    )
    assert fast.n == slow.n == 12


def test_a_shadow_left_out_needs_three_that_never_saw_an_example(rng: np.random.Generator) -> None:
    shadows = bank(rng, shadows=4)
    with pytest.raises(UsageError, match="fewer than 3"):
        null_band(never_in(rng, shadows), shadows, LiraOffline())


def test_online_attacks_are_below_a_half_against_a_holdout_set_that_no_shadow_learned() -> None:
    """Why the gates use the offline ones: a network that saw nothing is told from its holdout set.

    On forget examples, shadows that saw them are far off; on holdout examples none is.
    """
    rng = np.random.default_rng(5)
    shadows = bank(rng, people=3000, shadows=32)
    part = never_in(rng, shadows)
    scores = {attack.name: attack.score(part, shadows) for attack in CALIBRATED[:4]}
    found = {name: auc(s[:2000], s[2000:]) for name, s in scores.items()}
    assert found["lira_online"] < 0.35 and found["rmia_online"] < 0.45
    assert abs(found["lira_offline"] - 0.5) < 0.04 and abs(found["rmia_offline"] - 0.5) < 0.04
