"""What benchmarks.famr tries FAMR on: digits, a small vision transformer, classes and samples.

Unlike in benchmarks.samples the labels are right, as in the paper's data. A trial is a task and a
seed; settings are chosen on a trial of its own, whose class and sample no other trial forgets.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from systems.report.famr_page import over_seeds
from unlearning import networks
from unlearning.domain import BoolArray, Examples, FloatArray, Split, joined
from unlearning.features import features_of, probe_auc
from unlearning.networks import Classifier, Recipe
from unlearning.outputs import accuracy, logits_of
from unlearning.statistics.entropies import entropy
from unlearning.statistics.intervals import clopper_pearson
from unlearning.statistics.signals import log_confidence
from unlearning.training.loop import Training, train

TASKS = ("class", "sample")
TUNING = 9
"""The seed on which settings are chosen; 0 to 8 are evaluated."""

RECIPE = Recipe(network="vit-digits", classes=10, channels=1, size=8, mean=(0.3,), std=(0.36,))
WIDTH = 64
"""RECIPE's width."""

TRAINING = Training(
    epochs=40,
    batch_size=64,
    learning_rate=2e-3,
    weight_decay=0.05,
    schedule="cosine",
    optimiser="adamw",
    precision="fp32",
)

COLUMNS = ("Ret", "For", "For, test", "CE", "Ent", "KL", "probe")
ACCURACIES = {"Ret", "For", "For, test"}
SHARES = ACCURACIES | {"probe"}


@dataclass(frozen=True)
class Trial:
    """One task with one seed: its own original, forget set and retrained network."""

    task: str
    seed: int

    def __str__(self) -> str:
        """Name it in file names."""
        return f"{self.task}-{self.seed}"


@cache
def digits() -> tuple[Examples, Examples]:
    """Give scikit-learn's 1,797 digits as 1,200 training and 597 test examples."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    order = np.random.default_rng(0).permutation(len(bunch.target))
    images = (bunch.images[order] * 255 / 16).round().astype(np.uint8)[:, None]
    ids = np.arange(len(order)).astype(np.str_)
    everything = Examples(images, bunch.target[order].astype(np.int64), ids, ids)
    return everything.take(np.arange(1200)), everything.take(np.arange(1200, 1797))


def split_of(trial: Trial) -> Split:
    """Forget the seed's class, or its tenth of the training examples."""
    examples, test = digits()
    if trial.task == "class":
        forgets = examples.labels == class_of(trial)
    else:
        tenths = np.array_split(np.random.default_rng(1).permutation(len(examples)), 10)
        forgets = np.isin(np.arange(len(examples)), tenths[trial.seed])
    return Split(examples.take(forgets), examples.take(~forgets), test, test, RECIPE.classes)


def class_of(trial: Trial) -> int:
    """Give the class that is forgotten, drawn without replacement over seeds."""
    return int(np.random.default_rng(2).permutation(RECIPE.classes)[trial.seed])


def stays(trial: Trial) -> BoolArray:
    """Mask of the test examples whose class stays, (597,)."""
    labels = digits()[1].labels
    return np.asarray(labels != class_of(trial) if trial.task == "class" else labels >= 0)


def models(trial: Trial, folder: Path, width: int = WIDTH) -> tuple[Classifier, Classifier]:
    """Give the trial's original and retrained network, trained now unless they are kept.

    width: of the transformer; what is not of RECIPE's has it in its file's name.
    """
    split, wide = split_of(trial), "" if width == WIDTH else f"{width}-"
    everything = joined(split.forget, split.retain)
    original, again = f"original-{wide}{trial.seed}", f"retrained-{wide}{trial}"
    return (
        _kept(folder / f"{original}.safetensors", everything, trial.seed, width),
        _kept(folder / f"{again}.safetensors", split.retain, 500_000 + trial.seed, width),
    )


def _kept(path: Path, examples: Examples, seed: int, width: int) -> Classifier:
    rng = torch.Generator().manual_seed(seed)
    network = networks.build(RECIPE, rng) if width == WIDTH else built(width, rng)
    if path.exists():
        network.body.load_state_dict(load_file(path))
        return network.eval()
    # In one order, whatever is forgotten, so that every task finds the same original.
    ordered = examples.take(np.argsort(examples.ids.astype(int)))
    train(network, ordered, TRAINING, rng)
    path.parent.mkdir(parents=True, exist_ok=True)
    networks.save(network, path)
    print("trained", path.name, flush=True)
    return network.eval()


def built(width: int, rng: torch.Generator) -> Classifier:
    """Build RECIPE's transformer in another width."""
    from timm.models.vision_transformer import VisionTransformer

    shape: dict[str, Any] = {"img_size": RECIPE.size, "patch_size": 2, "in_chans": RECIPE.channels}
    shape |= {"num_classes": RECIPE.classes, "embed_dim": width, "depth": 4, "num_heads": 4}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (), generator=rng)))
        return Classifier(VisionTransformer(**shape), RECIPE)


def columns(network: torch.nn.Module, before: FloatArray, trial: Trial) -> dict[str, float]:
    """Give the columns of the paper's Tables 1 and 2, and what they leave out.

    before: the original's logits on the forget set. Ret: accuracy on test examples of the classes
    that stay. For: on the forget set; `For, test`: on test examples of the forgotten class. CE,
    Ent: cross-entropy of the true label and entropy on the forget set. KL: KL(p_theta0 || p_theta)
    there, in nats.
    """
    return columns_of(network, before, split_of(trial), stays(trial))


def columns_of(
    network: torch.nn.Module, before: FloatArray, split: Split, kept: BoolArray
) -> dict[str, float]:
    """Give the same of any split; kept: which test examples stay."""
    forget, test = logits_of(network, split.forget), logits_of(network, split.test)
    found = {
        "Ret": accuracy(test[kept], split.test.labels[kept]),
        "For": accuracy(forget, split.forget.labels),
        "CE": -float(log_confidence(forget, split.forget.labels).mean()),
        "Ent": float(entropy(forget).mean()),
        "KL": divergence(before, forget),
    }
    if not kept.all():
        found["For, test"] = accuracy(test[~kept], split.test.labels[~kept])
    return found


def divergence(before: FloatArray, now: FloatArray) -> float:
    """Mean KL(p_before || p_now) of logits (n, classes), in nats."""
    p, q = (torch.from_numpy(x).double().log_softmax(1) for x in (before, now))
    return float((p.exp() * (p - q)).sum(1).mean())


def probe(network: torch.nn.Module, trial: Trial) -> float:
    """How well a linear probe on the penultimate features tells the forgotten class, as AUC.

    Trained on the training examples, the forgotten ones with their label, scored on test examples.
    """
    split = split_of(trial)
    known = joined(split.forget, split.retain)
    is_known = np.arange(len(known)) < len(split.forget)
    features = features_of(network, known), features_of(network, split.test)
    return probe_auc(features[0], is_known, features[1], ~stays(trial))


def with_probe(network: torch.nn.Module, row: dict[str, float], trial: Trial) -> dict[str, float]:
    """Add the probe where a class was forgotten."""
    return row | {"probe": probe(network, trial)} if trial.task == "class" else row


def summary(name: str, rows: Sequence[dict[str, float]], counts: dict[str, int]) -> dict[str, Any]:
    """Give each column's mean, standard deviation and 95 % interval over seeds."""
    found: dict[str, Any] = {"row": name, "n": len(rows)}
    for column in (c for c in COLUMNS if c in rows[0]):
        values = np.array([row[column] for row in rows])
        low, high = interval(values, counts.get(column))
        if column in SHARES:
            low, high = max(0.0, low), min(1.0, high)
        found[column] = {
            "mean": round(float(values.mean()), 4),
            "sd": round(float(values.std(ddof=1)), 4),
            "low": round(low, 4),
            "high": round(high, 4),
        }
    return found


def interval(values: FloatArray, examples: int | None) -> tuple[float, float]:
    """Student's t over seeds; for accuracies on so many `examples` in all, no less than binomial.

    Five seeds with an accuracy of exactly 0 have no spread, and still prove no 0.
    """
    _, low, high = (float(x) for x in over_seeds(values))
    if examples is None:
        return low, high
    exact = clopper_pearson(float(values.mean()) * examples, examples)
    return min(low, exact.low), max(high, exact.high)


def counted(trials: Sequence[Trial]) -> dict[str, int]:
    """Count the examples behind each accuracy, over all trials."""
    stay = [int(stays(trial).sum()) for trial in trials]
    gone = [len(stays(trial)) - n for trial, n in zip(trials, stay, strict=True)]
    forget = [len(split_of(trial).forget) for trial in trials]
    return {"Ret": sum(stay), "For": sum(forget), "For, test": max(1, sum(gone))}


def settings() -> dict[str, object]:
    """What the trials are made of, for the result's file."""
    train_set, test = digits()
    return {
        "data": "scikit-learn digits",
        "train": len(train_set),
        "test": len(test),
        "recipe": dataclasses.asdict(RECIPE),
        "training": dataclasses.asdict(TRAINING),
    }
