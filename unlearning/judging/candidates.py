"""Judging a candidate: its answers beside the untouched champion's, measured, and every gate asked.

What goes in and out is files, digests and numbers; networks and examples stay in this process.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from unlearning import networks
from unlearning.audits import class_geometry
from unlearning.audits.deployed import as_deployed
from unlearning.bank.matching import comparable
from unlearning.bank.shadows import Bank
from unlearning.contracts import Gate
from unlearning.domain import (
    Control,
    Decision,
    FloatArray,
    Group,
    Measurement,
    Outputs,
    ShadowOutputs,
    Split,
    Verdict,
)
from unlearning.gates.deployed import forms_of, marked
from unlearning.gates.geometry import Geometry
from unlearning.judging.doors import PLAIN, Asking, answers, sureness
from unlearning.judging.effects import Effect, effect
from unlearning.judging.mates import erased_mates
from unlearning.judging.measuring import ATTACK, controls, measure, score
from unlearning.judging.trial import Trial, accuracies, comparable_shadows, exactly, judged_part
from unlearning.judging.verdicts import controls_of, decide, judge
from unlearning.networks import Classifier, Recipe
from unlearning.outputs import outputs_of


class JudgedBy(Protocol):
    """Who judges the candidates of a request; with a judgement come arrays for the report."""

    def __call__(
        self, candidate: Path, *, gates: Sequence[Gate], level: float, exact: bool
    ) -> tuple[Judged, Mapping[str, np.ndarray]]:
        """Measure a candidate and ask every gate."""


RETAIN_SAMPLE = 2000
"""Retain examples that are run through a candidate; they inform and decide nothing."""


@dataclass(frozen=True, eq=False)
class Basis:
    """What all candidates of a request are judged on, computed once.

    untouched: the trial in which the champion itself is the candidate. known: its controls. split:
    with a sample of the retain set. sure: how sure the champion is of it, as `sureness` says.
    references: answers of models trained without the forget set. ask: who asks candidates.
    """

    recipe: Recipe
    split: Split
    untouched: Trial
    known: Mapping[str, Measurement]
    sure: float
    references: tuple[Outputs, ...] = ()
    ask: Asking = answers

    def answered(self, outputs: Outputs) -> Trial:
        """Let a candidate take the champion's place by its answers."""
        return dataclasses.replace(self.untouched, candidate=outputs)

    def trial(self, network: Classifier) -> Trial:
        """Let a candidate take the champion's place."""
        return self.answered(self.ask(network, self.split, None)[PLAIN])

    def opened(self, network: Classifier) -> Trial:
        """The same, with what the network answers after each door was opened."""
        found = dict(self.ask(network, self.split, self.sure))
        return dataclasses.replace(self.answered(found.pop(PLAIN)), opened=found)


@dataclass(frozen=True)
class Judged:
    """What measuring and judging a candidate gave; `effect` beside the champion decides nothing."""

    measured: Mapping[str, Measurement]
    verdicts: tuple[Verdict, ...]
    controls: tuple[Control, ...]
    decision: Decision
    accuracy: Mapping[str, float]
    effect: Effect


@dataclass(frozen=True, eq=False)
class Pictures:
    """Arrays for the report: attack scores, and accuracy by class before and after."""

    forget: FloatArray
    holdout: FloatArray
    champion_forget: FloatArray
    class_before: FloatArray
    class_after: FloatArray


def with_retain_sample(split: Split) -> Split:
    """Keep some retain examples, one of every class at least, and note how many there were."""
    n = len(split.retain)
    if n <= RETAIN_SAMPLE:
        return split
    _, first = np.unique(split.retain.labels, return_index=True)
    drawn = np.random.default_rng(0).permutation(n)[:RETAIN_SAMPLE]
    kept = split.retain.take(np.union1d(first, drawn))
    return dataclasses.replace(split, retain=kept, stays=split.counts[1])


def basis_of(
    champion: Path,
    split: Split,
    bank: Bank,
    references: Sequence[Path] = (),
    *,
    mates: Measurement | None = None,
    apart: Sequence[Path] = (),
    ask: Asking = answers,
) -> Basis:
    """Run the champion, and models to compare with, over what candidates will be judged on.

    mates: what `erased_mates` gave, where it was asked already. apart: models that were trained
    without the forget set, to be held against instead of the shadows. ask: who asks candidates.
    """
    network = networks.load(champion)
    mates = mates or erased_mates(network, split)
    kept = comparable(split.forget, split.holdout, bank)
    split = dataclasses.replace(split, holdout=split.holdout.take(kept))
    sampled = with_retain_sample(split)
    before = outputs_of(network, sampled)
    trial = Trial(
        candidate=before,
        champion=before,
        shadows=bank.on(np.concatenate([split.forget.ids, split.holdout.ids])),
        shadow_accuracy=bank.test_accuracy,
        shadow_size=float(bank.trained_on.mean()),
        train_size=len(split.forget) + len(split.retain),
        gone=split.forgotten_classes,
        apart=answers_apart([outputs_of(networks.load(path), sampled) for path in apart]),
    )
    known = {**controls(trial, ATTACK), mates.name: mates}
    known["models_apart"] = exactly("models_apart", len(apart), len(split.forget))
    compared = tuple(outputs_of(networks.load(path), sampled) for path in references)
    sure = sureness(network, sampled.retain)
    return Basis(network.recipe, sampled, trial, known, sure, compared, ask)


def answers_apart(found: Sequence[Outputs]) -> ShadowOutputs | None:
    """Give what models answer that saw none of these examples, as shadows' answers; None if none.

    found: outputs on the same examples, of which those to forget and the holdout are taken.
    """
    if not found:
        return None
    held = found[0].of(Group.FORGET) | found[0].of(Group.HOLDOUT)
    logits = np.stack([outputs.logits[held] for outputs in found])
    return ShadowOutputs(logits, np.zeros(logits.shape[:2], dtype=bool))


def judge_candidate(
    candidate: Path, basis: Basis, gates: Sequence[Gate], *, level: float, exact: bool
) -> tuple[Judged, Pictures]:
    """Measure a candidate, and the forms that gates ask for, beside the untouched champion.

    level: of the intervals that decide on forgetting; see `Policy.level`.
    """
    network = networks.load(candidate, basis.recipe)
    trial = basis.opened(network)
    asks = any(isinstance(gate, Geometry) for gate in gates)

    def measured_of(own: Trial) -> dict[str, Measurement]:
        found = measure(own, ATTACK, basis.known, level=level, exact=exact)
        compared = class_geometry.whole(own.candidate, basis.references, own.gone) if asks else []
        return found | {m.name: m for m in compared}

    measured = measured_of(trial)
    for form in forms_of(gates):
        exported = basis.answered(outputs_of(as_deployed(network, form), basis.split))
        measured |= marked(measured_of(exported), form)
    verdicts = judge(measured, gates)
    judged = Judged(
        measured,
        verdicts,
        controls_of(measured, gates),
        decide(verdicts, exact=exact),
        {group.name.lower(): value for group, value in accuracies(trial.candidate).items()},
        effect(trial.champion, trial.candidate, trial.gone, basis.references),
    )
    return judged, _pictures(trial, basis.split.classes)


def _pictures(trial: Trial, classes: int) -> Pictures:
    shadows = comparable_shadows(trial)
    after = score(judged_part(trial.candidate), shadows, ATTACK)
    before = score(judged_part(trial.champion), shadows, ATTACK)
    return Pictures(
        after.forget,
        after.holdout,
        before.forget,
        _by_class(trial.champion, classes),
        _by_class(trial.candidate, classes),
    )


def _by_class(outputs: Outputs, classes: int) -> FloatArray:
    tested = outputs.of(Group.TEST)
    right = (outputs.logits.argmax(1) == outputs.labels)[tested]
    labels = outputs.labels[tested]
    with np.errstate(invalid="ignore"):
        hits = np.bincount(labels, weights=right, minlength=classes)
        return np.asarray(hits / np.bincount(labels, minlength=classes))
