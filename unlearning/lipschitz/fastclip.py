"""FastClip: lower the leading singular values to a target, and leave the others where they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from unlearning.errors import UsageError
from unlearning.lipschitz import CLIPPERS
from unlearning.lipschitz.operators import Operator
from unlearning.lipschitz.spectrum import (
    Spectrum,
    converged,
    power_qr,
    published_power_qr,
    random_start,
    stirred,
)


@CLIPPERS.register
@dataclass(frozen=True, kw_only=True)
class FastClip:
    """Move each weight down |M' v - (target / sigma) M v|^2, v the vectors above the target.

    track, every: iterations after a training step, and steps between two clips. delay: steps
    before which nothing is clipped. vectors: leading
    ones that are followed, all of which are lowered at once where they are above. rounds: of
    finding them again and lowering them, at one clip. iterations: to find them, at each round.
    inner: descents on each weight, a round. step: their length; None finds the best one, which
    there is, since the objective is quadratic in each weight. tolerance: what above the target is
    let be, a share of it. shift: iterate on I + M^T M, as the public code does. raise_small: lift
    what is below the target, too, as it does. `PUBLISHED` is that code without batch norm,
    `PUBLISHED_BN` with it, `PUBLISHED_DELAYED` as its class has it by default.

    The optimiser's momentum is not told of it.
    """

    name: ClassVar[str] = "fastclip"
    paper: ClassVar[str] = "Ebrahimpour-Boroojeny et al., FastClip (AISTATS 2024), Algorithms 1, 2"
    runs: ClassVar[str] = "training.lipschitz; benchmark lipschitz"

    track: int = 1
    every: int = 5
    vectors: int = 4
    delay: int = 0
    rounds: int = 5
    iterations: int = 2
    inner: int = 2
    step: float | None = None
    moves: str = "scale"
    tolerance: float = 0.01
    shift: bool = False
    raise_small: bool = False

    def __post_init__(self) -> None:
        """Refuse settings without a meaning."""
        if self.moves not in MOVES:
            raise UsageError(f"fastclip.moves: got {self.moves!r}, expected one of {MOVES}")
        whole = (self.every, self.vectors, self.rounds, self.iterations, self.inner)
        if min(whole) < 1 or min(self.track, self.delay) < 0 or self.tolerance <= 0:
            raise UsageError(
                f"fastclip: got {whole} for every, vectors, rounds, iterations, inner; track "
                f"{self.track}, delay {self.delay}, tolerance {self.tolerance}; expected at least "
                "1 of each, track and delay from 0 and a tolerance above 0"
            )

    def norm(self, operator: Operator, right: Tensor) -> float:
        """Give the largest value on the subspace of the vectors."""
        return float(power_qr(operator, right, 0).values[0])

    def clip(self, operator: Operator, right: Tensor, target: float) -> Tensor:
        """Lower what is above the target, a few rounds at most."""
        for _ in range(self.rounds):
            found = self._spectrum(operator, right)
            right = found.right
            if not self._amiss(found.values, target).any():
                break
            self._lower(operator, found, target)
            right = stirred(operator, right)
        return right

    def settle(self, operator: Operator, right: Tensor, target: float) -> None:
        """Lower until nothing is above; what some rounds leave is divided away, it is little."""
        if not operator.weights:
            return
        for turn in range(SETTLING):
            found = _afresh(operator, turn)
            if found.values[0] <= target * (1 + self.tolerance):
                return
            self._lower(operator, found, target)
        divide(operator.weights[-1], float(_afresh(operator, SETTLING).values[0]) / target)

    def _spectrum(self, operator: Operator, right: Tensor) -> Spectrum:
        iterate = published_power_qr if self.shift else power_qr
        return iterate(operator, right, self.iterations)

    def _amiss(self, values: Tensor, target: float) -> Tensor:
        above = values > target * (1 + self.tolerance)
        return above | (values < target - RAISED) if self.raise_small else above

    def _lower(self, operator: Operator, found: Spectrum, target: float) -> None:
        """Descend on each weight in turn, towards the same vectors of the right length."""
        where = self._amiss(found.values, target)
        v, values = found.right[where], found.values[where]
        with torch.no_grad():
            y = operator(v)
            wanted = y * (target / values).reshape(-1, *(1 for _ in y.shape[1:]))
        for _ in range(self.inner):
            for place in self._moved(operator):
                _descend(operator, place, v, wanted, self.step)

    def _moved(self, operator: Operator) -> Sequence[int]:
        """Give the places of the weights that it moves."""
        places = range(len(operator.weights))
        return places if self.moves == "all" else places[-1:]


def _afresh(operator: Operator, seed: int) -> Spectrum:
    """Find the spectrum from nothing: vectors that were lowered may hide one that was not."""
    return converged(operator, random_start(operator, 8, torch.Generator().manual_seed(seed)))


MOVES = ("scale", "all")

RAISED = 0.05
"""How far below the target the public code raises; not a share."""

SETTLING = 50
"""Rounds after training until what is left is divided away."""

PUBLISHED = FastClip(
    vectors=1,
    every=100,
    rounds=1,
    inner=1,
    step=0.35,
    shift=True,
    raise_small=True,
    iterations=10,
    moves="all",
)
"""The public code's settings for networks without batch norm, as its ResNets give them."""

PUBLISHED_BN = replace(PUBLISHED, every=50, inner=5)
"""The same for networks with batch norm."""

PUBLISHED_DELAYED = replace(PUBLISHED, delay=500)
"""With the delay of its class, which its ResNets set to 0."""


def _descend(operator: Operator, place: int, v: Tensor, wanted: Tensor, step: float | None) -> None:
    """Take one step on one weight down the squared distance of M v from `wanted`."""
    weights = [weight.detach().to(v.dtype) for weight in operator.weights]
    with torch.enable_grad():
        moved = weights[place].requires_grad_()
        off = operator.applied(v, weights) - wanted
        (gradient,) = torch.autograd.grad(off.square().sum(), moved)
    with torch.no_grad():
        length = _best(operator, place, weights, v, off, gradient) if step is None else step
        operator.weights[place].copy_(moved - length * gradient)


def _best(
    operator: Operator,
    place: int,
    weights: Sequence[Tensor],
    v: Tensor,
    off: Tensor,
    gradient: Tensor,
) -> Tensor:
    """Give the step at which the objective, quadratic along the gradient, is least."""
    along = operator.applied(v, [*weights[:place], gradient, *weights[place + 1 :]])
    return (off * along).sum() / along.square().sum().clamp_min(torch.finfo(v.dtype).tiny)


@torch.no_grad()
def divide(weight: Tensor, by: float) -> None:
    """Divide a weight where that makes it smaller."""
    weight.div_(max(1.0, by))
