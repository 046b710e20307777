"""The README's one small table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.markdown import table
from benchmarks.means import told
from benchmarks.pages import whole_runs
from benchmarks.pages.gates import demands_of, share
from benchmarks.pages.results import load, there
from benchmarks.pages.year import summed_up

GROUNDS = ("digits", "cifar10")
DEMANDS = {
    "gross: released never (upper bound at most 0.5%)": "pretenders that forgot nothing: released",
    "bad by construction: released at most 2%": "pretenders that forgot badly: released",
    "good, decidable: released at least 80%": (
        "honest retrains that `plan` calls decidable: released, not counting lineage"
    ),
}
METHODS = "methods-cifar10-random"
ROWS = {
    "original": "the original, which forgot nothing",
    "retrained": "retrained without them",
    "finetune, tuned": "nearest method by the attack, `finetune`",
    "bad_teacher, tuned": "nearest method by accuracies, `bad_teacher`",
}


def summary() -> str:
    """Write what was found, a line each; results that are absent leave their lines out."""
    header = ("", "found", "n")
    return table(header, [*_gates(), *_methods(), *_whole_runs(), *summed_up(), *_cost()])


def _gates() -> Iterator[list[str]]:
    for ground in GROUNDS:
        if there(f"gates-{ground}"):
            rows = demands_of(f"gates-{ground}")
            yield from (_demand(ground, row) for row in rows if row["demand"] in DEMANDS)


def _demand(ground: str, row: dict[str, Any]) -> list[str]:
    found = f"{share(row['found'])}; by the usual gate {share(row['usual gate'])}"
    return [f"{ground}: {DEMANDS[row['demand']]}", found, str(row["n"])]


def _methods() -> Iterator[list[str]]:
    if not there(METHODS):
        return
    rows = {row["row"]: row for row in load(METHODS)["rows"]["table"]}
    for name, words in ROWS.items():
        if name in rows:
            auc, kept = rows[name]["forget_auc"], rows[name]["RA"]
            value = told(auc["mean"], auc["sd"], auc["n"], 3)
            found = f"{value} (95 %); {100 * kept['mean']:.0f} % right on the rest"
            yield [f"cifar10, 1,000 random examples: attack AUC of {words}", found, str(auc["n"])]


def _whole_runs() -> Iterator[list[str]]:
    if runs := whole_runs.counted():
        yield ["whole runs (digits, omniglot, cifar10)", *runs]


def _cost() -> Iterator[list[str]]:
    if there("judging-cost"):
        result = load("judging-cost")
        asked = result["settings"]
        seconds = result["rows"]["whole"]["one candidate"]["seconds"]
        images = sum(asked[part] for part in ("forget", "holdout", "retain_sample", "test"))
        what = f"judging one candidate of {images:,} images with {asked['shadows']} shadows"
        found = f"{seconds['median']:.1f} s on {result['hardware']['cores']} cores"
        yield [what, found, str(seconds["n"])]
