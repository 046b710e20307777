"""What an exactly downdated head costs, how near a refit it is, and what the gates say of it.

    python -m benchmarks.head

25,000 images of CIFAR-10 train a backbone; a head is fitted to 10,000 others. Examples are
taken out of it, and the same is done by fitting the head anew; a network trained as a whole stands
beside it. Writes head.json; processor seconds do not depend on who else is at work.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import record, rules
from benchmarks.head.ground import LENT, PERSON, TRAINING, Clock, Ground
from benchmarks.methods.grounds import CACHE
from unlearning import networks
from unlearning.bank.shadow_training import features_of_splits, train_shadow
from unlearning.bank.shadows import Bank, BankPlan, job_of
from unlearning.domain import Handed, Split
from unlearning.heads.fitting import fitted, weights_of
from unlearning.judging.candidates import basis_of, judge_candidate
from unlearning.methods.head_downdate import HeadDowndate
from unlearning.networks import Classifier
from unlearning.outputs import accuracy, logits_of
from unlearning.statistics.intervals import LEVEL
from unlearning.training import keyed
from unlearning.training.loop import silent

COUNTS = (1, 10, 100, 1_000)
LOSSES = ("ridge", "logistic")
PENALTY = {"ridge": 1e-2, "logistic": 1e-3}
SHADOWS = 16
SUCCESSIVE = {"ridge": 50, "logistic": 5}
"""People who are taken out one after the other; a logistic head reads all who stay each time."""


def costs(on: Ground, champion: Classifier, loss: str) -> Iterator[dict[str, Any]]:
    """Take examples out of a head, and fit it anew without them."""
    order = np.random.default_rng(2).permutation(len(on.train))
    for count in COUNTS:
        parts = on.train.take(order[:count]), on.train.take(order[count:])
        made, spent = _downdated(champion, Handed(*parts, on.recipe.classes))
        keyed.clear()
        began = Clock()
        again, certificate = fitted(champion, parts[1])
        apart = weights_of(made) - weights_of(again)
        yield {
            "head": loss,
            "taken out": count,
            "downdated": spent,
            "fitted anew": began.spent(),
            "largest difference": float(np.abs(apart).max()),
            "distance_bound": certificate.distance_bound,
            "rounding": certificate.rounding,
            "accuracy": accuracy(logits_of(made, on.test), on.test.labels),
        }


def _downdated(champion: Classifier, parts: Handed) -> tuple[Classifier, dict[str, float]]:
    keyed.clear()
    began = Clock()
    made = HeadDowndate(recount=10**6).unlearn(champion, parts, torch.Generator(), silent)
    spent = began.spent()
    assert isinstance(made, Classifier)
    return made, spent


def successive(on: Ground, champion: Classifier, loss: str) -> dict[str, Any]:
    """Take fifty people out, one after the other, and compare with a refit."""
    network, left = champion, on.train
    for _ in range(SUCCESSIVE[loss]):
        gone = left.subjects == left.subjects[0]
        parts = Handed(left.take(gone), left.take(~gone), on.recipe.classes)
        network, left = _downdated(network, parts)[0], parts.retain
    apart = weights_of(network) - weights_of(fitted(champion, left)[0])
    return {
        "head": loss,
        "deletions": SUCCESSIVE[loss],
        "largest difference": float(np.abs(apart).max()),
    }


def bank_of(on: Ground, champion: Classifier) -> tuple[Bank, dict[str, float]]:
    """Fit the shadows' heads, with the seconds that it takes."""
    parts, began = (on.train, on.holdout, on.test), Clock()
    plan = BankPlan(
        data_version="bench", recipe=champion.recipe, training=TRAINING, shadows=SHADOWS, seed=0
    )
    job = replace(job_of(plan, parts), features=features_of_splits(champion, *parts))
    found = [train_shadow(job, k) for k in range(SHADOWS)]
    columns = {key: np.stack([one[key] for one in found]) for key in found[0]}
    bank = Bank(
        np.concatenate([on.train.ids, on.holdout.ids]),
        columns["seen"].astype(bool),
        columns["logits"],
        columns["test_accuracy"][:, 0],
        columns["trained_on"][:, 0],
    )
    return bank, began.spent()


def judged(on: Ground, champion: Classifier, loss: str, folder: Path) -> Iterator[dict[str, Any]]:
    """Say what each gate says of the downdated head, and of the untouched champion."""
    bank, spent = bank_of(on, champion)
    networks.save(champion, folder / f"champion-{loss}.safetensors")
    for name, forgets in _forgotten(on).items():
        parts = on.train.take(forgets), on.train.take(~forgets)
        split = Split(*parts, on.holdout, on.test, on.recipe.classes)
        made, _ = _downdated(champion, Handed(*parts, on.recipe.classes))
        networks.save(made, folder / "candidate.safetensors")
        basis = basis_of(folder / f"champion-{loss}.safetensors", split, bank)
        for who, exact in (("candidate", True), ("candidate", False), (f"champion-{loss}", False)):
            found, _ = judge_candidate(
                folder / f"{who}.safetensors", basis, rules.gates(), level=LEVEL, exact=exact
            )
            yield {
                "head": loss,
                "forgotten": name,
                "candidate": "downdated" if who == "candidate" else "untouched champion",
                "as exact": exact,
                "decision": str(found.decision),
                "gates": {v.gate: [str(v.outcome), v.reason] for v in found.verdicts},
                "bank": spent,
            }


def _forgotten(on: Ground) -> dict[str, np.ndarray]:
    random = np.isin(np.arange(len(on.train)), np.random.default_rng(4).permutation(10_000)[:500])
    return {
        f"one person, {PERSON} images": on.train.subjects == on.train.subjects[0],
        "500 random examples": random,
    }


def run(args: argparse.Namespace) -> Path:
    """Run the benchmark and give the path of its JSON file."""
    torch.set_num_threads(1)
    on, folder = Ground(), args.cache / "head"
    folder.mkdir(parents=True, exist_ok=True)
    backbone = folder / "backbone.safetensors"
    if not backbone.exists():
        networks.save(on.network_on(on.lent(), 1)[0], backbone)
    rows: dict[str, Any] = {"costs": [], "successive": [], "gates": []}
    for loss in args.heads:
        champion = fitted(on.blank(backbone, loss, PENALTY[loss]), on.train)[0]
        rows["costs"] += costs(on, champion, loss)
        rows["successive"].append(successive(on, champion, loss))
        rows["gates"] += judged(on, champion, loss, folder)
    whole, spent = on.network_on(on.train, 2)
    right = accuracy(logits_of(whole, on.test), on.test.labels)
    settings = {
        "network": on.recipe.network,
        "lent": LENT,
        "train": len(on.train),
        "epochs": TRAINING.epochs,
        "penalty": {loss: PENALTY[loss] for loss in args.heads},
        "shadows": SHADOWS,
    }
    return record.write("head", settings, {**rows, "whole network": {**spent, "accuracy": right}})


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="head", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--heads", nargs="+", choices=LOSSES, default=LOSSES)
    parser.add_argument("--cache", type=Path, default=CACHE)
    args = parser.parse_args(arguments)
    record.perform("head", lambda: run(args))
