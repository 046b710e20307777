"""Fine-tuning a vision transformer: layers' rates and warm-up beside all alike.

    python -m benchmarks.recipe.layers --seeds 5

Digits: a small transformer learns 400 of other people, and is then fine-tuned on 1,100 of which it
saw none, by AdamW at two peak rates; `fresh weights` learn these alone. Writes recipe-layers.json.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

import torch

from benchmarks import record, samples
from unlearning.networks import Classifier, build
from unlearning.outputs import accuracy, logits_of
from unlearning.training.loop import Training, train

NETWORK = "vit-digits"
LEARNED = Training(
    epochs=30,
    batch_size=64,
    learning_rate=1e-3,
    weight_decay=0.05,
    optimiser="adamw",
    schedule="cosine",
    precision="fp32",
)
"""How the transformer learned what came before."""

EPOCHS, PEAKS = 10, (1e-3, 4e-3)
WAYS: Mapping[str, Mapping[str, Any]] = {
    "all alike": {},
    "layer decay 0.75": {"layer_decay": 0.75},
    "layer decay 0.5": {"layer_decay": 0.5},
    "warm-up of a tenth": {"warmup": 0.1},
    "layer decay 0.75, warm-up": {"layer_decay": 0.75, "warmup": 0.1},
}
FRESH = "fresh weights"


def rows(seeds: int) -> Iterator[dict[str, Any]]:
    """Fine-tune by every way at every rate; each seed has weights of its own to begin with."""
    on = samples.digits()
    recipe = replace(on.recipe, network=NETWORK)
    for seed in range(seeds):
        rng = torch.Generator().manual_seed(seed)
        fresh = build(recipe, rng)
        known = train(deepcopy(fresh), on.holdout, LEARNED, rng)
        for peak in PEAKS:
            for way, changed in {FRESH: {}, **WAYS}.items():
                start = deepcopy(fresh if way == FRESH else known)
                how = replace(LEARNED, epochs=EPOCHS, learning_rate=peak, **changed)
                made = train(start, on.train, how, torch.Generator().manual_seed(seed))
                yield {"way": way, "peak": peak, "seed": seed, **_right(made, on)}


def _right(network: torch.nn.Module, on: samples.Setting) -> dict[str, float]:
    assert isinstance(network, Classifier)
    parts = {"test_accuracy": on.test, "train_accuracy": on.train}
    return {k: round(accuracy(logits_of(network, e), e.labels), 4) for k, e in parts.items()}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="layers", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    settings = {"network": NETWORK, "epochs": EPOCHS, "seeds": args.seeds}
    print(record.write("recipe-layers", settings, list(rows(args.seeds))))


if __name__ == "__main__":
    main()
