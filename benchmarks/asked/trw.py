"""TRW on automobiles: beside other methods by MIA-NN and a class-wise U-LiRA, and what it rests on.

Every method has one epoch at the same rate; nothing is tuned. The class-wise U-LiRA holds the
forgotten examples' confidence in the class, over candidates of all originals, against that over
models which never saw the class; the row `retrained` shows what chance makes of so few models.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from torch import nn

from benchmarks.asked.tilted import Noisy, spread_of
from benchmarks.asked.trials import AUTOMOBILE, ORIGINAL, OTHER, RETRAINED, Row, Trial
from benchmarks.methods.jobs import Job
from unlearning.audits.class_geometry import MiaNn
from unlearning.audits.ulira import evaluate, told_sides
from unlearning.contracts import Method
from unlearning.domain import FloatArray, Outputs
from unlearning.methods.finetune import FineTune
from unlearning.methods.neg_grad_plus import NegGradPlus
from unlearning.methods.random_label import RandomLabel
from unlearning.methods.salun import SalUn
from unlearning.methods.trw import TiltedReweighting
from unlearning.outputs import logits_of, outputs_of
from unlearning.statistics.signals import scaled_confidence

TASKS = {AUTOMOBILE: 9}
EPOCHS, RATE = 1, 0.05
BETAS = (0.0, 20.0)
NOISES = (0.3, 1.0)
"""Deviations of the noise on cosines, which are between -1 and 1."""

SWEPT = 1
"""Originals that TRW's own settings are swept from."""

MEASURED = 1
"""Originals whose candidates have all columns; U-LiRA alone asks the others."""

LEARNED = 1000
"""Test answers that MIA-NN's machines learn from; it fits one for each class and model."""

SAME: Mapping[str, Any] = {"epochs": EPOCHS, "learning_rate": RATE}
TRW = TiltedReweighting(**SAME)


def methods() -> dict[str, Method]:
    """Give what is run from every original, by the name of its row."""
    return {
        "finetune": FineTune(**SAME),
        "random_label": RandomLabel(**SAME),
        "salun": SalUn(**SAME),
        "neg_grad_plus": NegGradPlus(**SAME),
        "trw, beta 10": TRW,
    }


def swept(seed: int) -> dict[str, Method]:
    """Give what is asked of TRW alone, from fewer originals; each has noise of its own."""
    noisy = {f"trw, noise {x:g}": Noisy(**SAME, noise=x, noise_seed=seed) for x in NOISES}
    return {
        **{f"trw, beta {beta:g}": replace(TRW, beta=beta) for beta in BETAS},
        "trw, by example": replace(TRW, similarity="example"),
        **noisy,
    }


def rows(trials: Sequence[Trial]) -> Iterator[Row]:
    """Give all trials' rows; the models without the class of all of them are held against each."""
    for trial in trials:
        seed = trial.name.seed
        chosen = methods() | (swept(seed) if seed < SWEPT else {})
        if seed >= MEASURED:
            yield from _answered(trial, chosen)
            continue
        references = [_outputs(trial, t.network(Job(t.name, 1))) for t in trials]
        ask = partial(_asked, trial, references)
        yield from trial.plain(ask)
        for name, method in chosen.items():
            yield trial.row(name, method, ask)


def _answered(trial: Trial, chosen: Mapping[str, Method]) -> Iterator[Row]:
    """Give what a trial's models say of the forgotten examples, and nothing else."""
    made: dict[str, nn.Module] = {
        ORIGINAL: trial.network(),
        RETRAINED: trial.network(trial.retrained),
    }
    made |= {name: trial.unlearned(method) for name, method in chosen.items()}
    for name, network in made.items():
        shared = {"task": trial.name.task, "seed": trial.name.seed, "row": name}
        yield {**shared, "signals": _signals(trial, network)}


def _outputs(trial: Trial, network: nn.Module) -> Outputs:
    return outputs_of(network, trial.split)


def _asked(trial: Trial, references: Sequence[Outputs], network: nn.Module) -> Row:
    """Give MIA-NN's columns, and the signals that U-LiRA reads later."""
    found = MiaNn(least=2, examples=LEARNED).measure(
        [_outputs(trial, network)], references, np.random.default_rng(0)
    )
    further = {m.name: m.value for m in found if m.name in ("mia_nn", "class_tv")}
    return {"further": further, "signals": _signals(trial, network)}


def _signals(trial: Trial, network: nn.Module) -> list[float]:
    forget = trial.split.forget
    values = scaled_confidence(logits_of(network, forget), forget.labels)
    return [round(float(value), 4) for value in values]


def ulira(rows: Sequence[Row], never: FloatArray) -> dict[str, Any]:
    """Tell candidates from models that never saw the class, by each forgotten example.

    rows: one for each original. never: (models, n), what as many models without the class say.
    """
    sides = told_sides(np.array([row["signals"] for row in rows]), never)
    found = evaluate(sides, np.random.default_rng(0))
    pooled = found.pooled_auc
    return {
        "ulira": float(found.auc.mean()),
        "pooled": [pooled.value, pooled.low, pooled.high],
        "accuracy": float(found.balanced_accuracy.mean()),
    }


def further(trials: Sequence[Trial], found: Sequence[Row]) -> dict[str, Any]:
    """Give what is of all originals together: U-LiRA, and how far examples are from their class."""
    never = np.array([_signals(t, t.network(Job(t.name, 1))) for t in trials])
    once = Counter(row["row"] for row in found)
    names = [name for name, n in once.items() if n == len(trials) and name != OTHER]
    apart = [spread_of(t.network(), t.split.forget, TRW) for t in trials]
    return {
        "ulira": {n: ulira([r for r in found if r["row"] == n], never) for n in names},
        "similarity": apart,
    }
