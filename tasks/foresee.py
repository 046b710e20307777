"""Whether a run could decide: how often a perfect retrain would pass, told before any training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from systems.settings.policy import Policy
from tasks.running.champion import sealed_champion
from tasks.running.opened import Opened
from tasks.running.parts import cut, finished_bank
from tasks.train import recipe_of
from unlearning import networks
from unlearning.bank.matching import comparable
from unlearning.bank.null_band import null_band, shadow_scores
from unlearning.bank.shadows import Bank, load_bank
from unlearning.domain import (
    TRAIN,
    Examples,
    Group,
    Measurement,
    Outputs,
    ShadowOutputs,
    Split,
    joined,
)
from unlearning.gates.forgetting import CLASSES, GROUP, Forgetting, group
from unlearning.judging.mates import erased_mates
from unlearning.judging.measuring import ATTACK, as_one_ranges, score
from unlearning.judging.needs import shadows_needed
from unlearning.judging.trial import exactly, within
from unlearning.judging.verdicts import gates_of
from unlearning.outputs import logits_of
from unlearning.statistics.power import (
    SIZES,
    WANTED,
    Chances,
    assumed,
    case_of,
    chances,
    examples_needed,
    likeness_of,
)
from unlearning.statistics.simulation import Case

PATIENCE = 10.0
"""Seconds that the champion may take to answer; what takes longer is assumed."""

FORWARD = 3.0
"""How much faster answering is than training, whose backward pass costs two forward ones."""

DRAWS = 400
"""Runs that are simulated: the error of a share is 2.5 points at most."""

SEARCHED = 200
"""Draws for each size of forget set that is tried; enough for an advice."""

LINEAGE = "Exact retraining, which lineage proves, can be released without it"

UNTOUCHED = "no training example is touched: nothing has to be unlearned or decided, only erased"
INCOMPARABLE = (
    "no holdout example is comparable: there is nothing to hold an attack's scores against"
)


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


def foreseen(
    at: Opened,
    rules: Policy,
    ids: dict[str, list[str]],
    *,
    alike: bool,
    rate: float | None,
    level: float,
) -> dict[str, Any]:
    """Say whether a run could decide, why, and with what power.

    rate: examples a second of the original's training, None if unknown: then the champion is not
    asked. level: of the intervals in that run. power: how often a perfect retrain would pass, with
    the simulation's 95 % interval; no draw is made where a rule already excludes it.
    """
    if not ids[TRAIN]:
        return {"decidable": False, "why": UNTOUCHED, "power": None}
    bank = _finished_bank(at)
    compared = Compared.of(cut(at, ids, likewise=alike), bank)
    if not compared.blank.of(Group.HOLDOUT).any():
        return {"decidable": False, "why": f"{INCOMPARABLE}. {LINEAGE}", "power": None}
    gate = _gate(rules)
    found = _prospect(at, gate, compared, bank, rate)
    rng = np.random.default_rng(at.params.seed)
    askable = found.askable(gate)
    chance = Chances(0.0, 0.0, 1.0, 0)
    if askable:
        chance = chances(found.case, found.known, gate, rng, draws=DRAWS, level=level)
    decidable = chance.passed >= WANTED
    needed = found.case.examples if decidable else _needed(found, gate, rng, level)
    return {
        "decidable": decidable,
        "why": _why(found, gate, chance, needed),
        "power": {**_power(chance), **_champion(found), "examples_needed": needed},
    }


def _gate(rules: Policy) -> Forgetting:
    """The gate on forgetting, told of the shadows that any gate needs."""
    gates = gates_of(rules.gates)
    found = next(gate for gate in gates if isinstance(gate, Forgetting))
    return replace(found, smallest_bank=shadows_needed(gates))


def _finished_bank(at: Opened) -> Bank | None:
    folder = finished_bank(at, recipe_of(at))
    return load_bank(folder) if folder else None


def _prospect(
    at: Opened, gate: Forgetting, compared: Compared, bank: Bank | None, rate: float | None
) -> Prospect:
    """Assume what nobody has measured, and take from a finished bank what it knows."""
    case, shadows = case_of(compared.blank), at.params.bank.shadows
    gone = np.setdiff1d(compared.split.forget.labels, compared.split.retain.labels)
    known = {**assumed(case, shadows), CLASSES: exactly(CLASSES, len(gone), case.examples)}
    found = Prospect(case, known, shadows, measured=False)
    if bank is None:
        return found
    answers = bank.on(compared.examples.ids)
    if (~answers.seen).sum(0).min() < 3:  # too few for a shadow to be scored by the others
        return found
    found = replace(found, case=case_of(compared.blank, _likeness(compared, answers)))
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
    scores = score(replace(compared.blank, logits=logits), answers, ATTACK)
    yield within("champion_auc", scores.interval(), len(scores.forget))
    mean = float(scores.forget.mean())
    yield exactly("mean_score_champion", mean, len(scores.forget))


def _needed(
    found: Prospect, gate: Forgetting, rng: np.random.Generator, level: float
) -> int | None:
    return examples_needed(
        found.case,
        found.shadows,
        gate,
        rng,
        champion=found.known["champion_auc"].value,
        draws=SEARCHED,
        level=level,
    )


def _power(chance: Chances) -> dict[str, Any]:
    if not chance.draws:
        return {"passed": 0.0, "low": 0.0, "high": 0.0, "draws": 0}
    error = chance.interval
    low, high = round(error.low, 4), round(error.high, 4)
    return {"passed": chance.passed, "low": low, "high": high, "draws": chance.draws}


def _champion(found: Prospect) -> dict[str, Any]:
    value = round(found.known["champion_auc"].value, 4)
    return {"champion_auc": value, "champion_measured": found.measured}


def _why(found: Prospect, gate: Forgetting, chance: Chances, needed: int | None) -> str:
    """Say it in two sentences at most."""
    case = found.case
    counts = (
        f"{case.examples} examples of {case.subjects} subject(s) against {case.holdout} comparable "
        f"holdout examples of {case.holdout_subjects}"
    )
    told = _chance(found, gate, chance) if chance.draws else _excluded(found, gate)
    if group(found.known):
        return f"{counts}: {GROUP}. {LINEAGE}"
    enough = chance.passed >= WANTED
    return f"{counts}: {told}" if enough else f"{counts}: {told}; {_advice(found, gate, needed)}"


def _chance(found: Prospect, gate: Forgetting, chance: Chances) -> str:
    error = chance.interval
    return (
        f"a perfect retrain would pass in {chance.passed:.0%} [{error.low:.0%}, {error.high:.0%}] "
        f"of {chance.draws} simulated runs, where {_asked(found, gate)}"
    )


def _asked(found: Prospect, gate: Forgetting) -> str:
    champion = "is at" if found.measured else "is taken to be at"
    if gate.few(found.known):
        unseen = found.known["mean_score_unseen"]
        return (
            f"they are judged as one: models that never saw them have a mean score within "
            f"[{unseen.low:.2f}, {unseen.high:.2f}] and the untouched champion {champion} "
            f"{found.known['mean_score_champion'].value:.2f}"
        )
    limit = gate.limit_for(found.case.examples, found.case.holdout)[0]
    return (
        f"attack AUC within [{1 - limit.auc:.2f}, {limit.auc:.2f}] and tails up to {limit.tail} at "
        f"false-positive rate {limit.fpr} are asked and the untouched champion {champion} "
        f"{found.known['champion_auc'].value:.2f}"
    )


def _excluded(found: Prospect, gate: Forgetting) -> str:
    return f"the bank has {found.shadows} shadows, {gate.smallest_bank} are needed"


def _advice(found: Prospect, gate: Forgetting, needed: int | None) -> str:
    """Say what would be needed for a perfect retrain to pass often enough."""
    loosest = gate.limit_for(0, 0)[0]
    if needed:
        takes = f"about {needed} examples with subjects like these, as of more requests in one run"
    elif found.shadows < gate.smallest_bank:
        takes = "a larger bank"
    elif found.case.holdout < loosest.holdout:
        takes = f"at least {loosest.holdout} comparable holdout examples"
    else:
        takes = f"a larger holdout set or bank: {max(SIZES)} examples would not be enough"
    return f"to pass in {WANTED:.0%} takes {takes}. {LINEAGE}"
