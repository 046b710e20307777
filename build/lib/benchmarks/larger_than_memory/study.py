"""A million pictures and the memory that they take: decoding, training, scoring, shadows.

    python -m benchmarks.larger_than_memory

Each phase is a process of its own, whose largest resident memory the kernel tells; of workers the
largest of them. The network is one linear layer on averaged pixels: what is measured is how
pictures come to a network, which costs the same for any other. Writes
benchmarks/results/larger-than-memory.json.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from torch import nn

from ledger import durable, keys
from systems.data import loading
from systems.data.decoded import LIMIT
from systems.data.sharding import (
    Dataset,
    Manifest,
    Shard,
    columns_text,
    dataset_bytes,
    describe,
    save_manifest,
    shard_bytes,
)
from systems.settings.workspace import Workspace
from unlearning import networks
from unlearning.bank.shadow_training import Job, spread_over_processes, without_names
from unlearning.networks import NETWORKS, Recipe
from unlearning.outputs import logits_of
from unlearning.training.loop import Training, train

IMAGES, SIZE, SHARDS, CLASSES = 1_000_000, 32, 64, 10
DISTINCT = 500
"""Pictures that are encoded; each is there many times, which no step can know."""

LINEAR = "one linear layer"
RECIPE = Recipe(
    network=LINEAR, classes=CLASSES, channels=3, size=SIZE, mean=(0.5,) * 3, std=(0.25,) * 3
)
TRAINING = Training(epochs=1, batch_size=256, learning_rate=0.01, precision="fp32")
MIB = 1024


def _body(recipe: Recipe) -> nn.Module:
    side = 4
    pooled = nn.AvgPool2d(recipe.size // side)
    return nn.Sequential(pooled, nn.Flatten(), nn.Linear(recipe.channels * side**2, recipe.classes))


NETWORKS.setdefault(LINEAR, _body)  # in workers too, which import this module


def make(ws: Workspace, images: int) -> None:
    """Write shards with their manifest, as an import would leave them; four pictures a person."""
    for folder in (ws.shards, ws.artifacts, ws.records):
        durable.make_folder(folder)
    keys.create_keys(ws.keys, ws.records)
    classes = tuple(str(n) for n in range(CLASSES))
    about = dataset_bytes(Dataset("noise", classes, SIZE, 3, SHARDS, ()))
    durable.write(ws.dataset, about)
    shards, counts = (
        {},
        {split: dict.fromkeys(classes, 0) for split in ("train", "holdout", "test")},
    )
    for name, table in _tables(images):
        content = shard_bytes(table)
        durable.write(ws.shards / f"{name}.parquet", content)
        shards[name] = describe(content, table)
        for split, label in zip(*(table[c].to_pylist() for c in ("split", "label")), strict=True):
            counts[split][str(label)] += 1
    _record(ws, about, shards, counts)


def _record(ws: Workspace, about: bytes, shards: dict[str, Shard], counts: Any) -> None:
    digest = hashlib.sha256(about).hexdigest()
    version = hashlib.md5(json.dumps(sorted(map(str, shards.items()))).encode()).hexdigest()
    save_manifest(ws, Manifest(version, digest, columns_text(()), shards, counts))


def _tables(images: int) -> Iterator[tuple[str, pa.Table]]:
    from PIL import Image

    rng, encoded = np.random.default_rng(0), []
    for _ in range(DISTINCT):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
        coarse.resize((SIZE, SIZE)).save(buffer := io.BytesIO(), "PNG")
        encoded.append(buffer.getvalue())
    for shard in range(SHARDS):
        numbers = np.arange(shard, images, SHARDS)
        people = numbers // (4 * SHARDS) * SHARDS + shard
        parts = np.array(["train"] * 8 + ["holdout", "test"])[people % 10]
        columns = {
            "image": pa.array([encoded[n % DISTINCT] for n in numbers], pa.binary()),
            "label": pa.array(numbers % DISTINCT % CLASSES, pa.int16()),
            "example_id": pa.array([f"e{n:08d}" for n in numbers]),
            "subject_id": pa.array([f"p{n:08d}" for n in people]),
            "split": pa.array(parts.tolist()),
        }
        yield f"{shard:02x}", pa.table(columns)


def decoding(ws: Workspace) -> dict[str, Any]:
    """Decode everything into the file."""
    return {"examples": sum(map(len, loading.load_examples(ws).values()))}


def training(ws: Workspace) -> dict[str, Any]:
    """Train one epoch over the training examples, less a forget set, then score all of them."""
    import torch

    examples = loading.load_examples(ws)
    rng = torch.Generator().manual_seed(0)
    retain = examples["train"].take(np.arange(len(examples["train"])) % 100 != 0)
    network = train(networks.build(RECIPE, rng), retain, TRAINING, rng)
    scored = sum(len(logits_of(network, part)) for part in examples.values())
    return {"trained_on": len(retain), "scored": scored}


def shadows(ws: Workspace) -> dict[str, Any]:
    """Train two shadows by two workers, each on a half, and score all of it by each."""
    examples = loading.load_examples(ws)
    train_part, holdout, test = (
        without_names(examples[split]) for split in ("train", "holdout", "test")
    )
    half = np.arange(len(train_part) + len(holdout)) % 2 == 0
    job = Job(RECIPE, TRAINING, 0, train_part, holdout, test, np.array([half, ~half]))
    done: list[int] = []
    spread_over_processes(job, [0, 1], lambda shadow, _: done.append(shadow), workers=2)
    return {"shadows": len(done), "in_each_half": int(half.sum())}


PHASES: dict[str, Callable[[Workspace], dict[str, Any]]] = {
    "decode into the file": decoding,
    "train and score": training,
    "two shadows by two workers": shadows,
}


def child(ws: Workspace, phase: str) -> None:
    """Do one phase and print what it took as JSON."""
    began = time.perf_counter()
    found = PHASES[phase](ws)
    seconds = round(time.perf_counter() - began, 1)
    most = {
        name: resource.getrusage(who).ru_maxrss // MIB
        for name, who in (("mib", resource.RUSAGE_SELF), ("mib_worker", resource.RUSAGE_CHILDREN))
    }
    print(json.dumps({"phase": phase, "seconds": seconds, **most, **found}))


def measured(root: Path, images: int) -> list[dict[str, Any]]:
    """Make the data and give a row a phase."""
    ws = Workspace.at(root)
    make(ws, images)
    environment = {**os.environ, LIMIT: "0", "OMP_NUM_THREADS": "1"}
    module = "benchmarks.larger_than_memory.study"  # workers import it too; no __main__ they would
    line = [sys.executable, "-m", module, "--child", str(root), "--phase"]
    run = partial(subprocess.check_output, env=environment)
    return [json.loads(run([*line, phase]).splitlines()[-1]) for phase in PHASES]


def main() -> None:
    """Run the benchmark, or one phase of it."""
    parser = argparse.ArgumentParser(
        prog="larger_than_memory", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--phase", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(Workspace.at(args.child), args.phase)
        return
    from benchmarks import record

    with tempfile.TemporaryDirectory() as folder:
        rows = measured(Path(folder), args.images)
    decoded = args.images * 3 * SIZE**2 // 2**20
    settings = {"images": args.images, "size": SIZE, "decoded_mib": decoded, "network": LINEAR}
    print(record.write("larger-than-memory", settings, rows))


if __name__ == "__main__":
    main()
