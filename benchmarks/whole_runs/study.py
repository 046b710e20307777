"""Whole runs of the product on real images, by the command line, from import to erasure.

    python -m benchmarks.whole_runs --data omniglot
    python -m benchmarks.whole_runs --data cifar10

omniglot: 8 alphabets, the subject is the drawer; one drawer is deleted, then twelve. cifar10:
10,000 training images, 500 random ones are deleted, then the class cat. The data lies in
../shared/data; where it is absent nothing is run. Writes benchmarks/results/whole-DATA.json.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks import record

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"

INIT = {
    "omniglot": (
        "--label alphabet_label --subject subject_id --example sample_id --size 32 "
        "--network resnet20 --epochs 15 --batch-size 128 --learning-rate 0.2 --shadows 8"
    ),
    "cifar10": (
        "--example sample_id --limit 10000 --network resnet20 --epochs 12 --batch-size 128 "
        "--learning-rate 0.2 --shadows 8"
    ),
}
FINETUNE = {
    "omniglot": {"epochs": 7, "learning_rate": 0.2, "weight_decay": 0.005, "batch_size": 128},
    "cifar10": {"epochs": 5, "learning_rate": 0.2, "weight_decay": 0.005, "batch_size": 128},
}


def lethe(workspace: Path, *arguments: str) -> dict[str, Any]:
    """Run a command; give its JSON with its exit code and its seconds."""
    command = [sys.executable, "-m", "flows.cli", "--json", "--workspace", str(workspace)]
    started = time.perf_counter()
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, cwd=ROOT)
    seconds = round(time.perf_counter() - started, 1)
    if not done.stdout:
        raise RuntimeError(f"lethe {arguments[0]}: no answer; {done.stderr[-2000:]}")
    return {**json.loads(done.stdout), "exit_code": done.returncode, "wall_seconds": seconds}


def begin(data: str, workspace: Path) -> dict[str, Any]:
    """Make the workspace, with a fine-tuning rung that suits the data."""
    files = [
        f"--data={SHARED / data / 'train.parquet'}",
        f"--test={SHARED / data / 'test.parquet'}",
    ]
    made = lethe(workspace, "init", *files, *INIT[data].split())
    policy = yaml.safe_load((workspace / "policy.yaml").read_text())
    for rung in policy["ladder"]:
        if rung["method"] == "finetune":
            rung["settings"] = FINETUNE[data]
    path = workspace.resolve() / "policy.yaml"
    path.write_text(yaml.safe_dump(policy, sort_keys=False))
    lethe(workspace, "policy", "--adopt", str(path), "--reason", "fine-tuning that suits the data")
    return made


def members(workspace: Path, column: str) -> list[str]:
    """Give the training set's subjects or example ids."""
    from systems.data import reading
    from systems.settings.workspace import Workspace

    table = reading.read_table(Workspace.at(workspace), [column, "split"])
    rows = zip(table[column].to_pylist(), table["split"].to_pylist(), strict=True)
    return sorted({value for value, split in rows if split == "train"})


def requests_of(data: str, workspace: Path) -> Sequence[tuple[str, list[str]]]:
    """Give the requests of a data set, each with the words of `lethe submit`."""
    rng = np.random.default_rng(0)
    if data == "omniglot":
        drawers = rng.permutation(members(workspace, "subject_id")).tolist()
        batch = [word for drawer in drawers[1:13] for word in ("--subject", drawer)]
        return [("one drawer", ["--subject", drawers[0]]), ("twelve drawers", batch)]
    drawn = rng.permutation(members(workspace, "example_id"))[:500].tolist()
    some = [word for example in drawn for word in ("--example", example)]
    return [("500 random examples", some), ("the class cat", ["--class", "cat"])]


def serve(workspace: Path, name: str, words: list[str]) -> dict[str, Any]:
    """Submit a request and forget it."""
    submitted = lethe(workspace, "submit", *words)
    found = lethe(workspace, "forget", submitted["request"])
    kept = ("decision", "assurance", "attempts", "exit_code", "wall_seconds", "states", "error")
    row = {key: found[key] for key in kept if key in found}
    return {"request": name, "examples": submitted["examples"], **row}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="whole_runs", description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=sorted(INIT), required=True)
    parser.add_argument("--workspace", type=Path, default=ROOT / "artifacts" / "whole-run")
    parser.add_argument("--requests", type=int, default=2, help="How many of the two requests.")
    args = parser.parse_args()
    if not (SHARED / args.data).is_dir():
        print(f"skipped: ../shared/data/{args.data} is not there")
        return
    shutil.rmtree(args.workspace, ignore_errors=True)
    made = begin(args.data, args.workspace)
    kept = ("examples", "subjects", "classes", "test_accuracy", "bank", "wall_seconds")
    rows: list[dict[str, Any]] = [{key: made[key] for key in kept}]
    print(rows[-1], flush=True)
    for name, words in requests_of(args.data, args.workspace)[: args.requests]:
        rows.append(serve(args.workspace, name, words))
        print({k: v for k, v in rows[-1].items() if k != "attempts"}, flush=True)
        settings = {"init": INIT[args.data], "finetune": FINETUNE[args.data]}
        print(record.write(f"whole-{args.data}", settings, rows), flush=True)
