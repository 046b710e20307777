"""SFR-on that is looked at while it alternates: how far it has drifted at the end of each cycle."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

from torch import Tensor, nn

from unlearning.methods.sfr_on import SfrOn
from unlearning.training.descent import Batch, Descent

EVERY = 20
"""Steps between two looks, at the end of a cycle."""


@dataclass(frozen=True, kw_only=True)
class Watched(SfrOn):
    """SFR-on as it is; `look` is shown a copy, in evaluation mode, where a cycle has ended."""

    look: Callable[[int, nn.Module], None] | None = None

    def _ascent(self, descent: Descent, batch: Batch, step: int) -> Tensor:
        """Look before the next cycle begins."""
        if self.look is not None and step and step % EVERY == 0:
            self.look(step, deepcopy(descent.network).eval())
        return super()._ascent(descent, batch, step)
