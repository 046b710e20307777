"""Spectra, clipped networks, the terms of AMUN's bound, and ensembles under attack."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from benchmarks.markdown import n_seeds, table
from benchmarks.means import mean_of
from benchmarks.pages.results import load

Rows = Sequence[Mapping[str, Any]]


def spectra(name: str) -> str:
    """Write how far each way is from the layer written down, and what it costs."""
    result = load(name)
    rows, settings = result["rows"], result["settings"]
    ways, costs = list(rows[0]["errors"]), list(rows[0]["milliseconds"])
    words = (
        f"3 x 3 kernels of {settings['channels']} channels on {settings['side']} x "
        f"{settings['side']} pixels, {settings['draws']} draws; the draw with the largest error, "
        "in per cent of the true norm. Numbers after a way are its iterations.\n\n"
    )
    errors = [[kind, *(_worst(of, way) for way in ways)] for kind, of in _by(rows, "kind")]
    spent = [[kind, *(_spent(of, cost) for cost in costs)] for kind, of in _by(rows, "kind")]
    took = "\nProcessor milliseconds, the mean of the draws:\n\n"
    return words + table(("layer", *ways), errors) + took + table(("layer", *costs), spent)


def _worst(rows: Rows, way: str) -> str:
    return f"{100 * max((row['errors'][way] for row in rows), key=abs):+.2f}"


def _spent(rows: Rows, cost: str) -> str:
    return f"{sum(row['milliseconds'][cost] for row in rows) / len(rows):.1f}"


def _by(rows: Rows, *keys: str) -> Iterable[tuple[Any, Rows]]:
    """Give rows that agree in some keys, in the order in which they come."""
    found: dict[Any, list[Mapping[str, Any]]] = {}
    for row in rows:
        value = row[keys[0]] if len(keys) == 1 else tuple(row[key] for key in keys)
        found.setdefault(value, []).append(row)
    return found.items()


def trained(name: str) -> str:
    """Write what networks learned while each clipper held them, and how well it did."""
    result = load(name)
    settings = result["settings"]
    words = (
        f"**{settings['data']}**: {settings['train']:,} training and {settings['test']:,} test "
        f"examples, {settings['recipe']['network']}, {settings['training']['epochs']} epochs, "
        f"{n_seeds(settings['seeds'])}; mean, and Student's 95 % interval of it.\n\n"
    )
    header = (
        "clipper",
        "bound",
        "test accuracy",
        "training accuracy",
        "largest norm, as deployed",
        "of kernels alone",
        "ms a step",
    )
    lines = [
        [clipper, "" if bound is None else f"{bound:g}", *_learned(of)]
        for (clipper, bound), of in _by(result["rows"], "clipper", "bound")
    ]
    return words + table(header, lines)


def _learned(rows: Rows) -> list[str]:
    return [
        _mean(rows, "test_accuracy"),
        _mean(rows, "train_accuracy"),
        _mean(rows, "deployed", 2),
        _mean(rows, "kernels", 2),
        f"{sum(row['milliseconds'] for row in rows) / len(rows):.1f}",
    ]


def _mean(rows: Rows, key: str, digits: int = 3) -> str:
    """Write a mean over seeds and its interval; shares stay within 0 and 1."""
    values = [float(row[key]) for row in rows if math.isfinite(row[key])]
    if not values:
        return ""
    found = mean_of(values)
    share = digits == 3
    ends = (max(0.0, found.low), min(1.0, found.high)) if share else (found.low, found.high)
    if len(values) < 2:
        return f"{found.value:.{digits}f}"
    return f"{found.value:.{digits}f} ({ends[0]:.{digits}f} to {ends[1]:.{digits}f})"


TERMS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "distance before": lambda row: f"{row['distance before']:.0f}",
    "distance after": lambda row: f"{row['distance after']:.0f}",
    "the bound": lambda row: f"{row['bound']:.3g}",
    "L": lambda row: f"{row['L']:.3g}",
    "L measured": lambda row: f"{row['L measured']:.3g}",
    "delta": lambda row: f"{row['delta']:.2f}",
    "C": lambda row: f"{row['C']:.2f}",
    "transfer": lambda row: f"{row['transfer']:.2f}",
    "eigenvalues": lambda row: f"{row['least eigenvalue']:.3g} to {row['largest eigenvalue']:.3g}",
    "loss, original": lambda row: f"{row['loss original']:.2f}",
    "loss, retrained": lambda row: f"{row['loss retrained']:.2f}",
}


def theorem(name: str) -> str:
    """Write the terms of AMUN's bound, seed by seed."""
    rows = load(name)["rows"]
    lines = [[row["data"], row["seed"], *(term(row) for term in TERMS.values())] for row in rows]
    words = "Theorem 4.4.1 on each seed's original, retrained and stepped network:\n\n"
    return words + table(("data", "seed", *TERMS), lines)


def tracking(name: str) -> str:
    """Write how far one iteration a step is off after the steps, and on the way."""
    result = load(name)
    steps, seeds = (result["settings"][key] for key in ("steps", "seeds"))
    words = (
        f"One iteration a step over {steps} steps of SGD, {n_seeds(seeds)}; relative error of the "
        "largest singular value in per cent, the worst of all layers and seeds. Looked at after "
        "every fifth step.\n\n"
    )
    lines = [
        [
            ground,
            vectors,
            len({row["layer"] for row in of}),
            *(f"{100 * max((row[key] for row in of), key=abs):+.2f}" for key in ("end", "worst")),
        ]
        for (ground, vectors), of in _by(result["rows"], "ground", "vectors")
    ]
    header = ("in", "vectors followed", "layers", "after all steps", "on the way, at most")
    return words + table(header, lines)


MEASURES = {
    "accuracy": "members' accuracy",
    "together": "ensemble's accuracy",
    "rate": "T_rate",
    "single": "robust, single",
    "ensemble": "robust, ensemble",
    "black_box": "robust, black-box",
}


def ensembles(name: str) -> str:
    """Write how ensembles of each way stand attacks, and how alike their members are."""
    result = load(name)
    settings, attack = result["settings"], result["settings"]["attack"]
    words = (
        f"**{settings['data']}**: {settings['members']} members of "
        f"{settings['recipe']['network']}, {settings['train']:,} training examples, "
        f"{settings['training']['epochs']} epochs, {n_seeds(settings['seeds'])}; "
        f"{settings['attacked']} test examples under {attack['name'].upper()}, {attack['steps']} "
        f"steps, at most {attack['bound']:g} a pixel. Mean, and Student's 95 % interval of it.\n\n"
    )
    lines = [
        [
            way,
            "" if bound is None else f"{bound:g}",
            _mean(of, "overlap", 2),
            *(_mean(of, key) for key in MEASURES),
        ]
        for (way, bound), of in _by(result["rows"], "way", "bound")
    ]
    return words + table(("trained", "layers held to", "overlap", *MEASURES.values()), lines)
