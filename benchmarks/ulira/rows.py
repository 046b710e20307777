"""What U-LiRA, and what the gates, say of the runs of one method."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.means import mean_of
from benchmarks.ulira.models import Lab
from unlearning.audits import ulira
from unlearning.bank.shadows import Bank
from unlearning.domain import BoolArray, FloatArray, Group, IntArray, Measurement, Outcome, Outputs
from unlearning.gates.forgetting import Forgetting
from unlearning.judging.measuring import ATTACK, measure
from unlearning.judging.trial import Trial
from unlearning.outputs import accuracy
from unlearning.selecting import memorisation
from unlearning.statistics.intervals import Interval
from unlearning.statistics.signals import scaled_confidence

TOLD_APART = 0.7
"""An example whose AUC is above this counts as told apart."""

FPR = 0.05
"""At which the gates' tail is shown: that of the policy's limits for about 100 examples."""

Measured = Mapping[str, Measurement]


def row_of(
    lab: Lab, logits: FloatArray, originals: FloatArray, bank: Bank, gate: Forgetting
) -> dict[str, Any]:
    """Give one line of the table; logits: (runs, examples, classes), and the originals' alike."""
    sides = sides_of(lab, logits)
    found = ulira.evaluate(sides, np.random.default_rng(lab.design.seed))
    test = slice(len(lab.setting.train) + len(lab.setting.holdout), None)
    right = [accuracy(run[test], lab.setting.test.labels) for run in logits]
    return {
        "models": lab.design.models,
        "runs": len(logits),
        "examples": sides.signals.shape[1],
        "example AUC": float(found.auc.mean()),
        "example AUC, most memorised": float(found.auc[most_memorised(lab, bank)].mean()),
        "told apart": float(np.mean(found.auc > TOLD_APART)),
        "balanced accuracy": float(found.balanced_accuracy.mean()),
        "pooled AUC": dataclasses.astuple(found.pooled_auc),
        "TPR": {str(rate): found.tpr[rate] for rate in ulira.FPRS},
        "test accuracy": float(np.mean(right)),
        "gate": of_gate(list(measured_runs(lab, logits, originals, bank)), gate),
    }


def sides_of(lab: Lab, logits: FloatArray) -> ulira.Sides:
    """Lay out the runs' answers on the pool."""
    pool = np.flatnonzero(lab.drawn.pool)
    signals = scaled_confidence(logits[:, pool], lab.setting.train.labels[pool])
    return ulira.Sides(signals, lab.drawn.unlearned, lab.drawn.never, lab.drawn.group)


def most_memorised(lab: Lab, bank: Bank) -> BoolArray:
    """Say which tenth of the pool the bank's shadows, which are others, memorised most."""
    pool = lab.setting.train.take(lab.drawn.pool)
    score = memorisation(bank.on(pool.ids), pool.labels)
    return np.asarray(score >= np.quantile(score, 0.9))


def measured_runs(
    lab: Lab, logits: FloatArray, originals: FloatArray, bank: Bank
) -> Iterator[Measured]:
    """Measure each run as the gates would a candidate, its original as the untouched champion."""
    runs = [(model, half) for model in range(lab.design.models) for half in range(2)]
    for (model, half), after, before in zip(runs, logits, originals, strict=True):
        at, groups = laid_out(lab, lab.drawn.seen[model], lab.drawn.forgets[model, half])
        judged = np.isin(groups, (Group.FORGET, Group.HOLDOUT))
        trial = Trial(
            candidate=_outputs(lab, after, at, groups),
            champion=_outputs(lab, before, at, groups),
            shadows=bank.on(lab.examples.ids[at[judged]]),
            shadow_accuracy=bank.test_accuracy,
            shadow_size=float(bank.trained_on.mean()),
            train_size=int(lab.drawn.seen[model].sum()),
            gone=np.array([], dtype=np.int64),  # people at random: no class goes
        )
        yield measure(trial, ATTACK)


def laid_out(lab: Lab, seen: BoolArray, forgets: BoolArray) -> tuple[IntArray, IntArray]:
    """Give the places of forget, retain, holdout and test examples among all, and their groups."""
    n, m = len(lab.setting.train), len(lab.setting.holdout)
    parts = (
        np.flatnonzero(forgets),
        np.flatnonzero(seen & ~forgets),
        np.arange(n, n + m),
        np.arange(n + m, len(lab.examples)),
    )
    groups = [np.full(len(part), group) for part, group in zip(parts, Group, strict=True)]
    return np.concatenate(parts), np.concatenate(groups)


def _outputs(lab: Lab, logits: FloatArray, at: IntArray, groups: IntArray) -> Outputs:
    subjects = np.unique(lab.examples.subjects, return_inverse=True)[1]
    return Outputs(logits[at], lab.examples.labels[at], groups, subjects[at])


def of_gate(measured: Sequence[Measured], gate: Forgetting) -> dict[str, Any]:
    """Sum up what the gates' attack and the gate say; the two runs of a model go together."""
    said = Counter(gate.judge(run).outcome for run in measured)
    return {
        "AUC": dataclasses.astuple(_by_model(measured, "forget_auc")),
        "tail": dataclasses.astuple(_by_model(measured, f"forget_tail_high@{FPR}")),
        "said": {str(outcome): said[outcome] for outcome in Outcome},
    }


def _by_model(measured: Sequence[Measured], name: str) -> Interval:
    values = np.array([run[name].value for run in measured])
    return mean_of(values.reshape(-1, 2).mean(1).tolist())
