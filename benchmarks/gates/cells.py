"""One forget set of one ground: every candidate measured and judged, and kept by its content."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.answers import FULL, digest_of_file
from benchmarks.gates.candidates import Candidate, Kind, candidates
from benchmarks.gates.grounds import Asked, Ground, judging_bank, prepare, setting_of
from benchmarks.gates.scenes import Place, Scene, bank_of, opened, outputs, scene_of
from benchmarks.gates.tables import Row
from benchmarks.sources import code_digest
from unlearning.audits import class_geometry
from unlearning.contracts import Gate
from unlearning.digests import digest_of, digest_of_arrays
from unlearning.domain import Decision, Group, Measurement, Outputs
from unlearning.gates.deployed import marked
from unlearning.gates.forgetting import Forgetting
from unlearning.judging.measuring import ATTACK, measure
from unlearning.judging.trial import judged_part
from unlearning.judging.verdicts import decide, judge
from unlearning.statistics.intervals import auc
from unlearning.statistics.power import decidable
from unlearning.statistics.signals import log_confidence
from unlearning.statistics.simulation import Case

USUAL_AUC, USUAL_DROP = 0.55, 0.01
"""The usual gate: an uncalibrated attack's AUC, and the loss of test accuracy, at most so much."""

SCIENCE = (
    *("judging.measuring", "judging.verdicts", "judging.doors", "judging.scales", "bank.matching"),
    *("statistics.power", "attacks.recalibrated", "gates.utility", "audits.class_geometry"),
)
CODE = (
    *(f"unlearning.{name}" for name in SCIENCE),
    *(f"benchmarks.gates.{name}" for name in ("cells", "scenes", "planted")),
)


def judged(ground: Ground, place: Place) -> list[Row]:
    """Judge a ground's candidates on each of its forget sets; kept results are only read."""
    prepare(ground, setting_of(place.data))
    folder = place.folder / "gates" / "planted"
    found = list(candidates(ground, setting_of(place.data), bank_of(place.bank), folder))
    return [row for asked in ground.asked for row in _of_set(asked, ground, found, place)]


def _of_set(
    asked: Asked, ground: Ground, found: Sequence[Candidate], place: Place
) -> Iterator[Row]:
    path = place.folder / "gates" / "cells" / f"{_key(asked, found, ground, place)}.json"
    if not path.exists():
        rows = list(_rows(asked, ground, found, place))
        _write(path, [dataclasses.asdict(row) for row in rows])
    yield from (Row(**row) for row in json.loads(path.read_text()))


def _write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(value))
    part.replace(path)


def _key(asked: Asked, found: Sequence[Candidate], ground: Ground, place: Place) -> str:
    judges = [[c.name, c.kind, digest_of_file(c.weights), c.form] for c in found]
    return digest_of(
        {
            "candidates": judges,
            "champion": digest_of_file(ground.champion),
            "forgets": digest_of_arrays(asked.forgets, asked.half),
            "asked": [asked.kind, asked.size, ground.seed],
            "gates": yaml.safe_load(place.policy.read_text())["gates"],
            "level": place.level,
            "bank": place.bank.name,
            "code": code_digest(*CODE),
        }
    )


def _rows(asked: Asked, ground: Ground, found: Sequence[Candidate], place: Place) -> Iterator[Row]:
    bank = judging_bank(bank_of(place.bank), asked.kind)
    whole, half = (scene_of(place, ground, bank, mask) for mask in (asked.forgets, asked.half))
    could, power = _decidable(place, whole)
    for candidate in found:
        scene = half if candidate.half else whole
        measured = _measured(place, candidate, scene, ground)
        gates = place.gates(candidate.form)
        verdicts = judge(measured, gates)
        yield Row(
            kind=asked.kind,
            size=asked.size,
            seed=ground.seed,
            candidate=candidate.name,
            is_a=candidate.kind,
            decision=decide(verdicts, exact=False),
            reasons={v.gate: f"{v.outcome}: {v.reason}" for v in verdicts if v.outcome != "PASSED"},
            usual=usual(outputs(place, candidate, scene.every), measured),
            power=power,
            decidable=could,
            limited=_limited(gates, measured),
            bounds=bounds(gates, measured),
            alone=alone(gates, measured),
        )


def _measured(
    place: Place, candidate: Candidate, scene: Scene, ground: Ground
) -> dict[str, Measurement]:
    def of(form: str) -> dict[str, Measurement]:
        seen = outputs(place, candidate, scene.rows, form)
        made = {} if form else opened(place, candidate, scene)
        trial = dataclasses.replace(scene.trial, candidate=seen, opened=made)
        return measure(trial, ATTACK, scene.known, level=place.level)

    form = candidate.form
    apart = [
        outputs(place, Candidate(one.name, Kind.GOOD, one.path), scene.rows)
        for one in ground.references
    ]
    compared = class_geometry.whole(outputs(place, candidate, scene.rows), apart, scene.trial.gone)
    geometry = {m.name: m for m in compared}
    return of(FULL) | geometry | (marked(of(form), form) if form else {})


def _decidable(place: Place, scene: Scene) -> tuple[bool, float]:
    """Ask, from the champion and the shadows alone, whether a perfect retrain would pass."""
    trial = scene.trial
    known = measure(trial, ATTACK, scene.known, level=place.level)
    gate = next(g for g in place.gates() if isinstance(g, Forgetting))
    part = judged_part(trial.champion)
    forget, holdout = part.of(Group.FORGET), part.of(Group.HOLDOUT)
    case = Case(
        examples=int(forget.sum()),
        subjects=len(np.unique(part.subjects[forget])),
        holdout=int(holdout.sum()),
        holdout_subjects=len(np.unique(part.subjects[holdout])),
    )
    return decidable(case, known, gate, np.random.default_rng(0), level=place.level)


def _limited(gates: Sequence[Gate], measured: Mapping[str, Measurement]) -> bool:
    gate = next(g for g in gates if isinstance(g, Forgetting))
    return bool(gate.limits(measured))


def usual(answers: Outputs, measured: Mapping[str, Measurement]) -> str:
    """Say what the usual gate says: it looks at points, and always decides.

    answers: with all holdout examples, of which it takes those of the forget set's classes.
    """
    part = judged_part(answers)
    scores = log_confidence(part.logits, part.labels)
    found = auc(scores[part.of(Group.FORGET)], scores[part.of(Group.HOLDOUT)])
    drop = measured["accuracy_drop"].value
    inside = found <= USUAL_AUC and drop <= USUAL_DROP
    return Decision.RELEASED if inside else Decision.REFUSED


def bounds(
    gates: Sequence[Gate], measured: Mapping[str, Measurement]
) -> dict[str, tuple[float, float, float]]:
    """Give each measurement that a gate bounds, with its lower and upper limit."""
    return {
        name: (measured[name].value, low, high)
        for gate in gates
        for name, (low, high) in gate.limits(measured).items()
        if name in measured
    }


def alone(gates: Sequence[Gate], measured: Mapping[str, Measurement]) -> dict[str, bool]:
    """Say of each number that the forgetting gate looks at whether it alone would let pass."""
    gate = next(g for g in gates if isinstance(g, Forgetting))
    found = {}
    for name, (low, high) in gate.limits(measured).items():
        m = measured[name]
        found[NAMES.get(name, name.rpartition("/")[2])] = bool(low <= m.low and m.high <= high)
    tails = [found.pop(name) for name in list(found) if "tail" in name]
    return {**found, "tails": all(tails)} if tails else found


NAMES = {"forget_auc": "attack", "mean_score": "attack", "mean_score_spread": "spread"}
"""What a few people are asked goes by the name of what many are asked."""
