"""FAMR at the size of its paper's Tables 1 and 2: ViT-Ti, -S and -B on CIFAR, for a GPU.

    python -m benchmarks.famr --full --seeds 3

Pictures are read from a folder of Parquet files (`train*` and `test*`, CIFAR-100 or CIFAR-10),
pretrained weights from a folder of safetensors, each named as timm names the network; what is
absent is left out, with the reason. Each seed forgets another class. Original and retrained network
are tuned from the same weights; FAMR has its published settings, and a third of the rate. Not
measured yet. Each row is kept under --cache, so that a run that was cut off goes on.
Writes famr-full.json.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from benchmarks import record, samples
from benchmarks.famr.trials import columns_of
from benchmarks.methods.full_cifar import PARTS, whole
from unlearning.domain import BoolArray, Examples, Split, joined
from unlearning.errors import UsageError
from unlearning.methods.famr import Famr
from unlearning.networks import Classifier, Recipe
from unlearning.outputs import logits_of
from unlearning.training.loop import Training, silent, train

SIZES = {
    "Ti": "vit_tiny_patch16_224",
    "S": "vit_small_patch16_224",
    "B": "vit_base_patch16_224",
}
SEEN = 224
"""Pixels that these networks see, to which pictures are enlarged on the device."""

TRAINING = Training(
    epochs=5,
    batch_size=128,
    learning_rate=1e-4,
    weight_decay=0.05,
    schedule="cosine",
    optimiser="adamw",
    augmentation="crop_flip",
)
"""The paper has no recipe for its originals: a usual one for tuning."""

VARIANTS: Mapping[str, Famr] = {
    "FAMR as published": Famr(),
    "FAMR, a third of the rate": Famr(learning_rate=3e-5),
}
PICTURES = ("image", "img")
LABELS = ("label", "fine_label")
FOLDERS = (samples.SHARED / "cifar100", samples.SHARED / "cifar10", PARTS)
WEIGHTS = samples.SHARED / "weights"
MEAN = DEVIATION = (0.5, 0.5, 0.5)
"""Of timm's ViTs: pixels from -1 to 1."""


@dataclass(frozen=True, eq=False)
class Ground:
    """Pictures, sizes by name with the file of their weights, and how they are tuned."""

    train: Examples
    test: Examples
    classes: int
    weights: Mapping[str, Path]
    training: Training = TRAINING
    seen: int = SEEN

    def split(self, seed: int) -> Split:
        """Forget the seed's class, drawn without replacement over seeds."""
        forgets = self.train.labels == self.forgotten(seed)
        parts = self.train.take(forgets), self.train.take(~forgets)
        return Split(*parts, self.test, self.test, self.classes)

    def forgotten(self, seed: int) -> int:
        """Give the seed's class."""
        return int(np.random.default_rng(2).permutation(self.classes)[seed])

    def stays(self, seed: int) -> BoolArray:
        """Mask of the test examples of other classes."""
        return np.asarray(self.test.labels != self.forgotten(seed))


class Enlarged(nn.Module):
    """A network that sees pictures at another size than they have."""

    def __init__(self, body: nn.Module, seen: int) -> None:
        """Wrap a network that sees `seen` pixels."""
        super().__init__()
        self.body, self.seen = body, seen

    def forward(self, pixels: Tensor) -> Tensor:
        """Give logits (n, classes) for normalised pixels (n, 3, size, size)."""
        size = (self.seen, self.seen)
        large = nn.functional.interpolate(pixels, size, mode="bicubic", align_corners=False)
        found: Tensor = self.body(large)
        return found


def ground(folders: Sequence[Path] = FOLDERS, weights: Path = WEIGHTS) -> tuple[Ground, list[str]]:
    """Read what there is, and say what is left out; UsageError where nothing can be measured."""
    files = {name: weights / f"{network}.safetensors" for name, network in SIZES.items()}
    there = {name: path for name, path in files.items() if path.exists()}
    missing = [
        f"ViT-{name} is left out: {path.name} is not in {weights.name}/"
        for name, path in files.items()
        if name not in there
    ]
    found = next((f for f in folders if _readable(f)), None)
    if found is None or not there:
        lacks = missing if found else [f"no pictures in {' or '.join(f.name for f in folders)}/"]
        raise UsageError(f"famr --full: nothing to measure: {'; '.join(lacks)}")
    known, test = (_examples(found, part) for part in ("train", "test"))
    classes = int(max(known.labels.max(), test.labels.max())) + 1
    return Ground(known, test, classes, there), missing


def _readable(folder: Path) -> bool:
    """Whether pictures are there; CIFAR-10's parts, which travel one by one, count when all are."""
    of = whole if folder == PARTS else _files
    return all(of(folder, part) for part in ("train", "test"))


def _files(folder: Path, part: str) -> list[Path]:
    return sorted(folder.glob(f"{part}*.parquet"))


def _examples(folder: Path, part: str) -> Examples:
    """Decode a part's pictures, (n, 3, size, size) uint8; each is a person of its own."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image

    table = pa.concat_tables([pq.read_table(path) for path in _files(folder, part)])
    pictures, labels = (_column(table, names, folder) for names in (PICTURES, LABELS))
    raw = [of["bytes"] if isinstance(of, dict) else of for of in pictures]
    images = [np.asarray(Image.open(io.BytesIO(of)).convert("RGB")) for of in raw]
    ids = np.array([f"{part}/{row}" for row in range(len(raw))])
    pixels = np.stack(images).transpose(0, 3, 1, 2)
    return Examples(np.ascontiguousarray(pixels), np.array(labels, np.int64), ids, ids)


def _column(table: Any, names: Sequence[str], folder: Path) -> list[Any]:
    for name in names:
        if name in table.column_names:
            return list(table[name].to_pylist())
    raise UsageError(
        f"{folder.name}: got columns {', '.join(table.column_names)}, expected one of "
        f"{' or '.join(names)}"
    )


def pretrained(on: Ground, name: str, rng: torch.Generator) -> Classifier:
    """Build a size from its file of weights, with a fresh last layer."""
    import timm

    recipe = Recipe(
        network=SIZES[name],
        classes=on.classes,
        channels=on.train.images.shape[1],
        size=on.train.images.shape[2],
        mean=MEAN,
        std=DEVIATION,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (), generator=rng)))
        body = timm.create_model(SIZES[name], num_classes=on.classes, img_size=on.seen)
    known = {k: v for k, v in load_file(on.weights[name]).items() if not k.startswith("head.")}
    lacking, unknown = body.load_state_dict(known, strict=False)
    if unknown or any(not key.startswith("head.") for key in lacking):
        raise UsageError(
            f"{on.weights[name].name}: is no {SIZES[name]} (unknown {unknown[:2]}, lacking "
            f"{[key for key in lacking if not key.startswith('head.')][:2]}), expected its weights"
        )
    return Classifier(Enlarged(body, on.seen), recipe)


def rows(on: Ground, seeds: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Give every size's and seed's rows in the columns of the paper's tables."""
    for name in on.weights:
        for seed in range(seeds):
            kept = folder / f"{name}-{seed}.json"
            if not kept.exists():
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_text(json.dumps(list(_measured(on, name, seed))))
            yield from json.loads(kept.read_text())


def _measured(on: Ground, name: str, seed: int) -> Iterator[dict[str, Any]]:
    split = on.split(seed)
    original = _tuned(on, name, joined(split.forget, split.retain), seed)
    before = logits_of(original, split.forget)
    made: dict[str, Any] = {"original": lambda: original}
    for variant, famr in VARIANTS.items():
        rng = torch.Generator().manual_seed(900_000 + seed)
        made[variant] = lambda f=famr, r=rng: f.unlearn(original, split, r, silent)
    made["retrained"] = lambda: _tuned(on, name, split.retain, 500_000 + seed)
    for row, network in made.items():
        found = columns_of(network(), before, split, on.stays(seed))
        print(f"ViT-{name}, seed {seed}: {row} done", flush=True)
        yield {"size": name, "seed": seed, "row": row, "columns": found}


def _tuned(on: Ground, name: str, examples: Examples, seed: int) -> Classifier:
    rng = torch.Generator().manual_seed(seed)
    made = train(pretrained(on, name, rng), examples, on.training, rng)
    assert isinstance(made, Classifier)
    return made


def measured(seeds: int, folder: Path) -> Path:
    """Measure what there is and give the path of the result."""
    on, missing = ground()
    for reason in missing:
        print(reason, flush=True)
    settings = {
        "classes": on.classes,
        "train": len(on.train),
        "test": len(on.test),
        "seeds": seeds,
        "training": asdict(on.training),
        "left out": missing,
    }
    return record.write("famr-full", settings, list(rows(on, seeds, folder / "full")))
