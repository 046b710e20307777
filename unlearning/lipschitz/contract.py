"""What a clipper must be."""

from __future__ import annotations

from typing import ClassVar, Protocol

import torch

from unlearning.lipschitz.operators import Operator


class Clipper(Protocol):
    """Something that holds the largest singular value of a layer to a target.

    track: iterations after every training step that keep the leading vectors up to date; 0 where it
    needs none. every: steps between two clips. delay: steps before which none is made.
    vectors: how many leading vectors it is handed.
    """

    name: ClassVar[str]
    paper: ClassVar[str]
    runs: ClassVar[str]

    @property
    def track(self) -> int:
        """Give the iterations after each step."""

    @property
    def every(self) -> int:
        """Give the steps between two clips."""

    @property
    def delay(self) -> int:
        """Give the steps before the first clip."""

    @property
    def vectors(self) -> int:
        """Give the number of leading vectors."""

    def norm(self, operator: Operator, right: torch.Tensor) -> float:
        """Give what it takes the operator's largest singular value for.

        right: (vectors, *operator.shape), orthonormal, the best known leading right ones.
        """

    def clip(self, operator: Operator, right: torch.Tensor, target: float) -> torch.Tensor:
        """Change the operator's weights once, and give the leading vectors to go on from."""

    def settle(self, operator: Operator, right: torch.Tensor, target: float) -> None:
        """Change the weights for the last time, when training is over."""
