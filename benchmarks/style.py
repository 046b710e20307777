"""Forgetting a style: coloured MNIST, where the digit has nothing to do with the colours.

    python -m benchmarks.style --seeds 3

Each seed forgets another style. Compared: the original, FAMR's style loss, its divergence and both,
fine-tuning on the rest, and a network retrained without the style. Models are kept under --cache.
Writes benchmarks/results/style.json.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from torch import nn

from benchmarks import record
from benchmarks.judging import ROOT, SHARED, decoded
from tasks.famr_page import over_seeds
from unlearning import networks
from unlearning.contracts import Method
from unlearning.domain import Examples, FloatArray, Split, TextArray
from unlearning.errors import Diverged
from unlearning.features import features_of, probe_auc
from unlearning.methods.famr import Famr
from unlearning.methods.finetune import FineTune
from unlearning.networks import Classifier, Recipe
from unlearning.outputs import logits_of
from unlearning.training import Training, silent, train

FORGOTTEN = ("white_on_purple", "black_on_white", "red", "pink_on_grey")
"""The style that a seed forgets; the last is the one that settings are chosen on."""

RECIPE = Recipe(
    network="conv-small",
    classes=10,
    channels=3,
    size=28,
    mean=(0.26, 0.25, 0.28),
    std=(0.36, 0.33, 0.33),
)
TRAINING = Training(epochs=5, batch_size=64, learning_rate=0.1, precision="fp32")
LAYER = "body.6"
"""The first pooling: 64 channels at half the size."""

COLUMNS = ("forgotten style", "other styles", "probe")


@dataclass(frozen=True, eq=False)
class Styled:
    """Examples with the style of each, (n,)."""

    examples: Examples
    styles: TextArray


@cache
def data(part: str, count: int) -> Styled:
    """Draw some of the shared images."""
    path = SHARED / f"coloured_mnist/{part}.parquet"
    table = pq.read_table(path, columns=["style"])
    rows = np.random.default_rng(0).permutation(len(table))[:count]
    return Styled(decoded(path, rows), np.array(table["style"].to_pylist(), dtype=np.str_)[rows])


def training_data() -> Styled:
    """Give 3,000 training images of all styles."""
    return data("train", 3000)


def test_data() -> Styled:
    """Give 1,500 test images of all styles."""
    return data("test", 1500)


def split_of(seed: int) -> Split:
    """Forget the seed's style."""
    known, test = training_data(), test_data().examples
    forgets = known.styles == FORGOTTEN[seed]
    forget, retain = known.examples.take(forgets), known.examples.take(~forgets)
    return Split(forget, retain, test, test, RECIPE.classes)


def models(seed: int, folder: Path) -> tuple[Classifier, Classifier]:
    """Give the seed's original and retrained network, trained now unless they are kept."""
    original = _kept(folder / f"original-{seed}.safetensors", training_data().examples, seed)
    retain = split_of(seed).retain
    return original, _kept(folder / f"retrained-{seed}.safetensors", retain, 500_000 + seed)


def _kept(path: Path, examples: Examples, seed: int) -> Classifier:
    if not path.exists():
        rng = torch.Generator().manual_seed(seed)
        network = networks.build(RECIPE, rng)
        train(network, examples, TRAINING, rng)
        networks.save(network, path)
        print("trained", path.name, flush=True)
    return networks.load(path)


def columns(network: nn.Module, seed: int) -> dict[str, float]:
    """Give digit accuracy on both kinds of test images, and the style probe.

    probe: AUC of a logistic regression on penultimate features that tells the forgotten style from
    the others; trained on training images of all styles, scored on test images.
    """
    known, test = training_data(), test_data()
    was, is_ = (part.styles == FORGOTTEN[seed] for part in (known, test))
    right = logits_of(network, test.examples).argmax(1) == test.examples.labels
    features = [features_of(network, part.examples) for part in (known, test)]
    return {
        "forgotten style": float(right[is_].mean()),
        "other styles": float(right[~is_].mean()),
        "probe": probe_auc(features[0], was, features[1], is_),
    }


def candidates() -> dict[str, list[Method]]:
    """Give the settings that each row may choose from, on the tuning seed."""
    rates, weights = (1e-5, 3e-5, 1e-4), (1.0, 10.0, 100.0)
    style = [Famr(style_weight=w, style_layer=LAYER, style_scale="relative") for w in weights]
    alone = [replace(famr, kl_weight=0.0) for famr in style]
    return {
        "FAMR, divergence only": [Famr(learning_rate=rate) for rate in rates],
        "FAMR, style only, grey": [*alone],
        "FAMR, style only, by class": [replace(famr, neutral="class") for famr in alone],
        "FAMR, combined, grey": [replace(famr, kl_weight=0.1) for famr in style],
        "fine-tuning": [
            FineTune(epochs=2, learning_rate=rate, precision="fp32") for rate in (0.01, 0.05)
        ],
    }


def produced(method: Method, original: Classifier, seed: int) -> nn.Module:
    """Run a method on the seed's original; raises Diverged."""
    rng = torch.Generator().manual_seed(900_000 + seed)
    return method.unlearn(original, split_of(seed), rng, silent)


def chosen(name: str, methods: Sequence[Method], folder: Path) -> Method:
    """Choose the settings that come nearest to the retrained network on the tuning seed."""
    seed = len(FORGOTTEN) - 1
    original, retrained = models(seed, folder)
    wanted = columns(retrained, seed)
    print("tuning: original", columns(original, seed), "retrained", wanted, flush=True)
    best, least = methods[0], np.inf
    for method in methods:
        try:
            found = columns(produced(method, original, seed), seed)
        except Diverged:
            continue
        gap = sum(abs(found[column] - wanted[column]) for column in COLUMNS)
        print(name, told(method), found, round(gap, 4), flush=True)
        if gap < least:
            best, least = method, gap
    return best


def told(method: Method) -> dict[str, Any]:
    """Give a method's settings that are not the published ones."""
    plain = type(method)()
    return {k: v for k, v in vars(method).items() if v != getattr(plain, k)}


def rows_of(methods: dict[str, Method], seed: int, folder: Path) -> dict[str, dict[str, float]]:
    """Measure every row on one seed."""
    original, retrained = models(seed, folder)
    found = {"original": columns(original, seed), "retrained": columns(retrained, seed)}
    for name, method in methods.items():
        try:
            found[name] = columns(produced(method, original, seed), seed)
        except Diverged as problem:
            print(seed, name, problem, flush=True)
            continue
        print(seed, name, found[name], flush=True)
    return found


def summary(seeds: Sequence[dict[str, dict[str, float]]]) -> list[dict[str, Any]]:
    """Give each row's columns over the seeds in which it did not diverge, two at least.

    `probe - retrained` is the probe's AUC less the retrained network's of the same seed.
    """
    names = dict.fromkeys(name for rows in seeds for name in rows)
    return [line(name, [rows for rows in seeds if name in rows]) for name in names]


def line(name: str, seeds: Sequence[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Give one row."""
    found: dict[str, Any] = {"row": name, "n": len(seeds)}
    if len(seeds) < 2:
        return found
    for column in COLUMNS:
        found[column] = spread(np.array([rows[name][column] for rows in seeds]))
    apart = [rows[name]["probe"] - rows["retrained"]["probe"] for rows in seeds]
    return found | {"probe - retrained": spread(np.array(apart))}


def spread(values: FloatArray) -> dict[str, float]:
    """Give mean, standard deviation and Student's 95 % interval over seeds."""
    numbers = (*over_seeds(values), values.std(ddof=1))
    names = ("mean", "low", "high", "sd")
    return {key: round(float(x), 4) for key, x in zip(names, numbers, strict=True)}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, choices=range(2, len(FORGOTTEN)))
    parser.add_argument("--cache", type=Path, default=ROOT / "artifacts/benchmarks/style")
    args = parser.parse_args()
    torch.set_num_threads(1)
    methods = {name: chosen(name, some, args.cache) for name, some in candidates().items()}
    seeds = [rows_of(methods, seed, args.cache) for seed in range(args.seeds)]
    settings = {
        "data": "coloured_mnist",
        "train": len(training_data().examples),
        "test": len(test_data().examples),
        "forgotten": FORGOTTEN[: args.seeds],
        "tuned on": FORGOTTEN[-1],
        "recipe": dataclasses.asdict(RECIPE),
        "training": dataclasses.asdict(TRAINING),
        "methods": {name: dataclasses.asdict(method) for name, method in methods.items()},  # type: ignore[call-overload]
    }
    print(record.write("style", settings, {"table": summary(seeds), "seeds": seeds}))


if __name__ == "__main__":
    main()
