"""Forget sets by which shadows are no model of who was retrained: groups, and whole classes."""

from __future__ import annotations

from collections.abc import Mapping

from unlearning.terms import Measurement

MATES, MATES_LIMIT = "erased_mates", 0.05
"""How many more of a forgotten example's nearest mates are forgotten too than of a stranger's: a
share, and from where on the forget set is a group."""

CLASSES = "forgotten_classes"
"""How many classes go: of which less than half as large a share stays as of all others."""

GROUP = (
    "a batch of people who resemble one another more than strangers do: shadows saw some of their "
    "mates, a model retrained without them saw none; only models trained without them can judge"
)


def lenient(measured: Mapping[str, Measurement]) -> bool:
    """Say whether being avoided proves nothing: by lineage, or since the mates are gone too."""
    lineage = measured.get("by_lineage")
    return (lineage is not None and lineage.value == 1) or group(measured)


def group(measured: Mapping[str, Measurement]) -> bool:
    """Say whether forgetting takes more mates of the forgotten than strangers lose, and nobody is
    there who lost them too."""
    apart = "models_apart" in measured and measured["models_apart"].value > 0
    return MATES in measured and measured[MATES].low > MATES_LIMIT and not apart
