"""What a network consists of is found by passing a picture through it."""

from __future__ import annotations

import torch
from torch import nn

from tests.unit import toys
from unlearning import networks
from unlearning.lipschitz.operators import operators_of
from unlearning.lipschitz.spectrum import dense
from unlearning.networks import Recipe

PICTURE = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)


def built(name: str, size: int = 8) -> networks.Classifier:
    recipe = Recipe(network=name, classes=3, channels=1, size=size, mean=(0.5,), std=(0.25,))
    return networks.build(recipe, toys.generator())


def test_a_convolution_and_its_batch_norm_are_one() -> None:
    found = operators_of(built("conv-small"), PICTURE)
    assert [of.name for of in found] == [
        "body.0 + body.1",
        "body.3 + body.4",
        "body.7 + body.8",
        "body.12",
        "body.14",
    ]
    assert [of.shape for of in found] == [(1, 8, 8), (32, 8, 8), (64, 4, 4), (256,), (128,)]


def test_a_residual_network_gives_its_branches_and_shortcuts() -> None:
    found = operators_of(built("resnet18-cifar"), PICTURE)
    assert sum("shortcut" in of.name for of in found) == 3
    assert len(found) == 1 + 16 + 3 + 1


def test_a_transformer_gives_its_linear_layers_and_no_normalisation() -> None:
    found = operators_of(built("vit-digits"), PICTURE)
    assert len(found) == 1 + 4 * 4 + 1
    assert all(len(of.layers) == 1 for of in found)


def test_finding_them_changes_nothing() -> None:
    network = built("conv-whitened", 24).train()
    network.body[1].eval()  # type: ignore[index, operator]
    before = {k: v.clone() for k, v in network.state_dict().items()}
    operators_of(network, torch.zeros(1, 1, 24, 24))
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert network.training and not network.body[1].training  # type: ignore[index]


def test_what_follows_a_pooling_is_an_operator_of_its_own() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), nn.BatchNorm2d(2))
    assert [of.name for of in operators_of(network, torch.zeros(1, 1, 8, 8))] == ["0", "2"]


def test_weights_of_half_the_bits_are_computed_in_full_and_stay_as_they_are() -> None:
    network = built("conv-small")
    of = operators_of(network, PICTURE)[0]
    network.to(torch.bfloat16, memory_format=torch.channels_last)  # type: ignore[call-overload]
    assert of(torch.ones(1, *of.shape)).dtype == torch.float32
    assert dense(of)[0] > 0 and of.weights[0].dtype == torch.bfloat16
