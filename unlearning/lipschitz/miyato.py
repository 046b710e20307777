"""Miyato et al.: divide a convolution by the norm of its kernel, laid out as a matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from unlearning.lipschitz import CLIPPERS
from unlearning.lipschitz.operators import Operator


@CLIPPERS.register
@dataclass(frozen=True, kw_only=True)
class Miyato:
    """Scale each kernel so that the matrix (outputs, inputs x kernel) has the target as its norm.

    That matrix is not the convolution: its norm knows nothing of how patches overlap, so that the
    layer's own may be up to the root of the kernel's places larger (3 for 3 x 3), less with stride.
    What is below the target is scaled up, too. Batch norm is left alone.
    """

    name: ClassVar[str] = "miyato"
    paper: ClassVar[str] = "Miyato et al., Spectral normalization (ICLR 2018)"
    runs: ClassVar[str] = "benchmark lipschitz"
    delay: ClassVar[int] = 0

    track: int = 0
    every: int = 1
    vectors: int = 1

    def norm(self, operator: Operator, right: Tensor) -> float:
        """Give the matrix's norm, whatever the layer does with it."""
        weight = operator.layers[0].weight
        assert isinstance(weight, Tensor)
        return float(torch.linalg.matrix_norm(weight.detach().double().flatten(1), ord=2))

    def clip(self, operator: Operator, right: Tensor, target: float) -> Tensor:
        """Scale the kernel."""
        first = operator.layers[0]
        if not isinstance(first, _BatchNorm) and operator.weights:
            with torch.no_grad():
                operator.weights[0].mul_(target / max(self.norm(operator, right), 1e-12))
        return right

    def settle(self, operator: Operator, right: Tensor, target: float) -> None:
        """Scale it for the last time."""
        self.clip(operator, right, target)
