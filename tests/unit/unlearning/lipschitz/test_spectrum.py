"""PowerQR against operators that are written down, and against the public code's own numbers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tests.unit import toys
from tests.unit.unlearning.lipschitz.shapes import IMAGE, SHAPES, operator
from unlearning.lipschitz.operators import Operator
from unlearning.lipschitz.spectrum import (
    converged,
    dense,
    power_qr,
    published_power_qr,
    random_start,
)


@pytest.mark.parametrize("kind", SHAPES)
def test_leading_values_are_those_of_the_operator_written_down(kind: str) -> None:
    """Of four that are followed three are held to a thousandth: the last is next to the rest."""
    of = operator(kind)
    found = power_qr(of, random_start(of, 4, toys.generator()), 200)
    true = dense(of)[:3].float()
    assert torch.allclose(found.values[:3], true, rtol=1e-3), (found.values, true)
    assert torch.allclose(converged(of, found.right).values[0], true[0], rtol=1e-3)


@pytest.mark.parametrize("kind", ["stride 2, zeros", "conv + batch norm", "linear"])
def test_vectors_are_orthonormal_and_stretched_by_their_values(kind: str) -> None:
    of = operator(kind)
    found = power_qr(of, random_start(of, 4, toys.generator()), 100)
    flat = found.right.flatten(1)
    assert torch.allclose(flat @ flat.T, torch.eye(4), atol=1e-5)
    assert torch.allclose(of(found.right).flatten(1).norm(dim=1), found.values, rtol=1e-5)


def test_a_bias_is_no_part_of_it() -> None:
    of = operator("stride 1, zeros")
    before = float(dense(of)[0])
    with torch.no_grad():
        of.layers[0].bias.add_(5.0)  # type: ignore[union-attr, operator]
    assert float(dense(of)[0]) == before
    assert torch.equal(of(torch.zeros(1, *IMAGE)), torch.zeros(1, 6, 8, 8))


def test_batch_norm_scales_by_the_running_variance() -> None:
    """|gamma| / sqrt(var + eps), whatever the mean: 2 / sqrt(.25) = 4 is the largest here."""
    norm = nn.BatchNorm2d(3, eps=0.0)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, -2.0, 0.5]))
        norm.running_mean.fill_(7.0)  # type: ignore[union-attr]
        norm.running_var.copy_(torch.tensor([1.0, 0.25, 1.0]))  # type: ignore[union-attr]
    of = Operator("norm", (norm,), (3, 2, 2))
    found = power_qr(of, random_start(of, 2, toys.generator()), 20)
    assert found.values.tolist() == pytest.approx([4.0, 4.0], rel=1e-5)


def test_values_on_a_subspace_never_exceed_the_true_ones() -> None:
    of = operator("stride 1, zeros")
    start, true = random_start(of, 4, toys.generator()), float(dense(of)[0])
    found = [float(power_qr(of, start, n).values[0]) for n in (0, 1, 5, 20, 80)]
    assert found == sorted(found) and found[-1] <= true * (1 + 1e-5)


def ramp(*shape: int, phase: float) -> Tensor:
    """Numbers that are the same everywhere: sin(phase + 1.7 i^1.1)."""
    count = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return torch.sin(phase + 1.7 * count**1.1).reshape(shape)


@pytest.mark.parametrize(
    ("stride", "iterations", "golden"),
    [
        (1, 5, [3.9044122830, 3.3669069200, 3.1272376207]),
        (1, 20, [3.7263703792, 3.3335265228, 3.2936299900]),
        (2, 5, [1.8897561436, 1.6214478067, 1.6365520523]),
        (2, 20, [2.0011175132, 1.7776783814, 1.7298713549]),
    ],
)
def test_the_published_iteration_is_that_of_the_public_code(
    stride: int, iterations: int, golden: list[float]
) -> None:
    """Numbers of FastClip's own `power_qr` (commit a2168dc), run on this kernel in fp64."""
    conv = nn.Conv2d(4, 6, 3, stride, 1).double()
    with torch.no_grad():
        conv.weight.copy_(ramp(6, 4, 3, 3, phase=0.3) / 4)
    of = Operator("conv", (conv,), IMAGE)
    found = published_power_qr(of, ramp(3, *IMAGE, phase=0.9), iterations)
    assert found.values.tolist() == pytest.approx(golden, abs=1e-9)


def test_without_the_shift_it_is_nearer_after_as_many_iterations() -> None:
    """Where singular values are below 1, the identity that is added holds everything back."""
    of = operator("stride 1, zeros")
    start, true = random_start(of, 1, toys.generator()), float(dense(of)[0])
    ours, theirs = (float(f(of, start, 20).values[0]) for f in (power_qr, published_power_qr))
    assert abs(ours / true - 1) < abs(theirs / true - 1) / 2
