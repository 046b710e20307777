"""PowerQR: several leading singular values of a linear operator at once, by differentiation alone.

Ebrahimpour-Boroojeny et al., Spectrum Extraction and Clipping (AISTATS 2024), Algorithm 1: the
product with M^T M is the gradient of |M x|^2 / 2, so that M is never written down, whatever its
stride, padding or groups.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from unlearning.errors import Diverged
from unlearning.lipschitz.operators import Operator

Linear = Callable[[Tensor], Tensor]
"""Takes inputs (k, *shape) to outputs (k, ...), linearly, each by itself."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Leading singular values (k,), and right singular vectors (k, *shape), orthonormal."""

    values: Tensor
    right: Tensor


def random_start(operator: Operator, vectors: int, rng: torch.Generator) -> Tensor:
    """Draw orthonormal vectors to begin with, (k, *operator.shape); fewer where there is no room.

    rng: on the CPU, so that every device begins alike.
    """
    count = min(vectors, prod(operator.shape))
    drawn = torch.randn((count, *operator.shape), generator=rng)
    return _orthonormal(drawn.to(operator.like))[0]


STIRRED, SEED = 0.1, 1


def stirred(operator: Operator, right: Tensor) -> Tensor:
    """Mix a little of every direction into vectors that were lowered.

    Exact singular vectors stay themselves under the iteration, so that one which they leave out,
    and which is now the largest, would never be found. seed: fixed; any direction will do.
    """
    other = random_start(operator, len(right), torch.Generator().manual_seed(SEED))
    return _orthonormal(right + STIRRED * other)[0]


def power_qr(linear: Linear, start: Tensor, iterations: int) -> Spectrum:
    """Iterate X <- QR(M^T M X), and give the best values and vectors of the subspace found.

    start: (k, *shape). The singular values of M on that subspace (Rayleigh and Ritz), sorted, are
    never above the true ones, and err by the square of what the vectors do. Diverged where one is
    not finite, or its square.
    """
    return _on_subspace(linear, followed(linear, start, iterations))


def followed(linear: Linear, start: Tensor, iterations: int) -> Tensor:
    """Iterate X <- QR(M^T M X) and give X; as it was where M is zero.

    Of zeros QR makes unit vectors, at the first inputs: a depthwise convolution that moves on from
    there would be followed in its first channel alone.
    """
    x = start
    for _ in range(iterations):
        pulled = _gram(linear, x)
        x = torch.where(pulled.any(), _orthonormal(pulled)[0], x)
    return x


def published_power_qr(linear: Linear, start: Tensor, iterations: int) -> Spectrum:
    """Do as the public code: X <- QR(X + M^T M X), values sqrt(|diag R| - 1), not sorted.

    The shift by the identity slows it down where singular values are near 1 or below. The rows of
    the triangle may be negative, so that what is taken is |diag R - 1|, as that code has it.
    """
    x, triangle = start, torch.ones(len(start), len(start)).to(start)
    for _ in range(iterations):
        x, triangle = _orthonormal(x + _gram(linear, x))
    return Spectrum((triangle.diagonal() - 1).abs().sqrt(), x)


def dense(operator: Operator) -> Tensor:
    """Write the operator down and give all its singular values, falling; for small shapes."""
    size = prod(operator.shape)
    unit = torch.eye(size).to(operator.like).reshape(size, *operator.shape)
    with torch.no_grad():
        columns = operator(unit).reshape(size, -1)
    values: Tensor = torch.linalg.svdvals(columns.double())
    return values


SURE, MOST = 1e-5, 1000
"""When iterating ends: nothing that grows by more than this share in ten goes, or so many are done.
"""


def converged(linear: Linear, start: Tensor) -> Spectrum:
    """Iterate until the largest value stands still."""
    found = power_qr(linear, start, 10)
    for _ in range(10, MOST, 10):
        before, found = found, power_qr(linear, found.right, 10)
        if found.values[0] <= before.values[0] * (1 + SURE):
            break
    return found


def _gram(linear: Linear, x: Tensor) -> Tensor:
    """Give M^T M x."""
    with torch.enable_grad():
        wanted = x.detach().requires_grad_()
        y = linear(wanted)
        (pulled,) = torch.autograd.grad(y, wanted, y.detach())
    return pulled


def _orthonormal(x: Tensor) -> tuple[Tensor, Tensor]:
    """Give an orthonormal basis of the vectors' span, (k, *shape), and the triangle, (k, k)."""
    basis, triangle = torch.linalg.qr(x.reshape(len(x), -1).T)
    return basis.T.reshape(x.shape), triangle


@torch.no_grad()
def _on_subspace(linear: Linear, x: Tensor) -> Spectrum:
    y = linear(x).reshape(len(x), -1)
    products = y @ y.T
    if not torch.isfinite(products).all():  # `eigh` would fail in words of its own
        raise Diverged(
            "training diverged: got a layer whose largest singular value is no finite number, "
            "expected one, to hold it to a bound: lower the learning rate"
        )
    squares, turn = torch.linalg.eigh(products)
    order = turn.flip(1)  # eigh's values rise
    right = (order.T @ x.reshape(len(x), -1)).reshape(x.shape)
    return Spectrum(squares.flip(0).clamp_min(0).sqrt(), right)
