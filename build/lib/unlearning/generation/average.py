"""The exponential moving average of a network's weights.

Which weights are sampled decides what is measured: after 600 steps an average of decay .9999 holds
5.8 % of the change, so that a generator that forgot draws the class as before.
"""

from __future__ import annotations

from copy import deepcopy

import torch

from unlearning.errors import UsageError
from unlearning.generation.generators import Generator


class Average:
    """A copy of a network that follows it slowly."""

    def __init__(self, network: Generator, decay: float) -> None:
        """Begin at the network's weights. decay: what is kept of the average at each step."""
        if not 0 <= decay < 1:
            raise UsageError(f"ema: got a decay of {decay}, expected 0 up to below 1")
        self.decay, self._of = decay, network
        self.network = deepcopy(network).eval().requires_grad_(False)

    @torch.no_grad()
    def follow(self) -> None:
        """Take one step's weights in."""
        pairs = zip(self.network.parameters(), self._of.parameters(), strict=True)
        for slow, fast in pairs:
            slow.lerp_(fast.detach(), 1 - self.decay)
