"""Holding a network to a Lipschitz constant a layer while it trains, whatever trains it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from unlearning.errors import Diverged, UsageError
from unlearning.lipschitz.contract import Clipper as Clipper
from unlearning.lipschitz.fastclip import FastClip
from unlearning.lipschitz.operators import Operator, operators_of
from unlearning.lipschitz.spectrum import followed, random_start
from unlearning.settings import BOUND
from unlearning.training.team import as_the_first

SEED = 0
"""Of the vectors that iterations begin with; what they come to does not depend on it."""

FIRST = 20
"""Iterations before the first step."""


def require_bound(bound: float | None, name: str) -> None:
    """Raise UsageError for a bound that no network but a constant one can be held to, or any is."""
    low, high = BOUND["low"], BOUND["high"]
    if bound is not None and not low <= bound <= high:
        raise UsageError(f"{name}: got {bound}, expected {low} to {high:,.0f}, or none")


class Clipping:
    """A network's operators with their leading vectors, which follow it from step to step.

    images: one picture, for the shapes. target: None holds nothing, and costs nothing.
    """

    def __init__(
        self,
        network: nn.Module,
        images: Tensor,
        target: float | None,
        clipper: Clipper | None = None,
    ) -> None:
        """Find the operators that have a weight to move, and their leading vectors.

        UsageError for one that does not shrink with its weight.
        """
        self.target, self.clipper = target or 0.0, clipper or FastClip()
        found = operators_of(network, images) if target else []
        self.operators = [operator for operator in found if operator.weights]
        for operator in self.operators:
            _require_holdable(operator)
        rng = torch.Generator().manual_seed(SEED)
        starts = (random_start(op, self.clipper.vectors, rng) for op in self.operators)
        pairs = zip(self.operators, starts, strict=True)
        self._right = [followed(operator, start, FIRST) for operator, start in pairs]
        self._steps = 0

    def step(self) -> None:
        """Follow the network after a training step; clip whenever it is time.

        Diverged for a weight or a spectrum that is not finite.
        """
        self._steps += 1
        if self._steps > self.clipper.delay and self._steps % self.clipper.every == 0:
            self._each(self._clipped)
            self._agree()
        elif self.clipper.track:
            self._each(self._tracked)

    def finish(self) -> None:
        """Clip for the last time, until nothing is above the target if the clipper can do that.

        Diverged as in `step`: the last step was followed by no clip, and by no loss.
        """
        for operator, right in zip(self.operators, self._right, strict=True):
            _require_finite(operator)
            self.clipper.settle(operator, right, self.target)
        self._agree()

    def _each(self, change: Callable[[Operator, Tensor], Tensor]) -> None:
        pairs = zip(self.operators, self._right, strict=True)
        self._right = [change(operator, right) for operator, right in pairs]

    def _clipped(self, operator: Operator, right: Tensor) -> Tensor:
        _require_finite(operator)
        return self.clipper.clip(operator, right, self.target)

    def _tracked(self, operator: Operator, right: Tensor) -> Tensor:
        return followed(operator, right, self.clipper.track)

    def _agree(self) -> None:
        """Take the first process's weights: each one's batch norm has seen other examples."""
        as_the_first([weight for operator in self.operators for weight in operator.weights])


def _require_finite(operator: Operator) -> None:
    if not all(torch.isfinite(weight).all() for weight in operator.weights):
        raise Diverged(  # such a matrix has no spectrum, and who looks for one says less
            f"training diverged: got a weight of layer {operator.name} that is not finite, "
            "expected finite ones, to hold it to a bound: lower the learning rate"
        )


def _require_holdable(operator: Operator) -> None:
    """Raise UsageError for a layer that twice its weight does not double.

    One that standardises its kernel is the same whatever the kernel's length, and one whose weight
    is made of others has none to move.
    """
    if not (operator.weights[-1].is_leaf and _doubles(operator)):
        kind = type(operator.layers[0]).__name__
        raise UsageError(
            f"lipschitz: got layer {operator.name}, a {kind} that does not grow with its weight, "
            "expected layers that multiply by theirs: set training.lipschitz to null, or take "
            "another --network"
        )


@torch.no_grad()
def _doubles(operator: Operator) -> bool:
    *others, weight = operator.weights
    x = random_start(operator, 1, torch.Generator().manual_seed(SEED))
    once, twice = operator(x), operator.applied(x, [*others, 2 * weight])
    return not (twice - 2 * once).norm() > 1e-3 * once.norm()  # of no numbers `step` tells
