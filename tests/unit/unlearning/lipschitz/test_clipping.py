"""Networks that are held to a bound while they train, by whatever trains them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

from systems.compute.producing import make_method
from tests.unit import toys
from unlearning import networks
from unlearning.domain import Examples
from unlearning.errors import Diverged, UsageError
from unlearning.lipschitz.clipping import Clipper, Clipping
from unlearning.lipschitz.fastclip import FastClip
from unlearning.lipschitz.operators import operators_of
from unlearning.lipschitz.senderovich import Senderovich
from unlearning.lipschitz.spectrum import converged, dense, random_start
from unlearning.methods import METHODS
from unlearning.networks import Classifier, Recipe
from unlearning.outputs import accuracy, logits_of
from unlearning.training.loop import Training, silent, train

PICTURE = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
HELD = replace(toys.TRAINING, lipschitz=1.0)


def largest(network: Classifier) -> float:
    operators = operators_of(network, PICTURE)
    starts = (random_start(of, 8, toys.generator(9)) for of in operators)
    return max(float(converged(of, x).values[0]) for of, x in zip(operators, starts, strict=True))


def digits(first: int, last: int) -> Examples:
    bunch = load_digits()
    order = np.random.default_rng(0).permutation(len(bunch.target))[first:last]
    pixels = (bunch.images[order] * 255 / 16).round().astype(np.uint8)[:, None]
    ids = order.astype(np.str_)
    return Examples(pixels, bunch.target[order].astype(np.int64), ids, ids)


def test_digits_are_learned_by_layers_that_are_held() -> None:
    """Each layer at most 2: .9 of 300 test digits. At most 1: no more than the bound is promised.

    Three convolutions with nothing that goes past them, each of which may stretch nothing, leave so
    little of a picture that the network answers nearly the same to all (docs/results/lipschitz.md).
    """
    recipe = Recipe(network="conv-small", classes=10, channels=1, size=8, mean=(0.3,), std=(0.36,))
    training = Training(epochs=5, batch_size=64, learning_rate=0.1, precision="fp32")
    test, found = digits(1400, 1700), {}
    for bound in (1.0, 2.0):
        rng, held = toys.generator(), replace(training, lipschitz=bound)
        network = train(networks.build(recipe, rng), digits(0, 1100), held, rng)
        assert isinstance(network, Classifier)
        assert largest(network) <= 1.02 * bound
        found[bound] = accuracy(logits_of(network, test), test.labels)
    assert found[2.0] > 0.9, found


def test_a_layer_is_below_the_bound_when_it_is_written_down() -> None:
    rng = toys.generator()
    network = train(networks.build(toys.RECIPE, rng), toys.examples(32), HELD, rng)
    small = [of for of in operators_of(network, PICTURE) if np.prod(of.shape) <= 256]
    assert len(small) == 3
    assert all(float(dense(of)[0]) <= 1.02 for of in small)


def test_without_a_bound_nothing_changes() -> None:
    """Not one number is drawn, and no weight differs, where nobody asked for a bound."""
    made = []
    for bound in (None, 1e6):
        rng = toys.generator()
        settings = replace(toys.TRAINING, lipschitz=bound)
        network = train(networks.build(toys.RECIPE, rng), toys.examples(32), settings, rng)
        made.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
    assert torch.equal(*made)


HOLDING = [name for name in METHODS if "lipschitz" in METHODS[name].__dataclass_fields__]  # type: ignore[attr-defined]


def test_all_that_descend_can_be_held() -> None:
    """Not these: `famr` is drawn to the original's own weights, and `ssd` takes no step."""
    own = {"famr", "ssd", "head_downdate"}
    training = {n for n in METHODS if "training" in METHODS[n].__dataclass_fields__}  # type: ignore[attr-defined]
    assert set(METHODS) == set(HOLDING) | training | own


@pytest.mark.parametrize("name", HOLDING)
def test_a_method_of_the_ladder_keeps_the_bound_of_the_workspace(name: str) -> None:
    split = toys.split()
    original = toys.trained(split)
    assert largest(original) > 1.02
    fields = METHODS[name].__dataclass_fields__  # type: ignore[attr-defined]
    short = {key: 2 for key in ("epochs", "steps") if key in fields}
    method = make_method(name, {**short, "batch_size": 16}, HELD)
    candidate = method.unlearn(original, split.handed(toys.bases()), toys.generator(), silent)
    assert isinstance(candidate, Classifier)
    assert largest(candidate) <= 1.02


def test_a_rung_may_have_a_bound_of_its_own() -> None:
    assert make_method("finetune", {"lipschitz": 2.0}, HELD).lipschitz == 2.0  # type: ignore[attr-defined]
    assert make_method("finetune", {}, HELD).lipschitz == 1.0  # type: ignore[attr-defined]


@pytest.mark.parametrize("bound", [0.0, -1.0, float("nan")])
def test_a_bound_that_is_none_is_refused(bound: float) -> None:
    with pytest.raises(UsageError, match=r"expected 0\.01 to 1,000,000, or none"):
        Training(lipschitz=bound)


@pytest.mark.parametrize("clipper", [FastClip(), Senderovich()])
def test_a_network_that_diverged_is_told_as_one(clipper: Clipper) -> None:
    """Of a matrix with a NaN there is no spectrum: what looks for one fails in words of its own."""
    network = networks.build(toys.RECIPE, toys.generator())
    clipping = Clipping(network, torch.zeros(1, 1, 8, 8), 1.0, clipper)
    with torch.no_grad():
        next(network.parameters()).fill_(float("nan"))
    with pytest.raises(Diverged, match="lower the learning rate"):
        for _ in range(200):
            clipping.step()


@pytest.mark.parametrize("value", [float("nan"), 1e21])
def test_what_the_last_step_ruined_is_told_as_well(value: float) -> None:
    """After it comes no clip and no loss; the square of 1e21 is no number of 32 bits."""
    network = networks.build(toys.RECIPE, toys.generator())
    clipping = Clipping(network, torch.zeros(1, 1, 8, 8), 1.0)
    with torch.no_grad():
        next(network.parameters()).fill_(value)
    with pytest.raises(Diverged, match="lower the learning rate"):
        clipping.finish()


class Standardised(nn.Conv2d):
    """A layer of length 1, however long its kernel is, as some of timm's are."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(x, self.weight / self.weight.norm(), self.bias)


@pytest.mark.parametrize(
    "layer",
    [Standardised(1, 2, 3), nn.utils.parametrizations.weight_norm(nn.Conv2d(1, 2, 3))],
    ids=["standardised", "weight_norm"],
)
def test_a_layer_that_no_weight_shrinks_is_refused_before_training(layer: nn.Module) -> None:
    with pytest.raises(UsageError, match=r"does not grow with its weight, .*lipschitz to null"):
        Clipping(nn.Sequential(layer), torch.zeros(1, 1, 8, 8), 1.0)


def test_a_layer_that_was_zero_is_followed_in_all_its_channels() -> None:
    """QR of zeros gives unit vectors in the first channel, and depthwise none leads to another."""
    network = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1, groups=3, bias=False))
    with torch.no_grad():
        network[0].weight.zero_()
        clipping = Clipping(network, torch.zeros(1, 3, 8, 8), 1.0)
        network[0].weight[1] = 1.0
    for _ in range(10):
        clipping.step()
    (operator,) = operators_of(network, torch.zeros(1, 3, 8, 8))
    assert float(dense(operator)[0]) < 1.1
