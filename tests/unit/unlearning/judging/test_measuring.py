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
    return Trial(answers, answers, shadows, np.full(16, 0.5), 300.0, 600)


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
