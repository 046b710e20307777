"""The terms of AMUN's bound (Theorem 4.4.1), on networks of `benchmarks.methods`.

|theta' - theta_u|^2 <= |theta_o - theta_u|^2 + (2 / beta) (L delta - C), theta' one step of
gradient descent of length 1 / beta from the original theta_o, theta_u retrained. C, as we read it,
is l_o(x', y) + l'(x', y') - l_u(x, y) - l_u(x', y'): x' the adversarial example of x with the
answer y'. For a forget set all losses are sums. It assumes a loss that is convex and beta-smooth
in the weights, L-Lipschitz in the input, and nearly 0 at both networks.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.methods.grounds import Choice
from benchmarks.methods.trials import TrialName, original_path, retrained_path
from unlearning import networks
from unlearning.domain import Examples, Split
from unlearning.errors import UsageError
from unlearning.famr.hessian import curvature, flat, hessian_product
from unlearning.lipschitz.bounds import bound_of
from unlearning.methods.amun import Amun
from unlearning.networks import Classifier
from unlearning.training.adversarial import Adversarial, cross_entropy, input_gradient, l2_norm
from unlearning.training.epsilon_search import adversarial_examples

GROUNDS = ("digits", "digits-held")
LANCZOS = 10


def measured(cache: Path, seeds: int) -> Iterator[dict[str, Any]]:
    """Give every ground's and seed's terms; UsageError where the networks are not there."""
    for data in GROUNDS:
        for seed in range(seeds):
            trial, folder = TrialName("random", seed), cache / data
            paths = original_path(folder, trial), retrained_path(folder, trial)
            if missing := [path for path in paths if not path.exists()]:
                raise UsageError(
                    f"{missing[0].name}: is not there, expected the networks of `python -m "
                    f"benchmarks.methods --data {data} --tasks random`: run that first"
                )
            original, retrained = map(networks.load, paths)
            split = Choice(data).ground.split(trial)
            yield {"data": data, "seed": seed, **terms(original, retrained, split)}


def terms(original: Classifier, retrained: Classifier, split: Split) -> dict[str, float]:
    """Give each term, what it is made of, and what the left side measures."""
    found = adversarial_examples(original, split.forget, Amun().search())
    moved, answers = torch.from_numpy(found.images), torch.from_numpy(found.labels)
    x, y = pixels(split.forget), torch.from_numpy(split.forget.labels)
    learned = [(pixels(split.retain), torch.from_numpy(split.retain.labels)), (moved, answers)]
    curved = curvature(
        hessian_product(lambda: (_loss(original, *part) for part in learned), _weights(original)),
        flat(_weights(original)),
        torch.Generator().manual_seed(0),
        steps=LANCZOS,
    )
    stepped = _stepped(original, learned, 1 / curved.high)
    gain = (
        _loss(original, moved, y)
        + _loss(stepped, moved, answers)
        - _loss(retrained, x, y)
        - _loss(retrained, moved, answers)
    ).item()
    steepest = bound_of(original) * 2**0.5  # of cross-entropy in the logits: sqrt(2)
    slope = float(np.sum(found.l2)) * steepest
    before, after = _apart(original, retrained), _apart(stepped, retrained)
    return {
        "distance before": before,
        "distance after": after,
        "bound": before + 2 / curved.high * (slope - gain),
        "largest eigenvalue": curved.high,
        "least eigenvalue": curved.low,
        "L": steepest,
        "L measured": _steepest(original, x, moved, y),
        "delta": float(np.mean(found.l2)),
        "C": gain / len(y),
        "loss original": _loss(original, *_all(split)).item() / (len(y) + len(split.retain)),
        "loss retrained": _loss(retrained, *learned[0]).item() / len(split.retain),
        "transfer": _transfer(retrained, found),
    }


def pixels(examples: Examples) -> Tensor:
    """Give pictures as pixels from 0 to 1."""
    return torch.from_numpy(np.asarray(examples.images)).float() / 255


def _all(split: Split) -> tuple[Tensor, Tensor]:
    images = torch.cat([pixels(split.forget), pixels(split.retain)])
    return images, torch.from_numpy(np.concatenate([split.forget.labels, split.retain.labels]))


def _weights(network: nn.Module) -> list[nn.Parameter]:
    return list(network.parameters())


def _loss(network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    return functional.cross_entropy(network(images), labels, reduction="sum")


def _stepped(original: Classifier, learned: list[tuple[Tensor, Tensor]], by: float) -> Classifier:
    """Take one step down the loss on the retain set and the adversarial examples."""
    made = deepcopy(original)
    loss = torch.stack([_loss(made, *part) for part in learned]).sum()
    gradients = torch.autograd.grad(loss, _weights(made))
    with torch.no_grad():
        for weight, gradient in zip(made.parameters(), gradients, strict=True):
            weight.sub_(by * gradient)
    return made


def _apart(one: nn.Module, other: nn.Module) -> float:
    return float((flat(_weights(one)) - flat(_weights(other))).detach().square().sum())


def _steepest(network: nn.Module, x: Tensor, moved: Tensor, y: Tensor) -> float:
    """Give the largest gradient of a loss with respect to its pixels, at both ends of each move."""
    slopes = (l2_norm(input_gradient(network, part, y, cross_entropy)[1]) for part in (x, moved))
    return max(float(slope.max()) for slope in slopes)


def _transfer(retrained: nn.Module, found: Adversarial) -> float:
    """Give the share of the adversarial examples that the retrained network answers alike."""
    with torch.no_grad():
        answers = retrained(torch.from_numpy(found.images)).argmax(1).numpy()
    return float((answers == found.labels)[found.found].mean())
