"""The optimisers: the sums of torch's own classes, without what those import."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from unlearning.training.optimisers import SGD, AdamW, Decay, Optimiser

Parameters = list[nn.Parameter]
RATES = (0.3, 0.2, 0.1, 0.05)


def parameters() -> Parameters:
    """A matrix, a bias, and one that no loss reaches."""
    rng = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(shape, generator=rng)) for shape in ((4, 3), (4,), (2,))]


def gradients(of: Parameters) -> Iterable[Tensor]:
    """The gradients of a loss that is not quadratic, of the first two."""
    loss = torch.tanh(of[0] @ torch.tensor([1.0, -2.0, 0.5]) + of[1]).square().sum()
    return torch.autograd.grad(loss, of[:2])


def moved(make: Callable[[Parameters], Optimiser]) -> Parameters:
    found = parameters()
    optimiser = make(found)
    for rate in RATES:
        for parameter, gradient in zip(found, gradients(found), strict=False):
            parameter.grad = gradient
        optimiser.step(rate)
    return found


def moved_by_torch(make: Callable[[Parameters], torch.optim.Optimizer]) -> Parameters:
    found = parameters()
    optimiser = make(found)
    for rate in RATES:
        for parameter, gradient in zip(found, gradients(found), strict=False):
            parameter.grad = gradient
        optimiser.param_groups[0]["lr"] = rate
        optimiser.step()
    return found


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)])
def test_sgd_does_the_sums_of_torch(momentum: float, nesterov: bool) -> None:
    settings: dict[str, Any] = {"momentum": momentum, "nesterov": nesterov}
    ours = moved(lambda of: SGD(of, decay=Decay(0.01), **settings))
    torchs = moved_by_torch(lambda of: torch.optim.SGD(of, weight_decay=0.01, **settings))
    assert all(torch.equal(a, b) for a, b in zip(ours, torchs, strict=True))


def test_adamw_does_the_sums_of_torch() -> None:
    ours = moved(lambda of: AdamW(of, decay=Decay(0.01)))
    torchs = moved_by_torch(lambda of: torch.optim.AdamW(of, weight_decay=0.01))
    assert all(torch.equal(a, b) for a, b in zip(ours, torchs, strict=True))


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_biases_and_scales_are_pulled_to_0_unless_weights_alone_are(optimiser: str) -> None:
    """The matrix goes as torch moves it with decay, the bias as torch moves it without."""

    def ours(decay: Decay) -> Callable[[Parameters], Optimiser]:
        if optimiser == "adamw":
            return lambda of: AdamW(of, decay=decay)
        return lambda of: SGD(of, momentum=0.9, decay=decay, nesterov=True)

    def one_step(decay: Decay) -> Parameters:
        found = parameters()
        made = ours(decay)(found)
        for parameter, gradient in zip(found, gradients(found), strict=False):
            parameter.grad = gradient
        made.step(0.1)
        return found

    weights, everything, nothing = (
        one_step(decay) for decay in (Decay(0.5, bare=False), Decay(0.5), Decay(0.0))
    )
    assert torch.equal(weights[0], everything[0]) and not torch.equal(weights[0], nothing[0])
    assert torch.equal(weights[1], nothing[1]) and not torch.equal(weights[1], everything[1])


def test_two_steps_of_sgd_by_hand() -> None:
    """Gradient 1, decay .1, momentum .5, rate .1, from 1: g = 1.1, v = 1.1, w = 1 - .1(1.1 + .55).

    Then w = .835: g = 1.0835, v = .55 + 1.0835 = 1.6335, w = .835 - .1(1.0835 + .81675) = .644975.
    """
    weight = nn.Parameter(torch.tensor([1.0]))
    optimiser = SGD([weight], momentum=0.5, decay=Decay(0.1), nesterov=True)
    for expected in (0.835, 0.644975):
        weight.grad = torch.ones(1)
        optimiser.step(0.1)
        assert float(weight.detach()) == pytest.approx(expected)


@pytest.mark.parametrize(
    "make",
    [
        lambda of: SGD(of, momentum=0.9, decay=Decay(0.0), nesterov=False),
        lambda of: AdamW(of, decay=Decay(0.0)),
    ],
)
def test_what_is_forgotten_moves_no_more(make: Callable[[Parameters], Optimiser]) -> None:
    """After a gradient of 1, one of 0: momentum carries on what is not masked, and nothing else."""
    weight = nn.Parameter(torch.zeros(2))
    optimiser = make([weight])
    optimiser.forget([torch.ones(2)])  # nothing was gathered yet
    weight.grad = torch.ones(2)
    optimiser.step(0.1)
    before = weight.detach().clone()
    optimiser.forget([torch.tensor([1.0, 0.0])])
    weight.grad = torch.zeros(2)
    optimiser.step(0.1)
    assert weight[0] < before[0] < 0 and weight[1] == before[1]


def test_what_has_no_gradient_stays() -> None:
    ours = moved(lambda of: AdamW(of, decay=Decay(0.5)))
    assert torch.equal(ours[2], parameters()[2])


def test_a_process_that_trains_and_unlearns_does_not_import_torchs_compiler() -> None:
    """It costs seconds in each worker of a shadow bank and in each run, and nothing uses it."""
    script = (
        "import sys, torch\n"
        "from tests.unit import toys\n"
        "from unlearning.methods.salun import SalUn\n"
        "from unlearning.training.loop import silent\n"
        "rng = torch.Generator().manual_seed(0)\n"
        "SalUn(epochs=1).unlearn(toys.trained(), toys.split(), rng, silent)\n"
        "print('COMPILER', 'torch._dynamo' in sys.modules)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "COMPILER False"
