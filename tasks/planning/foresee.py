"""Whether a run could decide: how often a perfect retrain would pass, told before any training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ledger.replay.chances import Counted
from systems.data import loading
from systems.settings.chances import chance_of
from systems.settings.policy import Policy
from tasks.references import wanted
from tasks.running.opened import Opened
from tasks.running.parts import cut
from tasks.running.prospect import Compared, Prospect, bank_there, prospect
from unlearning.domain import (
    TRAIN,
    Group,
    Measurement,
)
from unlearning.gates.forgetting import Forgetting
from unlearning.gates.groups import CLASSES, GROUP, MATES, group
from unlearning.judging.needs import shadows_needed
from unlearning.judging.verdicts import gates_of
from unlearning.statistics.power import (
    SIZES,
    WANTED,
    Chances,
    chances,
    examples_needed,
)

DRAWS = 400
"""Runs that are simulated: the error of a share is 2.5 points at most."""

SEARCHED = 200
"""Draws for each size of forget set that is tried; enough for an advice."""

RETRAINS = "simulated retrains"
"""Of what a simulated chance counts."""

LINEAGE = "Exact retraining, which lineage proves, can be released without it"

UNTOUCHED = "no training example is touched: nothing has to be unlearned or decided, only erased"
INCOMPARABLE = (
    "no holdout example is comparable: there is nothing to hold an attack's scores against"
)


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
    the simulation's 95 % interval; no draw is made where a rule already excludes it. references:
    the models that are trained without these examples to compare with, and how long it takes.
    """
    if not ids[TRAIN]:
        return {"decidable": False, "why": UNTOUCHED, "power": None, "references": []}
    gate, found = _gate(rules), _found(at, rules, ids, alike=alike, rate=rate)
    if found is None:
        why = f"{INCOMPARABLE}. {LINEAGE}"
        return {"decidable": False, "why": why, "power": None, "references": []}
    rng = np.random.default_rng(at.params.seed)
    chance = _simulated(found, gate, rng, level)
    decidable = chance.passed >= WANTED
    needed = found.case.examples if decidable else _needed(found, gate, rng, level)
    return {
        "decidable": decidable,
        "why": _why(found, gate, chance, needed),
        "power": {**_power(chance), **_champion(found), "examples_needed": needed},
        "references": references_told(at, rules, found.known, len(ids[TRAIN]), rate),
    }


def references_told(
    at: Opened, rules: Policy, known: Mapping[str, Measurement], forgotten: int, rate: float | None
) -> list[dict[str, Any]]:
    """Say which models a run trains without the examples before it judges anybody.

    known: what the champion told; whether the forgotten go together, only if it was asked.
    """
    passes = (loading.counts(at.ws)[TRAIN] - forgotten) * at.params.training.epochs
    asked = wanted(
        gates_of(rules.gates),
        class_goes=known[CLASSES].value > 0,
        together=MATES in known and group(known),
    )
    return [
        {
            "what": what,
            "models": count,
            "estimated_seconds": None if rate is None else round(count * passes / rate, 1),
        }
        for what, count in asked.items()
    ]


def power_of(
    at: Opened,
    rules: Policy,
    ids: dict[str, list[str]],
    *,
    alike: bool,
    rate: float | None,
    level: float,
) -> dict[str, Any] | None:
    """Give the power alone, as `foreseen` does; None where nothing can be simulated."""
    found = _found(at, rules, ids, alike=alike, rate=rate) if ids[TRAIN] else None
    if found is None:
        return None
    chance = _simulated(found, _gate(rules), np.random.default_rng(at.params.seed), level)
    return {**_power(chance), **_champion(found)}


def most_of(power: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Give how often a perfect retrain would pass where lineage is no proof of it.

    Not even an approximate candidate that forgot all can pass more often, as far as it answers as
    a retrain does. None where nothing was simulated, or the champion's scores are an assumption.
    """
    if not power or not power["draws"] or not power["champion_measured"]:
        return None
    ends = {"low": power["low"], "high": power["high"]}
    return {"value": power["passed"], **ends, "n": power["draws"], "of": RETRAINS}


def training_rate(at: Opened) -> float | None:
    """Examples a second of the original's training; None if it was trained elsewhere."""
    entry = at.ledger.log.find("initialised")
    seconds = float(entry.body.get("seconds", 0)) if entry else 0.0
    if not seconds:
        return None
    if (drawn := at.params.generator) is not None:
        return drawn.steps * drawn.batch_size / seconds
    return loading.counts(at.ws)[TRAIN] * at.params.training.epochs / seconds


def _found(
    at: Opened, rules: Policy, ids: dict[str, list[str]], *, alike: bool, rate: float | None
) -> Prospect | None:
    """Give what there is to go by; None where no holdout example is comparable."""
    bank = bank_there(at)
    compared = Compared.of(cut(at, ids, likewise=alike), bank)
    if not compared.blank.of(Group.HOLDOUT).any():
        return None
    return prospect(at, _gate(rules), compared, bank, rate)


def _simulated(
    found: Prospect, gate: Forgetting, rng: np.random.Generator, level: float
) -> Chances:
    if not found.askable(gate):
        return Chances(0.0, 0.0, 1.0, 0)
    return chances(found.case, found.known, gate, rng, draws=DRAWS, level=level)


def retrain_chance(found: Mapping[str, Any]) -> dict[str, Any] | None:
    """Give the chance of an exact retraining, by the draws of `foreseen`; None without any.

    Lineage is its proof, so that a gate which cannot decide does not hold it back: what counts are
    the draws that fail. What else may, above all its accuracy, is not simulated.
    """
    power = found["power"]
    if not power or not power["draws"]:
        return None
    draws = power["draws"]
    return chance_of(Counted(RETRAINS, round((1 - power["failed"]) * draws), draws))


def _gate(rules: Policy) -> Forgetting:
    """The gate on forgetting, told of the shadows that any gate needs."""
    gates = gates_of(rules.gates)
    found = next(gate for gate in gates if isinstance(gate, Forgetting))
    return replace(found, smallest_bank=shadows_needed(gates))


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
        return {"passed": 0.0, "low": 0.0, "high": 0.0, "failed": 0.0, "draws": 0}
    error = chance.interval
    low, high = round(error.low, 4), round(error.high, 4)
    said = {"passed": chance.passed, "low": low, "high": high, "failed": chance.failed}
    return {**said, "draws": chance.draws}


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
