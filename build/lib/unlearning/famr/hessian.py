"""Curvature without the Hessian: its extreme eigenvalues and its spectral density by Lanczos.

The Hessian of a network is never formed; it is met as products with vectors, by differentiating
twice (Pearlmutter 1994). Stochastic Lanczos quadrature turns the tridiagonal matrix of a random
start into a density (Ghorbani, Krishnan and Xiao 2019, section 2.1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import eigh_tridiagonal
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from unlearning.domain import FloatArray

Product = Callable[[Tensor], Tensor]
"""v -> A v for a symmetric matrix A and flat vectors (size,)."""

NEAR_ZERO = 1e-3
"""An eigenvalue below this share of the largest one counts as near zero."""


def flat(tensors: Sequence[Tensor]) -> Tensor:
    """Lay tensors end to end, (size,)."""
    return torch.cat([t.flatten() for t in tensors])


def hessian_product(
    losses: Callable[[], Iterable[Tensor]], parameters: Sequence[Tensor], *, shift: float = 0.0
) -> Product:
    """Give v -> (H + shift I) v, H the Hessian of the sum of `losses()` in the parameters.

    losses: computes scalars at the parameters anew, batch by batch, with the network in evaluation
    mode. Attention runs in its plain form, since the fused one cannot be differentiated twice.
    """

    def product(vector: Tensor) -> Tensor:
        total = shift * vector
        with sdpa_kernel(SDPBackend.MATH):
            for loss in losses():
                first = torch.autograd.grad(
                    loss, parameters, create_graph=True, allow_unused=True, materialize_grads=True
                )
                second = torch.autograd.grad(
                    flat(first) @ vector, parameters, allow_unused=True, materialize_grads=True
                )
                total = total + flat(second)
        return total.detach()

    return product


@dataclass(frozen=True, eq=False)
class Tridiagonal:
    """What k Lanczos steps leave: diagonal (k,), beside it (k-1,), and the next one, cut off."""

    diagonal: FloatArray
    beside: FloatArray
    cut: float

    def ritz(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Ritz values (k,) ascending, their weights (k,) in the start vector, their errors (k,).

        Some eigenvalue lies within its error of each Ritz value, and none of the Ritz values lies
        outside the spectrum.
        """
        values, vectors = eigh_tridiagonal(self.diagonal, self.beside)
        return values, vectors[0] ** 2, np.abs(self.cut * vectors[-1])


def lanczos(product: Product, start: Tensor, *, steps: int) -> Tridiagonal:
    """Run Lanczos from `start` (size,), every vector made orthogonal to all before it, twice.

    It ends early where the start's Krylov space does.
    """
    steps = min(steps, len(start))
    basis = start.new_zeros(steps, len(start))
    basis[0] = start / start.norm()
    diagonal, beside, scale = [], [], 0.0
    for k in range(steps):
        vector = product(basis[k])
        diagonal.append(float(vector @ basis[k]))
        for _ in range(2):
            vector = vector - basis[: k + 1].T @ (basis[: k + 1] @ vector)
        beside.append(float(vector.norm()))
        scale = max(scale, abs(diagonal[-1]), beside[-1])
        if k + 1 == steps or beside[-1] <= 100 * torch.finfo(start.dtype).eps * scale:
            break
        basis[k + 1] = vector / beside[-1]
    return Tridiagonal(np.array(diagonal), np.array(beside[:-1]), beside[-1])


@dataclass(frozen=True)
class Curvature:
    """What Lanczos saw of a spectrum.

    low, high: the extreme Ritz values, between the true extremes, so that a negative `low` proves
    a negative eigenvalue and a positive one proves nothing. error: how far an eigenvalue may be
    from either. near_zero: the estimated fraction of eigenvalues below `NEAR_ZERO` of the largest
    in size. steps, probes: Lanczos steps from each of so many random vectors.
    """

    low: float
    high: float
    error: float
    near_zero: float
    steps: int
    probes: int


def curvature(
    product: Product, like: Tensor, rng: torch.Generator, *, steps: int, probes: int = 1
) -> Curvature:
    """Look at the spectrum of a symmetric matrix from random starts shaped like `like` (size,)."""
    found = []
    for _ in range(probes):
        start = torch.randn(len(like), generator=rng, dtype=like.dtype).to(like.device)
        found.append(lanczos(product, start, steps=steps).ritz())
    lowest, highest = min(found, key=lambda r: r[0][0]), max(found, key=lambda r: r[0][-1])
    size = NEAR_ZERO * max(abs(lowest[0][0]), abs(highest[0][-1]))
    return Curvature(
        low=float(lowest[0][0]),
        high=float(highest[0][-1]),
        error=float(max(lowest[2][0], highest[2][-1])),
        near_zero=float(np.mean([w[np.abs(v) < size].sum() for v, w, _ in found])),
        steps=steps,
        probes=probes,
    )
