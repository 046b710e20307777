"""An attack that fails, measured and judged: never as one that found nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from tests.unit.toys import outputs
from tests.unit.unlearning.gates.test_gates import FORGETTING
from unlearning.attacks.lira import LiraOffline
from unlearning.attacks.recalibrated import LiraRecalibrated
from unlearning.audits.collateral import Collateral
from unlearning.domain import FloatArray, Group, Outcome, Outputs, ShadowOutputs
from unlearning.errors import AttackFailed
from unlearning.judging.measuring import measure
from unlearning.judging.strangers import auc_difference
from unlearning.judging.trial import Trial
from unlearning.judging.verdicts import judge


@dataclass(frozen=True)
class Failing:
    """Scores one example, or all, with what is no number."""

    name: ClassVar[str] = "failing"
    paper: ClassVar[str] = "none"

    failed: float
    all_of_them: bool

    def score(self, target: Outputs, shadows: ShadowOutputs) -> FloatArray:
        scores = LiraOffline().score(target, shadows)
        scores[: None if self.all_of_them else 1] = self.failed
        return scores


def trial() -> Trial:
    """600 people to forget against 2,000 held out: enough for a decision; sixteen shadows."""
    rng = np.random.default_rng(0)
    sizes = {Group.FORGET: 600, Group.HOLDOUT: 2000, Group.TEST: 200, Group.RETAIN: 200}
    groups = [group for group, size in sizes.items() for _ in range(size)]
    answers = outputs(rng.normal(size=(3000, 2)), rng.integers(0, 2, 3000), groups)
    seen = np.zeros((16, 2600), bool)
    seen[::2] = True
    seen[:, ::2] ^= True
    shadows = ShadowOutputs(rng.normal(size=(16, 2600, 2)), seen)
    return Trial(answers, answers, shadows, np.full(16, 0.5), 300.0, 600, np.array([], int))


@pytest.mark.parametrize("failed", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("all_of_them", [False, True])
def test_an_attack_that_fails_decides_nothing_and_the_reason_says_so(
    failed: float, all_of_them: bool
) -> None:
    """All NaN had an AUC of .5 and no hit in either tail: a candidate like a perfect retrain."""
    measured = measure(trial(), Failing(failed, all_of_them))
    for name in ("forget_auc", "champion_auc", "null_auc", "forget_tail_high@0.01"):
        assert np.isnan(measured[name].value), name
    (verdict,) = judge(measured, [FORGETTING])
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "an attack gave scores that are not finite" in verdict.reason


def test_people_who_stay_are_not_found_safe_by_an_attack_that_fails() -> None:
    """One answer that is no number: its share of newly exposed people would be counted as none."""
    of = trial()
    held = outputs(of.candidate.logits[:2600], of.candidate.labels[:2600], [Group.HOLDOUT] * 2600)
    held.logits[0] = np.nan
    stay = {"stay": np.arange(2600) < 600}
    with pytest.raises(AttackFailed, match="attack lira_offline: 1 of 2600 scores"):
        Collateral().measure(held, held, of.shadows, stay)


def test_a_door_that_wrecks_the_network_says_nothing() -> None:
    """A wreck answers one class for everybody: no membership in it, and no evidence."""
    of = trial()
    right = np.eye(2)[of.candidate.labels].astype(np.float32) + of.candidate.logits / 100
    working = replace(of.candidate, logits=right)
    wreck = replace(working, logits=np.zeros_like(right) + np.array([1.0, 0.0]))
    for outputs_, known in ((working, True), (wreck, False)):
        found = measure(
            replace(of, candidate=working, opened={"relearned": outputs_}), LiraRecalibrated()
        )
        assert np.isfinite(found["door/relearned"].value) == known
        assert np.isfinite(found["mean_score/relearned"].value) == known
        assert np.isfinite(found["door/moved"].value) == known


def answered(of: Trial, gain: float, group: Group) -> Outputs:
    """The candidate's answers, but surer of the right class by `gain` on examples of a group."""
    right = np.eye(2)[of.candidate.labels] * of.candidate.of(group)[:, None]
    return replace(of.candidate, logits=(of.candidate.logits + gain * right).astype(np.float32))


def test_what_training_brings_back_is_measured_by_itself() -> None:
    """It looks like a stranger before and hardly less after; that it alone is lifted tells it."""
    of = trial()
    noise = np.random.default_rng(1).normal(scale=0.05, size=of.candidate.logits.shape)
    for gain, low, high in ((0.0, 0.45, 0.55), (0.1, 0.70, 1.0)):
        after = answered(of, gain, Group.FORGET)
        after = replace(after, logits=(after.logits + noise).astype(np.float32))
        found = measure(replace(of, opened={"relearned": after}), LiraRecalibrated())
        assert low < found["door/moved"].value < high
        assert found["door/relearned"].value < 0.56


def test_who_learned_the_strangers_is_refused_and_the_champion_is_the_measure() -> None:
    """Surer of the holdout set than of the test set, by more than the champion; the forget set is
    then hidden among them. Where the champion itself finds these harder, nobody learned them."""
    of = trial()
    learned = replace(of, candidate=answered(of, 1.5, Group.HOLDOUT))
    hard = replace(of, candidate=answered(of, -1.5, Group.HOLDOUT))
    hard = replace(hard, champion=hard.candidate)
    for one, refused in ((of, False), (learned, True), (hard, False)):
        found = measure(one, LiraRecalibrated())["holdout_learned"]
        assert found.n == 2000
        assert (found.low > 0.1) == refused
    assert measure(hard, LiraRecalibrated())["holdout_learned"].value == 0


def test_the_difference_of_two_aucs_has_an_interval_that_covers() -> None:
    """Two scores that share most of what they are: the truth is 0, missed in about 1 of 20."""
    rng, missed = np.random.default_rng(0), 0
    people = np.arange(80), np.arange(60)
    for _ in range(300):
        common = rng.normal(size=80), rng.normal(size=60)
        pairs = [tuple(c + rng.normal(scale=0.5, size=len(c)) for c in common) for _ in range(2)]
        found = auc_difference(pairs[0], pairs[1], *people)  # type: ignore[arg-type]
        missed += not found.low <= 0 <= found.high
    assert 4 <= missed <= 28
    assert found.high - found.low < 0.22  # two of their own would be .27 apart


def test_of_one_person_or_of_nobody_no_difference_is_known() -> None:
    some, none = (np.arange(4.0), np.arange(4.0)), (np.arange(0.0), np.arange(4.0))
    alone = auc_difference(some, some, np.zeros(4, int), np.arange(4))
    assert (alone.low, alone.high) == (-1.0, 1.0)
    assert np.isnan(auc_difference(none, none, np.arange(0), np.arange(4)).value)
