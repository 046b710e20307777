"""One forget set of one ground: every candidate measured and judged, and kept by its content."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.answers import FULL, Answers, digest_of_file
from benchmarks.gate_candidates import Candidate, Kind, candidates
from benchmarks.gate_grounds import Asked, Ground, judging_bank, prepare, setting_of
from benchmarks.gate_tables import Row
from benchmarks.sources import code_digest
from unlearning.attacks.lira import LiraOffline
from unlearning.contracts import Gate
from unlearning.digests import digest_of, digest_of_arrays
from unlearning.domain import BoolArray, Decision, Group, IntArray, Measurement, Outputs, joined
from unlearning.gates.deployed import marked
from unlearning.gates.forgetting import Forgetting
from unlearning.judging import decide, gates_of, judge
from unlearning.measuring import Trial, judged_part, measure
from unlearning.power import Case, decidable
from unlearning.shadows import Bank, load_bank

USUAL = {"loss_auc": 0.55, "accuracy_drop": 0.01}
"""The usual gate: an uncalibrated attack's AUC, and the loss of test accuracy, at most so much."""

RETAINED = 200
"""Retain examples that are answered: they only say which classes are still trained on."""

CODE = tuple(
    f"unlearning.{name}"
    for name in ("measuring", "judging", "power", "attacks.lira", "gates.utility", "gates.bank")
)


@dataclass(frozen=True)
class Place:
    """Where the work lies: the data's name, its folder, its bank, and the policy."""

    data: str
    folder: Path
    bank: Path
    policy: Path

    @property
    def answers(self) -> Answers:
        """Give the store of answers on training, holdout and test examples, in that order."""
        of = setting_of(self.data)
        folder = self.folder / "outputs"
        return Answers(folder, _examples(self.data), of.recipe.classes)

    def gates(self, form: str = FULL) -> tuple[Gate, ...]:
        """Give the policy's gates; with a form, what is shipped in it must pass too."""
        settings = dict(yaml.safe_load(self.policy.read_text())["gates"])
        settings.pop("deployed", None)
        return gates_of({**settings, "deployed": {"forms": [form]}} if form else settings)


@cache
def _examples(data: str) -> Any:
    of = setting_of(data)
    return joined(of.train, of.holdout, of.test)


@cache
def bank_of(folder: Path) -> Bank:
    """Give a bank, read once a process."""
    return load_bank(folder)


@dataclass(frozen=True, eq=False)
class Rows:
    """Places of a forget set's examples among all, with the group of each."""

    at: IntArray
    groups: IntArray


def rows_of(place: Place, forgets: BoolArray) -> Rows:
    """Lay out forget, some retain, holdout and test examples."""
    of = setting_of(place.data)
    n, m, t = len(of.train), len(of.holdout), len(of.test)
    retained = np.random.default_rng(0).permutation(np.flatnonzero(~forgets))[:RETAINED]
    parts = (np.flatnonzero(forgets), retained, n + np.arange(m), n + m + np.arange(t))
    groups = [np.full(len(part), group) for part, group in zip(parts, Group, strict=True)]
    return Rows(np.concatenate(parts), np.concatenate(groups))


def outputs(place: Place, candidate: Candidate, rows: Rows, form: str = FULL) -> Outputs:
    """Give a candidate's answers on a forget set's examples."""
    logits = place.answers.of(candidate.weights, rows.at, form)
    examples = _examples(place.data)
    subjects = np.unique(examples.subjects, return_inverse=True)[1]
    seen = logits if candidate.view is None else candidate.view(logits)
    return Outputs(seen, examples.labels[rows.at], rows.groups, subjects[rows.at])


def judged(ground: Ground, place: Place) -> list[Row]:
    """Judge a ground's candidates on each of its forget sets; kept results are only read."""
    prepare(ground, setting_of(place.data))
    found = list(candidates(ground, setting_of(place.data), place.folder / "gates" / "planted"))
    return [row for asked in ground.asked for row in _of_set(asked, ground, found, place)]


def _of_set(
    asked: Asked, ground: Ground, found: Sequence[Candidate], place: Place
) -> Iterator[Row]:
    for half in (False, True):
        chosen = [candidate for candidate in found if candidate.half is half]
        path = place.folder / "gates" / "cells" / f"{_key(asked, half, chosen, ground, place)}.json"
        if not path.exists():
            _write(path, [dataclasses.asdict(r) for r in _rows(asked, half, ground, chosen, place)])
        yield from (Row(**row) for row in json.loads(path.read_text()))


def _write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(value))
    part.replace(path)


def _key(
    asked: Asked, half: bool, chosen: Sequence[Candidate], ground: Ground, place: Place
) -> str:
    judges = [[c.name, c.kind, digest_of_file(c.weights), c.form] for c in chosen]
    return digest_of(
        {
            "candidates": judges,
            "champion": digest_of_file(ground.champion),
            "forgets": digest_of_arrays(asked.half if half else asked.forgets),
            "asked": [asked.kind, asked.size, ground.seed],
            "gates": yaml.safe_load(place.policy.read_text())["gates"],
            "bank": place.bank.name,
            "code": code_digest(*CODE, "benchmarks.gate_cells", "benchmarks.planted"),
        }
    )


def _rows(
    asked: Asked, half: bool, ground: Ground, chosen: Sequence[Candidate], place: Place
) -> Iterator[Row]:
    rows = rows_of(place, asked.half if half else asked.forgets)
    untouched = outputs(place, Candidate("untouched", Kind.GROSS, ground.champion), rows)
    bank = judging_bank(bank_of(place.bank), asked.kind)
    trial = _trial(place, bank, rows, untouched)
    known = measure(trial, LiraOffline())
    could, power = _decidable(place, trial, known)
    for candidate in chosen:
        measured = _measured(place, candidate, rows, trial)
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
            usual=usual(measured),
            power=power,
            decidable=could,
            limited=_limited(gates, measured),
            bounds=bounds(gates, measured),
        )


def _trial(place: Place, bank: Bank, rows: Rows, untouched: Outputs) -> Trial:
    where = np.isin(rows.groups, (Group.FORGET, Group.HOLDOUT))
    return Trial(
        candidate=untouched,
        champion=untouched,
        shadows=bank.on(_examples(place.data).ids[rows.at[where]]),
        shadow_accuracy=bank.test_accuracy,
        shadow_size=float(bank.trained_on.mean()),
        train_size=len(setting_of(place.data).train),
    )


def _measured(
    place: Place, candidate: Candidate, rows: Rows, trial: Trial
) -> dict[str, Measurement]:
    measured = measure(
        dataclasses.replace(trial, candidate=outputs(place, candidate, rows)), LiraOffline()
    )
    if candidate.form:
        shipped = outputs(place, candidate, rows, candidate.form)
        exported = measure(dataclasses.replace(trial, candidate=shipped), LiraOffline())
        measured |= marked(exported, candidate.form)
    return measured


def _decidable(place: Place, trial: Trial, known: Mapping[str, Measurement]) -> tuple[bool, float]:
    """Ask, from the champion and the shadows alone, whether a perfect retrain would pass."""
    gate = next(g for g in place.gates() if isinstance(g, Forgetting))
    part = judged_part(trial.champion)
    forget, holdout = part.of(Group.FORGET), part.of(Group.HOLDOUT)
    case = Case(
        examples=int(forget.sum()),
        subjects=len(np.unique(part.subjects[forget])),
        holdout=int(holdout.sum()),
        holdout_subjects=len(np.unique(part.subjects[holdout])),
    )
    return decidable(case, known, gate, np.random.default_rng(0))


def _limited(gates: Sequence[Gate], measured: Mapping[str, Measurement]) -> bool:
    gate = next(g for g in gates if isinstance(g, Forgetting))
    return gate.limit_for(measured["forget_auc"].n, int(measured["holdout_examples"].value))[1]


def usual(measured: Mapping[str, Measurement]) -> str:
    """Say what the usual gate says: it looks at points, and always decides."""
    inside = all(measured[name].value <= limit for name, limit in USUAL.items())
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
