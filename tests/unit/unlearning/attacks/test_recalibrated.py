"""No map of a network's own answers hides what it remembers; strangers stay at one half."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from unlearning.attacks.lira import LiraOffline
from unlearning.attacks.recalibrated import LiraRecalibrated, normal_scores
from unlearning.domain import FloatArray, Group, Outputs, ShadowOutputs
from unlearning.statistics.intervals import auc

FORGET, HOLDOUT, CLASSES, SHADOWS = 400, 800, 4, 16


def world(rng: np.random.Generator, *, remembered: float) -> tuple[Outputs, ShadowOutputs]:
    """Draw examples of very different difficulty, and a network twice as sure as its shadows.

    Its confidence in the forget examples is lifted by `remembered` deviations of chance.
    """
    n = FORGET + HOLDOUT
    labels, forget = rng.integers(0, CLASSES, n), np.arange(n) < FORGET
    hard = rng.normal(0, 3, n)
    odds = hard + rng.normal(size=(SHADOWS, n))
    own = 2 * (hard + rng.normal(size=n) + remembered * forget)
    groups = np.where(forget, Group.FORGET, Group.HOLDOUT)
    seen = np.zeros((SHADOWS, n), dtype=bool)
    target = Outputs(_answers(own, labels), labels, groups, np.arange(n))
    return target, ShadowOutputs(_answers(odds, labels), seen)


def _answers(odds: FloatArray, labels: np.ndarray) -> FloatArray:
    """Logits whose log(p / (1 - p)) of the label is `odds`: the others share the rest equally."""
    logits = np.zeros((*odds.shape, CLASSES))
    at = np.broadcast_to(labels, odds.shape)[..., None]
    np.put_along_axis(logits, at, (odds + np.log(CLASSES - 1))[..., None], axis=-1)
    return logits


def found(attack: LiraOffline | LiraRecalibrated, target: Outputs, of: ShadowOutputs) -> float:
    scores = attack.score(target, of)
    return auc(scores[target.of(Group.FORGET)], scores[target.of(Group.HOLDOUT)])


def mapped(target: Outputs, change: Callable[[FloatArray], FloatArray]) -> Outputs:
    return Outputs(change(target.logits), target.labels, target.groups, target.subjects)


MAPS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "divided by 20": lambda z: z / 20,
    "times 3": lambda z: 3 * z,
    "squashed": np.tanh,
    "cubed": lambda z: z**3,
}


@pytest.mark.parametrize("name", list(MAPS))
def test_whoever_remembers_is_found_behind_any_map(name: str, rng: np.random.Generator) -> None:
    """Lifted by one deviation of chance: an AUC of Phi(1 / sqrt(2)) = .76, less what ranks lose.

    LiRA itself, which compares on the shadows' scale, sees it in none of these but the second.
    """
    target, shadows = world(rng, remembered=1.0)
    plain = found(LiraRecalibrated(), target, shadows)
    assert plain > 0.68
    assert found(LiraRecalibrated(), mapped(target, MAPS[name]), shadows) == pytest.approx(
        plain, abs=0.03
    )


def test_lira_itself_is_fooled_by_a_temperature(rng: np.random.Generator) -> None:
    """The fault that this attack is there for; .55 is the limit of the default policy."""
    target, shadows = world(rng, remembered=1.0)
    flat = mapped(target, MAPS["divided by 20"])
    assert found(LiraOffline(), flat, shadows) < 0.55 < found(LiraRecalibrated(), flat, shadows)


@pytest.mark.parametrize("name", list(MAPS))
def test_a_stranger_stays_at_one_half_behind_any_map(name: str, rng: np.random.Generator) -> None:
    """400 against 800: a deviation of .018."""
    target, shadows = world(rng, remembered=0.0)
    assert found(LiraRecalibrated(), mapped(target, MAPS[name]), shadows) == pytest.approx(
        0.5, abs=0.06
    )


def test_a_class_whose_answers_are_moved_explains_itself(rng: np.random.Generator) -> None:
    """A bias of -1000 on one class moves its strangers as far as its members."""
    target, shadows = world(rng, remembered=1.0)
    hidden = mapped(target, lambda z: z - 1000 * (np.arange(CLASSES) == 0))
    of_class = target.labels == 0
    own = Outputs(*(x[of_class] for x in (hidden.logits, hidden.labels)), *_rest(target, of_class))
    part = ShadowOutputs(shadows.logits[:, of_class], shadows.seen[:, of_class])
    assert found(LiraRecalibrated(), own, part) > 0.65


def _rest(target: Outputs, where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return target.groups[where], target.subjects[where]


def test_each_shadow_is_scored_by_the_others_alone(rng: np.random.Generator) -> None:
    """The same as taking it for the target beside the rest of the bank."""
    target, shadows = world(rng, remembered=0.0)
    attack = LiraRecalibrated()
    signals = attack.signals(target, shadows)
    at_once = attack.score_shadows(signals, np.array([3, 7]))
    for row, shadow in zip(at_once, (3, 7), strict=True):
        np.testing.assert_allclose(row, attack.compare(signals.of_shadow(shadow)), atol=1e-9)


def test_normal_scores_by_hand() -> None:
    """Among 1, 2, 3 the value 2 has one below and itself: (1.5 + .5) / 4 is the median."""
    assert normal_scores(np.array([2.0]), np.array([1.0, 2.0, 3.0])) == pytest.approx(0.0)
