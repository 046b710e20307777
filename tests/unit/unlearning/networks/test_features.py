"""Features are what the layer gives, taken without touching the network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tests.unit import toys
from unlearning import networks
from unlearning.domain import Examples
from unlearning.errors import UsageError
from unlearning.features import features_of, head_of, probe_auc, tapped


def two_pixels(*values: tuple[int, int]) -> Examples:
    """Images of one row of two pixels."""
    images = np.array(values, dtype=np.uint8).reshape(-1, 1, 1, 2)
    ids = np.arange(len(values)).astype(np.str_)
    return Examples(images, np.zeros(len(values), dtype=np.int64), ids, ids)


class Small(nn.Module):
    """first: (a, b) -> (a - b, a + b); relu; last: sum, its negative."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 2, bias=False)
        self.last = nn.Linear(2, 2, bias=False)
        self.first.weight.data = torch.tensor([[1.0, -1.0], [1.0, 1.0]])
        self.last.weight.data = torch.tensor([[1.0, 1.0], [-1.0, -1.0]])

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.last(self.first(pixels.flatten(1).float()).relu())


EXAMPLES = two_pixels((1, 2), (5, 3))


def test_without_a_name_features_are_what_the_last_linear_layer_reads() -> None:
    """(1, 2) -> (-1, 3) -> (0, 3); (5, 3) -> (2, 8)."""
    np.testing.assert_array_equal(features_of(Small(), EXAMPLES), [[0, 3], [2, 8]])


def test_with_a_name_they_are_that_layer_s_output() -> None:
    np.testing.assert_array_equal(features_of(Small(), EXAMPLES, "first"), [[-1, 3], [2, 8]])


def test_an_unknown_layer_is_refused_and_the_known_are_named() -> None:
    with pytest.raises(UsageError, match=r"got 'third', expected .* first, last"):
        features_of(Small(), EXAMPLES, "third")
    with pytest.raises(UsageError, match="no linear layer"):
        features_of(Bare(), EXAMPLES)


class Bare(nn.Module):
    """No linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.flatten(1) * self.scale


@pytest.mark.parametrize("name", ["conv-small", "resnet20", "vit-digits"])
def test_the_head_of_our_networks_gives_the_classes(name: str) -> None:
    recipe = networks.Recipe(**{**vars(toys.RECIPE), "network": name})
    assert head_of(networks.build(recipe)).out_features == recipe.classes


def test_mode_and_hooks_are_left_as_they_were() -> None:
    network = toys.trained().train()
    features_of(network, toys.examples(5))
    assert network.training
    assert all(not m._forward_hooks and not m._forward_pre_hooks for m in network.modules())


def test_a_tap_keeps_the_graph() -> None:
    """d/dw of the sum of the first layer's output is the sum of the inputs, for each row."""
    network = Small()
    with tapped(network, "first") as tap:
        network(torch.tensor([[1.0, 2.0], [5.0, 3.0]]))
    (gradient,) = torch.autograd.grad(tap.value.sum(), [network.first.weight])
    assert gradient.tolist() == [[6.0, 5.0], [6.0, 5.0]]


def test_a_probe_finds_what_one_direction_tells_and_not_what_none_does(
    rng: np.random.Generator,
) -> None:
    """Two kinds two deviations apart: AUC Phi(2/sqrt 2) = .921; the same for both: a half.

    n = 400 against 400, so that the deviation of the second is about .02; the bounds are 5 of it.
    """
    kinds = np.arange(800) % 2 == 0
    train, test = rng.normal(0, 1, (2, 800, 3))
    shift = 2.0 * kinds[:, None] * np.array([1.0, 0.0, 0.0])
    assert abs(probe_auc(train + shift, kinds, test + shift, kinds) - 0.921) < 0.05
    assert abs(probe_auc(train, kinds, test, kinds) - 0.5) < 0.1
