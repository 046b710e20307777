"""What there is to go by before a run: how many on either side, the bank, and the champion."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from tasks.running.champion import sealed_champion
from tasks.running.opened import Opened
from tasks.running.parts import finished_bank
from tasks.train import recipe_of
from unlearning import networks
from unlearning.bank.matching import comparable
from unlearning.bank.null_band import null_band, shadow_scores
from unlearning.bank.shadows import Bank, load_bank
from unlearning.domain import (
    Examples,
    Group,
    IntArray,
    Measurement,
    Outputs,
    ShadowOutputs,
    Split,
    joined,
)
from unlearning.gates.forgetting import Forgetting
from unlearning.gates.groups import CLASSES
from unlearning.gates.parts import CHAMPION
from unlearning.judging.mates import erased_mates
from unlearning.judging.measuring import ATTACK, as_one_ranges, score
from unlearning.judging.trial import exactly, forgotten_parts, within
from unlearning.outputs import logits_of
from unlearning.statistics.power import (
    assumed,
    case_of,
    likeness_of,
)
from unlearning.statistics.simulation import Case

PATIENCE = 10.0
"""Seconds that the champion may take to answer; what takes longer is assumed."""

FORWARD = 3.0
"""How much faster answering is than training, whose backward pass costs two forward ones."""


@dataclass(frozen=True, eq=False)
class Compared:
    """Forget and comparable holdout examples, in this order, before any network has answered."""

    examples: Examples
    blank: Outputs
    split: Split

    @staticmethod
    def of(split: Split, bank: Bank | None) -> Compared:
        """Choose the holdout examples that judging will choose; without a bank, by class alone."""
        same = np.isin(split.holdout.labels, split.forget.labels)
        chosen = same if bank is None else comparable(split.forget, split.holdout, bank)
        alike = split.holdout.take(chosen)
        examples = joined(split.forget, alike)
        groups = np.repeat([Group.FORGET, Group.HOLDOUT], [len(split.forget), len(alike)])
        logits = np.zeros((len(examples), split.classes), dtype=np.float32)
        codes = np.unique(examples.subjects, return_inverse=True)[1]
        return Compared(examples, Outputs(logits, examples.labels, groups, codes), split)

    @property
    def parts(self) -> list[IntArray]:
        """The classes of each part that judging will judge by itself."""
        return forgotten_parts(self.split.forget.labels, self.split.forgotten_classes)


@dataclass(frozen=True)
class Prospect:
    """What there is to go by. measured: whether the champion's AUC is, or else assumed."""

    case: Case
    known: dict[str, Measurement]
    shadows: int
    measured: bool

    def askable(self, gate: Forgetting) -> bool:
        """Say whether there are shadows enough to ask."""
        return self.shadows >= gate.smallest_bank


def bank_there(at: Opened) -> Bank | None:
    """Give the bank if it is finished; none is trained here."""
    folder = finished_bank(at, recipe_of(at))
    return load_bank(folder) if folder else None


def prospect(
    at: Opened, gate: Forgetting, compared: Compared, bank: Bank | None, rate: float | None
) -> Prospect:
    """Assume what nobody has measured, and take from a finished bank what it knows."""
    shadows, apart = at.params.bank.shadows, compared.parts
    case = case_of(compared.blank, parts=apart)
    gone = compared.split.forgotten_classes
    known = {**assumed(case, shadows), CLASSES: exactly(CLASSES, len(gone), case.examples)}
    found = Prospect(case, known, shadows, measured=False)
    if bank is None:
        return found
    answers = bank.on(compared.examples.ids)
    if (~answers.seen).sum(0).min() < 3:  # too few for a shadow to be scored by the others
        return found
    found = replace(found, case=case_of(compared.blank, _likeness(compared, answers), apart))
    return _measured(at, compared, answers, found, rate) if found.askable(gate) else found


def _likeness(compared: Compared, answers: ShadowOutputs) -> float:
    which = np.flatnonzero((~answers.seen).any(1))
    scores = shadow_scores(compared.blank, answers, ATTACK, which)
    return likeness_of(scores, compared.blank.subjects)


def _measured(
    at: Opened, compared: Compared, answers: ShadowOutputs, found: Prospect, rate: float | None
) -> Prospect:
    """Measure the null band, and the champion if it answers soon enough."""
    ranges = as_one_ranges(compared.blank, answers, ATTACK)
    bands = (null_band(compared.blank, answers, ATTACK), *ranges)
    known = {**found.known, **{m.name: m for m in bands}}
    if rate is None or len(compared.examples) / (FORWARD * rate) > PATIENCE:
        return replace(found, known=known)
    asked = {m.name: m for m in _champion_scores(at, compared, answers)}
    return replace(found, known={**known, **asked}, measured=True)


def _champion_scores(
    at: Opened, compared: Compared, answers: ShadowOutputs
) -> Iterator[Measurement]:
    network = networks.load(sealed_champion(at).weights)
    yield erased_mates(network, compared.split)
    logits = logits_of(network, compared.examples)
    asked = replace(compared.blank, logits=logits)
    scores = score(asked, answers, ATTACK)
    yield within("champion_auc", scores.interval(), len(scores.forget))
    mean = float(scores.forget.mean())
    yield exactly("mean_score_champion", mean, len(scores.forget))
    for number, classes in enumerate(compared.parts):
        kept = np.isin(asked.labels, classes)
        own = score(asked.take(kept), answers.on(kept), ATTACK)
        yield within(f"{CHAMPION}{number}", own.interval(), len(own.forget))
