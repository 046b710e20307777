"""Evidence as rows of a result hold it, and the verdicts on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from unlearning.contracts import Gate
from unlearning.domain import Measurement
from unlearning.gates.asking import ask
from unlearning.gates.generated import CLASSES, Concept, GeneratedUtility, Recovered
from unlearning.generation.comparing import compared
from unlearning.generation.measures import TV, Evidence, variation


def apart(candidate: Evidence, models: Sequence[Evidence]) -> dict[str, Any]:
    """Give TV, of what a candidate's pictures are taken for and what the models' are."""
    if not candidate.histogram.sum():
        return {}
    rng = np.random.default_rng(0)
    others = [model.histogram for model in models]
    return {TV: asdict(variation(candidate.histogram, others, rng))}


def as_json(evidence: Evidence, recovered: Mapping[str, Measurement]) -> dict[str, Any]:
    """Write evidence for a row."""
    return {
        "measured": {name: asdict(m) for name, m in evidence.measured.items()},
        "histogram": evidence.histogram.tolist(),
        "recovered": {name: asdict(m) for name, m in recovered.items()},
    }


def evidence_in(row: Mapping[str, Any]) -> Evidence:
    """Read a row's evidence; of a method that gave up there is none."""
    return Evidence(
        {name: Measurement(**m) for name, m in row.get("measured", {}).items()},
        np.array(row.get("histogram", [0])),
        {name: Measurement(**m) for name, m in row.get("recovered", {}).items()},
    )


def verdicts(
    candidate: Evidence, original: Evidence, models: Sequence[Evidence], recovery: Recovered
) -> dict[str, dict[str, str]]:
    """Give the verdicts of the three gates, each with its outcome and reason."""
    one = Measurement(CLASSES, 1, 1, 1, int(candidate.histogram.sum()))
    measured = compared(candidate, original, models) | {CLASSES: one}
    named: dict[str, Gate] = {
        "concept": Concept(),
        "utility": GeneratedUtility(),
        "recovery": recovery,
    }
    found = {name: ask(gate, measured) for name, gate in named.items()}
    return {name: {"outcome": str(v.outcome), "reason": v.reason} for name, v in found.items()}
