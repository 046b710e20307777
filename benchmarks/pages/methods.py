"""The methods: what the registry holds, and how they came out beside retraining."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from benchmarks.markdown import n_seeds, table
from benchmarks.means import told, words_of
from benchmarks.methods import beside, tables
from benchmarks.pages.results import load, machine, named, page_of
from unlearning.errors import UsageError
from unlearning.methods import METHODS

RATES = ("FA", "RA", "TA", "forget_valid", "average gap")
ATTACKS = {"forget_auc": "attack AUC (calibrated)", **tables.ATTACKS}
FULL = "methods-cifar10-full*"


def registered() -> str:
    """Write what the registry of methods holds."""
    rows = []
    for name in METHODS:
        method = METHODS[name]
        what = (method.__doc__ or "").splitlines()[0].rstrip(".")
        reads = " + ".join(sorted(method.needs))
        rows.append([f"`{name}`", what, method.paper, reads, "yes" if method.exact else "no"])
    return table(("method", "what it does", "from", "reads", "exact"), rows)


def compared(name: str) -> str:
    """Write how methods came out beside retraining, a table for each task."""
    result = load(name)
    rows = result["rows"]["table"]
    tasks = dict.fromkeys(row["task"] for row in rows)
    parts = [_task(task, result["settings"], rows) for task in tasks]
    return "\n".join([*parts, page_of(name, "All columns")])


def _task(task: str, settings: dict[str, Any], rows: Sequence[dict[str, Any]]) -> str:
    of = [row for row in rows if row["task"] == task]
    sizes = np.unique(settings["forgotten"][task])  # one number, or one for each seed
    forgotten = " or ".join(f"{size:,}" for size in sizes)
    words = (
        f"**{settings['data']}, {task}**: {forgotten} of {settings['train']:,} "
        f"examples forgotten, {settings['recipe']['network']}, {n_seeds(settings['seeds'])} with "
        f"an original each; {words_of(settings['seeds'])}, in per cent.\n\n"
    )
    rates, attacks = (_there(names, of) for names in (RATES, ATTACKS))
    asked = [ATTACKS[name] for name in attacks]
    header = ("", *rates, "D_KL", *asked, "seconds", "passes, of retraining")
    return words + table(header, [_row(row, rates, attacks) for row in of])


def _there(names: Iterable[str], rows: Sequence[dict[str, Any]]) -> list[str]:
    return [name for name in names if any(name in row for row in rows)]


def _row(row: dict[str, Any], rates: Sequence[str], attacks: Sequence[str]) -> list[str]:
    ratio = "of retraining, passes"
    return [
        row["row"],
        *(_spread(row, key, 100, 1) for key in rates),
        _spread(row, "D_KL", 1, 2),
        *(_spread(row, key, 1, 3) for key in attacks),
        f"{row['seconds']['mean']:.0f}" if "seconds" in row else "",
        f"{row[ratio]['mean']:.2f}" if ratio in row else "",
    ]


def _spread(row: dict[str, Any], key: str, scale: float, digits: int) -> str:
    found = row.get(key)
    if not found or found["mean"] is None:
        return ""
    return told(found["mean"], found["sd"] or 0.0, row["n"], digits, scale)


def mended(name: str) -> str:
    """Write how methods came out before and after they were mended, by the same networks."""
    before, now = (load(n)["rows"]["table"] for n in (f"{name}-before", name))
    rows = [[*_which(old, new), *_pair(old, new)] for old, new in zip(before, now, strict=True)]
    header = ("", "forgotten", "FA", "RA", "TA", "average gap", "attack AUC (calibrated)")
    return table(header, rows)


def _which(old: dict[str, Any], new: dict[str, Any]) -> tuple[str, str]:
    if (old["task"], old["row"]) != (new["task"], new["row"]):
        raise UsageError(
            f"mended: got {new['row']} where {old['row']} stood before, expected the same rows"
        )
    return old["row"], old["task"]


def _pair(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    columns = (("FA", 100, 1), ("RA", 100, 1), ("TA", 100, 1), ("average gap", 100, 1))
    shown = (*columns, ("forget_auc", 1, 3))
    cells = [(_spread(old, *column), _spread(new, *column) or "refused") for column in shown]
    return [first if first == then else f"{first} → {then}" for first, then in cells]


def full() -> str:
    """Write the runs on all of CIFAR-10, each beside the papers that train as it does."""
    found = named(FULL)
    if not found:
        return "Not measured yet: there is no `benchmarks/results/methods-cifar10-full.json`.\n"
    return "\n".join(_beside_papers(name) for name in found)


def _beside_papers(name: str) -> str:
    result = load(name)
    settings, rows = result["settings"], result["rows"]["table"]
    papers = beside.trained_as(settings["data"])
    pages = beside.page(papers, rows, settings["training"]["epochs"]).replace("## ", "#### ")
    return f"{compared(name)}{pages}\n{machine(name)}"


PARTS = {
    "tuning": "Rate and variant, chosen on a seed of its own by the average gap",
    "half": "Half of the people forgotten at once",
    "requests": "Requests of 2 % each, one after another; all who were forgotten so far",
    "sources": "Other adversarial examples; l2 is how far they are, in pixels of 0 to 1",
    "originals": "Other originals, each beside a model that was retrained as it was trained",
}


def amun(name: str) -> str:
    """Write what AMUN's paper asks beside one request of a tenth, a table for each part."""
    result = load(name)
    settings, found = result["settings"], result["rows"]
    rows = [*found["tuning"], *found["table"]]
    words = (
        f"**{settings['data']}**: {settings['recipe']['network']} on {settings['train']:,} "
        f"examples, {n_seeds(settings['seeds'])} with an original and people of their own; "
        f"{words_of(settings['seeds'])}, in per cent. The aim of each column is the row "
        "`retrained`.\n"
    )
    parts = (_part(PARTS[part], [r for r in rows if r["part"] == part]) for part in PARTS)
    return "\n".join([words, *parts])


def _part(words: str, rows: Sequence[dict[str, Any]]) -> str:
    rates = _there((*RATES, "D_KL"), rows)
    others = _there((*ATTACKS, "loss_auc", "l2", "found"), rows)
    asked = [{**ATTACKS, "loss_auc": "loss AUC"}.get(name, name) for name in others]
    lines = [
        [
            row["row"] if row["request"] is None else f"{row['request']}: {row['row']}",
            *(_spread(row, key, *(1, 2) if key == "D_KL" else (100, 1)) for key in rates),
            *(_spread(row, key, 1, 3) for key in others),
        ]
        for row in rows
    ]
    return f"{words}:\n\n{table(('', *rates, *asked), lines)}"
