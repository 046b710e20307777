"""Scores that are no numbers: an attack that failed must not look like one that found nothing."""

from __future__ import annotations

import numpy as np

from unlearning.domain import FloatArray
from unlearning.errors import AttackFailed


def all_finite(*scores: FloatArray) -> bool:
    """Say whether there are only finite numbers, so that they can be ranked."""
    return all(bool(np.isfinite(each).all()) for each in scores)


def finite(attack: str, scores: FloatArray) -> FloatArray:
    """Give scores back, or raise AttackFailed, which names the attack and counts the others."""
    if all_finite(scores):
        return scores
    failed = int((~np.isfinite(scores)).sum())
    raise AttackFailed(
        f"attack {attack}: {failed} of {scores.size} scores are no finite numbers, so that it says "
        "nothing; look at the network's outputs and at the attack's settings"
    )
