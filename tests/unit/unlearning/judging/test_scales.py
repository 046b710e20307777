"""Scales that a network's answers do not show: chosen at will, and set to a standard."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from tests.unit import toys
from unlearning import networks
from unlearning.bodies import BasicBlock
from unlearning.judging.doors import in_standard, relearned, sureness
from unlearning.judging.scales import standardised
from unlearning.networks import Classifier, Recipe
from unlearning.outputs import logits_of


def lively(name: str, size: int, channels: int) -> Classifier:
    """A network whose norms have learned something, of either sign."""
    shape = {"mean": (0.5,) * channels, "std": (0.25,) * channels}
    recipe = Recipe(network=name, classes=5, channels=channels, size=size, **shape)  # type: ignore[arg-type]
    network, rng = networks.build(recipe, toys.generator()), toys.generator(1)
    with torch.no_grad():
        for m in network.modules():
            if isinstance(m, nn.BatchNorm2d | nn.LayerNorm):
                m.weight.copy_(0.3 + torch.randn(m.weight.shape, generator=rng) / 2)
                m.bias.copy_(torch.randn(m.bias.shape, generator=rng) / 3)
            if isinstance(m, nn.BatchNorm2d) and m.running_mean is not None:
                m.running_mean.copy_(torch.randn(m.running_mean.shape, generator=rng))
                m.running_var.copy_(0.5 + torch.rand(m.running_mean.shape, generator=rng))  # type: ignore[union-attr]
    return network.eval()


def some(network: Classifier) -> Tensor:
    r = network.recipe
    return torch.rand(16, r.channels, r.size, r.size, generator=toys.generator(2))


@torch.no_grad()
def before_norm(conv: nn.Conv2d, norm: nn.BatchNorm2d, c: Tensor) -> None:
    """Rows times c of either sign; the batch norm behind them expects it."""
    conv.weight.mul_(c[:, None, None, None])
    assert norm.running_mean is not None and norm.running_var is not None
    norm.running_mean.mul_(c)
    norm.running_var.copy_((norm.running_var + norm.eps) * c**2 - norm.eps)
    norm.weight.mul_(c.sign())


@torch.no_grad()
def behind(norm: nn.BatchNorm2d, c: Tensor, *readers: nn.Module) -> None:
    """A norm's channels times c, and whoever reads them divided by it."""
    norm.weight.mul_(c)
    norm.bias.mul_(c)
    for m in readers:
        assert isinstance(m, nn.Conv2d | nn.Linear)
        shape = (1, -1, 1, 1) if isinstance(m, nn.Conv2d) else (1, -1)
        each = c.repeat_interleave(m.weight.shape[1] // len(c)) if m.weight.ndim == 2 else c
        m.weight.div_(each.reshape(shape))


def factors(n: int, rng: torch.Generator) -> Tensor:
    """From a thirtieth to thirty, evenly in the logarithm."""
    return torch.exp((torch.rand(n, generator=rng) * 2 - 1) * 3.4)


def signed(n: int, rng: torch.Generator) -> Tensor:
    return factors(n, rng) * torch.where(torch.rand(n, generator=rng) < 0.5, -1.0, 1.0)


def chain_rescaled(network: Classifier) -> None:
    """conv-small, by every factor that it has."""
    body, rng = network.body, toys.generator(3)
    assert isinstance(body, nn.Sequential)
    layers = [m for m in body if isinstance(m, nn.Conv2d | nn.BatchNorm2d | nn.Linear)]
    convs, norms, (first, last) = layers[0:6:2], layers[1:6:2], layers[6:]
    for conv, norm, reader in zip(convs, norms, [*convs[1:], first], strict=True):
        assert isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
        before_norm(conv, norm, signed(conv.out_channels, rng))
        behind(norm, factors(norm.num_features, rng), reader)
    with torch.no_grad():
        c = factors(first.weight.shape[0], rng)
        first.weight.mul_(c[:, None])
        first.bias.mul_(c)  # type: ignore[union-attr]
        last.weight.div_(c)


def resnet_rescaled(network: Classifier) -> None:
    """resnet20: each block inside, and the first stage's stream, which the second's begins with."""
    rng, stages = toys.generator(3), [network.body.get_submodule(f"layer{k}") for k in (1, 2, 3)]
    blocks = [block for stage in stages for block in stage.children()]
    for block in blocks:
        assert isinstance(block, BasicBlock)
        before_norm(block.conv1, block.bn1, signed(block.conv1.out_channels, rng))
        before_norm(block.conv2, block.bn2, signed(block.conv2.out_channels, rng))
        behind(block.bn1, factors(block.bn1.num_features, rng), block.conv2)
    body, inner = network.body, factors(16, rng)
    streams = {16: inner}
    for width in (32, 64):  # zeros are padded to what goes past a block that halves
        padded = factors(width, rng)
        missing = (width - width // 2) // 2
        padded[missing : missing + width // 2] = streams[width // 2]
        streams[width] = padded
    behind(body.bn1, inner)  # type: ignore[arg-type]
    for block in blocks:
        assert isinstance(block, BasicBlock)
        behind(block.bn2, streams[block.bn2.num_features])
        reads = streams[block.conv1.in_channels]
        with torch.no_grad():
            block.conv1.weight.div_(reads[None, :, None, None])
    with torch.no_grad():
        body.linear.weight.div_(streams[64])  # type: ignore[operator,union-attr]


RESCALED: dict[str, Callable[[Classifier], None]] = {
    "conv-small": chain_rescaled,
    "resnet20": resnet_rescaled,
}


@pytest.mark.parametrize(
    ("name", "size", "channels"),
    [
        ("conv-small", 8, 1),
        ("conv-medium", 28, 3),
        ("resnet20", 16, 3),
        ("resnet18", 32, 3),
        ("vit-digits", 8, 1),
        ("convnext_atto", 32, 3),
    ],
)
def test_answers_stay(name: str, size: int, channels: int) -> None:
    network = lively(name, size, channels)
    again = standardised(network)
    with torch.no_grad():
        x = some(network)
        torch.testing.assert_close(again(x), network(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", RESCALED)
def test_whatever_factors_somebody_chose_the_standard_is_one(name: str) -> None:
    network = lively(name, *{"conv-small": (8, 1), "resnet20": (16, 3)}[name])
    moved = deepcopy(network)
    RESCALED[name](moved)
    with torch.no_grad():
        x = some(network)
        torch.testing.assert_close(moved(x), network(x), rtol=1e-3, atol=1e-3)
    own, theirs = (standardised(n).state_dict() for n in (network, moved))
    for key, value in own.items():
        if value.is_floating_point():
            size = float(value.abs().max())
            assert float((theirs[key] - value).abs().max()) <= 1e-3 * size, key


def test_the_network_given_stays_and_a_module_that_is_called_twice_has_no_factor() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            value: Tensor = self.linear(torch.relu(self.linear(x)))
            return value

    network = Twice()
    before = deepcopy(network.state_dict())
    again = standardised(network)
    for after in (network.state_dict(), again.state_dict()):
        assert all(torch.equal(after[key], before[key]) for key in before)


def test_what_cannot_be_traced_stays() -> None:
    class Choosing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            value: Tensor = self.linear(x) if x.sum() > 0 else x
            return value

    network = Choosing()
    assert torch.equal(standardised(network).linear.weight, network.linear.weight)  # type: ignore[union-attr,arg-type]


def test_a_layer_that_reads_two_things_stays() -> None:
    """Whose it is cannot be said of one of them."""

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.other = nn.Linear(4, 4), nn.Linear(4, 4)
            self.both = nn.Bilinear(4, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.both(torch.relu(self.one(x)), torch.relu(self.other(x)))
            return found

    network, some = Both(), torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(standardised(network)(some), network(some), atol=1e-4)  # type: ignore[arg-type]


@torch.no_grad()
def brittle(network: Classifier) -> Classifier:
    """Any step of training breaks it: a tiny row in front of a huge one."""
    copy = deepcopy(network)
    first, last = [m for m in copy.modules() if isinstance(m, nn.Linear)]
    first.weight.mul_(1e-3)
    first.bias.mul_(1e-3)
    last.weight.div_(1e-3)
    return copy


@torch.no_grad()
def frozen(network: Classifier) -> Classifier:
    """No step of training moves it: rows that are huge before a batch norm."""
    copy = deepcopy(network)
    assert isinstance(copy.body, nn.Sequential)
    for conv, norm in zip(copy.body, list(copy.body)[1:], strict=False):
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            before_norm(conv, norm, torch.full((conv.out_channels,), 300.0))
    return copy


@torch.no_grad()
def sure(network: Classifier) -> Classifier:
    """Thirty times as sure: nothing is left to learn, or every step is far too long."""
    copy = deepcopy(network)
    last = [m for m in copy.modules() if isinstance(m, nn.Linear)][-1]
    last.weight.mul_(30)
    last.bias.mul_(30)
    return copy


@pytest.mark.parametrize("scaled", [brittle, frozen, sure])
def test_the_moment_of_training_moves_whoever_is_scaled_as_it_moves_the_original(
    scaled: Callable[[Classifier], Classifier],
) -> None:
    original, parts = toys.trained(), toys.split()
    level = sureness(original, parts.retain)

    def after(network: Classifier, *, standard: bool) -> Tensor:
        begun = in_standard(network, parts.retain, level) if standard else network
        return torch.from_numpy(logits_of(relearned(begun, parts.retain), parts.holdout))

    wanted = after(original, standard=True)
    torch.testing.assert_close(after(scaled(original), standard=True), wanted, rtol=0.05, atol=0.2)


@pytest.mark.parametrize("scaled", [brittle, sure])
def test_without_the_standard_the_moment_says_nothing_of_them(
    scaled: Callable[[Classifier], Classifier],
) -> None:
    original, parts = toys.trained(), toys.split()
    plain, moved = (
        logits_of(relearned(n, parts.retain), parts.holdout) for n in (original, scaled(original))
    )
    assert abs(moved - plain).max() > 1
