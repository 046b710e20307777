"""The comparison of methods as rows with means and deviations, and as a page in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.markdown import n_seeds
from benchmarks.markdown import table as markdown
from benchmarks.methods.cells import ORIGINAL, OTHER, RETRAINED

ATTACKS = {
    "memorised_auc": "memorised tenth",
    "rmia FT": "RMIA FT",
    "rmia FR": "RMIA FR",
    "rmia RT": "RMIA RT",
    "mia_nn": "MIA-NN",
    "class_tv": "class TV",
}
"""Columns of further attacks with their headings; a task has those that suit it."""

PERCENT = ("FA", "RA", "TA", "forget_valid", "mia_entropy_lr", "mia_conf_svc")
"""Columns that papers print in percent, with their gap to the retrained model."""

COSTS = ("seconds", "processor_seconds", "passes")
"""Wall seconds, seconds of all cores together, and examples passed forward and backward."""

SHOWN_COSTS = ("seconds", *(f"of retraining, {name}" for name in COSTS), "passes")

Row = dict[str, Any]


def table(results: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Give a row for each task and method: mean, standard deviation and n of every column.

    results: one for each cell. A cell that diverged counts in `diverged` and nowhere else. Costs
    are divided by those of the row `retrain` of the same trial, where there is one, else by what
    was recorded of the retrained model's training.
    """
    exact = [r for r in results if r["row"] in (RETRAINED, "retrain") and "passes" in r]
    whole = {(r["task"], r["seed"]): r for r in exact}
    rows = []
    for task, row in dict.fromkeys((r["task"], r["row"]) for r in results):
        of = [r for r in results if (r["task"], r["row"]) == (task, row)]
        fine = [r for r in of if "columns" in r]
        line: Row = {"task": task, "row": row, "n": len(fine), "diverged": len(of) - len(fine)}
        line |= next(
            ({"method": r["method"], "access": r["access"]} for r in fine if "method" in r), {}
        )
        found = [r["columns"] | _costs(r, whole.get((task, r["seed"]))) for r in fine]
        names = dict.fromkeys(name for values in found for name in values)
        line |= {name: spread([v[name] for v in found if name in v]) for name in names}
        rows.append(line)
    return rows


def _costs(result: Mapping[str, Any], whole: Mapping[str, Any] | None) -> dict[str, float]:
    found = {name: result[name] for name in COSTS if name in result}
    if whole is not None:
        both = [name for name in found if name in whole]
        found |= {f"of retraining, {name}": result[name] / whole[name] for name in both}
    return found


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Give mean, standard deviation (None of a single value) and n."""
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "sd": deviation, "n": len(values)}


def page(name: str, settings: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """Write the page of one comparison."""
    words = (
        f"# {name}\n\n"
        f"{settings['recipe']['network']}, {settings['train']:,} training, "
        f"{settings['holdout']:,} holdout and {settings['test']:,} test examples, "
        f"{settings['shadows']} shadows, {n_seeds(settings['seeds'])} with an original each. "
        "Mean +- "
        "standard deviation over the seeds; in percent, with the gap to the retrained model in "
        "brackets (the mean of the gaps, not the gap of the means); D_KL and JS in nats. "
        "`mia_entropy_lr` is the share of the forget set that is taken for members, `mia_conf_svc` "
        "the share taken for non-members: the aim is the retrained model's, for both. `attack AUC` "
        "is calibrated on shadows that never saw the example, .5 is the aim, with its mean 95 % "
        "interval; without shadows it is not measured, and `loss AUC` is against test examples. "
        "`memorised tenth`: the attack on the tenth that shadows memorise most. RMIA: forget above "
        "holdout (FT), retain above forget (FR), retain above holdout (RT). MIA-NN and `class TV` "
        "are against models of other seeds that were trained without the class. "
        "The average gap is of FA, RA, TA and mia_entropy_lr, as SFR-on has it. `of "
        "retraining`: by wall seconds, by the processor's, which a busy machine changes less, and "
        "by examples passed forward and backward, of which the last column has the number.\n"
    )
    parts = [words]
    for task in dict.fromkeys(row["task"] for row in rows):
        of = [row for row in rows if row["task"] == task]
        sizes = " or ".join(f"{n:,}" for n in dict.fromkeys(settings["forgotten"][task]))
        parts.append(f"\n## {task}: {sizes} examples forgotten\n\n")
        parts.append(_table(of))
    return "".join(parts)


def _table(rows: Sequence[Row]) -> str:
    shown = [name for name in PERCENT if any(name in row for row in rows)]
    further = [name for name in ATTACKS if any(name in row for row in rows)]
    header = ["", "reads", *shown, "average gap", "D_KL", "JS", "attack AUC", "loss AUC"]
    header += [ATTACKS[name] for name in further]
    header += ["seconds", "of retraining: seconds", "processor", "passes", "examples passed"]
    return markdown(header, [[*_name(row), *_cells(row, shown, further)] for row in rows])


def _name(row: Row) -> tuple[str, str]:
    plain = row["row"] in (ORIGINAL, RETRAINED, OTHER)
    diverged = f" ({row['diverged']} diverged)" if row["diverged"] else ""
    name = f"**{row['row']}**" if plain else row["row"]
    return name + diverged, " + ".join(row.get("access", ()))


def _cells(row: Row, shown: Sequence[str], further: Sequence[str]) -> list[str]:
    if not row["n"]:
        return ["diverged"] + [""] * (len(shown) + len(further) + len(SHOWN_COSTS) + 4)
    cells = [_percent(row, name) for name in shown]
    cells.append(_with_spread(row["average gap"], 100, ".2f"))
    cells += [_with_spread(row[name], 1, ".3f") for name in ("D_KL", "JS")]
    cells.append(_attack(row))
    cells.append(_with_spread(row["loss_auc"], 1, ".3f"))
    cells += [_with_spread(row[name], 1, ".3f") if name in row else "" for name in further]
    for name in SHOWN_COSTS:
        form = ",.0f" if name == "passes" else ".2f"
        cells.append(format(row[name]["mean"], form) if name in row else "")
    return cells


def _attack(row: Row) -> str:
    """Write the calibrated attack with its interval; without a shadow bank there is none."""
    if "forget_auc" not in row:
        return ""
    low, high = row["forget_auc low"]["mean"], row["forget_auc high"]["mean"]
    return f"{_with_spread(row['forget_auc'], 1, '.3f')} [{low:.2f}, {high:.2f}]"


def _percent(row: Row, name: str) -> str:
    if name not in row:
        return ""
    gap = row[f"gap {name}"]["mean"] * 100
    return f"{_with_spread(row[name], 100, '.2f')} ({gap:.2f})"


def _with_spread(value: Mapping[str, Any], scale: float, form: str) -> str:
    mean = format(value["mean"] * scale, form)
    return mean if value["sd"] is None else f"{mean} +- {format(value['sd'] * scale, form)}"
