"""Candidates that begin from clean bases, judged beside a retrain and beside labels alone.

Bases are trained on disjoint shards of people. All candidates of a seed share champion, bank and
bases. Costs are in epochs over the retain set, relative to a retrain.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import rules
from benchmarks.gates.grounds import setting_of
from benchmarks.samples import Setting
from unlearning import networks
from unlearning.bank.shadows import Bank, BankPlan, build_bank, load_bank
from unlearning.domain import BoolArray, Examples, IntArray, Split
from unlearning.judging.candidates import Basis, basis_of, judge_candidate
from unlearning.judging.verdicts import decide
from unlearning.methods.retrain import Retrain
from unlearning.methods.warm_retrain import WarmRetrain
from unlearning.networks import Classifier
from unlearning.training.loop import silent, train

SHARDS = {"digits": (4, 8), "cifar10": (4,)}
SHARES = {"digits": (0.1, 0.2), "cifar10": (0.1, 0.2, 0.3)}
PEOPLE = {"digits": (1, 10, 25), "cifar10": (1,)}
SEEDS = {"digits": 3, "cifar10": 2}
TEACHING = (0.0, 1.0)

LEARNED, HELD, SHADOWS = 5_000, 2_000, 16
"""Of CIFAR-10: training and holdout examples, and the bank."""


@dataclass(frozen=True, eq=False)
class Seed:
    """What all candidates of a seed share."""

    data: str
    setting: Setting
    seed: int
    champion: Path
    bank: Bank
    folder: Path


def generator(*parts: int) -> torch.Generator:
    """Give a generator for these numbers."""
    return torch.Generator().manual_seed(int(np.random.SeedSequence(parts).generate_state(1)[0]))


def setting(data: str) -> Setting:
    """Give the setting; CIFAR-10 at half its side, so that bases are trained in minutes."""
    found = setting_of(data)
    if data != "cifar10":
        return found
    cut = (found.train, LEARNED), (found.holdout, HELD), (found.test, len(found.test))
    parts = [_halved(part.take(np.arange(count))) for part, count in cut]
    recipe = replace(found.recipe, size=16)
    return replace(
        found, train=parts[0], holdout=parts[1], test=parts[2], recipe=recipe, shadows=SHADOWS
    )


def _halved(part: Examples) -> Examples:
    n, channels, side, _ = part.images.shape
    blocks = np.asarray(part.images).reshape(n, channels, side // 2, 2, side // 2, 2)
    return replace(part, images=blocks.mean((3, 5)).round().astype(np.uint8))


def prepared(data: str, seed: int, cache: Path, workers: int) -> Seed:
    """Train a seed's champion and bank, or find them in the cache."""
    of, folder = setting(data), cache / f"lineage-{data}"
    champion = folder / f"champion-{seed:03d}.safetensors"
    if not champion.exists():
        rng = generator(seed, 1)
        networks.save(
            _as_classifier(train(networks.build(of.recipe, rng), of.train, of.training, rng)),
            champion,
        )
    plan = BankPlan(
        data_version=data, recipe=of.recipe, training=of.training, shadows=of.shadows, seed=77
    )
    parts = (of.train, of.holdout, of.test)
    built = build_bank(plan, parts, folder, workers=workers, progress=lambda done, total: None)
    return Seed(data, of, seed, champion, load_bank(built), folder)


def _as_classifier(network: Any) -> Classifier:
    assert isinstance(network, Classifier)
    return network


def shard_of(of: Setting, count: int) -> IntArray:
    """Give each training example's shard, (n,): people are dealt at random, once."""
    people, code = np.unique(of.train.subjects, return_inverse=True)
    return np.asarray((np.random.default_rng(5).permutation(len(people)) % count)[code])


def base(at: Seed, count: int, shard: int) -> Classifier:
    """Train a shard's base, or read it."""
    path = at.folder / f"base-{at.seed:03d}-{count}-{shard}.safetensors"
    if not path.exists():
        rng, own = generator(at.seed, count, shard), shard_of(at.setting, count) == shard
        network = networks.build(at.setting.recipe, rng)
        networks.save(
            _as_classifier(train(network, at.setting.train.take(own), at.setting.training, rng)),
            path,
        )
    return networks.load(path)


def split_without(of: Setting, forgets: BoolArray) -> Split:
    """Cut a setting."""
    forget, retain = of.train.take(forgets), of.train.take(~forgets)
    return Split(forget, retain, of.holdout, of.test, of.recipe.classes)


def forgotten(of: Setting, units: int, seed: int) -> BoolArray:
    """Draw so many people."""
    people = np.unique(of.train.subjects)
    drawn = np.random.default_rng([9, seed, units]).choice(people, units, replace=False)
    return np.isin(of.train.subjects, drawn)


Make = Callable[[torch.Generator], Classifier]


def candidates(at: Seed, split: Split, forgets: BoolArray) -> Iterator[tuple[dict[str, Any], Make]]:
    """Give a description and a way of making it: the retrain, the controls, the warm ones."""
    of, network = at.setting, networks.load(at.champion)

    def cold(share: float) -> Make:
        epochs = max(1, round(share * of.training.epochs))
        method = Retrain(training=replace(of.training, epochs=epochs))
        return lambda rng: method.unlearn(network, split.handed(), rng, silent)  # type: ignore[return-value]

    def warm(method: WarmRetrain, bases: tuple[Classifier, ...]) -> Make:
        return lambda rng: method.unlearn(network, split.handed(bases), rng, silent)  # type: ignore[return-value]

    yield {"candidate": "retrain", "share": 1.0}, cold(1.0)
    for share in SHARES[at.data]:
        yield {"candidate": "fresh weights, labels only", "share": share}, cold(share)
    for count in SHARDS[at.data]:
        hit = np.unique(shard_of(of, count)[forgets])
        clean = [shard for shard in range(count) if shard not in hit]
        described = {"shards": count, "clean": len(clean)}
        if 2 * len(clean) < count:
            yield {"candidate": "warm", **described, "skipped": True}, cold(1.0)
            continue
        bases = tuple(base(at, count, shard) for shard in clean)
        for share in SHARES[at.data]:
            for teaching in TEACHING:
                method = WarmRetrain(training=of.training, share=share, teaching=teaching)
                yield (
                    {"candidate": "warm", **described, "share": share, "teaching": teaching},
                    warm(method, bases),
                )


def judged(at: Seed, units: int, level: float = 0.95) -> Iterator[dict[str, Any]]:
    """Make and judge all candidates over a forget set."""
    forgets = forgotten(at.setting, units, at.seed)
    split = split_without(at.setting, forgets)
    gates, basis = rules.gates(), basis_of(at.champion, split, at.bank)
    for number, (described, make) in enumerate(candidates(at, split, forgets)):
        row = {"seed": at.seed, "people": units, "examples": int(forgets.sum()), **described}
        if "skipped" not in described:
            started = time.process_time()
            network = make(generator(at.seed, 3, number))
            row["seconds"] = round(time.process_time() - started, 3)
            row |= _judged(network, at, basis, gates, level)
        yield row


def rows(data: str, cache: Path, workers: int) -> Iterator[dict[str, Any]]:
    """Give the rows of all seeds and forget sets of a data set."""
    for seed in range(SEEDS[data]):
        at = prepared(data, seed, cache, workers)
        for units in PEOPLE[data]:
            yield from judged(at, units)


def _judged(
    network: Classifier, at: Seed, basis: Basis, gates: Any, level: float
) -> dict[str, Any]:
    path = at.folder / "candidate.safetensors"
    networks.save(network, path)
    found, _ = judge_candidate(path, basis, gates, level=level, exact=True)
    shown = {
        name: [round(m.value, 4), round(m.low, 4), round(m.high, 4)]
        for name, m in found.measured.items()
        if name in ("forget_auc", "accuracy_drop", "mean_score", "expected_drop")
    }
    return {
        "accuracy": {k: round(v, 4) for k, v in found.accuracy.items()},
        "decision": str(found.decision),
        "without_lineage": str(decide(found.verdicts, exact=False)),
        "gates": {v.gate: str(v.outcome) for v in found.verdicts},
        "reasons": {v.gate: v.reason for v in found.verdicts if v.outcome != "PASSED"},
        "measured": shown,
    }
