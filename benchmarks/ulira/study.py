"""U-LiRA of unlearning methods on digits: is an example that was unlearned told from a stranger?

    python -m benchmarks.ulira

Both sides have unlearned, and likelihood ratios are of models held out of the fit
(unlearning.audits.ulira has the arithmetic, benchmarks.ulira.models who saw what). Beside it stands
what the gates' attack says of the very same models. Retraining is the control that should give .5,
the originals that did not unlearn are the other end. What is computed is kept under --cache, so
that an interrupted run goes on. Writes ulira-digits.json and ulira-digits.md to benchmarks/results.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks import presets, record, rules, samples
from benchmarks.markdown import table as markdown
from benchmarks.means import write_page
from benchmarks.methods import grounds
from benchmarks.presets import ANY, Preset
from benchmarks.ulira.models import Design, Lab
from benchmarks.ulira.rows import FPR, TOLD_APART, row_of
from unlearning.audits import ulira
from unlearning.bank.shadows import Bank, load_bank
from unlearning.domain import FloatArray, Outcome
from unlearning.errors import Diverged
from unlearning.gates.forgetting import Forgetting

EPOCHS = 20
"""Enough to learn 98 % of the training labels by heart, the wrong ones among them."""

NEG_GRAD_PLUS = Preset(
    name="neg_grad_plus",
    method="neg_grad_plus",
    settings={"learning_rate": 0.1, "balance": 0.95, "epochs": 5, "batch_size": 64},
    source="default",
    found="of three tried on a model of another draw, the one that forgot most",
)


def rows() -> dict[str, Preset | None]:
    """Give what is compared: the originals, the control, and methods with their settings."""
    known = {(p.name, p.data, p.task): p for p in presets.load()}
    return {
        "original": None,
        "retrain": known["retrain", ANY, ANY],
        "finetune, of the policy": _of_policy("finetune"),
        "random_label sequential": known["random_label sequential", ANY, ANY],
        "neg_grad_plus": NEG_GRAD_PLUS,
        "sfr_on, tuned on CIFAR-10": known["sfr_on", "cifar10", "random"],
    }


def _of_policy(method: str) -> Preset:
    ladder = rules.policy()["ladder"]
    settings = next(rung["settings"] for rung in ladder if rung["method"] == method)
    return Preset(
        name=method, method=method, settings=settings, source="default", found="policy.yaml"
    )


def forgetting_gate() -> Forgetting:
    """Give the policy's gate, by answers alone: no network of these runs is kept."""
    return next(gate for gate in rules.gates() if isinstance(gate, Forgetting)).by_answers()


def words(design: Design, found: Sequence[dict[str, Any]]) -> str:
    """Say how many there were of everything."""
    return (
        f"digits, {design.models} models in {design.models // 2} pairs, {2 * design.models} runs, "
        f"{found[0]['examples']} examples, each unlearned in {design.models // 2} runs and never "
        f"seen in {design.models}. Intervals are at 95 %: a bootstrap over pairs of models, which "
        "is too narrow for few pairs, and Student's over models for the gate's."
    )


def page(found: Sequence[dict[str, Any]]) -> str:
    """Write the table as Markdown, in per cent but for the AUCs."""
    header = (
        "row",
        "AUC per example",
        "of the most memorised tenth",
        f"examples above {TOLD_APART}",
        "balanced accuracy",
        "pooled AUC (95 %)",
        *(f"TPR at {100 * rate:g} % FPR" for rate in ulira.FPRS),
        "gate's attack AUC (95 %)",
        f"its TPR at {100 * FPR:g} % FPR",
        "gate: passed / failed / inconclusive",
        "test accuracy",
    )
    return markdown(header, map(_line, found))


def _line(row: dict[str, Any]) -> tuple[str, ...]:
    if "diverged" in row:
        return (row["row"], row["diverged"], *[""] * 11)
    gate = row["gate"]
    return (
        row["row"],
        f"{row['example AUC']:.3f}",
        f"{row['example AUC, most memorised']:.3f}",
        f"{row['told apart']:.1%}",
        f"{row['balanced accuracy']:.3f}",
        _interval(row["pooled AUC"]),
        *(f"{row['TPR'][str(rate)]:.1%}" for rate in ulira.FPRS),
        _interval(gate["AUC"]),
        f"{gate['tail'][0]:.1%}",
        " / ".join(str(gate["said"][outcome]) for outcome in Outcome),
        f"{row['test accuracy']:.1%}",
    )


def _interval(found: Sequence[float]) -> str:
    return "{:.3f} ({:.3f} to {:.3f})".format(*found)


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="ulira", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--models", type=int, default=24, help="originals; each unlearns twice")
    parser.add_argument("--base", type=int, default=20, help="subjects that every model sees")
    parser.add_argument("--pool", type=int, default=36, help="subjects that half of them see")
    parser.add_argument("--rows", nargs="+", choices=list(rows()), default=list(rows()))
    parser.add_argument("--cache", type=Path, default=grounds.CACHE)
    return parser.parse_args(arguments)


def run(args: argparse.Namespace) -> Path:
    """Run the benchmark and give the path of its JSON file."""
    torch.set_num_threads(1)
    setting, folder = samples.digits(), args.cache / "digits"
    design = Design(models=args.models, base=args.base, pool=args.pool)
    training = dataclasses.replace(setting.training, epochs=EPOCHS)
    lab = Lab(setting, training, design, folder / "study" / "ulira")
    bank = load_bank(grounds.bank_of(setting, folder, 1, record.told))
    originals, found = lab.answers(None), []
    for name in args.rows:
        found.append(_row(name, lab, originals, bank))
        print(found[-1], file=sys.stderr, flush=True)
    settings = {
        "data": "digits",
        **dataclasses.asdict(design),
        "training": dataclasses.asdict(training),
        "methods": {name: dataclasses.asdict(p) for name, p in rows().items() if p},
        "shadows of the gate": len(bank.seen),
        "gate": rules.policy()["gates"]["forgetting"],
    }
    path = record.write("ulira-digits", settings, found)
    write_page(path, words(design, found), page(found))
    return path


def _row(name: str, lab: Lab, originals: FloatArray, bank: Bank) -> dict[str, Any]:
    try:
        return {
            "row": name,
            **row_of(lab, lab.answers(rows()[name]), originals, bank, forgetting_gate()),
        }
    except Diverged as problem:
        return {"row": name, "diverged": str(problem)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    args = options(arguments)
    record.perform("ulira", lambda: run(args))
