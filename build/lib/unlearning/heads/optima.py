"""The one optimum of a head's loss, and how far from it a result can be at most.

The loss is strongly convex with the constant lambda, its penalty: whoever has a gradient of norm g
is no farther than g / lambda from the optimum (all weights as one vector, Euclidean norm).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from unlearning.domain import IntArray
from unlearning.heads.features import UNIT
from unlearning.heads.statistics import Statistics

Weights = NDArray[np.float64]
"""(d + 1, classes): a column for each class, the bias last."""

WANTED = 1e-9
"""Distance to the optimum at which Newton's steps end."""

STEPS, INNER, HALVINGS = 60, 500, 40


@dataclass(frozen=True, eq=False)
class Optimum:
    """Weights, the norm of the gradient there, and the constant of strong convexity."""

    weights: Weights
    gradient: float
    convexity: float

    @property
    def bound(self) -> float:
        """What the distance to the optimum cannot exceed."""
        return self.gradient / self.convexity


def ridge(sums: Statistics, penalty: float) -> Optimum:
    """Minimise mean ||y - W' x||^2 / 2 + penalty / 2 ||W||^2, in closed form."""
    n = max(1, sums.count)
    hessian = sums.gram / (UNIT**2 * n) + penalty * np.eye(len(sums.gram))
    wanted, factor = sums.moments / (UNIT * n), cho_factor(hessian)
    weights = cho_solve(factor, wanted)
    weights += cho_solve(factor, wanted - hessian @ weights)
    return Optimum(weights, float(np.linalg.norm(hessian @ weights - wanted)), penalty)


@dataclass(frozen=True, eq=False)
class Logistic:
    """Mean cross-entropy + penalty / 2 ||W||^2; features: (n, d + 1), labels: (n,)."""

    features: NDArray[np.float64]
    labels: IntArray
    penalty: float

    def at(self, weights: Weights) -> tuple[float, Weights, NDArray[np.float64]]:
        """Give the loss, its gradient and the probabilities (n, classes)."""
        logits = self.features @ weights
        logits -= logits.max(1, keepdims=True)
        exps = np.exp(logits)
        sums = exps.sum(1, keepdims=True)
        shares, rows, n = exps / sums, np.arange(len(logits)), max(1, len(logits))
        loss = float((np.log(sums[:, 0]) - logits[rows, self.labels]).sum()) / n
        errors = shares.copy()
        errors[rows, self.labels] -= 1
        gradient = self.features.T @ errors / n + self.penalty * weights
        return loss + self.penalty / 2 * float((weights**2).sum()), gradient, shares

    def curved(self, shares: NDArray[np.float64], step: Weights) -> Weights:
        """Apply the Hessian, where the probabilities are `shares`, to a step."""
        moved = self.features @ step
        moved = shares * (moved - (shares * moved).sum(1, keepdims=True))
        curved: Weights = self.features.T @ moved / max(1, len(shares)) + self.penalty * step
        return curved


def logistic(of: Logistic, start: Weights) -> Optimum:
    """Find the optimum from `start` by Newton's steps, each solved by conjugate gradients.

    They end at WANTED, or where rounding lets no step make the gradient smaller.
    """
    weights, (loss, gradient, shares) = start, of.at(start)
    for _ in range(STEPS):
        norm = float(np.linalg.norm(gradient))
        if norm <= WANTED * of.penalty:
            break
        step = _newton_step(of, gradient, shares)
        found = _along(of, weights, step, loss, gradient)
        if found is None:
            break
        weights, (loss, gradient, shares) = found
    return Optimum(weights, float(np.linalg.norm(gradient)), of.penalty)


def _newton_step(of: Logistic, gradient: Weights, shares: NDArray[np.float64]) -> Weights:
    """Solve H s = -g by conjugate gradients, the closer the nearer the optimum is."""
    norm = float(np.linalg.norm(gradient))
    wanted = norm * min(0.1, norm**0.5)
    step, left = np.zeros_like(gradient), -gradient
    along, square = left, float((left**2).sum())
    for _ in range(INNER):
        curved = of.curved(shares, along)
        length = square / float((along * curved).sum())
        step, left = step + length * along, left - length * curved
        before, square = square, float((left**2).sum())
        if square**0.5 <= wanted:
            break
        along = left + square / before * along
    return step


def _along(
    of: Logistic, weights: Weights, step: Weights, loss: float, gradient: Weights
) -> tuple[Weights, tuple[float, Weights, NDArray[np.float64]]] | None:
    """Go along a step until the loss falls enough, or where it is flat the gradient does."""
    slope, norm, length = float((gradient * step).sum()), float(np.linalg.norm(gradient)), 1.0
    for _ in range(HALVINGS):
        there = of.at(weights + length * step)
        falls = there[0] <= loss + 1e-4 * length * slope
        if falls or float(np.linalg.norm(there[1])) < norm / 2:
            return weights + length * step, there
        length /= 2
    return None
