"""Generators that are to forget a class, beside models that never saw it: measures and recoveries.

    python -m benchmarks.generation
    python -m benchmarks.generation --networks unet --seeds 1
    python -m benchmarks.generation --data cifar10 --seeds 1 --models 3
    python -m benchmarks.generation --radii
    python -m benchmarks.generation --data styles --rows salun latent "random shift"

Digits and their styles run on a processor, CIFAR-10 needs a GPU. Where diffusers is not installed
the U-Net is left out. What is made and measured is kept under --cache, the judge too, so that an
interrupted run goes on. Writes generation-DATA.json, and a sheet of pictures for each network;
--radii measures the latent method alone, by the length of its shift, and writes
generation-DATA-radii.json.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import record
from benchmarks.generation import sheets
from benchmarks.generation.bars import bar
from benchmarks.generation.grounds import CLASSES, GROUNDS, Ground
from benchmarks.generation.judging import apart, as_json, evidence_in, verdicts
from benchmarks.generation.legibility import NEAREST, legibility, nearest
from benchmarks.generation.makers import (
    ORIGINAL,
    PLANTED,
    RADII,
    RANDOM,
    RETRAINED,
    STALE,
    Makers,
    at_radius,
)
from benchmarks.methods.grounds import CACHE
from unlearning import networks
from unlearning.digests import canonical_json, sha256_hex
from unlearning.domain import Examples, Measurement
from unlearning.errors import Diverged, UsageError
from unlearning.features import features_of
from unlearning.gates.generated import Recovered
from unlearning.generation.generators import Generator
from unlearning.generation.judge import judge_of, with_none
from unlearning.generation.measures import Bench, frechet
from unlearning.generation.recovery import Recovery
from unlearning.generation.unet import MISSING
from unlearning.networks import Classifier
from unlearning.outputs import accuracy, logits_of

MODELS = 4
"""Class-out models: each is held against the three others, everybody else against all."""

ROWS = ("salun", "sfr_on", "sa", "latent", PLANTED, STALE, RANDOM)
BY_RADIUS = tuple(at_radius(row, radius) for radius in RADII for row in ("latent", RANDOM))
WITHOUT_RECOVERY = (STALE, RANDOM, *(at_radius(RANDOM, radius) for radius in RADII))
"""Controls that the measures themselves refuse."""


def judge_in(cache: Path, ground: Ground) -> Classifier:
    """Give the ground's judge: one for all rows, also where a run is cut off on a GPU."""
    return _kept(cache, "judge", ground, ground.train, ground.classes)


def reader_in(cache: Path, ground: Ground) -> Classifier | None:
    """Give the judge of digits, where these are not the classes."""
    if ground.digits is None:
        return None
    return _kept(cache, "reader", ground, replace(ground.train, labels=ground.digits[0]), CLASSES)


def _kept(cache: Path, kind: str, ground: Ground, known: Examples, classes: int) -> Classifier:
    """Give a classifier that knows "none of these", trained now unless it is kept."""
    described = [ground.judge_network, ground.judge.as_record(), len(known)]
    path = cache / f"{kind}-{sha256_hex(canonical_json(described))[:12]}.safetensors"
    if not path.exists():
        rng = torch.Generator().manual_seed(100)
        taught = with_none(known, classes)
        networks.save(judge_of(taught, classes + 1, rng, ground.judge, ground.judge_network), path)
    return networks.load(path)


def bench_of(ground: Ground, cache: Path) -> tuple[Bench, dict[str, float]]:
    """Give what measures generators of a ground, and how good it is itself."""
    judge = judge_in(cache, ground)
    real = ground.sets().retain
    bench = Bench(
        judge=judge,
        real=real,
        label=ground.label,
        classes=ground.classes,
        sampler=ground.sampler,
        pictures=ground.pictures,
        each=ground.each,
    )
    unseen = ground.test.take(ground.test.labels != ground.label)
    floor = unseen.take(np.arange(min(len(unseen), ground.each * (ground.classes - 1))))
    right = accuracy(logits_of(judge, ground.test), ground.test.labels)
    far = frechet(features_of(judge, floor), features_of(judge, real))
    return bench, {"judge_accuracy": right, "distance_floor": far, **_reader_facts(ground, cache)}


def _reader_facts(ground: Ground, cache: Path) -> dict[str, float]:
    """Say how good the judge of digits is, and how legible real pictures are to it."""
    reader = reader_in(cache, ground)
    if reader is None or ground.digits is None:
        return {}
    right = accuracy(logits_of(reader, ground.test), ground.digits[1])
    real = {f"real_{name}": m.value for name, m in legibility(reader, ground.test).items()}
    return {"reader_accuracy": right, **real}


def rows(
    makers: Makers, bench: Bench, models: int, seeds: int, names: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Measure generators of one network: the models first, then the rows that are named."""
    for seed in range(models):
        yield _row(makers, bench, RETRAINED, seed)
    for seed in range(seeds):
        for name in (ORIGINAL, *names):
            yield _row(makers, bench, name, seed)


def _row(makers: Makers, bench: Bench, name: str, seed: int) -> dict[str, Any]:
    """Measure one generator, or read what was measured."""
    cell = makers.cache / f"{makers.named(name, seed)}.measured.json"
    if not cell.exists():
        made = makers.made(name, seed)
        found = {"network": makers.network, "row": name, "seed": seed, "seconds": made.seconds}
        found["notes"] = dict(made.notes)
        if made.network is not None:
            try:
                found |= _measured(makers, bench, name, seed, made.network)
            except Diverged as problem:
                found["notes"] = {**made.notes, "gave up": str(problem)}
        cell.write_text(json.dumps(found))
        print(f"{makers.network}, seed {seed}: {name}", file=sys.stderr, flush=True)
    read: dict[str, Any] = json.loads(cell.read_text())
    return read


def _measured(
    makers: Makers, bench: Bench, name: str, seed: int, network: Generator
) -> dict[str, Any]:
    """Measure what was made; Diverged where it draws no finite numbers."""
    recovery, recovered = makers.ground.recovery, {}
    with bar(f"{makers.network}, seed {seed}: {name}") as told:
        evidence = bench.measured(network, told)
        reader = reader_in(makers.cache, makers.ground)
        if name not in WITHOUT_RECOVERY:
            recovered = recovery.recovered(network, makers.ground.sets(), bench, told=told)
    if reader is not None:
        evidence = replace(
            evidence, measured={**evidence.measured, **_beside(bench, reader, network)}
        )
    return as_json(evidence, recovered)


def _beside(bench: Bench, reader: Classifier, network: Generator) -> dict[str, Measurement]:
    """Measure what is left of a style, and the digits in the others."""
    assert bench.label is not None
    left = nearest(bench.own(network), bench.label, bench.classes)
    return {NEAREST: left, **legibility(reader, bench.rest(network))}


def judged(found: Sequence[dict[str, Any]], gate: Recovered) -> list[dict[str, Any]]:
    """Add the three verdicts to one network's rows, each beside its seed's original.

    A model without the class is held against the other ones.
    """
    evidence = [evidence_in(row) for row in found]
    models = {at: evidence[at] for at, row in enumerate(found) if row["row"] == RETRAINED}
    originals = {
        row["seed"]: evidence[at] for at, row in enumerate(found) if row["row"] == ORIGINAL
    }
    done = []
    for at, row in enumerate(found):
        others = [one for model, one in models.items() if model != at]
        own = evidence[at]
        measured = row.get("measured", {}) | apart(own, others)
        original = originals.get(row["seed"], originals[0])
        said = verdicts(own, original, others, gate)
        done.append({**row, "measured": measured, "verdicts": said})
    return done


def gate_of(recovery: Recovery) -> Recovered:
    """Give the gate that asks for these attacks."""
    shared = {field.name for field in fields(Recovered)} - {"models"}
    return Recovered(**{name: getattr(recovery, name) for name in shared})


def run(args: argparse.Namespace) -> Path:
    """Run the benchmark and give the path of its JSON file."""
    torch.set_num_threads(1)
    ground = GROUNDS[args.data]()
    asked = buildable(args.networks or tuple(ground.recipes))
    cache = args.cache / "generation" / ground.name
    bench, facts = bench_of(ground, cache)
    settings = {**described(ground, args), **facts}
    makers = [Makers(ground, network, cache) for network in asked]
    return (by_radius if args.radii else compared)(args, makers, bench, settings)


def compared(
    args: argparse.Namespace, makers: Sequence[Makers], bench: Bench, settings: dict[str, Any]
) -> Path:
    """Measure and judge every row beside models without the class, with a sheet a network."""
    done: list[dict[str, Any]] = []
    for one in makers:
        found = list(rows(one, bench, args.models, args.seeds, args.rows))
        done += judged(found, gate_of(one.ground.recovery))
        settings[one.network] = {name: one.settings(name) for name in (ORIGINAL, *args.rows)}
        sheets.write(one, bench, (RETRAINED, ORIGINAL, *args.rows))
    return record.write(f"generation-{settings['data']}", settings, done)


def by_radius(
    args: argparse.Namespace, makers: Sequence[Makers], bench: Bench, settings: dict[str, Any]
) -> Path:
    """Measure the latent method at each radius, beside random shifts; no model, no verdict."""
    done = [row for one in makers for row in rows(one, bench, 0, args.seeds, BY_RADIUS)]
    for one in makers:
        settings[one.network] = {name: one.settings(name) for name in (ORIGINAL, *BY_RADIUS)}
    return record.write(f"generation-{settings['data']}-radii", settings, done)


def buildable(asked: Sequence[str]) -> list[str]:
    """Give the networks that can be built here, and say what is left out; UsageError for none."""
    if version_of("diffusers"):
        return list(asked)
    if "unet" in asked:
        print(f"generation: unet is left out: {MISSING}", file=sys.stderr, flush=True)
    found = [network for network in asked if network != "unet"]
    if not found:
        raise UsageError(MISSING)
    return found


def version_of(package: str) -> str | None:
    """Give a package's version; None where it is not installed."""
    if find_spec(package) is None:
        return None
    return importlib.metadata.version(package)


def described(ground: Ground, args: argparse.Namespace) -> dict[str, Any]:
    """Say what was measured, and how."""
    return {
        "data": ground.name,
        "label": ground.label,
        "train": len(ground.train),
        "pictures": ground.pictures,
        "each": ground.each,
        "models": 0 if args.radii else args.models,
        "seeds": args.seeds,
        "sampler": asdict(ground.sampler),
        "recovery": asdict(ground.recovery),
        "diffusers": version_of("diffusers"),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="generation", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", choices=tuple(GROUNDS), default="digits")
    parser.add_argument("--networks", nargs="+", choices=("unet", "dit"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--models", type=int, default=MODELS, help="that never saw the class")
    parser.add_argument("--rows", nargs="+", choices=(*ROWS, *BY_RADIUS), default=ROWS)
    parser.add_argument("--radii", action="store_true", help="latent alone, by its shift")
    parser.add_argument("--cache", type=Path, default=CACHE)
    args = parser.parse_args(arguments)
    record.perform("generation", lambda: run(args))
