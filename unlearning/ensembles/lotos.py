"""LOTOS: members of an ensemble, layer by layer, are to stretch other directions than the others.

What stretches a layer of one network most is made small in the same layer of every other one, so
that an adversarial example of one misleads the others less (Ebrahimpour-Boroojeny et al. 2024).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from math import inf
from typing import ClassVar

import torch
from torch import Tensor, nn

from unlearning.errors import UsageError
from unlearning.lipschitz.operators import Operator, operators_of
from unlearning.lipschitz.spectrum import followed, random_start

REDUCTIONS = ("mean", "sum")


@dataclass(frozen=True, kw_only=True)
class Lotos:
    """Add to the members' losses what they stretch of each other's leading singular vectors.

    weight: lambda, .05 published without batch norm and .01 with it. allowance: a length up to
    which nothing is held against a layer (mal). vectors: leading ones of each layer, k; one does
    for convolutions by the paper's Theorem 3.4.3. decrement: by how much each further one counts
    less. reduction: `mean` over layers and ordered pairs, as the paper has it, or `sum`, as the
    public code does. linear: whether linear layers count, which the public code exempts. gaps:
    leave the penalty out in each epoch's last batch and in every 200th step, as the public code
    does. `PUBLISHED` is that code.
    """

    name: ClassVar[str] = "lotos"
    paper: ClassVar[str] = "Ebrahimpour-Boroojeny et al., LOTOS (2024), Eqs. 3.3 and 3.4"
    runs: ClassVar[str] = "benchmark ensembles"

    weight: float = 0.05
    allowance: float = 0.8
    vectors: int = 1
    decrement: float = 0.01
    reduction: str = "mean"
    linear: bool = False
    gaps: bool = False

    def __post_init__(self) -> None:
        """Refuse settings without a meaning."""
        if self.reduction not in REDUCTIONS:
            raise UsageError(
                f"lotos.reduction: got {self.reduction!r}, expected one of {REDUCTIONS}"
            )
        numbers = (self.weight, self.allowance, self.decrement)
        known = all(0 <= number < inf for number in numbers)
        if self.vectors < 1 or not known or self.decrement * (self.vectors - 1) > 1:
            raise UsageError(
                f"lotos: got vectors {self.vectors}, weight {self.weight}, allowance "
                f"{self.allowance}, decrement {self.decrement}; expected at least one vector, of "
                "which none counts less than nothing, and finite numbers from 0 on"
            )

    def penalty(self, layers: Sequence[Layer]) -> Tensor:
        """Give the penalty of all layers, a scalar with gradients to all members' weights."""
        counts = 1 - self.decrement * torch.arange(self.vectors)
        parts = [self._pair(*pair, counts) for layer in layers for pair in layer.pairs()]
        if not parts:
            return torch.zeros(())
        found = torch.stack(parts)
        return found.mean() if self.reduction == "mean" else found.sum()

    def _pair(self, operator: Operator, others: Tensor, counts: Tensor) -> Tensor:
        stretched = operator(others).flatten(1).norm(dim=1)
        over = (stretched - self.allowance).relu()
        counted: Tensor = counts[: len(over)].to(over) * over
        return counted.mean()


PUBLISHED = Lotos(reduction="sum", gaps=True)
"""The public code (commit b8df958) without batch norm."""

EVERY = 200
"""Steps from one left out to the next, with `gaps`."""


@dataclass(eq=False)
class Layer:
    """The same layer of all members, with each one's leading right singular vectors."""

    operators: Sequence[Operator]
    right: list[Tensor]

    def pairs(self) -> Iterator[tuple[Operator, Tensor]]:
        """Give each member's operator with each other member's vectors."""
        for one, other in permutations(range(len(self.operators)), 2):
            yield self.operators[one], self.right[other]

    def follow(self, iterations: int) -> None:
        """Bring the vectors up to date."""
        pairs = zip(self.operators, self.right, strict=True)
        self.right = [followed(operator, right, iterations) for operator, right in pairs]


FIRST = 20
"""Iterations before the first step."""


def layers_of(members: Sequence[nn.Module], images: Tensor, lotos: Lotos, seed: int) -> list[Layer]:
    """Find the layers that count, with vectors drawn from a seed and iterated.

    members: networks of one recipe. images: one picture, for the shapes.
    """
    rng = torch.Generator().manual_seed(seed)
    found = []
    for operators in zip(*(operators_of(member, images) for member in members), strict=True):
        first = operators[0]
        if not first.weights or (isinstance(first.layers[0], nn.Linear) and not lotos.linear):
            continue
        layer = Layer(operators, [random_start(of, lotos.vectors, rng) for of in operators])
        layer.follow(FIRST)
        found.append(layer)
    return found
