"""From outputs to measurements: every number that a gate reads, each with its interval.

Nothing here decides. The candidate, the untouched champion (the positive control) and every shadow
(the null band) are measured by the same attack on the same examples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from unlearning.attacks import ATTACKS
from unlearning.attacks.recalibrated import LiraRecalibrated
from unlearning.bank import as_one
from unlearning.bank.matching import difficulty
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
from unlearning.gates.parts import CHAMPION, LEARNED, PART, PARTS, STRANGERS
from unlearning.judging.strangers import learned_strangers
from unlearning.judging.trial import (
    Trial,
    choosing_shadows,
    comparable_shadows,
    exactly,
    forgotten_parts,
    judged_part,
    skill,
    within,
)
from unlearning.judging.usefulness import utility
from unlearning.selecting import memorisation
from unlearning.statistics.intervals import (
    FPRS,
    LEVEL,
    NOTHING,
    Interval,
    auc_interval,
    interval_of,
    memorised_count,
    tail_interval,
)

ATTACK: Attack = LiraRecalibrated()
"""What judges: the strongest attack here that no map of the answers fools (docs/gates.md)."""

MOMENT = "relearned"
"""The door of which it is also asked what it changed."""

KEPT = 0.5
"""Share of the accuracy above chance on strangers that a door must leave, or it says nothing."""


def measure(
    trial: Trial,
    attack: Attack,
    known: Mapping[str, Measurement] | None = None,
    *,
    level: float = LEVEL,
    exact: bool = False,
) -> dict[str, Measurement]:
    """Measure a candidate; names are the keys.

    known: the controls of this trial, where another candidate of it had them measured before.
    level: of the intervals of what is forgotten; all others are at 95 %. exact: by lineage it was
    trained without the forget set.
    """
    known = known or controls(trial, attack)
    integrity = integrity_of(trial.candidate.logits, trial.candidate.of(Group.TEST))
    found = [*integrity, *_forgetting(trial, attack, level), *utility(trial)]
    measured = {**known, **{m.name: m for m in found}}
    gone = exactly("forgotten_classes", len(trial.gone), measured["forget_auc"].n)
    for m in (exactly("by_lineage", float(exact), 1), _odds(measured), gone):
        measured[m.name] = m
    return measured


def controls(trial: Trial, attack: Attack) -> dict[str, Measurement]:
    """Measure what no candidate has a part in: the untouched champion, the null band, the bank."""
    return {measurement.name: measurement for measurement in _controls(trial, attack)}


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

    def unknown(self) -> Scores:
        """Give as many that are no numbers, of which there is no AUC and no mean."""
        none = np.full_like(self.forget, np.nan), np.full_like(self.holdout, np.nan)
        return Scores(*none, self.forget_subjects, self.holdout_subjects)

    def less(self, before: Scores) -> Scores:
        """Give what each score has gained, over the same examples."""
        with np.errstate(invalid="ignore"):  # of an attack that failed, whose AUC is no number
            gained = self.forget - before.forget, self.holdout - before.holdout
        return Scores(*gained, self.forget_subjects, self.holdout_subjects)

    def tail(self, *, fpr: float, sign: int, level: float = LEVEL) -> Interval:
        """Give the upper (sign 1) or lower (sign -1) tail's true-positive rate at `fpr`."""
        forget, holdout = sign * self.forget, sign * self.holdout
        subjects = self.forget_subjects, self.holdout_subjects
        return tail_interval(forget, holdout, *subjects, fpr=fpr, level=level)


def score(target: Outputs, shadows: ShadowOutputs, attack: Attack) -> Scores:
    """Score outputs that hold forget and holdout examples only."""
    scores = attack.score(target, shadows)
    forget, holdout = target.of(Group.FORGET), target.of(Group.HOLDOUT)
    return Scores(
        scores[forget], scores[holdout], target.subjects[forget], target.subjects[holdout]
    )


def integrity_of(logits: FloatArray, test: BoolArray) -> Iterator[Measurement]:
    """Measure whether a network works, by answers (n, classes); test: (n,), on test examples."""
    finite = np.asarray(np.isfinite(logits).all(1))
    yield exactly("finite_outputs", float(finite.mean()), len(finite))
    answers = logits.argmax(1)[test]
    yield exactly("answered_classes", len(np.unique(answers)), len(answers))


def _forgetting(trial: Trial, attack: Attack, level: float) -> Iterator[Measurement]:
    part, shadows = judged_part(trial.candidate), comparable_shadows(trial)
    scores = score(part, shadows, attack)
    n = len(scores.forget)
    yield within("forget_auc", scores.interval(level), n)
    for fpr in FPRS:
        for side, sign in (("high", 1), ("low", -1)):
            tail = scores.tail(fpr=fpr, sign=sign, level=level)
            yield within(f"forget_tail_{side}@{fpr}", tail, n)
    yield _mean("mean_score", scores)
    yield exactly("mean_score_spread", float(abs(scores.forget).mean()) if n else np.nan, n)
    yield within("loss_auc", score(part, shadows, ATTACKS.create("loss")).interval(), n)
    for name, outputs in trial.opened.items():
        asked = judged_part(outputs)
        found = scores.unknown() if _broken(part, asked) else score(asked, shadows, attack)
        yield within(f"door/{name}", found.interval(level), n)
        yield _mean(f"mean_score/{name}", found)
        if name == MOMENT:
            yield within("door/moved", found.less(scores).interval(level), n)
    yield memorised_tenth(part, *_choosing_and_judging(trial), attack, level)
    yield from _parts(trial, attack, level)
    forgotten = np.unique(part.labels[part.of(Group.FORGET)])
    yield learned_strangers(trial, forgotten)
    yield exactly("holdout_examples", len(scores.holdout), len(scores.holdout))
    yield exactly("forget_subjects", len(np.unique(scores.forget_subjects)), n)
    yield exactly("forget_level", level, n)


def _parts(trial: Trial, attack: Attack, level: float) -> Iterator[Measurement]:
    """Measure each class that goes, and all other examples, apart.

    In an average over both, who remembers all of one looks like who half forgot the other. As
    deployed and behind every door, against strangers of the same classes; nothing where there is
    one part.
    """
    part, shadows = judged_part(trial.candidate), comparable_shadows(trial)
    parts = forgotten_parts(part.labels[part.of(Group.FORGET)], trial.gone)
    yield exactly(PARTS, len(parts), int(part.of(Group.FORGET).sum()))
    if len(parts) < 2:
        return
    doors = {f"/{name}": judged_part(outputs) for name, outputs in trial.opened.items()}
    untouched = judged_part(trial.champion)
    for number, classes in enumerate(parts):
        kept = np.isin(part.labels, classes)
        plain, judging = part.take(kept), shadows.on(kept)
        found = score(plain, judging, attack)
        n, strangers = len(found.forget), len(found.holdout)
        yield exactly(f"{STRANGERS}{number}", strangers, strangers)
        champion = score(untouched.take(kept), judging, attack)
        yield within(f"{CHAMPION}{number}", champion.interval(), n)
        yield within(f"{PART}{number}", found.interval(level), n)
        yield replace(learned_strangers(trial, classes), name=f"{LEARNED}{number}")
        for door, outputs in doors.items():
            behind = outputs.take(kept)
            broken = _broken(plain, behind)
            after = found.unknown() if broken else score(behind, judging, attack)
            yield within(f"{PART}{number}{door}", after.interval(level), n)


def as_one_ranges(
    part: Outputs, shadows: ShadowOutputs, attack: Attack, saw: ShadowOutputs | None = None
) -> Iterator[Measurement]:
    """Give where one more model lies, judged as one, that saw nothing, half, or all.

    saw: the bank, where `shadows` are models apart, of which none saw anything: who saw some of a
    batch that goes together saw its mates too, as the untouched champion did.
    """
    found, people = as_one.scored(part, shadows, attack), part.subjects[part.of(Group.FORGET)]
    knew = found if saw is None or not found else as_one.scored_by(part, saw, shadows, attack)
    unseen, seen = (as_one.spot(by, people, seen=of) for by, of in ((found, False), (knew, True)))
    spots = {"unseen": unseen, "half": as_one.halfway(unseen, seen), "seen": seen}
    sizes = [as_one.Scored(abs(one.scores), one.seen) for one in found]
    spots["spread_unseen"] = as_one.spot(sizes, people, seen=False)
    for name, spot in spots.items():
        yield within(f"mean_score_{name}", spot.interval(), spot.models)
    even = as_one.even(unseen.interval(), spots["half"].interval())
    yield exactly("mean_score_even", even, unseen.models)


def _broken(part: Outputs, asked: Outputs) -> bool:
    """Say whether a door broke the network, by its answers to strangers.

    Weights can be scaled so that any training wrecks them; a wreck remembers nothing, and proves
    nothing.
    """
    strangers = part.of(Group.HOLDOUT)
    return bool(strangers.any()) and skill(part, asked, strangers).lost(KEPT)


def _mean(name: str, scores: Scores) -> Measurement:
    n = len(scores.forget)
    return exactly(name, float(scores.forget.mean()) if n else np.nan, n)


def _odds(measured: Mapping[str, Measurement]) -> Measurement:
    own, *ranges = (measured[f"mean_score{part}"] for part in ("", "_unseen", "_seen"))
    unseen, seen = map(interval_of, ranges)
    return exactly("mean_score_odds", as_one.odds(own.value, unseen, seen, ranges[0].n), own.n)


def memorised_tenth(
    part: Outputs,
    chosen_by: ShadowOutputs,
    judging: ShadowOutputs,
    attack: Attack,
    level: float = LEVEL,
) -> Measurement:
    """Measure the examples that networks memorise most, against strangers as hard as they are.

    part: answers on forget and holdout examples, as both groups of shadows answer them, of which
    one chooses and the other judges: by the same ones, those who look unlike anyone by chance would
    be chosen. The memorised are the hard ones, and an honest retrain finds the hard ones harder
    than shadows foretell: so they are held against twice as many strangers, those whose difficulty
    is nearest to their median. NaN if nobody can.
    """
    forget, strangers = (np.flatnonzero(part.of(g)) for g in (Group.FORGET, Group.HOLDOUT))
    count = memorised_count(len(forget))
    choosing = chosen_by.on(forget)
    if min(map(_fewest, (choosing.seen, ~chosen_by.seen, ~judging.seen))) < 2:
        return within("memorised_auc", NOTHING, count)
    order = np.argsort(-memorisation(choosing, part.labels[forget]), kind="stable")
    tenth = forget[order[:count]]
    hard = difficulty(judging, part.labels)
    near = np.argsort(abs(hard[strangers] - np.median(hard[tenth])), kind="stable")[: 2 * count]
    kept = np.isin(np.arange(len(part.labels)), np.concatenate([tenth, strangers[near]]))
    found = score(part.take(kept), judging.on(kept), attack)
    return within("memorised_auc", found.interval(level), count)


def _choosing_and_judging(trial: Trial) -> tuple[ShadowOutputs, ShadowOutputs]:
    """Give who chooses the memorised, and who judges: models apart had no part in the choice."""
    shadows = choosing_shadows(trial)
    return (shadows, comparable_shadows(trial)) if trial.apart else halves(shadows)


def halves(shadows: ShadowOutputs) -> tuple[ShadowOutputs, ShadowOutputs]:
    """Give the first half of the shadows, and the rest."""
    half = len(shadows) // 2
    return shadows.of(slice(None, half)), shadows.of(slice(half, None))


def _fewest(marked: BoolArray) -> int:
    """How many shadows are marked for the example with the fewest; (shadows, n)."""
    return int(marked.sum(0).min()) if marked.size else 0


def _controls(trial: Trial, attack: Attack) -> Iterator[Measurement]:
    part, shadows = judged_part(trial.champion), comparable_shadows(trial)
    champion = score(part, shadows, attack)
    yield within("champion_auc", champion.interval(), len(champion.forget))
    raw = score(part, shadows, ATTACKS.create("loss"))
    yield within("champion_loss_auc", raw.interval(), len(champion.forget))
    yield null_band(part, shadows, attack)
    yield _mean("mean_score_champion", champion)
    saw = choosing_shadows(trial) if trial.apart else None
    yield from as_one_ranges(part, shadows, attack, saw)
    yield exactly("bank_shadows", len(shadows), len(shadows))
