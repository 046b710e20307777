"""The pair attack, collateral risk, relearning, and their intervals, by numbers worked by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import ArrayLike
from scipy import stats

from tests.unit import toys
from unlearning import networks
from unlearning.audits.changes import auc_change, gap, mean_change, widened
from unlearning.audits.collateral import Collateral
from unlearning.audits.pairs import Pairs, drop
from unlearning.audits.relearning import Relearning, area
from unlearning.domain import Group, Measurement, Outputs, ShadowOutputs, Split
from unlearning.errors import UsageError
from unlearning.judging.measuring import Scores
from unlearning.statistics.intervals import Interval
from unlearning.training.loop import train

FORGET, RETAIN, HOLDOUT = Group.FORGET, Group.RETAIN, Group.HOLDOUT


def by_name(found: Sequence[Measurement]) -> Mapping[str, Measurement]:
    assert len({m.name for m in found}) == len(found)
    return {m.name: m for m in found}


def test_a_mean_change_by_hand() -> None:
    """Mean 1/4 of 1, 0, 0, 0: variance (3/4) / 3 / 4, t 3.1824 with 3 degrees of freedom."""
    found = mean_change(np.array([1.0, 0, 0, 0]), np.arange(4))
    assert found.value == 0.25
    assert found.high - 0.25 == pytest.approx(3.1824463 * 0.25)


def test_agreement_is_not_certainty() -> None:
    """No difference in 100 examples: reach t / 100."""
    found = mean_change(np.zeros(100), np.arange(100))
    assert found.high == pytest.approx(stats.t.ppf(0.975, 99) / 100)


def test_examples_of_one_subject_count_once() -> None:
    """Two subjects of 50 that are each all alike: mean 1/2, variance 1/4, t 12.706 with 1."""
    found = mean_change(np.repeat([0.0, 1.0], 50), np.repeat([0, 1], 50))
    assert found.high - found.value == pytest.approx(12.7062047 * 0.5)
    assert mean_change(np.zeros(9), np.zeros(9, int)).high == np.inf


def test_a_gap_covers_one_more_retrained_model_where_three_show_the_spread() -> None:
    """Means .2, .3 and .4, deviation .1: Student's t 4.3027 with 2 degrees, sqrt(4/3) of it."""
    examples = Interval(0.5, 0.44, 0.56)
    assert widened(examples, [0.2, 0.4]) is examples
    found = widened(examples, [0.2, 0.3, 0.4])
    assert found.high - 0.5 == pytest.approx(np.hypot(0.06, 4.3026527 * 0.1 * np.sqrt(4 / 3)))
    assert found.value - found.low == pytest.approx(found.high - found.value)


def test_a_gap_by_hand() -> None:
    """Candidate right on 3 of 4, retrained on 1 and on 2 of them: 3/4 less 3/8."""
    rows = [np.array(row, dtype=float) for row in ([1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 0, 0])]
    assert gap(rows[0], rows[1:], np.arange(4)).value == 0.375


def scores(members: ArrayLike, others: ArrayLike) -> Scores:
    first, second = np.asarray(members), np.asarray(others)
    return Scores(first, second, np.arange(len(first)), np.arange(len(second)))


def test_an_auc_change_by_hand() -> None:
    """Before: 1 and 3 against 2 and 0: 3 of 4 pairs. After, 4 and 3: all.

    Members' placements rise by 1/2 and 0: variance of the mean 2 (1/16 + 1/16) / 4 = 1/16. Others'
    fall from 1/2 to 0 and stay at 0: 1/16 too. t 12.706 with 1 degree of freedom.
    """
    found = auc_change([scores([1, 3], [2, 0])], [scores([4, 3], [2, 0])])
    assert found.value == 0.25
    assert found.high - 0.25 == pytest.approx(12.7062047 * np.sqrt(1 / 8))


def test_an_auc_change_covers(rng: np.random.Generator) -> None:
    """400 draws, a shift of .5 that both share and .3 that is new: 95 % cover, deviation 1.1 %."""
    truth = stats.norm.cdf(0.8 / np.sqrt(2)) - stats.norm.cdf(0.5 / np.sqrt(2))
    hits = 0
    for _ in range(400):
        base = rng.normal(size=160)
        before, after = (base * 0.8 + rng.normal(size=160) * 0.6 for _ in range(2))
        found = auc_change(
            [scores(before[:80] + 0.5, before[80:])], [scores(after[:80] + 0.8, after[80:])]
        )
        hits += found.low <= truth <= found.high
    assert 0.91 < hits / 400 < 0.985


def answers(
    odds: Sequence[float], groups: list[Group], labels: Sequence[int] | None = None
) -> Outputs:
    """Two classes; odds are log(p / (1 - p)) of the true one."""
    label = np.zeros(len(odds), int) if labels is None else np.array(labels)
    logits = np.zeros((len(odds), 2))
    logits[np.arange(len(odds)), label] = odds
    return toys.outputs(logits, label, groups)


GROUPS = [FORGET, FORGET, RETAIN, RETAIN, HOLDOUT, HOLDOUT]


def test_the_pair_attack_by_hand() -> None:
    """Drops 3 and 1 of the forgotten, 2 and 0 of who stays, -1 and 0 of others: 3/4, and all."""
    before = answers([4, 4, 4, 4, 1, 1], GROUPS)
    after = answers([1, 3, 2, 4, 2, 1], GROUPS)
    np.testing.assert_allclose(drop(before, after), [3, 1, 2, 0, -1, 0], atol=1e-6)
    found = by_name(Pairs().measure(before, after))
    assert found["pair_auc/retain"].value == 0.75
    assert found["pair_auc/holdout"].value == 1.0
    assert set(found) == {"pair_auc/retain", "pair_auc/holdout"}


def test_what_an_honest_retrain_gives_away_is_taken_off() -> None:
    before, after = answers([4, 4, 4, 4, 1, 1], GROUPS), answers([1, 3, 2, 4, 2, 1], GROUPS)
    same = by_name(Pairs().measure(before, after, [after]))
    assert same["pair_gap/retain"].value == 0.0
    # With no drop at all every pair is a tie, one half.
    found = by_name(Pairs().measure(before, after, [after, before]))
    assert found["pair_gap/holdout"].value == pytest.approx(1 - (1 + 0.5) / 2)


def test_a_class_that_nobody_keeps_is_compared_with_holdout_examples_of_it() -> None:
    before = answers([4, 4, 4, 4, 1, 1], GROUPS, [1, 1, 0, 0, 1, 0])
    after = answers([1, 3, 2, 4, 3, 9], GROUPS, [1, 1, 0, 0, 1, 0])
    found = by_name(Pairs().measure(before, after))
    assert set(found) == {"pair_auc/holdout"}
    with pytest.raises(UsageError, match="expected both"):
        Pairs().measure(*(answers([1, 1], [FORGET, RETAIN], [0, 1]),) * 2)


def shadows_at_zero(n: int) -> ShadowOutputs:
    """Four shadows whose log odds are -1 and 1, so that LiRA's score is in proportion to odds."""
    odds = np.repeat([[-1.0], [1.0], [-1.0], [1.0]], n, axis=1)
    logits = np.stack([odds, np.zeros_like(odds)], axis=2).astype(np.float32)
    return ShadowOutputs(logits, np.zeros((4, n), dtype=bool))


def test_collateral_by_hand() -> None:
    """Two stay, at 0 and 2, against holdout at 1 and -1: 3/4. Then at 5 and 2: 1, a rise of 1/4.

    At fpr 0 what lies above all holdout examples is found: before the second, after both, so one of
    two newly. The erased one falls from 0.5 (beats one of two) to -2 (none).
    """
    groups = [RETAIN, RETAIN, FORGET, HOLDOUT, HOLDOUT]
    before, after = answers([0, 2, 0.5, 1, -1], groups), answers([5, 2, -2, 1, -1], groups)
    sets = {"stay": before.of(RETAIN), "erased": before.of(FORGET)}
    found = by_name(Collateral(fpr=0.0).measure(before, after, shadows_at_zero(5), sets))
    assert found["collateral_auc/stay"].value == 1.0
    assert found["collateral_change/stay"].value == 0.25
    assert found["collateral_raised/stay"].value == 0.5
    assert found["collateral_auc/erased"].value == 0.0
    assert found["collateral_change/erased"].value == -0.5
    assert found["collateral_raised/erased"].value == 0.0
    assert found["collateral_null/stay"].value == found["collateral_null/erased"].value == 0.0


def test_who_stays_is_compared_with_holdout_examples_of_the_same_classes() -> None:
    """Of the holdout examples, at 1 and 9, only the first is of class 0: 2 lies above it."""
    outputs = answers([2, 1, 9], [RETAIN, HOLDOUT, HOLDOUT], [0, 0, 1])
    sets = {"stay": outputs.of(RETAIN)}
    found = by_name(Collateral().measure(outputs, outputs, shadows_at_zero(3), sets))
    assert found["collateral_auc/stay"].value == 1.0


def test_collateral_refuses_an_empty_set() -> None:
    outputs = answers([0, 1], [RETAIN, HOLDOUT])
    with pytest.raises(UsageError, match="got 0 examples of 'stay' and 0 holdout"):
        Collateral().measure(outputs, outputs, shadows_at_zero(2), {"stay": np.zeros(2, bool)})


def test_the_area_under_a_curve_by_hand() -> None:
    """Right from epoch 1 of 2 on: (0 + 1) / 2 and 1, mean 3/4. Always: 1. Never: 0."""
    curve = np.array([[0.0, 1, 0], [1, 1, 0], [1, 1, 0]])
    assert area(curve).tolist() == [0.75, 1.0, 0.0]


def class_split() -> Split:
    """Class 2 forgotten whole."""
    parts = toys.split(forget=60)
    return replace(
        parts,
        forget=parts.forget.take(parts.forget.labels == 2),
        retain=parts.retain.take(parts.retain.labels != 2),
    )


SHORT = Relearning(epochs=2, shots=(4,), learning_rate=0.02, batch_size=16)


def test_who_knew_a_class_learns_it_again_faster() -> None:
    """The original, its answer 2 suppressed by the bias, against one that never saw the class.

    The one needs an epoch with 4 shots, the other two: areas 3/4 and 1/4.
    """
    parts = class_split()
    hidden = toys.trained(parts)
    with torch.no_grad():
        hidden.body[-1].bias[2] -= 4  # type: ignore[index]
    rng = toys.generator(1)
    honest = train(networks.build(toys.RECIPE, rng), parts.retain, toys.TRAINING, rng)
    found = by_name(SHORT.measure(hidden, [honest], parts, toys.generator(2)))
    assert [found[f"relearn/4shots@{epoch}"].value for epoch in range(3)] == [0.0, 1.0, 1.0]
    assert found["relearn/4shots@0"].n == len(parts.forget) - 4
    assert found["relearn_gap/4shots"].value == pytest.approx(0.5, abs=0.05)
    assert found["relearn_gap/4shots"].low > 0
    assert found["relearn_gap/retain"].value == 0.0


def test_relearning_leaves_networks_alone_and_repeats() -> None:
    parts, network = class_split(), toys.trained()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    audit = replace(SHORT, epochs=1, shots=())
    runs = [audit.measure(network, [network] * 2, parts, toys.generator()) for _ in range(2)]
    assert runs[0] == runs[1]
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    found = by_name(runs[0])
    assert set(found) == {*(f"relearn/retain@{e}" for e in (0, 1))} | {
        f"relearn_{kind}/retain" for kind in ("gap", "null")
    }
    assert found["relearn_gap/retain"].value == found["relearn_null/retain"].value == 0.0


def test_relearning_needs_a_retrained_model_and_examples_left_to_ask_about() -> None:
    parts, network = toys.split(forget=3), toys.trained()
    with pytest.raises(UsageError, match="more than the 4 shots"):
        SHORT.measure(network, [network], parts, toys.generator())
    with pytest.raises(UsageError, match="got 0 retrained"):
        SHORT.measure(network, [], toys.split(), toys.generator())
