"""Lanczos against a dense Hessian that numpy takes apart."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.unit import toys
from unlearning import networks
from unlearning.famr.hessian import curvature, flat, hessian_product, lanczos


def tiny() -> nn.Module:
    """A smooth network of 3 * 3 + 3 * 2 = 15 weights in float64."""
    rng = toys.generator(3)
    network = nn.Sequential(
        nn.Linear(3, 3, bias=False), nn.Tanh(), nn.Linear(3, 2, bias=False)
    ).double()
    for p in network.parameters():
        p.data = torch.randn(p.shape, generator=rng, dtype=torch.float64)
    return network


INPUTS = torch.randn(20, 3, generator=toys.generator(4), dtype=torch.float64)
LABELS = torch.arange(20) % 2


def losses(network: nn.Module) -> Iterator[Tensor]:
    for part, labels in zip(INPUTS.split(7), LABELS.split(7), strict=True):
        yield functional.cross_entropy(network(part), labels, reduction="sum")


def dense(network: nn.Module) -> np.ndarray:
    """The whole Hessian, by differentiating every entry of the gradient."""
    weights = list(network.parameters())
    gradient = flat(torch.autograd.grad(sum(losses(network)), weights, create_graph=True))
    rows = [flat(torch.autograd.grad(g, weights, retain_graph=True)) for g in gradient]
    return torch.stack(rows).numpy()


def product_of(matrix: np.ndarray):
    held = torch.from_numpy(matrix)
    return lambda vector: held @ vector


def test_a_product_is_the_dense_hessian_s_plus_the_shift() -> None:
    network = tiny()
    product = hessian_product(lambda: losses(network), list(network.parameters()), shift=0.25)
    columns = torch.stack([product(row) for row in torch.eye(15, dtype=torch.float64)])
    np.testing.assert_allclose(columns, dense(network) + 0.25 * np.eye(15), rtol=1e-10, atol=1e-12)


def test_as_many_steps_as_weights_give_the_extreme_eigenvalues() -> None:
    network = tiny()
    product = hessian_product(lambda: losses(network), list(network.parameters()))
    found = curvature(product, flat(list(network.parameters())), toys.generator(), steps=15)
    values = np.linalg.eigvalsh(dense(network))
    np.testing.assert_allclose([found.low, found.high], values[[0, -1]], rtol=1e-8)
    assert found.error < 1e-8
    assert values[0] < 0 < values[-1]


def test_weights_are_the_start_s_shares_in_the_eigenvectors() -> None:
    """Ritz values with all steps are the eigenvalues, weights the squared projections on them."""
    matrix = dense(tiny())
    start = torch.randn(15, generator=toys.generator(1), dtype=torch.float64)
    values, weights, _ = lanczos(product_of(matrix), start, steps=15).ritz()
    expected, vectors = np.linalg.eigh(matrix)
    shares = (vectors.T @ (start / start.norm()).numpy()) ** 2
    # The three eigenvalues at or near zero (softmax is blind to a common shift) may mix.
    apart = np.abs(expected) > 1e-6
    np.testing.assert_allclose(values[np.abs(values) > 1e-6], expected[apart], rtol=1e-7)
    np.testing.assert_allclose(weights[np.abs(values) > 1e-6], shares[apart], rtol=1e-5)


def test_few_steps_stay_inside_the_spectrum_and_within_their_error() -> None:
    matrix = np.diag(np.linspace(-1.0, 10.0, 60))
    start = torch.ones(60, dtype=torch.float64)
    values, _, errors = lanczos(product_of(matrix), start, steps=8).ritz()
    assert values[0] >= -1.0 and values[-1] <= 10.0
    distances = np.abs(values[:, None] - np.diag(matrix)).min(1)
    assert (distances <= errors + 1e-12).all()
    assert errors[0] > 1e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_exhausted_start_ends_early(dtype: torch.dtype) -> None:
    """A start within two eigenvectors, of 2 and 5, is exhausted after two steps."""
    matrix = torch.diag(torch.tensor([2.0, 5.0, 7.0, 11.0], dtype=dtype))
    start = torch.tensor([1.0, 1.0, 0.0, 0.0], dtype=dtype)
    found = lanczos(lambda v: matrix @ v, start, steps=4)
    np.testing.assert_allclose(found.ritz()[0], [2.0, 5.0], rtol=1e-6)


def test_the_fraction_near_zero_is_the_share_of_small_eigenvalues() -> None:
    """30 of 40 eigenvalues are below a thousandth of the largest; 60 probes, error about .012."""
    values = np.concatenate([np.zeros(20), np.full(10, 1e-4), np.linspace(0.5, 1.0, 10)])
    like = torch.zeros(40, dtype=torch.float64)
    product = product_of(np.diag(values))
    found = curvature(product, like, toys.generator(), steps=15, probes=60)
    assert abs(found.near_zero - 0.75) < 0.05


def test_the_same_generator_gives_the_same_curvature() -> None:
    like, product = torch.zeros(60), product_of(np.diag(np.arange(60, dtype=np.float32)))
    twice = [curvature(product, like, toys.generator(2), steps=5) for _ in range(2)]
    assert twice[0] == twice[1] != curvature(product, like, toys.generator(3), steps=5)


def test_a_transformer_can_be_differentiated_twice() -> None:
    """H is symmetric: v.Hw = w.Hv, in float32 to a few parts in ten thousand."""
    recipe = networks.Recipe(**{**vars(toys.RECIPE), "network": "vit-digits"})
    network, parts = networks.build(recipe).eval(), toys.examples(6)
    weights = list(network.parameters())
    images, labels = torch.from_numpy(parts.images), torch.from_numpy(parts.labels)
    product = hessian_product(lambda: [functional.cross_entropy(network(images), labels)], weights)
    v, w = torch.randn(2, len(flat(weights)), generator=toys.generator())
    left, right = float(v @ product(w)), float(w @ product(v))
    assert abs(left - right) < 1e-3 * max(abs(left), 1.0)
