"""Recipes beside each other: seconds of a processor, test accuracy, and what is learned by heart.

    python -m benchmarks.recipe --data digits omniglot cifar10 --seeds 3

Each recipe trains from fresh weights in one process of one thread, the recipes of a data set in
turn within a seed, so that their ratios hold on a machine that others use too. Seconds are those of
the processor; with a GPU, of the wall. Gap: accuracy on training examples as they are labelled less
that on test examples. cifar10-all, all 50,000, is for a GPU and has to be asked for.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import record, samples
from benchmarks.methods import full_cifar
from unlearning.domain import Examples
from unlearning.networks import Recipe, build
from unlearning.outputs import accuracy, logits_of
from unlearning.training.loop import Training, train

BEFORE, NOW = "before", "now"
ALL = "cifar10-all"


def omniglot() -> samples.Setting:
    """Give the alphabets of Omniglot, 32 x 32 pixels, a fifth of the drawers as strangers."""
    root = samples.SHARED / "omniglot"
    everybody, test = _alphabets(root / "train.parquet"), _alphabets(root / "test.parquet")
    drawers = np.random.default_rng(0).permutation(np.unique(everybody.subjects))
    away = np.isin(everybody.subjects, drawers[: len(drawers) // 5])
    recipe = Recipe(network="resnet20", classes=8, channels=1, size=32, mean=(0.9,), std=(0.25,))
    training = Training(epochs=15, batch_size=128, learning_rate=0.2)
    return samples.Setting(
        "omniglot",
        everybody.take(~away),
        everybody.take(away),
        test,
        recipe,
        training,
        shadows=8,
        forgotten=1,
    )


def _alphabets(path: Path) -> Examples:
    import pyarrow.parquet as pq
    from PIL import Image

    table = pq.read_table(path, columns=["image", "alphabet_label", "sample_id", "subject_id"])
    images = [Image.open(io.BytesIO(b)).convert("L").resize((32, 32)) for b in _values(table, 0)]
    pixels = np.stack([np.asarray(image, dtype=np.uint8)[None] for image in images])
    ids, subjects = (np.array(_values(table, n)).astype(np.str_) for n in (2, 3))
    return Examples(pixels, np.array(_values(table, 1), dtype=np.int64), ids, subjects)


def _values(table: Any, column: int) -> list[Any]:
    return list(table.column(column).to_pylist())


def cifar10_all() -> samples.Setting:
    """Give all of CIFAR-10, with the network that the papers retrain, ResNet-18."""
    return full_cifar.setting("cifar10-all", full_cifar.RECIPE)


SETTINGS: dict[str, Callable[[], samples.Setting]] = {
    **samples.SETTINGS,
    "omniglot": omniglot,
    ALL: cifar10_all,
}

SMOOTH = {"label_smoothing": 0.2, "decays": "weights"}
ONE = {"schedule": "one_cycle", **SMOOTH}
RECIPES: dict[str, dict[str, tuple[str | None, Mapping[str, Any]]]] = {
    "digits": {
        BEFORE: (None, {}),
        "a tenth of the passes": (None, {"epochs": 3}),
        NOW: (None, {"epochs": 6, **SMOOTH}),
    },
    "omniglot": {
        BEFORE: (None, {}),
        NOW: ("conv-whitened", {"epochs": 12, "augmentation": "crop", "batch_size": 64, **SMOOTH}),
    },
    "cifar10": {
        BEFORE: (None, {}),
        "conv-medium": ("conv-medium", {"augmentation": "crop_flip"}),
        NOW: ("conv-whitened", {"epochs": 6, "augmentation": "crop_flip", **SMOOTH}),
    },
    ALL: {
        BEFORE: (None, {"epochs": 30}),
        NOW: ("conv-whitened", {"epochs": 10, "batch_size": 256, "learning_rate": 0.2, **ONE}),
    },
}
"""Network, None for the setting's own, and what of the setting's training is changed."""


def by_recipe(on: samples.Setting, name: str) -> samples.Setting:
    """Give a data set with the network and the training of one of its recipes."""
    network, changes = RECIPES[on.name][name]
    recipe = replace(on.recipe, network=network or on.recipe.network)
    return replace(on, recipe=recipe, training=replace(on.training, **changes))


def measured(setting: samples.Setting, seed: int) -> dict[str, Any]:
    """Train once and look."""
    rng = torch.Generator().manual_seed(seed)
    fresh = build(setting.recipe, rng)
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    started = clock()
    made = train(fresh, setting.train, setting.training, rng)
    seconds = clock() - started
    right = [accuracy(logits_of(made, e), e.labels) for e in (setting.test, setting.train)]
    return {
        "cpu_seconds": round(seconds, 2),
        "test_accuracy": round(right[0], 4),
        "train_accuracy": round(right[1], 4),
        "gap": round(right[1] - right[0], 4),
    }


def rows(data: str, seeds: int, only: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Train by every recipe of a data set in turn."""
    setting = SETTINGS[data]()
    for seed in range(seeds):
        for name in only or RECIPES[data]:
            on = by_recipe(setting, name)
            yield {
                "data": data,
                "recipe": name,
                "seed": seed,
                "n": len(on.train),
                "network": on.recipe.network,
                "training": asdict(on.training),
                **measured(on, seed),
            }


def main() -> None:
    """Run the benchmark; data sets that are not there are left out, and named."""
    parser = argparse.ArgumentParser(prog="recipe", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", nargs="+", choices=sorted(RECIPES), default=sorted(set(RECIPES) - {ALL})
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=(), help="Recipes; the result is not written.")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for data in args.data:
        if data not in ("digits", ALL) and not (samples.SHARED / data).is_dir():
            print(f"skipped: ../shared/data/{data} is not there")
            continue
        found = []
        for row in rows(data, args.seeds, tuple(args.only)):
            found.append(row)
            told = {k: v for k, v in row.items() if k not in ("training", "n")}
            print(told, file=sys.stderr, flush=True)
        if not args.only:
            print(record.write(f"recipe-{data}", {"seeds": args.seeds, "threads": 1}, found))
