"""What may be said of an assurance level: what it means, how it came about, and what it leaves out.

Never that somebody's data are gone from a model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from systems.report.wording import ASSURANCES, OF_CLASSIFIERS, OF_GENERATORS

HOW = {
    "retrain": (
        "The released network was trained from new weights on the examples that were retained; "
        "nothing on its path was given the examples of the request."
    ),
    "warm_retrain": (
        "The released network began from stored bases and learned from the retained examples "
        "alone. The log vouched for each base before the run found its examples, and none was "
        "trained on a shard that holds them."
    ),
    "head_downdate": (
        "The released network's last layer is the one that the retained examples alone give, up "
        "to the bound in its report; what lies below it is frozen, and somebody signed that it "
        "never saw the data."
    ),
}
"""What an exact method's lineage is."""

OF_LINEAGE = (
    "Lineage does not cover what was chosen with the examples in sight: tuned settings, the kind "
    "of network, how many bases there are, and which of several candidates was kept.",
    "That the training was done as the log says is the word of whoever holds the signing key, "
    "unless it is done again from the data (a replay).",
)
OF_PURGE = ("Nothing had to be unlearned: no example of the request was trained on.",)

NOT_CONVEX = "Hessian has negative eigenvalues: the bound does not apply"
"""Of FAMR's theory, where curvature was measured and is not what it needs."""

FAMR = {
    "stationarity_residual": "stationarity residual (Eq. 6; 0 is what the theory speaks of)",
    "distance_from_original": "distance moved from the original weights",
    "uniform_gap_max": "largest distance of an answer from uniform (Eq. 15)",
    "uniform_gap_mean": "mean distance of answers from uniform (Eq. 15)",
    "distance_bound": "bound on the distance from the optimum without the examples",
}
"""Numbers of a method's own report that are printed, in words."""


def level(name: str) -> str:
    """Say what a level means."""
    return f"{name}: {ASSURANCES.get(name, ASSURANCES['A0'])}."


def how(name: str, method: object, report: Mapping[str, Any]) -> Iterator[str]:
    """Say how a level came about: the lineage of an exact method, or a method's own evidence."""
    if name == "A3":
        yield HOW.get(str(method), "Nothing on its path saw the examples of the request.")
    if name == "A1":
        yield from OF_PURGE
    for key, words in FAMR.items():
        if key in report:
            yield f"{words[0].upper()}{words[1:]}: {report[key]:.3g}."
    if method == "famr":
        yield f"State of the assumptions of FAMR's bounds: {_convexity(report)}."


def _convexity(report: Mapping[str, Any]) -> str:
    low = report.get("hessian_low")
    if low is None:
        return "the Hessian was not measured, so none of them is known to apply"
    if low <= 0:
        return f"{NOT_CONVEX} (smallest found: {low:.3g})"
    return f"smallest eigenvalue found of the objective's Hessian {low:.3g}, at this point alone"


def measured(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Give what was measured, with its interval and number of examples."""
    for row in rows:
        value, low, high = (_number(row.get(name)) for name in ("value", "low", "high"))
        name = str(row.get("name")).replace("_", " ")
        yield f"measured {name}: {value} ({low} to {high}), n = {row.get('n')}"


def _number(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, int | float) else "unknown"


def limits(name: str, *, draws: bool = False) -> tuple[str, ...]:
    """Say what a level leaves out; draws: of a model that draws pictures."""
    measured = OF_GENERATORS if draws else OF_CLASSIFIERS
    return {"A3": OF_LINEAGE, "A2": measured.not_proved}.get(name, ())
