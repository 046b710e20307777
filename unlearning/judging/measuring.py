"""From outputs to measurements: every number that a gate reads, each with its interval.

Nothing here decides. The candidate, the untouched champion (the positive control) and every shadow
(the null band) are measured by the same attack on the same examples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from unlearning.attacks import ATTACKS
from unlearning.attacks.lira import LiraOffline
from unlearning.attacks.recalibrated import LiraRecalibrated
from unlearning.bank.null_band import null_band
from unlearning.contracts import Attack
from unlearning.domain import (
    BoolArray,
    FloatArray,
    Group,
    IntArray,
    Measurement,
    Outputs,
    ShadowOutputs,
)
from unlearning.selecting import memorisation
from unlearning.statistics.intervals import (
    FPRS,
    LEVEL,
    NOTHING,
    Interval,
    auc_interval,
    clopper_pearson,
    held_together,
    memorised_count,
    paired_difference,
    tail_interval,
)

ATTACK: Attack = LiraRecalibrated()
"""What judges: the strongest attack here that no map of the answers fools (docs/gates.md)."""


@dataclass(frozen=True, eq=False)
class Trial:
    """What a candidate is measured on.

    candidate, champion: outputs on the same examples in the same order. shadows: the bank's answers
    on the forget and holdout examples of them, in that order. opened: by door, the outputs on these
    of what was made of the candidate there. shadow_accuracy: (shadows,) on the test set;
    shadow_size: training examples of a shadow, on average; train_size: of the champion.
    """

    candidate: Outputs
    champion: Outputs
    shadows: ShadowOutputs
    shadow_accuracy: FloatArray
    shadow_size: float
    train_size: int
    opened: Mapping[str, Outputs] = field(default_factory=dict)


def measure(
    trial: Trial,
    attack: Attack,
    known: Mapping[str, Measurement] | None = None,
    *,
    level: float = LEVEL,
) -> dict[str, Measurement]:
    """Measure a candidate; names are the keys.

    known: the controls of this trial, where another candidate of it had them measured before.
    level: of the intervals of what is forgotten; all others are at 95 %.
    """
    integrity = integrity_of(trial.candidate.logits, trial.candidate.of(Group.TEST))
    found = [*integrity, *_forgetting(trial, attack, level), *_utility(trial)]
    return {**(known or controls(trial, attack)), **{m.name: m for m in found}}


def controls(trial: Trial, attack: Attack) -> dict[str, Measurement]:
    """Measure what no candidate has a part in: the untouched champion, the null band, the bank."""
    return {measurement.name: measurement for measurement in _controls(trial, attack)}


def judged_part(outputs: Outputs) -> Outputs:
    """Give the forget examples and the holdout examples that they may be compared with.

    Where the forget set is of one class, or a few, only holdout examples of those classes are
    comparable: others would measure the class, not the membership.
    """
    forgotten = np.unique(outputs.labels[outputs.of(Group.FORGET)])
    comparable = outputs.of(Group.HOLDOUT) & np.isin(outputs.labels, forgotten)
    return select(outputs, outputs.of(Group.FORGET) | comparable)


def select(outputs: Outputs, where: np.ndarray) -> Outputs:
    """Give the outputs of some of the examples."""
    return Outputs(
        outputs.logits[where],
        outputs.labels[where],
        outputs.groups[where],
        outputs.subjects[where],
    )


@dataclass(frozen=True, eq=False)
class Scores:
    """Attack scores of forget and holdout examples, with the subjects that they belong to."""

    forget: FloatArray
    holdout: FloatArray
    forget_subjects: IntArray
    holdout_subjects: IntArray

    def interval(self, level: float = LEVEL) -> Interval:
        """Give the attack's AUC."""
        subjects = self.forget_subjects, self.holdout_subjects
        return auc_interval(self.forget, self.holdout, *subjects, level=level)

    def spread(self) -> Scores:
        """Give how far each score lies from the middle of the holdout's, either way."""
        middle = np.median(self.holdout) if len(self.holdout) else 0.0
        with np.errstate(invalid="ignore"):  # of an attack that failed, whose AUC is no number
            away = abs(self.forget - middle), abs(self.holdout - middle)
        return Scores(*away, self.forget_subjects, self.holdout_subjects)

    def tail(self, *, fpr: float, sign: int, level: float = LEVEL) -> Interval:
        """Give the upper (sign 1) or lower (sign -1) tail's true-positive rate at `fpr`."""
        forget, holdout = sign * self.forget, sign * self.holdout
        return tail_interval(forget, holdout, self.forget_subjects, fpr=fpr, level=level)


def score(target: Outputs, shadows: ShadowOutputs, attack: Attack) -> Scores:
    """Score outputs that hold forget and holdout examples only."""
    scores = attack.score(target, shadows)
    forget, holdout = target.of(Group.FORGET), target.of(Group.HOLDOUT)
    return Scores(
        scores[forget], scores[holdout], target.subjects[forget], target.subjects[holdout]
    )


def comparable_shadows(trial: Trial) -> ShadowOutputs:
    """Give the shadows' answers on the examples of `judged_part`."""
    champion = trial.champion
    held = champion.of(Group.FORGET) | champion.of(Group.HOLDOUT)
    forgotten = np.unique(champion.labels[champion.of(Group.FORGET)])
    kept = champion.of(Group.FORGET) | np.isin(champion.labels, forgotten)
    where = kept[held]
    return ShadowOutputs(trial.shadows.logits[:, where], trial.shadows.seen[:, where])


def _measured(name: str, interval: Interval, n: int) -> Measurement:
    return Measurement(name, interval.value, interval.low, interval.high, n)


def _exactly(name: str, value: float, n: int) -> Measurement:
    return Measurement(name, float(value), float(value), float(value), n)


def integrity_of(logits: FloatArray, test: BoolArray) -> Iterator[Measurement]:
    """Measure whether a network works, by answers (n, classes); test: (n,), on test examples."""
    finite = np.asarray(np.isfinite(logits).all(1))
    yield _exactly("finite_outputs", float(finite.mean()), len(finite))
    answers = logits.argmax(1)[test]
    yield _exactly("answered_classes", len(np.unique(answers)), len(answers))


def _forgetting(trial: Trial, attack: Attack, level: float) -> Iterator[Measurement]:
    part, shadows = judged_part(trial.candidate), comparable_shadows(trial)
    scores = score(part, shadows, attack)
    n = len(scores.forget)
    yield _measured("forget_auc", scores.interval(level), n)
    for fpr in FPRS:
        for side, sign in (("high", 1), ("low", -1)):
            tail = scores.tail(fpr=fpr, sign=sign, level=level)
            yield _measured(f"forget_tail_{side}@{fpr}", tail, n)
    yield _measured("loss_auc", score(part, shadows, ATTACKS.create("loss")).interval(), n)
    yield _measured("door/as_published", score(part, shadows, LiraOffline()).interval(level), n)
    yield _measured("door/spread", scores.spread().interval(level), n)
    for name, outputs in trial.opened.items():
        found = score(judged_part(outputs), shadows, attack)
        yield _measured(f"door/{name}", found.interval(level), n)
    yield _memorised(part, shadows, attack, level)
    yield _exactly("holdout_examples", len(scores.holdout), len(scores.holdout))
    yield _exactly("forget_subjects", len(np.unique(scores.forget_subjects)), n)
    yield _exactly("forget_level", level, n)


def _memorised(part: Outputs, shadows: ShadowOutputs, attack: Attack, level: float) -> Measurement:
    """Measure the examples that networks memorise most, against all strangers; NaN if nobody can.

    One half of the shadows chooses, the other judges: by the same ones, those who look unlike
    anyone by chance would be chosen.
    """
    forget, half = np.flatnonzero(part.of(Group.FORGET)), len(shadows) // 2
    count, kept = memorised_count(len(forget)), part.of(Group.HOLDOUT)
    choosing = ShadowOutputs(shadows.logits[:half, forget], shadows.seen[:half, forget])
    unseen = ~shadows.seen
    if min(map(_fewest, (choosing.seen, unseen[:half], unseen[half:]))) < 2:
        return _measured("memorised_auc", NOTHING, count)
    order = np.argsort(-memorisation(choosing, part.labels[forget]), kind="stable")
    kept[forget[order[:count]]] = True
    judging = ShadowOutputs(shadows.logits[half:, kept], shadows.seen[half:, kept])
    found = score(select(part, kept), judging, attack)
    return _measured("memorised_auc", found.interval(level), count)


def _fewest(marked: BoolArray) -> int:
    """How many shadows are marked for the example with the fewest; (shadows, n)."""
    return int(marked.sum(0).min()) if marked.size else 0


def _controls(trial: Trial, attack: Attack) -> Iterator[Measurement]:
    part, shadows = judged_part(trial.champion), comparable_shadows(trial)
    champion = score(part, shadows, attack)
    yield _measured("champion_auc", champion.interval(), len(champion.forget))
    raw = score(part, shadows, ATTACKS.create("loss"))
    yield _measured("champion_loss_auc", raw.interval(), len(champion.forget))
    yield null_band(part, shadows, attack)
    yield _exactly("bank_shadows", len(shadows), len(shadows))


def exempt_classes(outputs: Outputs) -> IntArray:
    """Give the classes that are forgotten whole: an honest retrain would not know them."""
    forgotten = np.unique(outputs.labels[outputs.of(Group.FORGET)])
    return np.setdiff1d(forgotten, outputs.labels[outputs.of(Group.RETAIN)])


def _utility(trial: Trial) -> Iterator[Measurement]:
    candidate, champion = trial.candidate, trial.champion
    tested = candidate.of(Group.TEST) & ~np.isin(candidate.labels, exempt_classes(candidate))
    labels = candidate.labels[tested]
    after = candidate.logits[tested].argmax(1) == labels
    before = champion.logits[tested].argmax(1) == labels
    n = len(labels)
    yield _measured("test_accuracy", clopper_pearson(float(after.sum()), n), n)
    yield _measured("champion_accuracy", clopper_pearson(float(before.sum()), n), n)
    yield _measured("accuracy_drop", paired_difference(before, after), n)
    yield from _learning_curve(trial, float(before.mean()))
    yield from _class_drops(labels, before, after)


def _learning_curve(trial: Trial, champion_accuracy: float) -> Iterator[Measurement]:
    """Predict an honest retrain's loss of accuracy, from the shadows' to the champion's.

    Accuracy is taken to grow with the logarithm of the number of training examples.
    """
    forget = int(trial.candidate.of(Group.FORGET).sum())
    doublings = np.log2(trial.train_size / trial.shadow_size)
    slope = (champion_accuracy - trial.shadow_accuracy) / doublings
    drops = slope * -np.log2(max(1, trial.train_size - forget) / trial.train_size)
    n = len(drops)
    spread = float(trial.shadow_accuracy.std(ddof=1))
    reach = stats.t.ppf(0.5 + LEVEL / 2, n - 1) * drops.std(ddof=1) / np.sqrt(n)
    value = float(drops.mean())
    yield Measurement("predicted_drop", value, float(value - reach), float(value + reach), n)
    yield _exactly("seed_spread", spread, n)


def _class_drops(labels: IntArray, before: np.ndarray, after: np.ndarray) -> Iterator[Measurement]:
    classes = np.unique(labels)
    yield _exactly("test_classes", len(classes), len(labels))
    for k in classes:
        of = labels == k
        drop = held_together(paired_difference(before[of], after[of]), len(classes))
        yield _measured(f"class_drop/{k}", drop, int(of.sum()))


def accuracies(outputs: Outputs) -> Mapping[Group, float]:
    """Give the accuracy of each group that has examples."""
    right = outputs.logits.argmax(1) == outputs.labels
    return {g: float(right[outputs.of(g)].mean()) for g in Group if outputs.of(g).any()}
