"""Whole runs of the product, by the command line, from import to erasure.

    python -m benchmarks.whole_runs --data digits omniglot cifar10 cifar10-head

digits: one person of a dozen images, then ten. omniglot: 8 alphabets, the subject is the drawer;
one drawer is deleted, then twelve. cifar10: 10,000 training images, 500 random ones are deleted,
then the class cat; cifar10-head: the same with a head on a frozen network that learned from others.
Settings are those that `init` chooses (digits take a fifth of the template's epochs). What a
retraining cost by the recipe that was usual before is measured beside. Where data are absent
nothing is run. Writes whole-DATA.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from benchmarks import record
from benchmarks.recipe.study import BEFORE, SETTINGS, by_recipe
from benchmarks.samples import Setting
from benchmarks.whole_runs.grounds import GROUNDS, Ground, Words, there
from unlearning.domain import Decision
from unlearning.networks import build
from unlearning.training.loop import Training, train

ROOT = Path(__file__).parents[2]
KEPT = ("examples", "subjects", "classes", "test_accuracy", "bank", "wall_seconds")
WHY = ("--reason", "asked for by the benchmark")
TOLD = ("decision", "assurance", "attempts", "exit_code", "wall_seconds", "states", "error")


def lethe(workspace: Path, *arguments: str) -> dict[str, Any]:
    """Run a command with one thread of computing; give its JSON, exit code and seconds."""
    command = [sys.executable, "-m", "flows.cli", "--json", "--workspace", str(workspace)]
    started = time.perf_counter()
    done = subprocess.run(
        [*command, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    seconds = round(time.perf_counter() - started, 1)
    if not done.stdout:
        raise RuntimeError(f"lethe {arguments[0]}: no answer; {done.stderr[-2000:]}")
    return {**json.loads(done.stdout), "exit_code": done.returncode, "wall_seconds": seconds}


def begin(ground: Ground, workspace: Path) -> dict[str, Any]:
    """Make the workspace, with the ground's ladder in its policy."""
    made = lethe(workspace, "init", *ground.init(workspace.with_name("lent")))
    if "champion" not in made:
        raise RuntimeError(f"lethe init: {made}")
    if ground.ladder:
        policy = yaml.safe_load((workspace / "policy.yaml").read_text())
        policy["ladder"] = [{"method": name} for name in ground.ladder]
        path = workspace.resolve() / "policy.yaml"
        path.write_text(yaml.safe_dump(policy, sort_keys=False))
        lethe(
            workspace, "policy", "--adopt", str(path), "--reason", "a ladder for a frozen backbone"
        )
    return made


def price(ground: Ground, workspace: Path) -> dict[str, Any]:
    """Give processor seconds of a retraining as it was usual before, and of one pass as it is now.

    Both from a few epochs of one thread, in turn, so that their ratio holds on a busy machine.
    """
    former = by_recipe(SETTINGS[ground.before](), BEFORE)
    now = yaml.safe_load((workspace / "params.yaml").read_text())
    recipe = replace(former.recipe, network=now["network"])
    own = replace(former, recipe=recipe, training=Training(**now["training"]))
    torch.set_num_threads(1)
    passes = former.training.epochs * len(former.train)
    return {
        "before": {
            "network": former.recipe.network,
            "n": len(former.train),
            "epochs": former.training.epochs,
            "processor_seconds": round(_a_pass(former) * passes, 2),
        },
        "now": {"network": own.recipe.network, "a_pass": _a_pass(own)},
    }


def _a_pass(on: Setting) -> float:
    """Give processor seconds for each example that is passed."""
    rng, epochs = torch.Generator().manual_seed(0), max(1, 3_000 // len(on.train))
    fresh, started = build(on.recipe, rng), time.process_time()
    train(fresh, on.train, replace(on.training, epochs=epochs), rng)
    return (time.process_time() - started) / (epochs * len(on.train))


def serve(workspace: Path, name: str, words: Words) -> dict[str, Any]:
    """Submit a request, let whoever must approve it do so, forget it."""
    submitted = lethe(workspace, "submit", *words)
    planned = lethe(workspace, "plan", submitted["request"])
    found = lethe(workspace, "forget", submitted["request"])
    if found.get("decision") == Decision.AWAITING:
        lethe(workspace, "approve", submitted["request"], "--reviewer", "benchmark", *WHY)
        found = lethe(workspace, "forget", submitted["request"])
    row = {key: found[key] for key in TOLD if key in found}
    foreseen = {key: planned[key] for key in ("ladder", "decidable", "why") if key in planned}
    return {"request": name, "examples": submitted["examples"], "plan": foreseen, **row}


def rows(name: str, workspace: Path, requests: int) -> Iterator[dict[str, Any]]:
    """Do all of a data set; first what the workspace is."""
    ground = GROUNDS[name]
    made = begin(ground, workspace)
    yield {**{key: made[key] for key in KEPT if key in made}, "price": price(ground, workspace)}
    asked = ground.asked(workspace, np.random.default_rng(0))
    for request, words in asked[:requests]:
        yield serve(workspace, request, words)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="whole_runs", description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", choices=sorted(GROUNDS), default=sorted(GROUNDS))
    parser.add_argument("--workspace", type=Path, default=ROOT / "artifacts" / "whole-run")
    parser.add_argument("--requests", type=int, default=2, help="How many of the two requests.")
    args = parser.parse_args()
    for name in args.data:
        if not there(GROUNDS[name]):
            print(f"skipped: ../shared/data/{GROUNDS[name].needs} is not there")
            continue
        shutil.rmtree(args.workspace, ignore_errors=True)
        found = []
        for row in rows(name, args.workspace, args.requests):
            found.append(row)
            print({k: v for k, v in row.items() if k != "attempts"}, flush=True)
        print(record.write(f"whole-{name}", {"ladder": GROUNDS[name].ladder}, found), flush=True)
