"""Gouk et al.: divide a layer's weight by what its norm is too large by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from unlearning.lipschitz import CLIPPERS
from unlearning.lipschitz.fastclip import divide
from unlearning.lipschitz.operators import Operator, scale_of
from unlearning.lipschitz.spectrum import converged, power_qr


@CLIPPERS.register
@dataclass(frozen=True, kw_only=True)
class Gouk:
    """Divide the whole weight by max(1, sigma / target), after every step.

    sigma is found by power iteration on the layer itself, so that stride and padding are right. But
    every singular value falls by the same factor, those below the target too; and batch norm is
    held to the target by itself, so that together with its convolution it is held too low.
    """

    name: ClassVar[str] = "gouk"
    paper: ClassVar[str] = "Gouk et al., Regularisation by enforcing Lipschitz continuity (2021)"
    runs: ClassVar[str] = "benchmark lipschitz"
    delay: ClassVar[int] = 0

    track: int = 1
    every: int = 1
    vectors: int = 1

    def norm(self, operator: Operator, right: Tensor) -> float:
        """Give the product of the norms of its layers."""
        found = float(power_qr(_first(operator), right, 0).values[0])
        for layer in operator.layers[1:]:
            found *= _largest_scale(layer)
        return found

    def clip(self, operator: Operator, right: Tensor, target: float) -> Tensor:
        """Divide each layer by itself."""
        found = power_qr(_first(operator), right, self.track)
        self._divide(operator, float(found.values[0]), target)
        return found.right

    def settle(self, operator: Operator, right: Tensor, target: float) -> None:
        """Divide by the norm itself, iterated until it stands still."""
        self._divide(operator, float(converged(_first(operator), right).values[0]), target)

    def _divide(self, operator: Operator, sigma: float, target: float) -> None:
        first, *others = operator.layers
        if _movable(first):
            divide(first.weight, sigma / target)  # type: ignore[arg-type]
        for layer in others:
            if _movable(layer):
                divide(layer.weight, _largest_scale(layer) / target)  # type: ignore[arg-type]


def _first(operator: Operator) -> Operator:
    return Operator(operator.name, operator.layers[:1], operator.shape)


def _movable(layer: torch.nn.Module) -> bool:
    weight = getattr(layer, "weight", None)
    return weight is not None and weight.requires_grad


def _largest_scale(layer: torch.nn.Module) -> float:
    assert isinstance(layer, _BatchNorm)  # nothing else follows in an operator
    return float(scale_of(layer, layer.weight).detach().abs().max())
