"""The correctness attack: a member is answered rightly. The weakest there is; not calibrated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from unlearning.attacks import ATTACKS
from unlearning.domain import FloatArray, Outputs, ShadowOutputs


@ATTACKS.register
@dataclass(frozen=True, kw_only=True)
class Correctness:
    """Score 1 where the highest logit is the label's, else 0 (Yeom et al. 2018)."""

    name: ClassVar[str] = "correctness"
    paper: ClassVar[str] = "Yeom et al. 2018"
    runs: ClassVar[str] = "library"

    def score(self, target: Outputs, shadows: ShadowOutputs) -> FloatArray:
        """Score every example; the shadows are not read."""
        return np.asarray(target.logits.argmax(1) == target.labels, dtype=np.float64)
