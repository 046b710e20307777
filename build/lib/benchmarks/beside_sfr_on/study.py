"""Our methods beside the public code of SFR-on, from the same weights, index set and settings.

    python -m benchmarks.beside_sfr_on --public DIR

DIR is a checkout of that code (its folder Classification is used); without one nothing is run.
Both sides run on the CPU with the same threads, one after the other, method by method. Nothing is
augmented, and the public data loaders get ready-made tensors and no worker processes, which is
the faster way for them here. Writes benchmarks/results/beside-sfr-on.json.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from benchmarks import record
from benchmarks.beside_privacy_meter.study import commit
from benchmarks.methods import trials
from benchmarks.samples import ROOT
from unlearning import networks
from unlearning.domain import Examples, FloatArray, Split
from unlearning.methods import METHODS
from unlearning.networks import Classifier
from unlearning.outputs import accuracy, logits_of
from unlearning.training import keyed
from unlearning.training.loop import silent


@dataclass(frozen=True)
class Pair:
    """One method on both sides: the public class with its attributes, ours with its settings."""

    public: str
    attributes: Mapping[str, Any]
    method: str
    settings: Mapping[str, Any]


def pairs(epochs: int, steps: int) -> dict[str, Pair]:
    """Give the methods of SFR-on's CIFAR-10 table with its settings, but shorter.

    The public code moves the rate after each epoch and ours after each step: for one epoch theirs
    is constant, so ours is told to be.
    """
    descends = {"epochs": epochs}
    ours = {**descends, "schedule": "constant" if epochs == 1 else "cosine"}
    old = {"label_policy": "fixed", "exclude_true": True, "order": "mixed"}
    scrub = {"opt": "sgd", "sgda_epochs": epochs, "sgda_learning_rate": 8e-5}
    return {
        "FT": Pair("Finetune", descends, "finetune", {**ours, "learning_rate": 0.01}),
        "GA": Pair("GradAscent", {}, "gradient_ascent", {}),
        "RL": Pair("RandomLabel", descends, "random_label", {**ours, **old}),
        "SalUn": Pair(
            "SalUn",
            descends,
            "salun",
            {**ours, **old, "learning_rate": 0.007, "share": 0.2, "restore": False},
        ),
        "BT": Pair(
            "BadTeacher",
            descends,
            "bad_teacher",
            {**ours, "learning_rate": 0.02, "reduction": "elements"},
        ),
        "SCRUB": Pair(
            "SCRUB",
            {**scrub, "sgda_weight_decay": 5e-4},
            "scrub",
            ours,
        ),
        "SFR-on": Pair("SFRon", {"n_iters": steps}, "sfr_on", {"steps": steps}),
    }


class Pixels(Dataset[tuple[Tensor, int]]):
    """Examples as the public data sets give them: tensors in 0..1, and `targets` to overwrite."""

    def __init__(self, examples: Examples) -> None:
        """Make the tensors once."""
        self.data = torch.from_numpy(examples.images).float() / 255
        self.targets = examples.labels.tolist()

    def __len__(self) -> int:
        """Count the examples."""
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Give one image and its label."""
        return self.data[index], self.targets[index]


@contextlib.contextmanager
def public_code(folder: Path) -> Iterator[Any]:
    """Import the public package, made to run without a GPU, and take it away again."""
    sys.path.insert(0, str(folder / "Classification"))
    moves = torch.Tensor.cuda, nn.Module.cuda
    torch.Tensor.cuda = nn.Module.cuda = lambda self, *_: self  # type: ignore[method-assign,assignment]
    try:
        yield importlib.import_module("unlearn")
    finally:
        torch.Tensor.cuda, nn.Module.cuda = moves  # type: ignore[method-assign]
        sys.path.pop(0)


def loader(*args: Any, **kwargs: Any) -> DataLoader[Any]:
    """Make a data loader without worker processes."""
    return DataLoader(*args, **{**kwargs, "num_workers": 0})


def run_public(
    public: Any, pair: Pair, original: Classifier, split: Split, seed: int
) -> tuple[nn.Module, float]:
    """Run the public side; give its network and the seconds of preparing and unlearning."""
    for name in ("random_label", "salun", "bad_teacher"):
        importlib.import_module(f"unlearn.{name}").DataLoader = loader  # type: ignore[attr-defined]
    rng = torch.Generator().manual_seed(seed)
    bad = importlib.import_module("unlearn.bad_teacher")
    bad.create_model = lambda **_: networks.build(original.recipe, rng)  # type: ignore[attr-defined]
    args = SimpleNamespace(num_classes=split.classes, seed=seed, model="", batch_size=128)
    parts = {"forget_train": split.forget, "retain_train": split.retain}
    loaders: dict[str, Any] = {
        name: loader(Pixels(part), batch_size=128, shuffle=True) for name, part in parts.items()
    }
    loaders |= {"forget_valid": None, "retain_valid": None}
    network = networks.build(original.recipe)
    network.load_state_dict(original.state_dict())
    with tempfile.TemporaryDirectory() as scratch, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        began = time.perf_counter()
        method = getattr(public, pair.public)(network, nn.CrossEntropyLoss(), scratch, args)
        for key, value in {**pair.attributes, "eval": False}.items():
            setattr(method, key, value)
        method.prepare_unlearn(loaders)
        result = method.get_unlearned_model()
        return result.eval(), time.perf_counter() - began


def run_ours(
    pair: Pair, original: Classifier, split: Split, seed: int, precision: str
) -> tuple[nn.Module, float]:
    """Run our side in the same way; nothing is kept from an earlier run."""
    keyed.clear()
    method = METHODS.create(pair.method, {**pair.settings, "precision": precision})
    began = time.perf_counter()
    result = method.unlearn(original, split, torch.Generator().manual_seed(seed), silent)
    return result, time.perf_counter() - began


def described(network: nn.Module, seconds: float, split: Split) -> dict[str, Any]:
    """Give FA, RA, TA in per cent, the seconds, and the test logits to compare."""
    parts = {"FA": split.forget, "RA": split.retain, "TA": split.test}
    logits = {name: logits_of(network, part) for name, part in parts.items()}
    rates = {n: 100 * accuracy(logits[n], part.labels) for n, part in parts.items()}
    return {**rates, "seconds": seconds, "logits": logits["TA"]}


def divergence(first: FloatArray, second: FloatArray) -> float:
    """Mean Jensen-Shannon divergence of two networks' outputs, nats."""
    p, q = (torch.from_numpy(x).double().softmax(1) for x in (first, second))
    middle = (p + q) / 2
    js = (torch.xlogy(p, p / middle) + torch.xlogy(q, q / middle)).sum(1) / 2
    return float(js.mean())


def compared(theirs: list[dict[str, Any]], ours: list[dict[str, Any]]) -> dict[str, Any]:
    """Compare two sides over seeds: means, deviations, and the difference with a 95 % interval."""
    row: dict[str, Any] = {"n": len(ours)}
    for key in ("FA", "RA", "TA"):
        values = [np.array([run[key] for run in side]) for side in (theirs, ours)]
        row[key] = {
            "public": [round(float(f(values[0])), 2) for f in (np.mean, _spread)],
            "ours": [round(float(f(values[1])), 2) for f in (np.mean, _spread)],
            "difference": round(float(values[1].mean() - values[0].mean()), 2),
            "reach": round(_reach(*values), 2),
        }
    across = [divergence(a["logits"], b["logits"]) for a, b in zip(theirs, ours, strict=True)]
    within = [
        divergence(side[i]["logits"], side[j]["logits"])
        for side in (theirs, ours)
        for i in range(len(side))
        for j in range(i)
    ]
    row["JS between sides"] = round(float(np.mean(across)), 5)
    row["JS between seeds"] = round(float(np.mean(within)), 5)
    ratios = [b["seconds"] / a["seconds"] for a, b in zip(theirs, ours, strict=True)]
    row["seconds, public"] = round(float(np.median([run["seconds"] for run in theirs])), 1)
    row["seconds, ours / public"] = [round(float(f(ratios)), 3) for f in (min, np.median, max)]
    return row


def _spread(values: FloatArray) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


def _reach(first: FloatArray, second: FloatArray) -> float:
    """Half of the 95 % interval of the difference of two means (Welch 1947, smaller n - 1)."""
    n = min(len(first), len(second))
    error = np.sqrt(first.var(ddof=1) / len(first) + second.var(ddof=1) / len(second))
    return float(stats.t.ppf(0.975, n - 1) * error)


def reduced(split: Split, forget: int, retain: int, test: int) -> Split:
    """Take the first examples of each part."""
    parts = {"forget": forget, "retain": retain, "test": test, "holdout": 0}
    taken = {name: getattr(split, name).take(np.arange(n)) for name, n in parts.items()}
    return Split(**taken, classes=split.classes)


def main() -> None:
    """Run both sides."""
    parser = argparse.ArgumentParser(prog="beside_sfr_on", description=__doc__.splitlines()[0])
    parser.add_argument("--public", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--steps", type=int, default=45)
    parser.add_argument("--forget", type=int, default=300)
    parser.add_argument("--retain", type=int, default=2700)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=ROOT / "artifacts/benchmarks/cifar10")
    args = parser.parse_args()
    if not (args.public / "Classification").is_dir():
        print(f"skipped: {args.public.name} has no folder Classification, the public code's own")
        return
    torch.set_num_threads(args.threads)
    trial = trials.TrialName("random", 0)
    original = networks.load(trials.original_path(args.folder, trial))
    split = reduced(trials.split_of(trial), args.forget, args.retain, 2000)
    rows = {}
    with public_code(args.public) as public, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, pair in pairs(args.epochs, args.steps).items():
            theirs: list[dict[str, Any]] = []
            ours: list[dict[str, Any]] = []
            exact: list[dict[str, Any]] = []
            for seed in range(args.seeds):  # turn by turn, so that a slow minute falls on all
                with contextlib.redirect_stdout(io.StringIO()):
                    theirs.append(
                        described(*run_public(public, pair, original, split, seed), split)
                    )
                    ours.append(described(*run_ours(pair, original, split, seed, "auto"), split))
                    exact.append(described(*run_ours(pair, original, split, seed, "fp32"), split))
            full = compared(theirs, exact)
            rows[name] = {
                **compared(theirs, ours),
                "seconds, ours in fp32 / public": full["seconds, ours / public"],
                "JS between sides in fp32": full["JS between sides"],
            }
            print(name, rows[name], flush=True)
    plain = {k: v for k, v in vars(args).items() if k not in ("public", "folder")}
    settings = {**plain, "commit": commit(args.public)}
    print(record.write("beside-sfr-on", settings, rows))
