"""The policy of a new workspace, by whose gates benchmarks judge."""

from __future__ import annotations

from typing import Any

import yaml

from benchmarks.samples import ROOT
from unlearning.contracts import Gate
from unlearning.judging.verdicts import gates_of

OF_CLASSES = "geometry"
"""The gate that asks only where a class is forgotten whole."""


def policy() -> dict[str, Any]:
    """Read policy.yaml."""
    return dict(yaml.safe_load((ROOT / "policy.yaml").read_text()))


def gates(*, whole_classes: bool = True) -> tuple[Gate, ...]:
    """Give its gates; without the one on whole classes where none is forgotten."""
    rules = dict(policy()["gates"])
    if not whole_classes:
        rules.pop(OF_CLASSES)
    return gates_of(rules)
