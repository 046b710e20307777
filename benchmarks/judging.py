"""What the gates say of models whose right verdict is known, over many seeds.

    python -m benchmarks.judging --data cifar10 --seeds 10
    python -m benchmarks.judging --data digits --seeds 10

Every seed has its own forget set, champion and retrained model; one shadow bank serves all. Models
are kept under --cache, so an interrupted run goes on. Writes benchmarks/results/judging-DATA.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from benchmarks import planted, record
from unlearning import networks
from unlearning.attacks.lira import LiraOffline
from unlearning.domain import Examples, Split, Verdict
from unlearning.judging import decide, gates_of, judge
from unlearning.measuring import Trial, accuracies, measure
from unlearning.networks import Classifier, Recipe
from unlearning.outputs import outputs_of
from unlearning.shadows import BankPlan, bank_complete, build_bank, load_bank
from unlearning.training import Training, train

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared" / "data"


@dataclass(frozen=True, eq=False)
class Setting:
    """A data set cut into parts, with the network and training that it is tried on."""

    name: str
    train: Examples
    holdout: Examples
    test: Examples
    recipe: Recipe
    training: Training
    shadows: int
    forgotten: int
    by_subject: bool


def digits() -> Setting:
    """Give 1,100 / 400 / 297 digits, people of 12 images, 10 % wrong labels; 10 forgotten."""
    from sklearn.datasets import load_digits

    rng = np.random.default_rng(0)
    bunch = load_digits()
    order = rng.permutation(len(bunch.target))
    images = (bunch.images[order] * 255 / 16).round().astype(np.uint8)[:, None]
    labels = bunch.target[order].astype(np.int64)
    wrong = rng.random(len(labels)) < 0.10
    labels = np.where(wrong, (labels + rng.integers(1, 10, len(labels))) % 10, labels)
    subjects = np.array([f"{i // 12:04d}" for i in range(len(labels))])
    everything = Examples(images, labels, np.arange(len(labels)).astype(np.str_), subjects)
    recipe = Recipe(network="conv-small", classes=10, channels=1, size=8, mean=(0.3,), std=(0.36,))
    training = Training(epochs=30, batch_size=64, learning_rate=0.1, precision="fp32")
    return Setting(
        "digits",
        everything.take(np.arange(1100)),
        everything.take(np.arange(1100, 1500)),
        everything.take(np.arange(1500, 1797)),
        recipe,
        training,
        shadows=32,
        forgotten=10,
        by_subject=True,
    )


def decoded(path: Path, rows: np.ndarray) -> Examples:
    """Read and decode some rows of one of the shared CIFAR-10 files."""
    import pyarrow.parquet as pq
    from PIL import Image

    table = pq.read_table(path, columns=["image", "label", "sample_id"]).take(rows)
    images = [Image.open(io.BytesIO(b)).convert("RGB") for b in table["image"].to_pylist()]
    pixels = np.stack([np.asarray(image).transpose(2, 0, 1) for image in images])
    ids = np.array(table["sample_id"].to_pylist())
    return Examples(pixels, table["label"].to_numpy().astype(np.int64), ids, ids)


def cifar10() -> Setting:
    """Give 10,000 / 5,000 of CIFAR-10's training images and 5,000 test images; 500 forgotten."""
    order = np.random.default_rng(0).permutation(50_000)
    recipe = Recipe(
        network="resnet20",
        classes=10,
        channels=3,
        size=32,
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2470, 0.2435, 0.2616),
    )
    return Setting(
        "cifar10",
        decoded(SHARED / "cifar10/train.parquet", order[:10_000]),
        decoded(SHARED / "cifar10/train.parquet", order[10_000:15_000]),
        decoded(
            SHARED / "cifar10/test.parquet", np.random.default_rng(1).permutation(10_000)[:5_000]
        ),
        recipe,
        Training(epochs=12, batch_size=128, learning_rate=0.2),
        shadows=16,
        forgotten=500,
        by_subject=False,
    )


SETTINGS: dict[str, Callable[[], Setting]] = {"digits": digits, "cifar10": cifar10}


def split_of(setting: Setting, seed: int) -> Split:
    """Draw the forget set of a seed: whole subjects, or examples."""
    rng = np.random.default_rng(1000 + seed)
    subjects = np.unique(setting.train.subjects)
    chosen = rng.choice(subjects, setting.forgotten, replace=False)
    forgets = np.isin(setting.train.subjects, chosen)
    parts = setting.train.take(forgets), setting.train.take(~forgets)
    return Split(*parts, setting.holdout, setting.test, setting.recipe.classes)


_setting: Setting | None = None


def _start(name: str) -> None:
    global _setting
    torch.set_num_threads(1)
    _setting = SETTINGS[name]()


def _train_one(kind: str, seed: int, path: Path) -> Path:
    if _setting is None:
        raise RuntimeError("a worker was not started with its setting")
    if not path.exists():
        examples = _setting.train if kind == "champion" else split_of(_setting, seed).retain
        rng = torch.Generator().manual_seed(seed + (0 if kind == "champion" else 500_000))
        network = networks.build(_setting.recipe, rng)
        networks.save(train(network, examples, _setting.training, rng), path)  # type: ignore[arg-type]
    return path


def train_all(name: str, seeds: int, cache: Path, workers: int) -> None:
    """Train each seed's champion and retrained model."""
    jobs = [(kind, seed) for seed in range(seeds) for kind in ("champion", "retrained")]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, spawn, _start, (name,)) as pool:
        futures = [pool.submit(_train_one, k, s, model_path(cache, k, s)) for k, s in jobs]
        for done, future in enumerate(futures, 1):
            print(f"{done}/{len(jobs)} {future.result().name}", flush=True)


def model_path(cache: Path, kind: str, seed: int) -> Path:
    """Name a model's file."""
    return cache / f"{kind}-{seed:03d}.safetensors"


def candidates(champion: Classifier, retrained: Classifier, split: Split) -> dict[str, Classifier]:
    """Give the planted candidates of one seed."""
    return {
        "untouched champion": champion,
        "hidden by output bias": planted.hidden_by_bias(champion, split),
        "wrecked by ascent": planted.wrecked_by_ascent(champion, split),
        "retrained, other seed": retrained,
    }


def judge_seed(setting: Setting, seed: int, cache: Path, folder: Path) -> list[dict[str, Any]]:
    """Judge the planted candidates of one seed, as candidates from elsewhere: none is exact."""
    policy = yaml.safe_load((ROOT / "policy.yaml").read_text())
    gates = gates_of(policy["gates"])
    bank, split = load_bank(folder), split_of(setting, seed)
    sample = np.arange(min(1000, len(split.retain)))
    split = dataclasses.replace(split, retain=split.retain.take(sample))
    models = {k: networks.load(model_path(cache, k, seed)) for k in ("champion", "retrained")}
    before = outputs_of(models["champion"], split)
    shadows = bank.on(np.concatenate([split.forget.ids, split.holdout.ids]))
    rows = []
    for name, network in candidates(models["champion"], models["retrained"], split).items():
        trial = Trial(
            candidate=outputs_of(network, split),
            champion=before,
            shadows=shadows,
            shadow_accuracy=bank.test_accuracy,
            shadow_size=float(bank.trained_on.mean()),
            train_size=len(setting.train),
        )
        measured = measure(trial, LiraOffline())
        verdicts = judge(measured, gates)
        rows.append(_row(name, seed, verdicts, measured, accuracies(trial.candidate)))
        print(seed, name, rows[-1]["decision"], rows[-1]["verdicts"], flush=True)
    return rows


def _row(
    name: str, seed: int, verdicts: tuple[Verdict, ...], measured: Any, accuracy: Any
) -> dict[str, Any]:
    kept = ("forget_auc", "loss_auc", "null_auc", "accuracy_drop", "predicted_drop")
    return {
        "candidate": name,
        "seed": seed,
        "decision": str(decide(verdicts, exact=False)),
        "verdicts": {v.gate: str(v.outcome) for v in verdicts},
        "measurements": {key: dataclasses.asdict(measured[key]) for key in kept},
        "accuracy": {group.name.lower(): round(value, 4) for group, value in accuracy.items()},
    }


def table(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Count decisions and the forgetting and utility verdicts for each kind of candidate."""
    result = []
    for name in dict.fromkeys(row["candidate"] for row in rows):
        of = [row for row in rows if row["candidate"] == name]
        counted: dict[str, Any] = {"candidate": name, "n": len(of)}
        for decision in ("released", "refused", "inconclusive"):
            counted[decision] = sum(row["decision"] == decision for row in of)
        for gate in ("forgetting", "utility"):
            for outcome in ("PASSED", "FAILED", "INCONCLUSIVE"):
                key = f"{gate} {outcome}"
                counted[key] = sum(row["verdicts"][gate] == outcome for row in of)
        aucs = [row["measurements"]["forget_auc"]["value"] for row in of]
        counted["forget_auc min, mean, max"] = [round(f(aucs), 3) for f in (min, np.mean, max)]
        result.append(counted)
    return result


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=sorted(SETTINGS), default="digits")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cache", type=Path, default=ROOT / "artifacts" / "benchmarks")
    args = parser.parse_args()
    setting, cache = SETTINGS[args.data](), args.cache / args.data
    plan = BankPlan(
        data_version=f"benchmark-{setting.name}",
        recipe=setting.recipe,
        training=setting.training,
        shadows=setting.shadows,
        seed=0,
    )
    folder, parts = cache / plan.key, (setting.train, setting.holdout, setting.test)
    if not bank_complete(folder):
        build_bank(
            plan, parts, cache, workers=args.workers, progress=lambda *at: print(*at, flush=True)
        )
    train_all(args.data, args.seeds, cache, args.workers)
    rows = [row for s in range(args.seeds) for row in judge_seed(setting, s, cache, folder)]
    counted = table(rows)
    for line in counted:
        print(line)
    settings = {
        "data": args.data,
        "seeds": args.seeds,
        "train": len(setting.train),
        "holdout": len(setting.holdout),
        "test": len(setting.test),
        "forgotten": len(split_of(setting, 0).forget),
        "shadows": setting.shadows,
        "training": dataclasses.asdict(setting.training),
        "recipe": dataclasses.asdict(setting.recipe),
    }
    print(record.write(f"judging-{args.data}", settings, {"table": counted, "seeds": rows}))


if __name__ == "__main__":
    main()
