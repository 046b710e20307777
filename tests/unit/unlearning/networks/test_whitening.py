"""The whitened layer: axes of the first batch, fixed from then on, kept with the weights."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from unlearning.bodies import Whitening
from unlearning.domain import Examples
from unlearning.networks import Recipe, build, load, save
from unlearning.training.loop import Training, train

RECIPE = Recipe(
    network="conv-whitened", classes=3, channels=3, size=24, mean=(0.5,) * 3, std=(0.25,) * 3
)


def pictures(n: int = 64, seed: int = 0) -> Tensor:
    """Smooth pictures, whose neighbouring pixels are alike as those of photographs are."""
    rng = torch.Generator().manual_seed(seed)
    rough = torch.randn(n, 3, 6, 6, generator=rng)
    return functional.interpolate(rough, size=24, mode="bilinear")


def fitted(images: Tensor) -> Whitening:
    layer = Whitening(3).train()
    layer(images)
    return layer.eval()


def test_what_it_gives_has_variance_one_along_each_axis_and_no_correlation() -> None:
    images = pictures()
    layer = fitted(images)
    half = layer(images)[:, :12].transpose(0, 1).flatten(1)
    moments = (half @ half.T / half.shape[1]).detach()
    shares = torch.diagonal(moments)
    # An axis whose variance is not far above EPS is shrunk by it: var / (var + EPS).
    assert torch.all(shares <= 1.001) and torch.all(shares[-4:] > 0) and float(shares.max()) > 0.99
    correlations = moments / torch.sqrt(torch.outer(shares, shares))
    assert torch.allclose(correlations, torch.eye(12), atol=1e-3)


def test_both_signs_are_there() -> None:
    layer = fitted(pictures())
    assert torch.equal(layer.weight[:12], -layer.weight[12:])


def test_the_first_batch_decides_and_no_later_one() -> None:
    layer = fitted(pictures())
    before = layer.weight.clone()
    layer.train()(5 * pictures(seed=1))
    assert torch.equal(layer.weight, before)


def test_to_answer_is_not_to_be_fitted() -> None:
    layer = Whitening(3).eval()
    before = layer.weight.clone()
    layer(pictures())
    assert torch.equal(layer.weight, before) and not layer.fitted


def examples(seed: int) -> Examples:
    rng = np.random.default_rng(seed)
    n = 48
    return Examples(
        ids=np.array([f"e{i}" for i in range(n)]),
        images=rng.integers(0, 256, (n, 3, 24, 24), dtype=np.uint8),
        labels=rng.integers(0, 3, n),
        subjects=np.arange(n),
    )


def test_training_fits_it_and_going_on_training_leaves_it(tmp_path: Path) -> None:
    one = Training(epochs=1, batch_size=16)
    network = train(
        build(RECIPE, torch.Generator().manual_seed(0)), examples(0), one, torch.Generator()
    )
    layer = network.body[0]
    assert bool(layer.fitted)
    again = train(deepcopy(network), examples(1), one, torch.Generator())
    assert torch.equal(again.body[0].weight, layer.weight)
    save(network, tmp_path / "n.safetensors")
    found = load(tmp_path / "n.safetensors")
    assert torch.equal(found.body[0].weight, layer.weight) and bool(found.body[0].fitted)
