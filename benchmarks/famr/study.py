"""FAMR on a vision transformer, with the columns of its Tables 1-2 and the retrained row they lack.

    python -m benchmarks.famr --seeds 5

Settings are chosen on a trial that is not evaluated, by how near they come to the retrained
network there; the published ones run beside them. Models are kept under --cache. Writes
benchmarks/results/famr-digits.json and the page famr-digits.html.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import record
from benchmarks.famr import full, parts, trials
from benchmarks.famr.trials import (
    ACCURACIES,
    COLUMNS,
    TASKS,
    TUNING,
    Trial,
    columns,
    counted,
    models,
    split_of,
    summary,
    with_probe,
)
from benchmarks.samples import ROOT
from systems.report.famr_page import Curves, Section, famr_page
from unlearning.errors import Diverged
from unlearning.famr.bounds import Evidence
from unlearning.famr.evidence import evidence
from unlearning.famr.hessian import Curvature
from unlearning.methods.famr import Famr
from unlearning.outputs import logits_of

RATES = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3)
ANCHORS = (0.1, 100.0)
PUBLISHED = "FAMR as published"
CURVED = {
    "divergence": "KL",
    "entropy": "Ent",
    "forget_accuracy": "For",
    "retain_accuracy": "Ret",
}


def variants(task: str) -> dict[str, Famr]:
    """Give what is tuned, by name; the published settings besides the rate and the anchor."""
    found = {
        "FAMR": Famr(),
        "FAMR, head only": Famr(head_only=True),
        "FAMR, retain term": Famr(retain_weight=1.0),
    }
    if task == "class":
        found["FAMR, uniform over the rest"] = Famr(target="uniform_retain")
        found["FAMR, TRW's target"] = Famr(target="trw")
    return found


def run(famr: Famr, trial: Trial, folder: Path) -> tuple[torch.nn.Module, list[dict[str, float]]]:
    """Run FAMR and give the candidate and the columns before it and after each epoch."""
    original, _ = models(trial, folder)
    split, before = split_of(trial), logits_of(original, split_of(trial).forget)
    rows, network = [columns(original, before, trial)], torch.nn.Module()
    rng = torch.Generator().manual_seed(900_000 + trial.seed)
    for epoch in famr.trajectory(original, split, rng):
        rows.append(columns(epoch.network, before, trial))
        network = epoch.network
    return network, rows


def curves_of(name: str, runs: Sequence[Sequence[dict[str, float]]]) -> Curves:
    """Turn the rows of several seeds, each epoch's in order, into curves (seeds, epochs + 1)."""
    return Curves(
        name,
        **{
            field: np.array([[row[column] for row in rows] for rows in runs])
            for field, column in CURVED.items()
        },
    )


def tuned(task: str, name: str, plain: Famr, folder: Path) -> Famr:
    """Choose rate, anchor and epochs: least |Ret gap| + |For gap| to retrained, tuning trial."""
    trial = Trial(task, TUNING)
    original, retrained = models(trial, folder)
    wanted = columns(retrained, logits_of(original, split_of(trial).forget), trial)
    best, least = plain, np.inf
    for rate, anchor in itertools.product(RATES, ANCHORS):
        famr = dataclasses.replace(plain, learning_rate=rate, anchor=anchor)
        try:
            _, rows = run(famr, trial, folder)
        except Diverged:
            continue
        for epochs, row in enumerate(rows[1:], 1):
            gap = sum(abs(row[column] - wanted[column]) for column in ("Ret", "For"))
            if gap < least:
                best, least = dataclasses.replace(famr, epochs=epochs), gap
    print(task, name, told_settings(best), "gap", round(least, 4), flush=True)
    return best


def told_settings(famr: Famr) -> str:
    """Name what is tuned."""
    return f"rate {famr.learning_rate:g}, anchor {famr.anchor:g}, {famr.epochs} epochs"


def controls(trials: Sequence[Trial], folder: Path) -> Iterator[tuple[str, list[dict[str, float]]]]:
    """Give the rows of the untouched originals and of the retrained networks."""
    for place, name in enumerate(("original", "retrained")):
        rows = []
        for trial in trials:
            pair = models(trial, folder)
            before = logits_of(pair[0], split_of(trial).forget)
            rows.append(with_probe(pair[place], columns(pair[place], before, trial), trial))
        yield name, rows


def measured(famr: Famr, trial: Trial, folder: Path) -> Evidence:
    """Measure the state of the paper's theory at the end of one run."""
    original, _ = models(trial, folder)
    rng = torch.Generator().manual_seed(900_000 + trial.seed)
    candidate = famr.unlearn(original, split_of(trial), rng, lambda *_: None)
    return evidence(
        famr, original, candidate, split_of(trial), rng, steps=20, probes=2, examples=300
    )


def one_task(task: str, seeds: int, folder: Path) -> dict[str, Any]:
    """Run everything of one task and give what the file keeps."""
    trials = [Trial(task, seed) for seed in range(seeds)]
    counts, curves = counted(trials), []
    tables = [summary(name, rows, counts) for name, rows in controls(trials, folder)]
    settings = {PUBLISHED: Famr()}
    settings |= {name: tuned(task, name, f, folder) for name, f in variants(task).items()}
    for name, famr in settings.items():
        runs = [run(famr, trial, folder) for trial in trials]
        last = [with_probe(n, rows[-1], t) for (n, rows), t in zip(runs, trials, strict=True)]
        tables.append(summary(name, last, counts))
        curves.append(curves_of(name, [rows for _, rows in runs]))
        print(task, tables[-1], flush=True)
    theory = {name: measured(settings[name], trials[0], folder) for name in (PUBLISHED, "FAMR")}
    return {
        "settings": {name: dataclasses.asdict(famr) for name, famr in settings.items()},
        "table": tables,
        "curves": {c.name: {f: getattr(c, f).round(4).tolist() for f in CURVED} for c in curves},
        "evidence": {name: told(found) for name, found in theory.items()},
    }


def told(found: Evidence) -> dict[str, Any]:
    """Give evidence with its bounds in words, for the file."""
    bounds = {b.equation: {"value": b.value, "words": b.words} for b in found.bounds}
    return dataclasses.asdict(found) | {"bounds": bounds}


def read_back(values: dict[str, Any]) -> Evidence:
    """Give the evidence that `told` wrote; its bounds follow from it."""
    numbers = {key: value for key, value in values.items() if key != "bounds"}
    spectra = {key: Curvature(**numbers[key]) for key in ("objective", "training")}
    return Evidence(**{**numbers, **spectra})


def section(task: str, seeds: int, content: dict[str, Any]) -> Section:
    """Lay out a task for the page, from what the file keeps."""
    tables = {table["row"]: table for table in content["table"]}
    shown = [c for c in COLUMNS if c in tables["original"]]
    settings = {
        name: Famr(**content["settings"][name]) for name in tables if name in content["settings"]
    }
    what = {"class": "a class", "sample": "a tenth of the training examples"}[task]
    tuning = "; ".join(f"{name}: {told_settings(famr)}" for name, famr in settings.items())
    means = {f: np.array([[tables["retrained"][c]["mean"]]]) for f, c in CURVED.items()}
    drawn = {
        name: {f: np.array(values) for f, values in content["curves"][name].items()}
        for name in settings
    }
    return Section(
        title=f"Forgetting {what}",
        words=(
            f"{seeds} seeds, each with its own original, retrained network and {what} to forget. "
            f"Means with 95 % intervals over seeds. {tuning}. What differs from the published was "
            "chosen on a further trial, nearest to its retrained network in Ret and For together. "
            "The theory is measured on the first seed."
        ),
        header=("", *shown),
        rows=[[name, *(cell(table[c], c) for c in shown)] for name, table in tables.items()],
        curves=[Curves(name, **values) for name, values in drawn.items()],
        retrained=Curves("retrained", **means),
        classes=trials.RECIPE.classes,
        evidence={name: read_back(found) for name, found in content["evidence"].items()},
    )


def cell(found: dict[str, float], column: str) -> str:
    """Write a mean with its interval; accuracies in percent."""
    unit, digits = (100, 1) if column in ACCURACIES else (1, 2)
    mean, low, high = (f"{unit * found[k]:.{digits}f}" for k in ("mean", "low", "high"))
    return f"{mean} [{low}, {high}]"


def draw(path: Path) -> None:
    """Write the page beside the result that it shows."""
    result = json.loads(path.read_text())
    sections = [section(task, result["settings"]["seeds"], result["rows"][task]) for task in TASKS]
    facts = {
        "Data": "scikit-learn digits, 1,200 for training, 597 for testing",
        "Network": "vit-digits, a timm vision transformer of four layers",
        "Columns": "Ret, For: accuracy in %. CE, Ent, KL: nats. probe: AUC of a linear probe for "
        "the forgotten class on the features",
    }
    page = famr_page("FAMR on a vision transformer", facts, sections)
    path.with_suffix(".html").write_text(page)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="famr", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, choices=range(2, TUNING + 1))
    parser.add_argument("--cache", type=Path, default=ROOT / "artifacts/benchmarks/famr-digits")
    parser.add_argument("--page", action="store_true", help="only draw the page again")
    parser.add_argument(
        "--full", action="store_true", help="ViT-Ti, -S, -B: see benchmarks.famr.full"
    )
    for name, part in parts.PARTS.items():
        parser.add_argument(f"--{name}", action="store_true", help=part.words)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.full:
        record.perform("famr", partial(full.measured, args.seeds, args.cache))
        return
    for name in parts.PARTS:
        if getattr(args, name):
            record.perform("famr", partial(parts.measured, name, args.seeds, args.cache))
            return
    if not args.page:
        settings = trials.settings() | {"seeds": args.seeds}
        settings |= {"rates": RATES, "anchors": ANCHORS}
        rows = {task: one_task(task, args.seeds, args.cache) for task in TASKS}
        record.write("famr-digits", settings, rows)
    draw(record.RESULTS / "famr-digits.json")
